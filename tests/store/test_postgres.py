"""What only a server can do to a store: go away, answer too late, take no changes."""

import os
import time
from contextlib import closing, contextmanager

import psycopg
import pytest

from registry import (
    OutcomeUnknown,
    StoreBusy,
    StoreUnreadable,
    Unusable,
    load_settings,
    open_registry,
    verify_registry,
)
from registry.service.places import place_of
from registry.store.postgres import connection, store as postgres_store
from registry.store.postgres.place import PostgresPlace
from tests.service.attacks import OLD, edit, fields, token

ENGINE = "postgres"


@pytest.fixture
def place(founded):
    """Return where the store lies."""
    return place_of(founded)


@pytest.fixture
def ended(server):
    """Return what ends the server's side of all connections but its own, as a restart does."""

    def end():
        server.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'token-registry'"
            " AND pid <> pg_backend_pid()"
        )

    return end


def connections(server):
    """Return how many connections of registries there are."""
    return server.sql("SELECT COUNT(*) FROM pg_stat_activity WHERE application_name = 'token-registry'")[0][0]


def test_a_connection_that_was_lost_is_made_anew(filled, ended):
    """Whoever asks again after the server was away is answered; each kind of use goes on."""
    assert filled.resolve("Zoom")["api_secret"].reveal() == OLD
    for work in (
        lambda: filled.tokens.show("Zoom"),
        lambda: filled.resolve("Zoom"),
        lambda: filled.tokens.edit("Zoom", edit(description="still here")),
        lambda: list(filled.history()),
    ):
        ended()
        work()
    assert filled.tokens.show("Zoom").description == "still here"


def test_what_was_changed_while_the_connection_was_lost_is_resolved(filled, ended, founded, around):
    """The answer behind a new connection is the newest one, never that of before."""
    assert filled.resolve("Zoom")["api_secret"].reveal() == OLD
    ended()
    with open_registry(founded, surroundings=around) as other:
        other.tokens.edit("Zoom", edit(fields=fields("new-secret")))
    assert filled.resolve("Zoom")["api_secret"].reveal() == "new-secret"


def test_a_connection_lost_within_a_look_is_an_error(filled, ended):
    """What is read in several steps is of one moment: none of them is repeated by another connection."""
    store = filled._ledger.store
    with store.snapshot():
        store.head()
        ended()
        with pytest.raises(StoreUnreadable, match="cannot be reached"):
            store.head()
    assert store.head() is not None


def test_a_connection_lost_within_a_turn_changes_nothing(filled, ended, monkeypatch):
    """Where the server goes away before the commit, nothing of it is there, and the next one is made."""
    write = postgres_store.PostgresStore._writer
    monkeypatch.setattr(postgres_store.PostgresStore, "_writer", lambda self: (ended(), write(self))[1])
    with pytest.raises(StoreUnreadable, match="cannot be reached"):
        filled.tokens.edit("Zoom", edit(description="lost"))
    monkeypatch.undo()
    assert filled.tokens.show("Zoom").description == ""
    assert filled.tokens.edit("Zoom", edit(description="made")).changed


class Silent:
    """A connection whose server is lost at the commit: before it was carried out, or before its answer arrived."""

    def __init__(self, connection, *, made):
        self._connection = connection
        self._made = made
        self.then = lambda: None

    def __getattr__(self, name):
        return getattr(self._connection, name)

    def execute(self, statement, *more, **options):
        """Carry out a statement, and be lost at the commit."""
        if statement[-6:] not in {"COMMIT", b"COMMIT"}:
            return self._connection.execute(statement, *more, **options)
        if self._made:
            self._connection.execute(statement)
        self._connection.close()
        self.then()
        raise psycopg.OperationalError("server closed the connection unexpectedly")


