"""The command ``verify``: what it prints, and how it ends."""

import json

import pytest

from tests.cli.harness import process, typed
from tests.service.attacks import tamper

KEYS = {"ok", "size", "root", "checkpoint", "members", "commits", "problems", "unchecked"}


@pytest.fixture
def damaged(token):
    """Return a command line whose store has an event that is not the one committed."""
    tamper(token.home / "registry.db", "UPDATE stored_events SET state = x'00' WHERE position = 1")
    return token


def test_all_is_well(token):
    """An honest store is verified with its size, root, members and commits, and the code 0."""
    lines = dict(line.split(None, 1) for line in token.ok("verify").splitlines())
    assert lines == {"Size": "2", "Root": lines["Root"], "Members": "1", "Commits": "2", "Result": "ok"}


def test_what_is_wrong_is_listed(damaged):
    """Each problem is a line with its position and kind, and the code is that of an integrity failure."""
    ran = damaged("verify")
    assert ran.code == 7
    head, _, table = ran.out.partition("\n\n")
    assert head.endswith("not ok")
    assert [line.split()[:3] for line in table.splitlines()] == [
        ["POSITION", "KIND", "ACKNOWLEDGED"],
        ["1", "event", "no"],
    ]


def test_as_json(token, damaged):
    """As JSON it is one object, whatever was found."""
    ran = damaged("verify", "--format", "json")
    assert ran.code == 7
    document = json.loads(ran.out)
    assert set(document) == KEYS
    (problem,) = document["problems"]
    assert problem == {"position": 1, "kind": "event", "message": problem["message"], "acknowledged": False}
    assert (document["ok"], document["size"], document["commits"]) == (False, 2, 2)


def test_json_of_what_is_well(token):
    """An honest store has its newest checkpoint in the document, signed."""
    document = json.loads(token.ok("verify", "--format", "json"))
    assert set(document) == KEYS
    assert (document["ok"], document["problems"], document["unchecked"]) == (True, [], [])
    text, _, signature = document["checkpoint"].partition("\n\n")
    assert text.split("\n")[1:3] == ["2", document["root"]]
    assert signature.startswith("— token-registry/")


def test_since_a_checkpoint(token, tmp_path):
    """With a checkpoint only what came after it is verified, and the command says so."""
    known = tmp_path / "checkpoint"
    known.write_text(json.loads(token.ok("verify", "--format", "json"))["checkpoint"], encoding="utf-8")
    token.ok("edit", "Zoom", "--description", "other")
    ran = token("verify", "--since", str(known))
    assert ran.code == 0
    assert "not checked: what came before the checkpoint" in ran.err
    known.write_text("nothing", encoding="utf-8")
    assert token("verify", "--since", str(known)).code == 2
    assert token("verify", "--since", str(tmp_path / "missing")).code == 2


def test_where_nothing_else_works(damaged):
    """Verification works where opening refuses the store."""
    tamper(damaged.home / "registry.db", "DROP TABLE present_units")
    assert damaged("list").code == 7
    ran = damaged("verify")
    assert ran.code == 7
    assert "schema" in ran.out


def test_progress_is_shown_on_a_terminal(token):
    """On a terminal a bar says how far it is; off one nothing but data is printed."""
    assert "verifying" in typed(token.home, "verify").out
    ran = process(token.home, "verify")
    assert (ran.code, ran.err) == (0, "")
