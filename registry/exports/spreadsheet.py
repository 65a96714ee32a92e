"""CSV as RFC 4180 has it, safe to be opened in a spreadsheet, and one line for each event whatever it holds.

A cell that a spreadsheet would take for a formula has an apostrophe before it. Control characters, line breaks, what
turns a line around, and backslashes are written as in a JSON string. ``docs/exports.md`` says how to undo both.
"""

import csv
import re
import unicodedata
from typing import Any

from registry.exports.escaping import escaped, json_text
from registry.exports.record import Record
from registry.values import rfc3339

COLUMNS = (
    "position",
    "at",
    "actor",
    "event",
    "token",
    "application",
    "revision",
    "changed",
    "reason",
    "detail",
    "host",
    "client",
    "token_id",
    "actor_id",
    "event_id",
    "commit",
    "origin",
    "leaf_hash",
)
_APOSTROPHE = "'"
_FORMULA = frozenset("=+-@\u2212")
"""What begins a formula, wide and small forms being made these first; U+2212 is a minus too."""
_SKIPPED = frozenset("ZCM")
"""The first letter of the categories of characters that spreadsheets skip or do not show: spaces, controls, marks."""
_NEXT_CELL = re.compile(r";(?=[^\w;]*[=+\-@\u2212\uff0b\uff0d\uff1d\uff20\ufe62\ufe63\ufe66\ufe6b])")


def line(record: Record) -> str:
    """Return one event as a line."""
    entry = record.entry
    return _line(
        (
            entry.position,
            rfc3339(entry.at),
            _cell(entry.actor),
            entry.event,
            _cell(entry.token),
            _cell(entry.application),
            entry.revision,
            _split(json_text(entry.changed)),
            _cell(entry.reason),
            _split(json_text(entry.detail)),
            _cell(entry.host),
            _cell(entry.client),
            # Ids are hexadecimal digits, and topics words from a list; a hash in base64 may begin with a plus.
            entry.token_id,
            record.actor_id,
            record.event_id,
            record.commit,
            record.origin,
            _cell(record.leaf_hash),
        )
    )


def heading() -> str:
    """Return the names of the columns as a line."""
    return _line(COLUMNS)


class _Echo:
    """Where a writer of CSV writes to, which gives back what was written."""

    @staticmethod
    def write(text: str) -> str:
        return text


def _line(cells: tuple[Any, ...]) -> str:
    # It is typed as if it returned the number of characters; it returns what write() does.
    return str(csv.writer(_Echo()).writerow(cells))


def _cell(text: str | None) -> str:
    if not text:
        return ""
    written = _split(escaped(text))
    return _APOSTROPHE + written if _is_formula(text) else written


def _split(text: str) -> str:
    """Return the text with no semicolon that begins a formula where semicolons, not commas, end a cell."""
    return _NEXT_CELL.sub(r"\\u003b", text) if ";" in text else text


def _is_formula(text: str) -> bool:
    """Return whether a spreadsheet may calculate the text, or whether taking one apostrophe away would change it."""
    if text[0].isalnum():
        return False
    if text[0] in "\t\r\n'":
        return True
    first = next((one for one in text if unicodedata.category(one)[0] not in _SKIPPED), "")
    return unicodedata.normalize("NFKC", first)[:1] in _FORMULA
