"""Importing: strict lines, all or nothing, and no value in any message."""

import json

import pytest

from tests.cli.conftest import KEY
from tests.cli.harness import typed

FIELDS = {"api_key": "@key.txt", "api_secret": "@secret.txt"}
LEAKED = "leaked-Zq81xK"
BAD = [
    (b"not json", "not JSON"),
    (b'{"name": "A",', "not JSON"),
    (b"[]", "not a JSON object"),
    (b"3", "not a JSON object"),
    (b"\xff\xfe", "not UTF-8"),
    (b"[" * 100_000, "nested too deeply"),
    (b'{"name": "A", "name": "B"}', "twice"),
    (b'{"name": "A", "fields": {"api_key": "@key.txt", "api_key": "@key.txt"}}', "twice"),
    (b'{"fields": {}}', "no 'name'"),
    (b'{"name": 3}', "not a str"),
    (b'{"name": "A", "nonsense": 1}', "'nonsense'"),
    (b'{"name": "A", "encrypted": "yes"}', "not a bool"),
    (b'{"name": "A", "encrypted": 1}', "not a bool"),
    (b'{"name": "A", "fields": []}', "not a dict"),
    (b'{"name": "A", "fields": {"api_key": 3}}', "not a text"),
    (b'{"name": "A", "fields": {"api_key": "-"}}', "standard input"),
    (b'{"name": "A", "fields": {"api_key": "leaked-Zq81xK"}}', "is secret"),
    (b'{"name": "A", "fields": {"leaked-Zq81xK": "@key.txt"}}', "field number 1"),
    (b'{"name": "A", "fields": {"api_key": "@leaked-Zq81xK", "api_secret": "@secret.txt"}}', "cannot be read"),
    (b'{"name": "A", "fields": {"api_key": "env:leaked-Zq81xK", "api_secret": "@secret.txt"}}', "not set"),
    (b'{"name": "A", "provider": "nonsense"}', "no provider"),
    (b'{"name": "A", "expires": "soon"}', "not a date"),
    (b'{"name": "A/B", "fields": {"api_key": "@key.txt", "api_secret": "@secret.txt"}}', "may not contain"),
    (b'{"name": "A", "fields": {"api_key": "@key.txt"}}', "missing"),
    (
        b'{"name": "A", "application": "Nowhere", "fields": {"api_key": "@key.txt", "api_secret": "@secret.txt"}}',
        "no app",
    ),
    (b'{"name": "good", "fields": {"api_key": "@key.txt", "api_secret": "@secret.txt"}}', "twice"),
    (b'{"name": "zoom", "fields": {"api_key": "@key.txt", "api_secret": "@secret.txt"}}', "is taken"),
    (b'{"name": "A", "encrypted": false, "fields": {"api_key": "@key.txt", "api_secret": "@secret.txt"}}', "encrypted"),
]


def write(folder, *lines):
    """Write an import file and return its name."""
    text = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    (folder / "tokens.jsonl").write_bytes(b"\n".join(text) + b"\n")
    return "tokens.jsonl"


def names(cli):
    """Return the names of all tokens."""
    return [entry["name"] for entry in json.loads(cli.ok("list", "--format", "json"))]


