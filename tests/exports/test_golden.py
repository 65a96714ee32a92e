"""The golden exports: one line for each kind of event in each format, from fixed facts."""

import pytest

from registry.exports.formats import ExportFormat
from registry.store.topics import topics
from tests.exports import make, readers, records
from tests.golden import samples

FILES = {path.name: path.read_bytes() for path in make.FOLDER.iterdir()}


def test_lines_are_written_as_they_were():
    """What is exported of an event today is what was exported of it before, byte by byte, and no file is left over."""
    assert {name: text.encode() for name, text in make.files().items()} == FILES
    assert len(FILES) == len(ExportFormat)


@pytest.mark.parametrize("form", ExportFormat)
def test_every_kind_of_event_is_there(form):
    """Each topic that can be stored has a golden line in each format."""
    lines = FILES[f"history.{form}"].decode().splitlines()
    heading = form is ExportFormat.CSV
    assert len(lines) == len(samples.EVENTS) + heading
    for topic in topics():
        assert any(topic in line for line in lines), topic


def test_every_record_says_where_the_event_lies():
    """Origin, index and leaf hash, and the event's id, are in every format."""
    for name, record in records.sampled().items():
        place = {"origin": record.origin, "index": 41, "leaf_hash": record.leaf_hash}
        assert record.origin == f"token-registry/{samples.REGISTRY.hex()}"
        assert record.document()["log"] == place, name
    text = FILES["history.csv"].decode()
    for row, record in zip(readers.read_csv(text), records.sampled().values(), strict=True):
        assert (row["origin"], row["position"]) == (record.origin, "41")
        assert readers.undone(row["leaf_hash"]) == record.leaf_hash
    for line, record in zip(
        FILES["history.cloudevents"].decode().splitlines(True), records.sampled().values(), strict=True
    ):
        assert readers.read_line(line)["data"] == record.document()
    for line, record in zip(FILES["history.ocsf"].decode().splitlines(True), records.sampled().values(), strict=True):
        assert readers.read_line(line)["unmapped"]["log"] == record.log()
