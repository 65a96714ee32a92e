"""What scripts rely on: the JSON documents, alone on standard output."""

import json

import pytest

from cli.text import json_text as as_json
from tests.cli.conftest import KEY

EVERY_ENGINE = True

TOKEN_KEYS = {
    "id",
    "name",
    "scope",
    "application",
    "provider",
    "description",
    "encrypted",
    "fields",
    "revision",
    "created_at",
    "created_by",
    "changed_at",
    "changed_by",
    "expires_at",
    "last_test",
}
HISTORY_KEYS = {
    "position",
    "at",
    "actor",
    "event",
    "token_id",
    "token",
    "application",
    "revision",
    "changed",
    "reason",
}


def told(cli, *words, **more):
    """Return the document that a command prints."""
    return json.loads(cli.ok(*words, "--format", "json", **more))


def test_show(token):
    """``show`` is one object with every promised key, and no secret."""
    shown = told(token, "show", "Zoom")
    assert shown.keys() >= TOKEN_KEYS
    assert shown["scope"] == "global"
    assert shown["fields"]["api_key"] == {"secret": True, "set": True}
    assert shown["fields"]["api_url"] == {"secret": False, "set": False, "value": None}
    assert shown["created_at"].endswith("Z")
    assert (shown["application"], shown["expires_at"], shown["last_test"]) == (None, None, None)


def test_list(token, secrets):
    """``list`` is an array of what ``show`` shows, both scopes together, and chooses."""
    told(token, "app", "add", "HR", "--kind", "form")
    token.ok("add", "Übersicht", "--app", "hr", *secrets, "--description", "für Löhne", "--expires", "10d")
    assert [entry["name"] for entry in told(token, "list")] == ["Zoom", "Übersicht"]
    assert told(token, "list", "--global") == [told(token, "show", "Zoom")]
    assert told(token, "list", "--app", "HR") == [told(token, "show", "übersicht", "--app", "HR")]
    assert [entry["scope"] for entry in told(token, "list", "--match", "LÖHNE")] == ["application"]
    assert [entry["name"] for entry in told(token, "list", "--expiring", "30d")] == ["Übersicht"]
    assert told(token, "list", "--expiring", "9d") == []


def test_history(token):
    """``history`` is an array with every promised key; a token that is gone is still there."""
    token.ok("remove", "Zoom", "--yes", "--reason", "gone")
    events = told(token, "history")
    assert [event["position"] for event in events] == list(range(len(events)))
    assert all(event.keys() >= HISTORY_KEYS for event in events)
    by_name = told(token, "history", "zoom")
    assert [event["event"] for event in by_name] == ["token.created", "token.deleted"]
    assert told(token, "history", by_name[0]["token_id"]) == by_name
    assert told(token, "history", "-n", "1")[0]["reason"] == "gone"
    assert told(token, "history", "-n", "0") == []
    assert told(token, "history", "--since", "1d") == events
    assert told(token, "history", "--until", "1d") == []
    assert told(token, "history", "--until", "2000-01-01") == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("add", "New", "--field", "api_key=@key.txt", "--field", "api_secret=@secret.txt"), {"changed": True}),
        (("edit", "Zoom", "--description", "x"), {"changed": True, "revision": 2}),
        (("edit", "Zoom", "--description", ""), {"changed": False, "revision": 1}),
        (("rename", "Zoom", "Other"), {"changed": True, "name": "Other"}),
        (("rename", "Zoom", "Zoom"), {"changed": False, "revision": 1}),
        (("remove", "Zoom", "--yes"), {"removed": True, "name": "Zoom"}),
        (("app", "add", "Portal", "--kind", "form"), {"name": "Portal", "kind": "form", "tokens": 0, "changed": True}),
        (("app", "rename", "HR", "HR"), {"name": "HR", "changed": False}),
        (("app", "rename", "hr", "Staff"), {"name": "Staff", "kind": "process", "changed": True}),
        (("app", "remove", "HR", "--yes"), {"name": "HR", "removed": True, "destroyed": []}),
        (("policy", "set", "allow-plaintext", "no"), {"policy": "allow-plaintext", "value": "no", "changed": False}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_changing_commands_print_what_came_of_it(token, words, expected):
    """A changing command prints the resulting object and whether anything changed; people are told separately."""
    token.ok("app", "add", "HR", "--kind", "process")
    ran = token(*words, "--format", "json")
    assert ran.code == 0
    document = json.loads(ran.out)
    assert expected.items() <= document.items()
    assert len(ran.err.splitlines()) == 1


def test_people_are_told_separately(token):
    """Off JSON, a changing command prints no data at all."""
    for words in (["edit", "Zoom", "--description", "x"], ["rename", "Zoom", "A"], ["remove", "A", "--yes"]):
        ran = token(*words)
        assert (ran.code, ran.out, len(ran.err.splitlines())) == (0, "", 1)


def test_reveal_prints_one_value_whatever_the_format(token):
    """``reveal`` prints the value and a newline, or none, and nothing else."""
    for words in ([], ["--format", "json"]):
        ran = token("reveal", "Zoom", "--field", "api_key", *words)
        assert (ran.code, ran.out, ran.err) == (0, f"{KEY}\n", "")
    assert token.ok("reveal", "Zoom", "--field", "api_key", "--no-newline") == KEY


def test_revealing_is_recorded_before_it_is_printed(token):
    """A disclosure stands in the history with its reason, also where nobody could read what was printed."""
    token.ok("reveal", "Zoom", "--field", "api_key", "--reason", "ticket 1")
    assert told(token, "history", "--event", "token.disclosed")[0]["reason"] == "ticket 1"


def test_other_documents(cli):
    """Identity, policies, applications and the doctor have their documents too."""
    shown = told(cli, "identity", "show")
    assert shown.keys() == {"name", "public", "file", "locked"}
    assert cli.ok("identity", "show") == f"{shown['public']}\n"
    assert told(cli, "policy", "list") == [
        {"policy": "allow-plaintext", "value": "no"},
        {"policy": "record-resolves", "value": "first"},
        {"policy": "fail-closed", "value": "commands"},
    ]
    assert told(cli, "app", "list") == []
    diagnosis = told(cli, "doctor")
    assert {finding["level"] for finding in diagnosis["findings"]} <= {"ok", "risk", "wrong"}
    assert diagnosis["settings"]["format"] == {"value": "json", "from": "option"}
    assert diagnosis["settings"]["home"]["from"] == "environment"


def test_json_escapes_what_steers_a_terminal():
    """Letters stand as they are; controls, bidirectional marks and line separators are escaped, and read back alike."""
    text = "äé漢\u202e\x9b\x7f\u2028\u200d\U000e0041\ud800\x1b\n"
    written = as_json({"text": text}, indent=None)
    assert "äé漢" in written
    assert written.isprintable()
    assert json.loads(written) == {"text": text}


def test_json_is_utf8_on_any_terminal(token, secrets):
    """JSON is UTF-8 even where the locale is not."""
    from tests.cli.harness import process  # noqa: PLC0415 - only this test needs a process

    token.ok("add", "Übersicht", *secrets)
    ran = process(token.home, "list", "--match", "ü", "--format", "json", PYTHONIOENCODING="ascii")
    assert json.loads(ran.out)[0]["name"] == "Übersicht"
    plain = process(token.home, "list", "--match", "ü", PYTHONIOENCODING="ascii")
    assert (plain.code, "\\xdcbersicht" in plain.out) == (0, True)
