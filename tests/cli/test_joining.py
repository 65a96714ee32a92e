"""Joining and founding: what a machine accepts as the registry that it was told of."""

import json
import shutil

import pytest

from tests.cli.harness import typed
from tests.cli.team import Team
from tests.cli.test_bad_input import refused
from tests.cli.test_json import told

WHOAMI = {"member", "role", "application", "registry_id", "store", "may_open"}


def invited(team, name="bob"):
    """Return a machine whose member was admitted, and its invitation."""
    machine, line = team.newcomer(name)
    return machine, team.ada.ok("member", "add", name, "--role", "auditor", "--public-key", line).strip()


def test_join_and_whoami(team, tmp_path):
    """With an invitation a machine knows the registry, and every later command finds it."""
    bob, invitation = invited(team)
    (tmp_path / "invitation").write_text(f"{invitation}\n", encoding="utf-8")
    joined = told(bob, "join", team.url, "--invitation", "@invitation")
    assert joined.keys() == WHOAMI | {"on_trust"}
    assert not joined.pop("on_trust")
    assert told(bob, "whoami") == joined
    assert (joined["member"], joined["role"], joined["may_open"]) == ("bob", "auditor", ["audit"])
    assert joined["registry_id"] == team.registry_id
    assert "Member" in bob.ok("whoami")


def test_join_on_trust(team):
    """With the id alone the newest history is taken on trust, and that is said."""
    bob, _ = invited(team)
    ran = bob("join", team.url, "--registry-id", team.registry_id.upper(), "--format", "json")
    assert (ran.code, json.loads(ran.out)["on_trust"]) == (0, True)
    assert "on trust" in ran.err


def test_the_name_that_counts(team):
    """The name is the one that the admin gave, whatever the identity says."""
    bob, line = team.newcomer("bob")
    invitation = team.ada.ok("member", "add", "robert", "--role", "auditor", "--public-key", line).strip()
    assert told(bob, "join", team.url, "--invitation", invitation)["member"] == "robert"


def test_exactly_one(team):
    """An invitation or an id, not both and not neither."""
    bob, invitation = invited(team)
    refused(bob("join", team.url), 2)
    refused(bob("join", team.url, "--invitation", invitation, "--registry-id", team.registry_id), 2)


MANGLED = {
    "short": lambda text: text[:-2],
    "without its prefix": lambda text: text[5:],
    "long": lambda text: f"{text}A",
    "empty": lambda _text: "",
    "foreign": lambda text: f"é{text}",
    "changed": lambda text: text[:40] + ("A" if text[40] != "A" else "B") + text[41:],
}


@pytest.mark.parametrize("how", MANGLED)
def test_mangled_invitations(team, how):
    """An invitation that was mangled is one clear line, and nothing is pinned."""
    bob, invitation = invited(team)
    assert "invitation" in refused(bob("join", team.url, f"--invitation={MANGLED[how](invitation)}"), 2)
    refused(bob("whoami", "--url", team.url), 10)


@pytest.mark.parametrize("text", ["", "x", "0" * 63, "g" * 64, " " + "0" * 63])
def test_ids_that_are_none(team, text):
    """A registry's id has 64 hexadecimal digits."""
    bob, _ = invited(team)
    refused(bob("join", team.url, f"--registry-id={text}"), 2)


def test_another_registry(team, tmp_path):
    """A store that is not the registry that was told is an integrity failure, and is not pinned."""
    bob, invitation = invited(team)
    other = Team(tmp_path / "others")
    refused(bob("join", other.url, "--invitation", invitation), 7)
    refused(bob("join", team.url, "--registry-id", other.registry_id), 7)
    refused(bob("whoami", "--url", team.url), 10)


def test_an_older_copy(team, tmp_path):
    """A copy from before the invitation is an integrity failure; so is one that this machine has seen more of."""
    shutil.copy(team.ada.home / "registry.db", tmp_path / "old.db")
    bob, invitation = invited(team)
    refused(bob("join", f"sqlite:///{tmp_path}/old.db", "--invitation", invitation), 7)
    bob.ok("join", team.url, "--invitation", invitation)
    shutil.copy(tmp_path / "old.db", team.ada.home / "registry.db")
    refused(bob("join", team.url, "--registry-id", team.registry_id), 7)
    refused(bob("whoami"), 7)


def test_a_machine_that_knows_another(team, tmp_path):
    """A store that this machine knows as another registry stays that one."""
    bob, invitation = invited(team)
    bob.ok("join", team.url, "--invitation", invitation)
    refused(bob("join", team.url, "--registry-id", "0" * 64), 5)


