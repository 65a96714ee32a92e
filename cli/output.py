"""Data and messages as text: JSON for programs, lines and columns for people. Nothing here knows the registry.

Standard output carries data only, and always UTF-8 where it is JSON; everything else goes to standard error. Stored
text may hold what would steer a terminal, so people see every control character escaped.
"""

import os
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import click

Row = Sequence[str]
_CHUNK = 200
_GAP = "  "
_JOINERS = "\u200c\u200d"
# What JSON need not escape, yet turns a terminal's line around or ends it: DEL, C1, formats, separators, surrogates.
_UNSEEN = (
    "[\x7f-\x9f\u00ad\u0600-\u0605\u061c\u06dd\u070f\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0001-\U000e007f]"
)


class OutputFailed(Exception):
    """Standard output does not take what is written to it."""


def printable(text: str) -> str:
    """Return the text with every character escaped that a terminal does not simply show."""
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable() or character in _JOINERS or unicodedata.category(character) == "Zs"
        else character.encode("unicode_escape").decode()
        for character in text
    )


def json_text(document: object, *, indent: int | None = 2) -> str:
    """Return the document as JSON in which letters stand as they are, and what steers a terminal is escaped."""
    import json  # noqa: PLC0415 - people see no JSON

    text = json.dumps(document, ensure_ascii=False, indent=indent)
    if text.isascii() and "\x7f" not in text:
        return text
    return re.sub(_UNSEEN, lambda found: json.dumps(found[0])[1:-1], text)


def json_lines(documents: Iterable[object]) -> Iterator[str]:
    """Yield the text of one JSON array piece by piece, an element on each line."""
    lead = "[\n"
    for document in documents:
        yield f"{lead}{json_text(document, indent=None)}"
        lead = ",\n"
    yield "[]\n" if lead == "[\n" else "\n]\n"


def record_text(pairs: Iterable[tuple[str, str]]) -> str:
    """Return labels and values in two columns; a value's own lines stand under each other."""
    pairs = list(pairs)
    wide = max((width(label) for label, _ in pairs), default=0) + len(_GAP)
    lines = []
    for label, value in pairs:
        for number, line in enumerate(re.split(r"\r\n|[\r\n]", value)):
            lines.append(_padded("" if number else label, wide) + printable(line))
    return "".join(f"{line.rstrip()}\n" for line in lines)


def table_text(header: Row, rows: Iterable[Row]) -> Iterator[str]:
    """Yield the lines of a table; columns are as wide as the rows so far need, so that long ones need no memory."""
    widths = [width(cell) for cell in header]
    rows = iter(rows)
    head: Row | None = header
    while chunk := [[printable(cell) for cell in row] for row in islice(rows, _CHUNK)]:
        columns = zip(*chunk, strict=True)
        widths = [max(wide, *map(width, column)) for wide, column in zip(widths, columns, strict=True)]
        for row in [*([head] if head else []), *chunk]:
            yield _line(row, widths)
        head = None


def _line(row: Row, widths: Sequence[int]) -> str:
    return _GAP.join(_padded(cell, wide) for cell, wide in zip(row, widths, strict=True)).rstrip() + "\n"


def _padded(text: str, wide: int) -> str:
    return text + " " * (wide - width(text))


def width(text: str) -> int:
    """Return how many columns of a terminal the text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def print_json(document: object) -> None:
    """Print one JSON document."""
    _write((f"{json_text(document)}\n",), exact=True)


def print_json_array(documents: Iterable[object]) -> None:
    """Print a JSON array while its elements come."""
    _write(json_lines(documents), exact=True)


def print_text(text: str) -> None:
    """Print a text exactly as it is."""
    _write((text,), exact=True)


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


def _write(parts: Iterable[str], *, exact: bool = False) -> None:
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


def one_line(facts: Mapping[str, Any]) -> str:
    """Return facts as ``name=value``, those left out that say nothing."""
    return " ".join(f"{name}={_plain(value)}" for name, value in facts.items() if value not in (None, "", {}, []))


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ",".join(f"{name}:{_plain(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return ",".join(map(_plain, value))
    return str(value)
