"""The formats there are, and how a whole export is put together."""

import enum
from collections.abc import Callable, Iterable, Iterator

from registry.exports import cloudevents, jsonl, ocsf, spreadsheet
from registry.exports.record import Record


class ExportFormat(enum.StrEnum):
    """A form in which the history is exported; each is lines of UTF-8."""

    JSONL = "jsonl"
    CSV = "csv"
    CLOUDEVENTS = "cloudevents"
    OCSF = "ocsf"


def lines(records: Iterable[Record], form: ExportFormat, *, begins: bool) -> Iterator[str]:
    """Yield the records as lines; where the export ``begins``, rather than goes on, CSV has its heading first."""
    heading = spreadsheet.heading() if form is ExportFormat.CSV and begins else ""
    line = _writer(form)
    for record in records:
        # With the first record, so that what fails before there is any fails before anything is written.
        yield heading + line(record)
        heading = ""
    if heading:
        yield heading


def _writer(form: ExportFormat) -> Callable[[Record], str]:
    match form:
        case ExportFormat.JSONL:
            return jsonl.line
        case ExportFormat.CSV:
            return spreadsheet.line
        case ExportFormat.CLOUDEVENTS:
            return cloudevents.line
        case ExportFormat.OCSF:
            return ocsf.line
