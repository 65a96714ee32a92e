"""Running apps that fork: each process goes on by itself, waits for nobody, and what it uses is recorded once."""

import os
import signal
import sqlite3
import sys
import threading
import time
from contextlib import contextmanager

import pytest

from registry import NotPermitted, TokenEdit
from registry.service import recording
from tests.members.team import fields, secret_of

PATIENCE = 20

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def key_of(registry, name="Mail", **asked):
    """Return the API Key that a running app is given."""
    return registry.resolve(name, **asked)["api_key"].reveal()


def uses(team):
    """Return which uses are recorded, by token and process."""
    history = team.do("bob", lambda r: list(r.history()))
    return [(e.token, e.detail["process"]) for e in history if e.detail.get("purpose") == "resolve"]


def child(work, *, leaving=os._exit):
    """Fork, have the child do some work, and return the child's number."""
    number = os.fork()
    if number:
        return number
    signal.alarm(PATIENCE)  # what waits for ever is to be told from what goes well
    code = 1
    try:
        work()
        code = 0
    finally:
        leaving(code)


def code_of(number):
    """Return how a child ended."""
    return os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])


def test_a_child_goes_on_with_connections_of_its_own(team, opened):
    """After a fork both sides resolve, see changes, and the parent goes on as before."""
    app = opened("pay")
    app.resolve("Mail")
    told, tell = os.pipe()
    ready, go = os.pipe()

    def work():
        os.write(tell, key_of(app).encode())
        os.read(ready, 1)
        os.write(tell, key_of(app).encode())
        app.close()

    number = child(work)
    assert os.read(told, 1_000).decode() == secret_of("Mail", None)
    team.do("alice", lambda r: r.tokens.edit("Mail", TokenEdit(fields=fields("after-the-fork"))))
    assert key_of(app) == "after-the-fork"
    os.write(go, b"x")
    assert os.read(told, 1_000).decode() == "after-the-fork"
    assert code_of(number) == 0
    for end in (told, tell, ready, go):
        os.close(end)
    team.do("alice", lambda r: r.tokens.edit("Mail", TokenEdit(fields=fields("again"))))
    assert key_of(app) == "again"


@contextmanager
def busy(work):
    """Have threads do some work again and again."""
    stop = threading.Event()

    def again():
        while not stop.is_set():
            work()

    threads = [threading.Thread(target=again) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_a_child_does_not_wait_for_threads_that_it_does_not_have(team, opened):
    """Whatever other threads are just asking the store, for answers or for changes, a child never finds it locked."""
    app = opened("pay")
    app.resolve("Mail")
    for _ in range(2):  # what is imported for the first time must not be half imported
        list(app.changes(timeout=0))

    def work():
        app.resolve("Mail")
        list(app.changes(timeout=0))

    with busy(work):
        for _ in range(25):
            assert code_of(child(lambda: (app.resolve("Mail"), app.resolve("Zoom")))) == 0
    assert key_of(app) == secret_of("Mail", None)


def test_what_waits_to_be_recorded_is_recorded_once(team):
    """Uses that were not committed yet are left to the parent; a child that ends in order writes its own alone."""
    with team.open("pay") as app:
        app.resolve("Mail", process="parent")
        # A child of a test is not to run what pytest does at its end, but what Python does.
        number = child(lambda: app.resolve("Zoom", process="child"), leaving=_leave_in_order)
        assert code_of(number) == 0
    assert sorted(uses(team)) == [("Mail", "parent"), ("Zoom", "child")]


def _leave_in_order(code):
    recording._close()
    sys.stdout.flush()
    os._exit(code)


def test_a_child_holds_up_no_writer(team):
    """A child that was forked while its parent was writing keeps the queue of writers from nobody, alive or not."""
    with team.open("alice") as admin:
        with admin._ledger.store.queued():
            number = child(lambda: time.sleep(PATIENCE))
        began = time.monotonic()
        admin.tokens.edit("Mail", TokenEdit(fields={}, description="written at once"))
        assert time.monotonic() - began < 5
    os.kill(number, signal.SIGKILL)
    assert code_of(number) == -signal.SIGKILL


def test_what_has_ended_holds_no_connection(team, opened):
    """An iterator over changes that has ended, or failed, has let go of the store, though nobody closed it."""
    app = opened("pay")
    ended = app.changes(timeout=0)
    assert list(ended) == []
    failed = app.changes(after=0, timeout=5)
    team.do("alice", lambda r: r.members.remove("pay"))
    with pytest.raises(NotPermitted):
        list(failed)
    for changes in (ended, failed):
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            changes._lookout._ledger.store._connection.execute("SELECT 1")
        assert list(changes) == []
        changes.close()
