"""JSON Lines: one object for each event, as the history shows it, with its place in the log."""

from registry.exports.escaping import json_text
from registry.exports.record import Record


def line(record: Record) -> str:
    """Return one event as a line."""
    return json_text(record.document()) + "\n"
