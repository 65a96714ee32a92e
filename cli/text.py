"""Data as text: JSON for programs, lines and columns for people. Pure, and nothing here knows the registry.

Stored text may hold what would steer a terminal, so people see every control character escaped.
"""

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

Row = Sequence[str]
_CHUNK = 200
_GAP = "  "
_JOINERS = "\u200c\u200d"
# What JSON need not escape, yet turns a terminal's line around or ends it: DEL, C1, formats, separators, surrogates.
_UNSEEN = (
    "[\x7f-\x9f\u00ad\u0600-\u0605\u061c\u06dd\u070f\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0001-\U000e007f]"
)


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
    text = json.dumps(document, ensure_ascii=False)
    if indent is not None:
        import msgspec  # noqa: PLC0415 - help and tables do without it

        try:
            # The same text as the standard library's own, which is five times as slow once it indents.
            text = msgspec.json.format(text, indent=indent)
        except ValueError:  # half a character, or a number that JSON does not have
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


def json_members(document: Mapping[str, object], name: str, elements: Iterable[object]) -> Iterator[str]:
    """Yield the text of one JSON object piece by piece; its last member is an array whose elements come one by one."""
    yield "{\n"
    for key, value in document.items():
        yield f"{json_text(key)}: {json_text(value)},\n"
    yield f"{json_text(name)}: "
    yield from json_lines(elements)
    yield "}\n"


def record_text(pairs: Iterable[tuple[str, str]]) -> str:
    """Return labels and values in two columns; a value's own lines stand under each other."""
    pairs = list(pairs)
    wide = max((width(label) for label, _ in pairs), default=0) + len(_GAP)
    lines = []
    for label, value in pairs:
        for number, line in enumerate(re.split(r"\r\n|[\r\n]", value)):
            lines.append(_padded("" if number else label, wide) + printable(line))
    return "".join(f"{line.rstrip()}\n" for line in lines)


def table_text(header: Row, rows: Iterable[Row], chunk_size: int = _CHUNK) -> Iterator[str]:
    """Yield the lines of a table; columns are as wide as the rows so far need, so that long ones need no memory."""
    widths = [width(cell) for cell in header]
    rows = iter(rows)
    head: Row | None = header
    while chunk := [[printable(cell) for cell in row] for row in islice(rows, chunk_size)]:
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
