"""Text for people: aligned, whole, and without anything that could steer a terminal."""

import json

import pytest
from hypothesis import given, strategies as st

from cli import text as layout

EVIL = "red \x1b[31m \x07 bell \u202e turned \u2028 \u2066 \x9b"


@pytest.mark.parametrize("text", ["plain", "äöü 漢字", "é", "ZWJ 👩\u200d🔬", "nb\u00a0sp"])
def test_letters_stay(text):
    """What a terminal simply shows is left alone."""
    assert layout.printable(text) == text


@given(st.text())
def test_nothing_steers_the_terminal(text):
    """After escaping, no control character, line break, direction mark or surrogate is left."""
    shown = layout.printable(text)
    assert all(c.isprintable() or c in "\u200c\u200d" or c.isspace() for c in shown)
    assert not set(shown) & set("\n\r\t\x0b\x0c\x1b\x85\u2028\u2029\u202e")
    shown.encode()


@given(st.lists(st.tuples(st.text(), st.text()), max_size=500))
def test_every_row_is_one_line(rows):
    """A table has as many lines as rows, and its header, whatever the cells hold."""
    lines = list(layout.table_text(("A", "B"), rows))
    assert len(lines) == (len(rows) + 1 if rows else 0)
    assert all(line.count("\n") == 1 and line.endswith("\n") for line in lines)


def test_columns_are_aligned_by_what_is_seen():
    """Wide letters take two columns, combining ones none."""
    lines = list(layout.table_text(("NAME", "X"), [("漢字", "1"), ("e\u0301", "2"), ("abcd", "3")]))
    assert lines == ["NAME  X\n", "漢字  1\n", "e\u0301     2\n", "abcd  3\n"]


def test_long_tables_need_no_memory():
    """Rows are printed while they come; a table without end begins at once."""

    def endless():
        number = 0
        while True:
            number += 1
            yield (str(number), "x")

    lines = layout.table_text(("N", "X"), endless())
    assert [next(lines) for _ in range(1_000)][-1] == "999   x\n"


@given(st.lists(st.dictionaries(st.text(), st.text(), max_size=3), max_size=5))
def test_a_streamed_array_is_an_array(documents):
    """What is printed piece by piece is one JSON document."""
    assert json.loads("".join(layout.json_lines(documents))) == documents


def test_stored_text_is_shown_escaped(token, secrets):
    """Direction marks in descriptions and reasons reach no terminal; a description's own lines stand indented."""
    token.ok("edit", "Zoom", "--description", "first\nsecond \u202e", "--reason", "why \u202e not")
    shown = token.ok("show", "Zoom")
    assert "Description   first\n              second \\u202e\n" in shown
    history = token.ok("history")
    assert "why \\u202e not" in history
    assert "\u202e" not in shown + history


def test_a_hostile_provider_is_shown_escaped(cli, zoom, monkeypatch):
    """What a provider says goes through the same escape, whatever was stored."""
    from cli import documents  # noqa: PLC0415 - only this test looks inside
    from registry import Outcome, TestResult  # noqa: PLC0415

    record = documents.test_record(TestResult(Outcome.REJECTED, EVIL))
    assert layout.record_text(record).replace("\n", "").isprintable()


def test_nothing_is_cut_off(token):
    """Off a terminal a long text stands there whole, and on one line in a table."""
    text = "word " * 700
    token.ok("edit", "Zoom", "--description", text, "--reason", "r" * 900)
    assert text.strip() in token.ok("show", "Zoom")
    assert any("r" * 900 in line for line in token.ok("history").splitlines())
