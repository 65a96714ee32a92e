"""Where the value of a field comes from: ``-`` (standard input), ``@FILE``, ``env:NAME``, or the text itself.

No message repeats what stood on the command line: it may be a secret in the wrong place.
"""

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

import registry
from cli import prompts

if TYPE_CHECKING:
    from registry import Field, Secret

STDIN = "-"
_FILE = "@"
_ENVIRONMENT = "env:"
_ESCAPED = re.compile(r"\\+(?:-\Z|@|env:)")
_FIELD_NAME = re.compile(r"[a-z0-9_]{1,64}\Z")
_LARGEST = 1_048_576
HOW = "write NAME=- (standard input), NAME=@FILE or NAME=env:VARIABLE; only what is not secret may be written out"


@dataclass(frozen=True, slots=True)
class Assignments:
    """The values that a command gives to fields, not read yet."""

    sources: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def parse(cls, texts: Sequence[str]) -> "Assignments":
        """Return what ``--field NAME=SOURCE`` says, any number of times."""
        sources: dict[str, str] = {}
        for number, text in enumerate(texts, 1):
            name, equals, source = text.partition("=")
            if not equals or not _FIELD_NAME.match(name):
                raise registry.InvalidValue(f"--field number {number} is not NAME=SOURCE", HOW)
            if name in sources:
                raise registry.InvalidValue(f"--field number {number} gives a field a second value", HOW)
            sources[name] = source
        return cls(sources)

    def check_single_input(self, *others: str | None) -> None:
        """Refuse to read standard input more than once; ``others`` are further sources of the same command."""
        if [*self.sources.values(), *others].count(STDIN) > 1:
            raise registry.InvalidValue("standard input (-) can be read once only", "use @FILE for the others")

    def read(self, fields: Sequence["Field"], provider: str) -> "dict[str, Secret]":
        """Return the values; a secret in the command line, and a field that the provider lacks, are refused."""
        known = {known.name: known for known in fields}
        for number, name in enumerate(self.sources, 1):
            if name not in known:
                raise registry.InvalidValue(
                    f"field number {number} is none that the provider {provider} has",
                    f"its fields: {', '.join(known)}",
                )
        for name, source in self.sources.items():
            if known[name].secret and is_literal(source):
                raise _in_the_open(known[name])
        return {name: _read_field(known[name], source) for name, source in self.sources.items()}


def is_literal(source: str) -> bool:
    """Return whether the source is the value itself."""
    return source != STDIN and not source.startswith((_FILE, _ENVIRONMENT))


def literal(source: str) -> str:
    """Return the value that a source itself is; a backslash lets it look like another source."""
    return source[1:] if _ESCAPED.match(source) else source


def _in_the_open(what: "Field") -> Exception:
    return registry.InvalidValue(
        f"{what.label} ({what.name}) is secret and does not belong on the command line",
        f"write {what.name}=- or {what.name}=@FILE or {what.name}=env:VARIABLE;"
        " if that was the real one, change it at the provider: it stands in the shell's history now",
    )


def _read_field(what: "Field", source: str) -> "Secret":
    if source == STDIN and prompts.stdin_is_terminal():
        if what.secret:
            return prompts.ask_hidden(f"{what.label}: ")
        return registry.Secret(prompts.ask(f"{what.label}: "))
    return registry.Secret(read(source, f"{what.label} ({what.name})"))


def read_description(source: str) -> str:
    """Return the text of a description: ``-``, ``@FILE``, or the text itself."""
    if source == STDIN and prompts.stdin_is_terminal():
        return _without_newline(prompts.ask_text("Description"))
    if source.removeprefix("\\").startswith(_ENVIRONMENT):
        return source
    return read(source, "the description")


def read_line(source: str, label: str) -> str:
    """Return a line that others may see, such as a public key: ``-``, ``@FILE``, or the line itself."""
    if source == STDIN and prompts.stdin_is_terminal():
        return prompts.ask(f"{label}: ")
    return read(source, f"the {label.lower()}")


def read_file(path: Path, what: str) -> bytes:
    """Return what a file holds; ``InvalidValue`` if it cannot be read, or is far too long."""
    try:
        with path.expanduser().open("rb") as file:
            data = file.read(_LARGEST + 1)
    except (OSError, ValueError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "that is not a path"
        raise registry.InvalidValue(f"the file for {what} cannot be read: {reason}", "check its path") from None
    if len(data) > _LARGEST:
        raise registry.InvalidValue(f"what was read for {what} is far too long")
    return data


def read(source: str, what: str) -> str:
    """Return the value at a source that is not asked for on a terminal."""
    if source == STDIN:
        return _read_stream(sys.stdin.buffer if sys.stdin else None, what)
    if source.startswith(_FILE):
        try:
            with Path(source[1:]).expanduser().open("rb") as file:
                return _read_stream(file, what)
        except (OSError, ValueError, RuntimeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "that is not a path"
            raise registry.InvalidValue(f"the file for {what} cannot be read: {reason}", "check its path") from None
    if source.startswith(_ENVIRONMENT):
        value = os.environ.get(source.removeprefix(_ENVIRONMENT))
        if value is None:
            raise registry.InvalidValue(f"the environment variable for {what} is not set", "export it, or use @FILE")
        return value
    return literal(source)


def _read_stream(stream: IO[bytes] | None, what: str) -> str:
    data = stream.read(_LARGEST + 1) if stream else b""
    if len(data) > _LARGEST:
        raise registry.InvalidValue(f"what was read for {what} is far too long")
    try:
        return _without_newline(data.decode())
    except UnicodeDecodeError:
        raise registry.InvalidValue(f"what was read for {what} is not UTF-8 text") from None


def _without_newline(text: str) -> str:
    return text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text