def test_importing(token, tmp_path):
    """Every key of a line reaches the token; blank lines do not count; all is one commit."""
    token.ok("app", "add", "HR", "--kind", "process")
    file = write(
        tmp_path,
        {"name": "First", "fields": FIELDS},
        b"  ",
        {
            "name": "Second",
            "description": "two\nlines",
            "provider": "zoom-oauth",
            "application": "hr",
            "encrypted": True,
            "expires": "2040-01-31",
            "fields": {"account_id": "a", "client_id": "b", "client_secret": "env:THE_SECRET"},
        },
        {"name": "Third", "application": None, "expires": None, "fields": FIELDS},
    )
    ran = token("import", file, "--reason", "moved here", "--format", "json", THE_SECRET="s3cret")
    assert ran.code == 0
    assert [(item["name"], item["application"], item["action"]) for item in json.loads(ran.out)] == [
        ("First", None, "create"),
        ("Second", "hr", "create"),
        ("Third", None, "create"),
    ]
    assert ran.err == "3 of 3 tokens were written\n"
    second = json.loads(token.ok("show", "Second", "--app", "HR", "--format", "json"))
    assert (second["description"], second["provider"], second["expires_at"]) == (
        "two\nlines",
        "zoom-oauth",
        "2040-01-31T23:59:59Z",
    )
    assert token.ok("reveal", "First", "--field", "api_key") == f"{KEY}\n"
    moved = json.loads(token.ok("history", "--event", "token.created", "--format", "json"))[-3:]
    assert {event["reason"] for event in moved} == {"moved here"}
    assert len({event["at"] for event in moved}) == 1


@pytest.mark.parametrize(("line", "says"), BAD, ids=[f"{number} {says}" for number, (_, says) in enumerate(BAD)])
def test_one_bad_line_stops_all(token, tmp_path, line, says):
    """A line that is not right is named by its number; nothing is imported, and no value is repeated."""
    before = token.ok("history", "--format", "json")
    ran = token("import", write(tmp_path, {"name": "Good", "fields": FIELDS}, b"", line))
    assert (ran.code, ran.out) == ({"no app": 3, "is taken": 4, "encrypted": 6}.get(says, 2), "")
    assert ran.err.startswith("error: line 3: ")
    assert says in ran.err
    assert LEAKED not in ran.err
    assert token.ok("history", "--format", "json") == before


@pytest.mark.parametrize("file", ["missing.jsonl", ".", "-", "empty"])
def test_files_that_hold_nothing(cli, tmp_path, file):
    """A file that is not there, or holds no token, is refused."""
    (tmp_path / "empty").write_text("\n\n", encoding="utf-8")
    assert cli("import", file).code == 2


def test_names_that_are_taken(token, tmp_path):
    """What is there stays, is skipped or is overwritten, as was asked for; the same again changes nothing."""
    token.ok("edit", "Zoom", "--description", "old", "--expires", "90d")
    file = write(
        tmp_path, {"name": "zoom", "description": "new", "fields": FIELDS}, {"name": "Other", "fields": FIELDS}
    )
    assert token("import", file).code == 4
    assert names(token) == ["Zoom"]
    ran = token("import", file, "--on-conflict", "skip", "--dry-run")
    assert "1 of 2 tokens would be written; this was a dry run, nothing was\n" in ran.err
    assert names(token) == ["Zoom"]
    assert "skip" in token.ok("import", file, "--on-conflict", "skip")
    assert json.loads(token.ok("show", "Zoom", "--format", "json"))["description"] == "old"
    token.ok("import", file, "--on-conflict", "overwrite")
    shown = json.loads(token.ok("show", "Zoom", "--format", "json"))
    assert (shown["description"], shown["expires_at"], shown["revision"]) == ("new", None, 3)
    again = json.loads(token.ok("import", file, "--on-conflict", "overwrite", "--format", "json"))
    assert {item["action"] for item in again} == {"unchanged"}


def test_progress_is_shown_on_a_terminal_only(cli, secrets, tmp_path):
    """Progress is for people; what is printed stays what it is."""
    file = write(tmp_path, *({"name": f"Token {number}", "fields": FIELDS} for number in range(30)))
    ran = typed(cli.home, "import", str(tmp_path / file), "--dry-run", "--format", "json")
    assert ran.code == 2  # the sources are looked for in the folder where the command runs
    assert "progress" not in ran.out
    for name in ("key.txt", "secret.txt"):
        (cli.home / name).write_bytes((tmp_path / name).read_bytes())
    assert typed(cli.home, "import", str(tmp_path / file)).code == 0
    assert len(names(cli)) == 30
