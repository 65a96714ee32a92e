"""The lines of an import file: strict JSON, and no message repeats a value."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import registry
from cli import sources
from registry import providers

if TYPE_CHECKING:
    from registry import NewToken, Provider, Secret

_KINDS: Mapping[str, type] = {
    "name": str,
    "description": str,
    "provider": str,
    "application": str,
    "encrypted": bool,
    "expires": str,
    "fields": dict,
}
_OPTIONAL_NULL = {"application", "expires"}
_LONGEST_LINE = 1_048_576


@dataclass(frozen=True, slots=True)
class Entry:
    """One token of the file, and the number of its line."""

    line: int
    token: "NewToken"


def read(path: Path) -> list[Entry]:
    """Return the tokens of a file; ``InvalidValue`` for the first line that is not right, with its number."""
    entries = []
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    entries.append(Entry(number, _located(number, line)))
    except OSError as error:
        raise registry.InvalidValue(f"the file {path} cannot be read: {error.strerror}", "check its path") from None
    if not entries:
        raise registry.InvalidValue(f"the file {path} holds no tokens", "each line is a JSON object")
    return entries


def _located(number: int, line: bytes) -> "NewToken":
    try:
        return _token(_parsed(line))
    except registry.RegistryError as error:
        raise type(error)(f"line {number}: {error}", error.hint) from None


def _parsed(line: bytes) -> dict[str, Any]:
    if len(line) > _LONGEST_LINE:
        raise registry.InvalidValue("it is far too long")
    try:
        document = json.loads(line.decode(), object_pairs_hook=_unique)
    except UnicodeDecodeError:
        raise registry.InvalidValue("it is not UTF-8 text") from None
    except ValueError as error:
        column = getattr(error, "colno", None)
        where = f" at column {column}" if column else ""
        raise registry.InvalidValue(f"it is not JSON{where}", "each line is one JSON object") from None
    except RecursionError:
        raise registry.InvalidValue("it is nested too deeply") from None
    if not isinstance(document, dict):
        raise registry.InvalidValue("it is not a JSON object")
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise registry.InvalidValue("an object names a member twice")
    return document


def _token(document: dict[str, Any]) -> "NewToken":
    for name, value in document.items():
        if name not in _KINDS:
            raise registry.InvalidValue(f"there is no {name[:40]!r} to import", f"there are: {', '.join(_KINDS)}")
        if not isinstance(value, _KINDS[name]) and not (value is None and name in _OPTIONAL_NULL):
            raise registry.InvalidValue(f"its {name!r} is not a {_KINDS[name].__name__}")
    if "name" not in document:
        raise registry.InvalidValue("it has no 'name'")
    provider = providers.load(document.get("provider", "zoom"))
    expires = document.get("expires")
    return registry.NewToken(
        name=document["name"],
        provider=provider.name,
        fields=_fields(document.get("fields", {}), provider),
        application=document.get("application"),
        description=document.get("description", ""),
        encrypted=document.get("encrypted", True),
        expires_at=registry.parse_expiry(expires, registry.Surroundings().clock()) if expires else None,
    )


def _fields(given: dict[str, Any], provider: "Provider") -> "dict[str, Secret]":
    for source in given.values():
        if not isinstance(source, str):
            raise registry.InvalidValue("a field's source is not a text", sources.HOW)
        if source == sources.STDIN:
            raise registry.InvalidValue("a field cannot come from standard input here", "use @FILE or env:NAME")
    return sources.Assignments(given).read(provider.fields, provider.name)
