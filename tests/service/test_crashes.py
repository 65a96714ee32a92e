"""``kill -9`` in the middle of things: the registry is as before, or as after, and never between."""

import subprocess
import sys

import pytest

from registry import AlreadyExists, StoreMissing, diagnose, init_registry, open_registry
from tests.service.attacks import edit, fields, fill, query

VICTIM = """
import importlib, os, signal, sys
from registry import init_registry, load_settings, open_registry
from tests.service.attacks import edit, fields
home, module, path, when, command = sys.argv[1:]
import registry.service.founding, registry.service.policies, registry.service.token_changes, registry.store.recorder
settings = load_settings({"home": home}, {})

def arm():
    owner = importlib.import_module(module)
    *classes, name = path.split(".")
    for step in classes:
        owner = getattr(owner, step)
    original = getattr(owner, name)
    def killing(*arguments, **named):
        if when == "after":
            original(*arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)
    setattr(owner, name, classmethod(lambda cls, *a: killing(*a)) if name == "create" else killing)

if command == "init":
    arm()
    init_registry(settings, name="alice")
else:
    with open_registry(settings) as opened:
        opened.tokens.show("Zoom")
        opened.policies
        arm()
        if command == "edit":
            opened.tokens.edit("Zoom", edit(fields=fields("NEW"), description="new"))
        else:
            opened.policies.set("allow-plaintext", "yes")
"""

BEFORE_COMMIT = {
    "lock": ("registry.store.lock", "fcntl.flock", "after"),
    "put": ("registry.store.recorder", "EventStore.put", "before"),
    "first statement": ("registry.store.recorder", "CommitRecorder._insert_events", "before"),
    "signed": ("registry.sealing.identity", "Identity.sign", "after"),
    "assembled": ("registry.store.recorder", "assemble", "after"),
    "events inserted": ("registry.store.recorder", "write_log", "before"),
    "log written": ("registry.store.recorder", "write_log", "after"),
    "all inserted": ("registry.store.recorder", "write_rows", "after"),
    "commit": ("eventsourcing.sqlite", "SQLiteConnection.commit", "before"),
}
AFTER_COMMIT = {
    "committed": ("eventsourcing.sqlite", "SQLiteConnection.commit", "after"),
    "adopted": ("registry.store.following", "Follower.adopt", "after"),
    "pin": ("registry.pins", "Pins.put", "before"),
    "pin half written": ("registry.pins", "os.fsync", "before"),
    "pinned": ("registry.pins", "Pins.put", "after"),
    "shredding": ("registry.store.sqlite", "SQLiteStore.shred", "before"),
    "shredded": ("registry.store.sqlite", "SQLiteStore.shred", "after"),
}
AFTER_ROSTER_COMMIT = {
    "committed": ("eventsourcing.sqlite", "SQLiteConnection.commit", "after"),
    "following": ("registry.store.following", "Follower.advance", "before"),
    "followed": ("registry.store.following", "Follower.advance", "after"),
    "pin": ("registry.pins", "Pins.put", "before"),
    "pinned": ("registry.pins", "Pins.put", "after"),
}
BEFORE_LINK = {
    "identity": ("registry.sealing.identity", "Identity.save", "after"),
    "create": ("registry.store.sqlite", "SQLiteStore.create", "before"),
    "tables": ("registry.store.recorder", "CommitWriter.create_tables", "after"),
    "founding": ("registry.store.recorder", "write_rows", "after"),
    "founding followed": ("registry.store.following", "Follower.advance", "after"),
    "founded": ("registry.service.founding", "_first_commit", "after"),
    "pin": ("registry.pins", "Pins.put", "before"),
    "pinned": ("registry.pins", "Pins.put", "after"),
    "link": ("registry.store.sqlite", "os.link", "before"),
}
AFTER_LINK = {"linked": ("registry.store.sqlite", "os.link", "after")}


