"""``export``: lines for other tools, on standard output alone."""

import csv
import io
import json

import pytest

from cli import exporting
from registry import ExportFormat, Surroundings, open_registry
from registry.testing.zoom_stand_in import ZoomStandIn
from tests.cli.harness import process
from tests.cli.test_bad_input import refused
from tests.cli.test_secrecy import found_in
from tests.service.attacks import tamper

EVIL = "=HYPERLINK(\"http://evil.example\";A1)\t, \u202e\u2028 'quoted' \\"


def documents(cli, *words):
    """Return the objects that an export in JSON Lines prints."""
    return [json.loads(line) for line in cli.ok("export", *words).splitlines()]


@pytest.fixture
def busy(token, secrets):
    """Return the command line of a registry with some history, hostile texts in it."""
    token.ok("app", "add", "HR", "--kind", "process")
    token.ok("add", "Zoom", "--app", "hr", *secrets, "--reason", EVIL.replace("\t", " "))
    token.ok("edit", "Zoom", "--description", EVIL)
    token.ok("rename", "Zoom", "Boom")
    token.ok("reveal", "Boom", "--field", "api_key")
    token.ok("remove", "Boom", "--yes")
    return token


def test_the_formats_are_those_of_the_library():
    """Every format can be asked for by its name, and no other."""
    assert tuple(ExportFormat) == exporting.FORMATS


@pytest.mark.parametrize("form", exporting.FORMATS)
def test_the_command_prints_what_the_library_yields(busy, home, form):
    """Nothing is added to the lines, and nothing is said beside them."""
    from registry import load_settings  # noqa: PLC0415 - the machine's own are kept out of the settings by a fixture

    ran = busy("export", "--format", form)
    with open_registry(load_settings({"home": str(home)}, {}), surroundings=Surroundings()) as opened:
        lines = "".join(opened.export(format=form)).replace("\r\n", "\n")  # the test's own runner makes them so
        assert (ran.code, ran.out, ran.err) == (0, lines, "")
    assert len(ran.out.splitlines()) == len(json.loads(busy.ok("history", "--format", "json"))) + (form == "csv")


def test_json_lines_are_the_default(busy):
    """Without --format, JSON Lines are printed, whatever the common format is."""
    lines = busy.ok("export")
    assert lines == busy.ok("export", "--format", "jsonl") == busy.ok("--format", "json", "export")
    assert lines == busy.ok("export", TOKEN_REGISTRY_FORMAT="table")
    history = json.loads(busy.ok("history", "--format", "json"))
    assert [entry.items() <= one.items() for entry, one in zip(history, documents(busy), strict=True)] == [True] * 8


def test_filters(busy):
    """The options narrow the export as they narrow the history."""
    whole = documents(busy)
    assert [one["position"] for one in whole] == list(range(8))
    for words in (
        ("--token", "Zoom"),
        ("--token", "Zoom", "--app", "HR"),
        ("--app", "hr"),
        ("--actor", "ada"),
        ("--since", "1d"),
        ("--until", "2000-01-01"),
    ):
        asked = ("Zoom", *words[2:]) if words[0] == "--token" else words
        shown = json.loads(busy.ok("history", *asked, "--format", "json"))
        assert [one["position"] for one in documents(busy, *words)] == [entry["position"] for entry in shown], words


@pytest.mark.parametrize("words", [("--token", "Nope"), ("--app", "Nope"), ("--actor", "Nope")], ids=" ".join)
@pytest.mark.parametrize("form", exporting.FORMATS)
def test_what_never_was(busy, form, words):
    """An unknown token, application or member prints nothing, a heading included, and ends with 3."""
    refused(busy("export", "--format", form, *words), 3)


@pytest.mark.parametrize(
    "words", [("--format", "xml"), ("--format", "table"), ("--after", "-1"), ("--after", "x"), ("--since", "soon")]
)
def test_what_cannot_be_asked(busy, words):
    """A format, position or time that is none is a usage error."""
    refused(busy("export", *words), 2)


@pytest.mark.parametrize("form", exporting.FORMATS)
def test_going_on(busy, form):
    """An export goes on behind a position; what two print is what one prints, and behind the end there is nothing."""
    whole = busy.ok("export", "--format", form)
    rest = busy.ok("export", "--format", form, "--after", "3")
    assert whole.endswith(rest)
    assert len(rest.splitlines()) == 4
    for after in ("7", "8", "999999999999999999999999"):
        assert busy.ok("export", "--format", form, "--after", after) == ""


def test_hostile_texts_in_a_spreadsheet(busy):
    """What a member wrote to be calculated is text, in cells of its own."""
    text = busy.ok("export", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    reasons = [row["reason"] for row in rows if row["reason"]]
    assert reasons == ["'" + "=HYPERLINK(\"http://evil.example\";A1) , \\u202e\\u2028 'quoted' \\\\"]
    assert any(json.loads(row["detail"]) == {"description": EVIL} for row in rows)
    assert "\u202e" not in text


def test_a_damaged_beginning_prints_nothing(busy, home):
    """Where the first event does not open, nothing is printed, and the error is that of an integrity failure."""
    tamper(home / "registry.db", "UPDATE stored_events SET state = zeroblob(99) WHERE topic = 'token.created'")
    for form in exporting.FORMATS:
        refused(busy("export", "--format", form, "--app", "HR"), 7)


def test_no_secret_is_printed(cli, secrets):
    """No format holds a secret that was set, tested, revealed or replaced."""
    with ZoomStandIn() as zoom:
        cli.ok("add", "Zoom", *secrets, "--field", f"api_url={zoom.api_url}")
        cli("test", "Zoom")
    cli.ok("edit", "Zoom", "--field", "api_secret=@new.txt")
    process(cli.home, "reveal", "Zoom", "--field", "api_secret")
    for form in exporting.FORMATS:
        cli.ok("export", "--format", form)
    cli.ok("history", "--diff")
    assert len(cli.seen) > 10
    assert found_in("".join(cli.seen).encode()) == []


def test_it_is_utf8_on_any_terminal(token, secrets):
    """Lines are UTF-8 even where the locale is not, and those of CSV end as RFC 4180 says."""
    token.ok("add", "Übersicht", *secrets)
    ran = process(token.home, "export", "--format", "csv", PYTHONIOENCODING="ascii")
    assert (ran.code, "Übersicht" in ran.out) == (0, True)
    assert ran.out.count("\r\n") == ran.out.count("\n") == 4
