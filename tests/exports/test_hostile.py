"""Texts of hostile members: every format is read back by a parser of others, and says the same."""

import json
import re

import pytest
from hypothesis import given, strategies as st

from cli import text as layout
from registry.exports import cloudevents, escaping, jsonl, ocsf, spreadsheet
from registry.exports.formats import ExportFormat, lines
from tests.exports import readers
from tests.exports.records import TEXTS, record_with

NASTY = "\x00\x07\x1b[31m\r\n\t\x7f\x85\x9b\u2028\u2029\u202e\u2066\u200b\ufeff\ud800\udfff\U000e0041;=,\"'\\|`$()"
TEXT = st.text() | st.text(st.sampled_from(NASTY), max_size=12)
DETAIL = st.recursive(
    TEXT | st.none() | st.booleans() | st.integers(0, 2**53),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
PARTS = st.fixed_dictionaries(
    dict.fromkeys(TEXTS, TEXT) | {"changed": st.lists(TEXT).map(tuple), "detail": st.dictionaries(TEXT, DETAIL)}
)


def whole(value):
    """Return the value with every half character replaced, in keys too."""
    if isinstance(value, str):
        return re.sub("[\ud800-\udfff]", "\ufffd", value)
    if isinstance(value, dict):
        return {whole(key): whole(inner) for key, inner in value.items()}
    return [whole(inner) for inner in value] if isinstance(value, list | tuple) else value


@given(PARTS)
def test_jsonl(parts):
    """One object on one line, with every text as it was."""
    record = record_with(**parts)
    assert readers.read_line(jsonl.line(record)) == whole(record.document())


@given(PARTS)
def test_cloudevents(parts):
    """One valid event on one line, whose data is the object of JSON Lines."""
    record = record_with(**parts)
    line = cloudevents.line(record)
    assert readers.read_line(line)["data"] == whole(record.document())
    assert readers.read_event(line).get_data() == whole(record.document())


@given(PARTS)
def test_ocsf(parts):
    """One valid record on one line, with every text as it was."""
    record = record_with(**parts)
    document = readers.read_line(ocsf.line(record))
    assert readers.faults(document) == []
    assert document == whole(ocsf.document(record))
    assert document["src_endpoint"]["hostname"] == whole(parts["host"])
    assert document["unmapped"]["detail"] == whole(parts["detail"])


@given(PARTS)
def test_csv(parts):
    """One row of as many cells as the heading has; texts and JSON come back."""
    (found,) = readers.read_csv(spreadsheet.heading() + spreadsheet.line(record_with(**parts)))
    assert [readers.undone(found[name]) for name in TEXTS] == [whole(parts[name]) for name in TEXTS]
    assert json.loads(found["changed"]) == whole(list(parts["changed"]))
    assert json.loads(found["detail"]) == whole(parts["detail"])


@pytest.mark.parametrize("form", ExportFormat)
@given(parts=PARTS)
def test_no_format_steers_a_terminal_or_breaks_its_encoding(form, parts):
    """Every line is UTF-8 and holds nothing that ends a line, turns it around, or is not seen."""
    (line,) = lines([record_with(**parts)], form, begins=False)
    line.encode()
    assert re.findall(layout._UNSEEN + "|[\x00-\x1f]", line.rstrip("\r\n")) == []


@pytest.mark.parametrize("text", ["Zürich", "漢字", "e\u0301", "❤\ufe0f", "«—»", "C:\\x"])
def test_letters_stay(text):
    """What can simply be read is not escaped, but for the backslash."""
    assert escaping.escaped(text) == text.replace("\\", "\\\\")
    assert text.replace("\\", "\\\\") in jsonl.line(record_with(reason=text))