def killed(settings, hook, command):
    """Run a command that is killed at the hook."""
    home = settings.store_path().parent
    environment = {"PYTHONPATH": ":".join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"}
    arguments = [sys.executable, "-c", VICTIM, str(home), *hook, command]
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr


@pytest.fixture
def filled(settings):
    """Return the settings of a machine whose registry has a history, by the real clock."""
    init_registry(settings, name="alice")
    with open_registry(settings) as registry:
        fill(registry)
    return settings


def seen(settings):
    """Return all that the registry shows."""
    with open_registry(settings) as registry:
        tokens = [view.document() for view in registry.tokens.list()]
        return tokens, [entry.document() for entry in registry.history()]


@pytest.mark.parametrize("hook", BEFORE_COMMIT.values(), ids=BEFORE_COMMIT)
def test_a_command_killed_before_its_commit_was_never_there(filled, hook):
    """Whatever was inserted, without the commit it is gone; the store opens, and the next command works."""
    before = seen(filled), query(filled.store_path(), "SELECT * FROM data_keys ORDER BY 1")
    killed(filled, hook, "edit")
    assert (seen(filled), query(filled.store_path(), "SELECT * FROM data_keys ORDER BY 1")) == before
    with open_registry(filled) as registry:
        assert registry.tokens.edit("Zoom", edit(fields=fields("AGAIN"))).token.revision == 3
        assert registry.tokens.reveal("Zoom", "api_secret").reveal() == "AGAIN"


@pytest.mark.parametrize("hook", AFTER_COMMIT.values(), ids=AFTER_COMMIT)
def test_a_command_killed_after_its_commit_is_there_whole(filled, hook):
    """Once committed everything stands, and the next to open finishes the shredding."""
    old = [wrapped for (wrapped,) in query(filled.store_path(), "SELECT wrapped FROM data_keys")]
    killed(filled, hook, "edit")
    with open_registry(filled) as registry:
        shown = registry.tokens.show("Zoom")
        assert (shown.revision, shown.description) == (3, "new")
        assert registry.tokens.reveal("Zoom", "api_secret").reveal() == "NEW"
        assert not registry._ledger.store.shred_pending()
    now = {wrapped for (wrapped,) in query(filled.store_path(), "SELECT wrapped FROM data_keys")}
    (gone,) = set(old) - now
    for path in filled.store_path().parent.glob("registry.db*"):
        assert gone[5:] not in path.read_bytes()


@pytest.mark.parametrize("hook", BEFORE_COMMIT.values(), ids=BEFORE_COMMIT)
def test_a_change_of_the_roster_killed_before_its_commit_was_never_there(filled, hook):
    """Nothing of it is in the roster or the log, and the same change succeeds afterwards."""
    before = seen(filled), query(filled.store_path(), "SELECT * FROM commits")
    killed(filled, hook, "policy")
    assert (seen(filled), query(filled.store_path(), "SELECT * FROM commits")) == before
    with open_registry(filled) as registry:
        assert registry.policies.set("allow-plaintext", "yes")
        assert list(registry.history())[-1].event == "policy.changed"


@pytest.mark.parametrize("hook", AFTER_ROSTER_COMMIT.values(), ids=AFTER_ROSTER_COMMIT)
def test_a_change_of_the_roster_killed_after_its_commit_is_there_whole(filled, hook):
    """Wherever its author ended, everybody follows it, and the next change comes behind it."""
    killed(filled, hook, "policy")
    with open_registry(filled) as registry:
        assert registry.policies.list()["allow-plaintext"] == "yes"
        registry.policies.set("allow-plaintext", "no")
    assert [entry["event"] for entry in seen(filled)[1]][-2:] == ["policy.changed"] * 2


@pytest.mark.parametrize("hook", BEFORE_LINK.values(), ids=BEFORE_LINK)
def test_an_init_killed_before_its_end_leaves_no_registry(settings, hook):
    """There is nothing to open, and a second ``init`` succeeds with the identity that was made."""
    killed(settings, hook, "init")
    with pytest.raises(StoreMissing):
        open_registry(settings)
    identity = settings.store_path().with_name("identity").read_bytes()
    again = init_registry(settings, name="alice")
    assert (again.identity_created, again.identity.read_bytes()) == (False, identity)
    with open_registry(settings) as registry:
        fill(registry)
    assert len(seen(settings)[0]) == 3


@pytest.mark.parametrize("hook", AFTER_LINK.values(), ids=AFTER_LINK)
def test_an_init_killed_at_its_very_end_leaves_a_registry(settings, hook):
    """What is in place is whole; a second ``init`` refuses, and the doctor names what was left over."""
    killed(settings, hook, "init")
    with pytest.raises(AlreadyExists):
        init_registry(settings, name="alice")
    with open_registry(settings) as registry:
        fill(registry)
    assert len(seen(settings)[0]) == 3
    assert any("interrupted" in finding.message for finding in diagnose(settings).findings)
