"""The server's queue for the turn to write: what is done while one stands in it, and that nobody stays there."""

import time
from threading import Thread

import pytest

from registry import NotPermitted, StoreBusy, StoreUnreadable, open_registry
from registry.store.postgres import turns
from tests.service.attacks import edit

ENGINE = "postgres"


@pytest.fixture
def store(filled):
    """Return the store of an open registry."""
    return filled._ledger.store


@pytest.fixture
def holder(server, schema):
    """Return a connection that holds the turn until it is rolled back."""
    with server.connect() as connection:
        connection.execute("BEGIN")
        connection.execute(f'LOCK TABLE "{schema}".turns IN EXCLUSIVE MODE')
        yield connection


def connections(server):
    """Return how many connections of registries there are."""
    return server.sql("SELECT COUNT(*) FROM pg_stat_activity WHERE application_name = 'token-registry'")[0][0]


def standing(server):
    """Return the sessions that stand in a queue of the server."""
    return [pid for (pid,) in server.sql("SELECT pid FROM pg_locks WHERE NOT granted")]


def until(condition):
    """Wait for what the server does in a moment."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.01)


def looking(*steps):
    """Return what carries out one step each time that it is called."""
    left = list(steps)
    return lambda: left.pop(0)() if left else None


def test_who_waits_looks_by_another_connection(filled, store, holder, server):
    """What others have committed is verified while one waits, not in one's turn, in which all others wait."""
    before, seen = connections(server), []

    def look():
        seen.append((store.version(), connections(server), len(standing(server))))
        holder.execute("ROLLBACK")

    with store.queued(look):
        assert seen == [(store.version(), before + 1, 1)]
    assert filled.tokens.edit("Zoom", edit(description="by the first connection")).changed


def test_what_others_commit_is_followed_in_the_queue(filled, founded, around, holder, server):
    """Of a commit that was made while one stood in the queue nothing is left to be verified in one's turn."""
    with open_registry(founded, surroundings=around) as other:
        ledger, follow, followed = other._ledger, other._ledger.refresh, []
        before = ledger.head.number
        first = Thread(target=filled.tokens.edit, args=("Zoom", edit(description="theirs")))
        first.start()
        until(lambda: len(standing(server)) == 1)

        def refresh():
            if not followed:
                holder.execute("ROLLBACK")
                first.join()
            follow()
            followed.append((ledger.head.number, ledger.store._turning))

        ledger.refresh = refresh
        other.tokens.edit("Zoom", edit(description="mine"))
        assert followed[0] == (before + 1, False)
        assert ledger.head.number == before + 2


def test_who_need_not_wait_has_one_connection(filled, server):
    """A turn that is free is taken without another connection."""
    before = connections(server)
    for number in range(3):
        filled.tokens.edit("Zoom", edit(description=f"number {number}"))
    assert connections(server) == before


def test_the_other_connection_is_let_go(filled, store, holder, server, monkeypatch):
    """Who had to wait once does not keep the other connection for ever: it goes once turns are free again."""
    before = connections(server)
    with store.queued(lambda: holder.execute("ROLLBACK")):
        assert store._queue.other is not None
    monkeypatch.setattr(turns, "_SPARE", 0.0)
    filled.tokens.edit("Zoom", edit(description="nobody waits"))
    assert store._queue.other is None
    until(lambda: connections(server) == before)


def test_what_is_closed_leaves_nothing(filled, founded, around, holder, server):
    """Closing a registry that had to wait ends both of its connections."""
    before = connections(server)
    with open_registry(founded, surroundings=around) as other:
        with other._ledger.store.queued(lambda: holder.execute("ROLLBACK")):
            pass
        assert connections(server) == before + 2
    until(lambda: connections(server) == before)


def test_a_connection_lost_in_the_queue_is_made_anew(filled, store, holder, server):
    """Nothing was done yet by who only stood there: it stands there again by a new connection."""

    def lost():
        (waiting,) = standing(server)
        server.sql("SELECT pg_terminate_backend(%s)", (waiting,))
        until(lambda: not standing(server))

    with store.queued(looking(lost, lambda: holder.execute("ROLLBACK"))):
        assert store._turning
    assert filled.tokens.edit("Zoom", edit(description="after that")).changed


def test_a_connection_lost_twice_is_an_error(store, holder, server):
    """A server that ends each session is not asked for ever."""

    def lost():
        server.sql("SELECT pg_terminate_backend(%s)", standing(server)[:1])

    with pytest.raises(StoreUnreadable, match="cannot be reached"), store.queued(looking(lost, lost)):
        pass
    assert not standing(server)


def test_who_cannot_look_waits_all_the_same(filled, store, holder, monkeypatch):
    """Where the server gives no connection more, what others committed is verified in one's turn."""

    def none():
        holder.execute("ROLLBACK")
        raise StoreBusy("there are too many")

    monkeypatch.setattr(store._queue._place, "connect", none)
    assert filled.tokens.edit("Zoom", edit(description="in time")).changed
    assert store._queue.other is None


@pytest.mark.parametrize("stop", [KeyboardInterrupt, NotPermitted("gone")])
def test_who_goes_away_does_not_stay_in_the_queue(filled, store, holder, server, stop):
    """Whatever ends the waiting, the server knows of it at once, and gives the turn to nobody who is not there."""

    def leave():
        raise stop

    with pytest.raises((KeyboardInterrupt, NotPermitted)), store.queued(leave):
        pass
    assert not standing(server)
    holder.execute("ROLLBACK")
    assert filled.tokens.edit("Zoom", edit(description="back again")).changed


def test_who_waited_for_too_long_does_not_stay_in_the_queue(filled, store, holder, server):
    """After the time-out the server has forgotten that one stood there, and one looks no more by two connections."""
    store._wait = 0.2
    with pytest.raises(StoreBusy, match="other writers held the store"), store.queued(filled._ledger.refresh):
        pass
    assert not standing(server)
    assert filled.tokens.show("Zoom")


def test_a_server_that_is_silent_in_the_queue_is_left(store, holder, monkeypatch):
    """Where not even the time-out comes, the connection counts as lost, and nobody waits for ever."""
    monkeypatch.setattr(turns, "_LATE", -60.0)
    with pytest.raises(StoreUnreadable, match="cannot be reached"), store.queued():
        pass
