"""Interruptions: wherever Ctrl-C or a signal strikes, what stays behind answers rightly and goes on."""

import pytest
from eventsourcing.sqlite import SQLiteConnection, SQLiteTransaction

from registry import IntegrityError, open_registry
from registry.log import present
from registry.store.rows import Written
from tests.service.attacks import edit, fields, query, tamper, token


@pytest.fixture
def other(founded, around, registry):
    """Return a second open registry on the same store, which holds a token."""
    registry.tokens.add(token())
    with open_registry(founded, surroundings=around) as opened:
        yield opened


def interrupted(*_, **__):
    """Be interrupted."""
    raise KeyboardInterrupt


@pytest.fixture
def interrupt(registry, monkeypatch):
    """Return what changes the token and is interrupted: instead of a method, another runs."""

    def edited(owner, method, instead, **wished):
        with monkeypatch.context() as patched:
            patched.setattr(owner, method, instead)
            with pytest.raises(KeyboardInterrupt):
                registry.tokens.edit("Zoom", edit(**wished))

    return edited


def test_a_commit_that_was_made_and_interrupted_is_noticed(registry, other, interrupt):
    """Whoever is interrupted behind the commit finds it made, and goes on from it."""
    commit = SQLiteConnection.commit
    interrupt(SQLiteConnection, "commit", lambda self: (commit(self), interrupted()), description="made")
    assert registry.tokens.show("Zoom").description == "made"
    assert registry.tokens.edit("Zoom", edit(description="again")).changed
    assert other.tokens.show("Zoom").description == "again"


def test_a_transaction_that_was_left_open_hides_nothing(registry, other, interrupt):
    """Where an interruption left a transaction open, what others commit afterwards shows all the same."""
    begin = SQLiteTransaction.__enter__
    interrupt(SQLiteTransaction, "__enter__", lambda self: (begin(self), interrupted()), description="not made")
    _left_open(registry._ledger.store)
    for number in range(2):
        other.tokens.edit("Zoom", edit(description=f"by the other {number}"))
        assert registry.tokens.show("Zoom").description == f"by the other {number}"
    _left_open(registry._ledger.store)
    other.tokens.edit("Zoom", edit(description="before a turn"))
    assert registry.tokens.edit("Zoom", edit(description="mine")).changed


def test_a_running_app_is_not_held_up_by_a_transaction_that_was_left_open(registry, other):
    """The question whether anything changed is never answered from within a moment that has passed."""
    assert registry.resolve("Zoom")["api_key"].reveal() == fields()["api_key"].reveal()
    _left_open(registry._resolver._ledger.store)
    other.tokens.edit("Zoom", edit(fields=fields("ANOTHER-SECRET")))
    assert registry.resolve("Zoom")["api_secret"].reveal() == "ANOTHER-SECRET"


def _left_open(store):
    store._rows("BEGIN")
    store._rows("SELECT * FROM commits")


def test_an_interrupted_step_of_the_present_believes_no_older_row(registry, other, founded, interrupt):
    """A root is never taken for known while the nodes beside it are still those of another."""
    path = founded.store_path()
    registry.tokens.edit("Zoom", edit(description="older"))
    registry.tokens.show("Zoom")
    tables = ("tokens", "data_keys", "present_units")
    before = {table: query(path, f"SELECT * FROM {table}") for table in tables}
    interrupt(present.Known, "go_on", _go_on_halfway, fields=fields("ANOTHER-SECRET"))
    for table, rows in before.items():
        tamper(path, f"DELETE FROM {table}")
        for row in rows:
            tamper(path, f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", parameters=row)
    for look in (lambda: registry.tokens.show("Zoom"), lambda: registry.resolve("Zoom")):
        with pytest.raises(IntegrityError, match=r"unit \d+ of the present was changed"):
            look()


def _go_on_halfway(known, root, _):
    class Halfway(dict):
        items = interrupted

    _GO_ON(known, root, Halfway())


_GO_ON = present.Known.go_on


def test_an_interrupted_step_of_the_log_keeps_head_and_tree_together(registry):
    """Where the next commit cannot be adopted, the log is as far as it was, tree and all."""
    registry.tokens.add(token())
    log, store = registry._ledger.log, registry._ledger.store
    head, frontier = log.head, log.frontier(store)

    class Halfway(dict):
        get = interrupted

    with pytest.raises(KeyboardInterrupt):
        log.adopt(Written(head, Halfway(), {}))
    assert (log.head, log.frontier(store)) == (head, frontier)


def test_nothing_is_committed_within_a_snapshot(registry):
    """What is decided within a snapshot may be out of date, so a commit there is a mistake and is not made."""
    registry.tokens.add(token())
    with registry._ledger.glance(), pytest.raises(RuntimeError, match="within a snapshot"):
        registry.tokens.edit("Zoom", edit(description="within"))
    assert registry.tokens.edit("Zoom", edit(description="without")).changed