@pytest.mark.parametrize("made", [True, False])
def test_a_commit_whose_answer_was_lost_is_looked_for(filled, founded, around, made):
    """It is never repeated: it is there and that is said, or it is not and nothing was changed."""
    store = filled._ledger.store
    store._connection = Silent(store._connection, made=made)
    if made:
        assert filled.tokens.edit("Zoom", edit(description="once")).changed
    else:
        with pytest.raises(StoreUnreadable, match="nothing was changed"):
            filled.tokens.edit("Zoom", edit(description="once"))
    with open_registry(founded, surroundings=around) as other:
        assert other.tokens.show("Zoom").description == ("once" if made else "")
    assert filled.tokens.edit("Zoom", edit(description="again")).changed
    assert verify_registry(founded, surroundings=around).ok


def test_a_commit_that_is_undecided_is_waited_for(filled, server, schema):
    """The lost transaction may still come to its end: while it holds the turn, nobody knows, and that is said."""
    store = filled._ledger.store
    silent = store._connection = Silent(store._connection, made=False)
    with closing(server.connect()) as undecided:

        def lost():
            undecided.execute(f'BEGIN; LOCK TABLE "{schema}".turns IN EXCLUSIVE MODE')

        silent.then, store._wait = lost, 0.2
        with pytest.raises(OutcomeUnknown, match="nobody knows whether the change was made"):
            filled.tokens.edit("Zoom", edit(description="undecided"))
    assert filled.tokens.show("Zoom").description == ""


def test_where_nobody_can_look_that_is_said(filled, monkeypatch):
    """Where the server stays away nobody knows whether the change was made, and the message says so."""
    store = filled._ledger.store
    store._connection, store._wait = Silent(store._connection, made=True), 0.2
    gone = StoreUnreadable("the server cannot be reached")
    monkeypatch.setattr(PostgresPlace, "connect", lambda _: (_ for _ in ()).throw(gone))
    with pytest.raises(OutcomeUnknown, match="nobody knows whether the change was made"):
        filled.tokens.edit("Zoom", edit(description="once"))


@contextmanager
def held(server, schema):
    """Hold the turn of a store."""
    with server.connect() as other, other.transaction():
        other.execute(f'LOCK TABLE "{schema}".turns IN EXCLUSIVE MODE')
        yield


def test_a_turn_that_does_not_come_ends_in_busy(filled, server, schema):
    """Who waits for long enough is told that others hold the store; reading goes on meanwhile."""
    filled._ledger.store._wait = 0.2
    with held(server, schema):
        with pytest.raises(StoreBusy, match="other writers held the store"):
            filled.tokens.edit("Zoom", edit(description="late"))
        assert filled.tokens.show("Zoom").description == ""
        assert filled.resolve("Zoom")
    assert filled.tokens.edit("Zoom", edit(description="in time")).changed


def test_a_time_out_of_the_server_is_busy(filled, server, schema):
    """A statement that the server itself ends is no fault of the store: try again."""
    with server.connect() as other, other.transaction():
        other.execute(f'LOCK TABLE "{schema}".commits IN ACCESS EXCLUSIVE MODE')
        filled._ledger.store._connection.execute("SET statement_timeout = 100")
        with pytest.raises(StoreBusy, match="did not answer in time"):
            filled.tokens.show("Zoom")
    assert filled.tokens.show("Zoom")


def test_a_server_that_takes_no_changes(filled, founded, around):
    """Where the server is read-only everything can be read, and a change says why it is not made."""
    url = founded.url.value + "&options=-c%20default_transaction_read_only%3Don"
    settings = load_settings({"home": founded.home.value, "url": url}, {})
    with open_registry(settings, surroundings=around) as reader:
        assert reader.tokens.show("Zoom")
        with pytest.raises(StoreUnreadable, match="takes no changes now"):
            reader.tokens.edit("Zoom", edit(description="not made"))
        assert reader.tokens.show("Zoom").description == ""


