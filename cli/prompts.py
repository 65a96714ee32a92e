"""Asking a person: on a terminal only, questions on standard error, secrets hidden. Ctrl-C and Ctrl-D abort."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

import registry
from cli.output import message

if TYPE_CHECKING:
    from registry import Secret, Settings


def on_terminal() -> bool:
    """Return whether there is somebody to ask."""
    return stdin_is_terminal() and _is_terminal(sys.stderr)


def stdin_is_terminal() -> bool:
    """Return whether standard input is typed."""
    return _is_terminal(sys.stdin)


def _is_terminal(stream: object) -> bool:
    return bool(getattr(stream, "isatty", bool)())


@contextmanager
def _abortable() -> Iterator[None]:
    try:
        yield
    except (KeyboardInterrupt, EOFError):
        click.echo(err=True)  # the question's line is still open
        raise click.Abort from None
    except UnicodeDecodeError:
        raise registry.InvalidValue("what was typed is not UTF-8 text") from None


def ask(question: str) -> str:
    """Return one line, typed visibly."""
    with _abortable():
        click.echo(question, err=True, nl=False)
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        return line.removesuffix("\n").removesuffix("\r")


def ask_text(question: str) -> str:
    """Return several lines, typed visibly until Ctrl-D."""
    with _abortable():
        click.echo(f"{question} (end with Ctrl-D):", err=True)
        return sys.stdin.read()


def ask_hidden(question: str) -> "Secret":
    """Return one line, typed unseen."""
    import getpass  # noqa: PLC0415 - most commands ask for nothing

    with _abortable():
        return registry.Secret(getpass.getpass(question))


def agreed(question: str, *, default: bool) -> bool:
    """Return the answer to a question."""
    while True:
        answer = ask(f"{question} [{'Y/n' if default else 'y/N'}] ").strip().casefold()
        if answer in {"", "y", "yes", "n", "no"}:
            return answer.startswith("y") if answer else default


def confirm(question: str, *, yes: bool) -> None:
    """Return only if the destruction is wanted: ``--yes`` was given, or a person says so."""
    if yes:
        return
    if not on_terminal():
        raise registry.InvalidValue(
            "this destroys what cannot be brought back, and there is nobody to ask", "--yes answers"
        )
    if not agreed(question, default=False):
        raise click.Abort


def known_passphrase() -> "Callable[[], Secret] | None":
    """Return the question for the identity's passphrase, ``None`` where there is no terminal."""
    if on_terminal() or (_is_terminal(sys.stderr) and _has_terminal()):
        return lambda: ask_hidden("Passphrase of the identity: ")
    return None


def _has_terminal() -> bool:
    """Return whether the process has a terminal of its own: standard input may be a pipe that brings a credential."""
    with contextlib.suppress(OSError):
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
        return True
    return False


def chosen_passphrase(settings: "Settings") -> "Callable[[], Secret]":
    """Return the question for the passphrase of an identity to be made: its file is read if one is set."""
    if settings.passphrase_file:
        path = Path(settings.passphrase_file.value)
        return lambda: registry.read_passphrase(path)
    return typed_passphrase


def typed_passphrase(question: str = "New passphrase: ") -> "Secret":
    """Return a new passphrase, typed twice; it is not empty."""
    while not (typed := new_passphrase(question)).reveal():
        message("an empty passphrase protects nothing")
    return typed


def new_passphrase(question: str = "New passphrase: ") -> "Secret":
    """Return a new passphrase, typed twice; it may be empty."""
    if not on_terminal():
        raise registry.InvalidValue("there is no terminal to ask for the new passphrase on", "run it on a terminal")
    while True:
        first = ask_hidden(question)
        if ask_hidden("The same again: ") == first:
            return first
        click.echo("they differ", err=True)
