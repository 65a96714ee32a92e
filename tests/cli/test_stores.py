"""The commands ``store copy``, ``store backup`` and ``store restore``: what they say, and how they end."""

import json
import sqlite3
import stat
from contextlib import closing

import pytest

from tests.cli.harness import typed
from tests.cli.team import complete
from tests.service.attacks import tamper
from tests.store.copies import make_disk_small


@pytest.fixture
def team(tmp_path):
    """Return a team with tokens, and one member of each role."""
    made, others = complete(tmp_path)
    made.others = others
    return made


@pytest.fixture
def file(tmp_path):
    """Return where a backup is to be."""
    return tmp_path / "backup.db"


def put_away(team):
    """Move the store of the team away, as one does before a backup is restored."""
    store = team.ada.home / "registry.db"
    store.rename(store.with_name("away.db"))


def test_a_copy_and_how_others_come_to_know_it(team, server, schema):
    """The machine that copies knows the copy at once; another joins it as it is told, and work goes on there."""
    url = server.store_url(schema)
    ran = team.ada("store", "copy", "--to", url)
    assert (ran.code, ran.out) == (0, "")
    assert "copied the registry to postgresql://" in ran.err
    assert f"--registry-id {team.registry_id}" in ran.err
    assert team.ada.ok("list", "--url", url) == team.ada.ok("list")
    assert "ok" in team.ada.ok("verify", "--url", url)
    bob = team.others["auditor"]
    assert bob("history", "--url", url).code == 10
    joined = bob("join", url, "--registry-id", team.registry_id)
    assert joined.code == 0, joined
    team.ada.ok("edit", "Zoom", "--description", "on the copy", "--url", url)
    assert "on the copy" in bob.ok("history", "Zoom", "--diff", "--url", url)


def test_a_copy_as_json(team, tmp_path):
    """As JSON a copy says where it is, of which registry, and how far that had come."""
    there = tmp_path / "srv" / "registry.db"
    document = json.loads(team.ada.ok("store", "copy", "--to", f"sqlite:///{there}", "--format", "json"))
    assert set(document) == {"store", "moved", "registry_id", "commit", "size", "checkpoint", "away"}
    assert (document["store"], document["registry_id"]) == (str(there), team.registry_id)
    assert document["checkpoint"] == team.told("verify")["checkpoint"]
    again = team.ada("store", "copy", "--to", f"sqlite:///{there}")
    assert again.code == 4
    assert team.ada("store", "copy").code == 2
    assert team.ada("store", "copy", "--to", "nowhere://").code == 2


def test_a_move_and_back(team, server, schema):
    """The old place says that it stands still and refuses; the new one goes on; ``store reopen`` takes it back."""
    url = server.store_url(schema)
    ran = team.ada("store", "copy", "--move", "--to", url, "--reason", "a server of its own")
    assert (ran.code, ran.out) == (0, "")
    assert "moved the registry to postgresql://" in ran.err
    listed = team.ada("list")
    assert (listed.code, listed.out) == (0, team.ada.ok("list", "--url", url))
    assert listed.err == "warning: the registry was moved to another store: what is here stands still\n"
    for words in (("edit", "Zoom", "--description", "x"), ("reveal", "Zoom", "--field", "api_key"), ("doctor",)):
        ran = team.ada(*words)
        assert ran.code == 10, ran
        assert "the registry was moved: it goes on in another store" in ran.out + ran.err
    assert team.others["app"]("reveal", "Zoom", "--field", "api_key").code == 10
    team.ada.ok("edit", "Zoom", "--description", "there", "--url", url)
    assert team.ada("store", "reopen").code == 2
    assert team.others["auditor"]("store", "reopen", "--yes").code == 6
    assert "the registry goes on in this store" in team.ada("store", "reopen", "--yes", "--reason", "undone").err
    team.ada.ok("edit", "Zoom", "--description", "here")
    assert team.ada("store", "reopen", "--yes").code == 2
    assert team.ada("store", "copy", "--to", url, "--reason", "none").code == 2


def test_a_password_is_not_given_on_the_command_line(team):
    """A URL with a password is refused as an option, without being repeated."""
    ran = team.ada("store", "copy", "--to", "postgresql://ada:hunter2@localhost/x")
    assert ran.code == 2
    assert "hunter2" not in ran.out + ran.err


def test_a_backup(team, file):
    """A backup is one private file; it says how far it had come, and is never overwritten."""
    document = json.loads(team.ada.ok("store", "backup", str(file), "--format", "json"))
    assert (document["file"], document["with_keys"], document["registry_id"]) == (str(file), True, team.registry_id)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.glob("backup.db?*")) == []
    data = file.read_bytes()
    again = team.others["auditor"]("store", "backup", str(file))
    assert (again.code, file.read_bytes()) == (4, data)
    assert again.err.startswith(f"error: there is a file {file} already")


def test_apps_are_refused(team, file, tmp_path):
    """An app neither copies nor backs up nor restores: exit 6, and nothing is there."""
    team.ada.ok("store", "backup", str(file))
    app, other = team.others["app"], tmp_path / "other.db"
    for words in (
        ("backup", str(other)),
        ("backup", str(other), "--without-keys"),
        ("copy", "--to", f"sqlite:///{other}"),
        ("restore", str(file), "--url", f"sqlite:///{other}"),
    ):
        ran = app("store", *words)
        assert (ran.code, ran.err) == (6, "error: this takes the role admin or auditor; yours is app\n")
    assert not other.exists()