def test_no_connection_is_left(founded, around, server):
    """Whatever was opened is closed, also where opening fails."""
    before = connections(server)
    for _ in range(3):
        with open_registry(founded, surroundings=around) as opened:
            opened.tokens.add(token(f"Zoom {_}"))
            opened.resolve(f"Zoom {_}")
            with closing(opened.changes(timeout=0)) as changes:
                list(changes)
        verify_registry(founded, surroundings=around)
    other = load_settings({"home": founded.home.value, "url": founded.url.value + "_not"}, {})
    with pytest.raises(Unusable):
        open_registry(other)
    deadline = time.monotonic() + 10
    while connections(server) > before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert connections(server) == before


def test_a_child_has_a_connection_of_its_own(filled):
    """After a fork each side answers by its own connection, and neither ends the other's."""
    assert filled.resolve("Zoom")["api_secret"].reveal() == OLD
    child = os.fork()
    if not child:
        os._exit(0 if filled.resolve("Zoom")["api_secret"].reveal() == OLD else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert filled.tokens.edit("Zoom", edit(description="by the parent")).changed
    assert filled.resolve("Zoom")["api_secret"].reveal() == OLD


@pytest.fixture
def believing(monkeypatch):
    """Have whoever waits believe the server for as long as a test lasts: nothing but its word wakes it."""
    monkeypatch.setattr(postgres_store, "_BELIEVED", 600.0)


def test_who_waits_is_told_of_a_commit(filled, founded, around, believing):
    """The server itself tells of each commit: whoever waits for one need not ask again and again."""
    with closing(filled.changes(timeout=20)) as changes, open_registry(founded, surroundings=around) as other:
        assert [filled._ledger.store.quiet() for _ in range(2)] == [False, True], "it listens from the first time on"
        for number in range(3):
            other.tokens.edit("Zoom", edit(description=f"number {number}"))
            assert next(changes).commit == other._ledger.head.number


def test_nothing_is_left_out_behind_a_new_connection(filled, founded, around, ended, believing):
    """Whoever waits while the server goes away comes back to each commit that was made meanwhile, in order."""
    with closing(filled.changes(timeout=20)) as changes:
        for turn in range(3):
            ended()
            with open_registry(founded, surroundings=around) as other:
                before = other._ledger.head.number
                for number in (0, 1):
                    other.tokens.edit("Zoom", edit(description=f"{turn} {number}"))
            assert [next(changes).commit, next(changes).commit] == [before + 1, before + 2]


def test_a_session_that_was_idle_for_too_long_is_made_anew(filled, founded):
    """Where the server ends a session because nothing was asked, the next question is answered all the same."""
    for store in (filled._ledger.store, filled._ledger.store.again()):
        store._connection.execute("SET idle_session_timeout = 50")
        time.sleep(0.3)
        assert store.head() is not None
        store.close() if store is not filled._ledger.store else None


def test_a_silent_server_is_not_waited_for(filled, ended, monkeypatch):
    """A running app waits some seconds for a server that says nothing; then it asks by another connection."""
    assert filled.resolve("Zoom")["api_secret"].reveal() == OLD
    store = filled._resolver._ledger.store
    monkeypatch.setattr(connection, "_SILENCE", 0.2)
    unchanged = store.unchanged_since(store.version())
    assert unchanged()
    store._connection.pgconn.send_query(b"SELECT pg_sleep(20)")
    with pytest.raises(psycopg.OperationalError):
        connection.answer(store._connection.pgconn)
    assert not unchanged()
    ended()  # it would go on, and look at what others want shredded
    assert filled.resolve("Zoom")["api_secret"].reveal() == OLD


def test_what_is_used_is_not_at_hand(filled):
    """What must be asked over a network is asked by who may wait; to compare, one bounded question is enough."""
    known = filled.resolve("Zoom")
    assert filled._resolver.at_hand("Zoom", None, False, None, use=True) is None
    assert filled._resolver.at_hand("Zoom", None, False, None, use=False) is known


def test_a_child_that_closes_leaves_the_connection_to_the_parent(filled):
    """Whatever a child after a fork closes, the parent's session goes on."""
    child = os.fork()
    if not child:
        filled._ledger.store.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert filled._ledger.store.in_place()
    assert filled.tokens.show("Zoom")
