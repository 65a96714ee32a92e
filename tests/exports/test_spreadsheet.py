"""The format ``csv``: whole, one line for each event, and harmless in a spreadsheet."""

import csv
import io
import unicodedata

import pytest
from hypothesis import example, given, strategies as st

from registry.exports import spreadsheet
from registry.exports.formats import ExportFormat, lines
from tests.exports import readers
from tests.exports.records import record_with, sampled

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "\u3000=1", "\u200b=1", "\ufeff=1"]
FORMULAS += ["＝1+1", "＋1", "－1", "＠SUM(A1)", "﹦1", "﹢1", "﹣1", "﹫1", "−1", "\x00=1", "\u0301=1"]
HARMLESS = ["", "Zoom", "1", "a=1", "a-b", "ü", "漢字", "(1)", "«=»", "/x", "\\x", "1+1", " x", "a;b", "a; b"]


def row(**parts):
    """Return the row of a record with these parts."""
    (found,) = readers.read_csv(spreadsheet.heading() + spreadsheet.line(record_with(**parts)))
    return found


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_a_text(text):
    """A text that a spreadsheet could calculate has an apostrophe before it, which can be taken away again."""
    for column in ("reason", "token", "actor", "application", "host", "client"):
        cell = row(**{column: text})[column]
        assert cell.startswith("'")
        assert readers.undone(cell) == text


@pytest.mark.parametrize("text", HARMLESS)
def test_a_harmless_text_is_left_alone(text):
    """What no spreadsheet calculates has no apostrophe."""
    assert row(reason=text)["reason"] == text.replace("\\", "\\\\")


@pytest.mark.parametrize("text", ["x;=1+1", "x; =1", 'x;"=1', "x;\t+1", "x;;@a", "x;＝1", '";=1'])
def test_no_formula_begins_behind_a_semicolon(text):
    """Where semicolons end cells, no cell that a text is broken into begins a formula."""
    line = spreadsheet.line(record_with(reason=text, detail={"description": text}, changed=(text,)))
    for cell in next(csv.reader(io.StringIO(line, newline=""), delimiter=";")):
        assert cell.lstrip(" \t\"'")[:1] not in {"=", "+", "@", "＝"}
    assert readers.undone(row(reason=text)["reason"]) == text


def test_numbers_stay_numbers():
    """Positions, revisions and commits stand there as digits, unquoted."""
    assert spreadsheet.line(record_with(position=1_000_000)).startswith("1000000,2027-01-31T")
    assert (row()["revision"], row()["commit"]) == ("2", "7")
    assert row(revision=None)["revision"] == ""


def test_a_leaf_hash_that_begins_with_a_plus():
    """A hash is a text like any other: with an apostrophe where it could be calculated, and the same without it."""
    hashes = {record.leaf_hash for record in sampled().values()}
    text = "".join(lines(sampled().values(), ExportFormat.CSV, begins=True))
    cells = {found["leaf_hash"] for found in readers.read_csv(text)}
    assert any(cell.startswith("'+") for cell in cells)
    assert {readers.undone(cell) for cell in cells} == hashes


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])))
@example("'", "''")
@example('"', "\\")
@example("\\u0041", '\\"')
@example("\r\n", "\x85\u2028")
@example("=\ud7ff", "-" * 100)
def test_every_text_comes_back(reason, host):
    """Whatever a text holds, a reader of CSV gets one row of it, and has it back as documented."""
    written = spreadsheet.line(record_with(reason=reason, host=host))
    assert written.endswith("\r\n")
    assert not [one for one in written[:-2] if unicodedata.category(one) in {"Cc", "Zl", "Zp"}]
    found = row(reason=reason, host=host)
    assert readers.undone(found["reason"]) == reason
    assert readers.undone(found["host"]) == host


@given(st.text())
def test_no_cell_begins_a_formula(text):
    """No text leads to a cell that begins like a formula, whatever stands before it or however it is written."""
    for cell in row(reason=text, token=text, actor=text).values():
        seen = [one for one in cell if unicodedata.category(one)[0] not in "ZCM"]
        assert unicodedata.normalize("NFKC", seen[0])[:1] not in {"=", "+", "-", "@", "\u2212"} if seen else True


def test_the_heading_names_every_cell():
    """The heading stands before the first record alone, also where there is none, and not where an export goes on."""
    assert list(lines([], ExportFormat.CSV, begins=True)) == [spreadsheet.heading()]
    assert list(lines([], ExportFormat.CSV, begins=False)) == []
    first, second = lines([record_with(), record_with()], ExportFormat.CSV, begins=True)
    assert first == spreadsheet.heading() + second
    assert list(lines([record_with()], ExportFormat.CSV, begins=False)) == [second]
    assert spreadsheet.heading() == ",".join(spreadsheet.COLUMNS) + "\r\n"
    assert None not in readers.read_csv(first)[0]