def test_a_tampered_store_is_refused(team, file, tmp_path):
    """What does not verify is neither copied nor backed up; the one line says which problem, and the code is 7."""
    tamper(team.ada.home / "registry.db", "UPDATE stored_events SET state = x'00' WHERE position = 1")
    for words in (("backup", str(file)), ("copy", "--to", f"sqlite:///{tmp_path}/other.db")):
        ran = team.ada("store", *words)
        assert ran.code == 7
        assert "does not verify: event at position 1: " in ran.err.splitlines()[0]
    assert not file.exists()


def test_a_full_disk(team, file, monkeypatch):
    """Where the backup has no room, one line says so and a hint that nothing was changed."""
    make_disk_small(monkeypatch)
    for more in ((), ("--without-keys",)):
        ran = team.ada("store", "backup", str(file), *more)
        assert ran.code == 10
        lines = [f"error: there is no room left on the disk of {file.parent}", "hint: nothing was changed"]
        assert ran.err.splitlines() == lines
    assert list(file.parent.glob("backup.db*")) == []


def test_an_older_backup_is_refused_until_an_admin_accepts_it(team, file):
    """Each machine says exit 7 with both checkpoints; after ``log accept-rollback`` work goes on everywhere."""
    team.ada.ok("store", "backup", str(file))
    team.ada.ok("edit", "Zoom", "--description", "lost")
    for name in ("auditor", "second"):
        team.others[name].ok("history")
    refused = team.ada("store", "restore", str(file))
    assert refused.code == 4
    assert "hint: move what is there away first" in refused.err
    put_away(team)
    restored = team.ada("store", "restore", str(file))
    assert restored.code == 0
    assert "refuses what is older" in restored.err
    assert "'log accept-rollback' goes on from the backup" in restored.err
    for machine in (team.ada, team.others["auditor"], team.others["second"]):
        ran = machine("list")
        assert ran.code == 7
        assert "this machine has seen:" in ran.err
        assert "the store holds:" in ran.err
        assert "'log accept-rollback' goes on from it" in ran.err
    team.ada.ok("log", "accept-rollback", "--reason", "disk failure", "--yes")
    team.ada.ok("edit", "Zoom", "--description", "again")
    for machine in (team.ada, team.others["auditor"], team.others["second"]):
        assert "log.rollback_accepted" in machine.ok("history")
        assert "ok" in machine.ok("verify")


def test_restoring_where_the_machine_knows_nothing(team, file, server, schema):
    """On a place that this machine does not know, it says how to join; then the registry is there."""
    team.ada.ok("store", "backup", str(file))
    url = server.store_url(schema)
    ran = team.ada("store", "restore", str(file), "--url", url)
    assert ran.code == 0
    assert f"'join' with --registry-id {team.registry_id}" in ran.err
    assert team.ada("list", "--url", url).code == 10
    team.ada.ok("join", url, "--registry-id", team.registry_id)
    assert team.ada.ok("list", "--url", url) == team.ada.ok("list", "--url", team.url)


def test_restoring_as_json(team, file):
    """As JSON a restored backup says what this machine has seen in its place."""
    team.ada.ok("store", "backup", str(file))
    put_away(team)
    document = json.loads(team.ada.ok("store", "restore", str(file), "--format", "json"))
    assert set(document) == {"store", "seen", "registry_id", "commit", "size", "checkpoint", "away"}
    assert document["seen"] == document["commit"]
    team.ada.ok("list")


def test_a_backup_without_keys(team, file, tmp_path):
    """History, export and evidence work on it; whatever asks for a token ends with 7, and ``verify`` says why."""
    team.ada.ok("store", "backup", str(file), "--without-keys")
    url = f"sqlite:///{tmp_path}/log.db"
    ran = team.ada("store", "restore", str(file), "--url", url)
    assert ran.code == 7
    assert "--without-keys takes it as that" in ran.err
    team.ada.ok("store", "restore", str(file), "--without-keys", "--url", url)
    for machine in (team.ada, team.others["auditor"]):
        usual = [machine.ok(*words) for words in (("history",), ("export",))]
        machine.ok("join", url, "--registry-id", team.registry_id)
        assert [machine.ok(*words, "--url", url) for words in (("history",), ("export",))] == usual
        for words in (("list",), ("show", "Zoom"), ("usage", "Zoom"), ("list", "--unused", "90d")):
            assert machine(*words, "--url", url).code == 7
        verified = machine("verify", "--format", "json", "--url", url)
        assert verified.code == 7
        found = json.loads(verified.out)["problems"]
        assert {one["kind"] for one in found} == {"row", "data-key"}
        assert all(one["message"].endswith("is missing") for one in found)
    assert team.ada("reveal", "Zoom", "--field", "api_key", "--reason", "x", "--url", url).code == 7
    assert team.ada("run", "Zoom", "--url", url, "--", "true").code == 7
    bob = team.others["auditor"]
    bob.ok("log", "checkpoint", "--url", url)
    bob.ok("evidence", "export", str(tmp_path / "evidence"), "--reason", "audit", "--url", url)
    bob.ok("pin", "export", str(tmp_path / "known"), "--url", url)
    bob.ok("evidence", "verify", str(tmp_path / "evidence"), "--known", str(tmp_path / "known"))


def test_progress_is_shown_on_a_terminal(tmp_path):
    """Where people watch, they see how far it is; it is gone at the end."""
    assert typed(tmp_path, "init", "--name", "ada").code == 0
    ran = typed(tmp_path, "store", "backup", "backup.db")
    assert ran.code == 0
    assert "backing up" in ran.out
    assert ran.out.rstrip().endswith("wrote " + str(tmp_path / "backup.db") + ": commit 0, with 1 events")


def test_the_schema_of_a_backup_is_append_only(team, file):
    """The triggers that keep history stand in the backup, too."""
    team.ada.ok("store", "backup", str(file), "--without-keys")
    with closing(sqlite3.connect(file)) as connection, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute("DELETE FROM commits")