def test_those_who_are_no_members(team):
    """An identity that nobody admitted does not join; nor does a machine without one."""
    eve, _ = team.newcomer("eve")
    refused(eve("join", team.url, "--registry-id", team.registry_id), 6)
    nobody = team.machine("nobody")
    assert "identity new" in refused(nobody("join", team.url, "--registry-id", team.registry_id), 10)
    refused(nobody("join", "sqlite:////nowhere/at/all.db", "--registry-id", team.registry_id), 10)
    refused(nobody("join", "mysql://x", "--registry-id", team.registry_id), 2)


def test_a_relative_store_is_found_from_elsewhere(team, tmp_path, monkeypatch):
    """The store is remembered so that the next command finds it from any folder."""
    bob, invitation = invited(team)
    bob.ok("join", "sqlite:///ada/registry.db", "--invitation", invitation)
    monkeypatch.chdir("/")
    assert told(bob, "whoami")["store"] == str(team.ada.home / "registry.db")


def test_a_store_that_later_commands_would_miss(team, tmp_path):
    """Where the environment or the configuration names another store, joining says so."""
    bob, invitation = invited(team)
    words = "join", team.url, "--invitation", invitation
    assert "without --url" in bob(*words, TOKEN_REGISTRY_URL="sqlite:////elsewhere.db").err
    assert "without --url" not in bob(*words).err
    (bob.home / "config.toml").write_text('format = "json"\nurl = "sqlite:////elsewhere.db"', encoding="utf-8")
    assert "which the config names" in bob(*words).err
    (bob.home / "config.toml").write_text('format = "json"', encoding="utf-8")
    bob.ok(*words)
    assert json.loads(bob.ok("whoami"))["member"] == "bob"


def test_a_recovery_identity(empty, tmp_path):
    """A second founding admin's identity is written where asked, and does what an admin does."""
    ran = empty("init", "--name", "ada", "--recovery", "stick", "--format", "json")
    made = json.loads(ran.out)
    assert made["recovery"] == str(tmp_path / "stick")
    assert "offline" in ran.err
    assert [(m["name"], m["role"]) for m in told(empty, "member", "list")] == [("ada", "admin"), ("recovery", "admin")]
    rescue = type(empty)(tmp_path / "rescue")
    store = f"sqlite:///{made['store']}"
    told(rescue, "join", store, "--registry-id", made["registry_id"], "--identity", "stick")
    assert told(rescue, "whoami", "--identity", "stick")["role"] == "admin"
    assert "a single admin" not in empty.ok("doctor")
    shutil.copy(tmp_path / "stick", empty.home / "spare")
    assert "another admin lies on this machine" in empty.ok("doctor")


@pytest.mark.parametrize("where", ["home/identity", "taken", "nowhere/file/x"])
def test_recovery_where_it_cannot_be(empty, tmp_path, where):
    """Where the recovery identity cannot be written, nothing is founded, and a second try works."""
    (tmp_path / "taken").write_text("", encoding="utf-8")
    (tmp_path / "nowhere").write_text("", encoding="utf-8")
    refused(empty("init", "--name", "ada", "--recovery", where), 10 if where.startswith("nowhere") else 4)
    assert not empty.home.exists()
    empty.ok("init", "--name", "ada", "--recovery", "stick")


def test_recovery_under_a_passphrase(empty, tmp_path):
    """Each identity has a passphrase of its own; Ctrl-C at the second question leaves nothing behind."""
    empty.home.mkdir()
    words = "init", "--name", "ada", "--passphrase", "--recovery", str(tmp_path / "stick")
    first = ("New passphrase: ", "one two\n"), ("The same again: ", "one two\n")
    asked = "New passphrase of the recovery identity: "
    assert typed(empty.home, *words, answers=(*first, (asked, "\x03"))).code == 130
    assert (list(empty.home.iterdir()), (tmp_path / "stick").exists()) == ([], False)
    ran = typed(empty.home, *words, answers=(*first, (asked, "three four\n"), ("The same again: ", "three four\n")))
    assert (ran.code, "three" in ran.out) == (0, False)
    assert told(empty, "identity", "show", "--identity", str(tmp_path / "stick"))["locked"]


def test_a_founder_is_not_called_recovery(empty):
    """The founder's name may not be that of the recovery identity, nor look like it."""
    refused(empty("init", "--name", "Rec0very", "--recovery", "stick"), 4)
    refused(empty("init", "--name", "recovery", "--recovery", "stick"), 4)
