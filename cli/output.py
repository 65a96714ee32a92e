"""Printing: data to standard output, everything else to standard error. Nothing here knows the registry.

Standard output carries data only, and always UTF-8 where it is JSON.
"""

import base64
import os
import select
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click

from cli.text import Row, json_lines, json_text, printable, record_text, table_text


class OutputFailed(Exception):
    """Standard output does not take what is written to it."""


def print_json(document: object) -> None:
    """Print one JSON document."""
    _write((f"{json_text(document)}\n",), exact=True)


def print_json_array(documents: Iterable[object]) -> None:
    """Print a JSON array while its elements come."""
    _write(json_lines(documents), exact=True)


def print_text(text: str) -> None:
    """Print a text exactly as it is."""
    _write((text,), exact=True)


def print_as_they_come(parts: Iterable[str], *, exact: bool) -> None:
    """Print the parts of a text, each at once: whoever reads it may act on it; ``exact`` is for JSON."""
    _write(parts, exact=exact, at_once=True)


def print_parts(parts: Iterable[str]) -> None:
    """Print a text exactly as it is, while its parts come."""
    _write(parts, exact=True)


def print_record(pairs: Iterable[tuple[str, str]]) -> None:
    """Print labels and values, one below the other."""
    if is_rich():
        from cli import terminal  # noqa: PLC0415 - off a terminal there is no rich

        terminal.print_record([(label, value) for label, value in pairs])
    else:
        _write((record_text(pairs),))


def print_table(header: Row, rows: Iterable[Row]) -> None:
    """Print rows under a header; nothing where there are none."""
    if is_rich():
        from cli import terminal  # noqa: PLC0415 - as above

        terminal.print_table(header, list(rows))
    else:
        _write(table_text([cell.upper() for cell in header], rows))


def _write(parts: Iterable[str], *, exact: bool = False, at_once: bool = False) -> None:
    """Write to standard output, and see that it arrives; ``exact`` writes UTF-8, whatever the terminal's encoding."""
    parts = iter(parts)
    # What fails before there is any data must fail before any of it is written.
    part: str | None = next(parts, "")
    with _arriving():
        stream = sys.stdout
        stream.flush()
        binary = getattr(stream, "buffer", None) if exact else None  # a stream that stands for it may have none
    while part is not None:
        with _arriving():
            if binary:
                binary.write(part.encode())
            else:
                stream.write(part)
            if at_once:
                (binary or stream).flush()
        part = next(parts, None)
    with _arriving():
        (binary or stream).flush()


@contextmanager
def _arriving() -> Iterator[None]:
    if sys.stdout is None:
        raise OutputFailed("there is no standard output to write to")
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputFailed(f"the output cannot be written: {error.strerror}") from None


def unread() -> bool:
    """Return whether whoever read standard output has gone; no, where that cannot be told."""
    try:
        poller = select.poll()
        poller.register(sys.stdout.fileno(), 0)
    except (OSError, ValueError, AttributeError):
        return False
    return bool(poller.poll(0))


def stop_writing() -> None:
    """Send what is still to be written nowhere: the interpreter would wait for its reader, or complain, at its end."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def write_new_file(path: Path, data: bytes) -> None:
    """Write a file that is not there yet, whole or not at all; ``OutputFailed`` if that cannot be done."""
    try:
        with open(path.expanduser(), "xb", opener=_for_all) as file:
            file.write(data)
    except FileExistsError:
        raise OutputFailed(f"the file {path} exists already; it is not overwritten") from None
    except OSError as error:
        raise OutputFailed(f"the file {path} cannot be written: {error.strerror}") from None


def _for_all(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o644)


def base64_text(data: bytes) -> str:
    """Return bytes as standard base64, as the formats of transparency logs write them."""
    return base64.b64encode(data).decode()


def message(text: str) -> None:
    """Print one line for people to standard error."""
    click.echo(printable(text), err=True)


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None] | None]:
    """Show how far a piece of work is where people watch; ``None`` is yielded where nobody does."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    from cli import terminal  # noqa: PLC0415 - off a terminal there is no rich

    with terminal.progress(what) as advance:
        yield advance


def is_rich() -> bool:
    """Return whether people watch the output on a terminal that can do more than print letters."""
    return sys.stdout is not None and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
