"""A real server that restarts, crashes, falls silent, or has no room: each test does it to one of its own."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Event, Thread, current_thread

import pytest

from registry import (
    StoreUnreadable,
    Unusable,
    init_registry,
    open_registry,
    verify_registry,
)
from registry.store.postgres import connection, place, store as postgres_store
from tests import servers
from tests.cli.harness import ROOT, InProcess
from tests.service.attacks import OLD, edit, fields, token

ENGINE = "postgres"
MODES = pytest.mark.parametrize("mode", ["fast", "immediate"])


@pytest.fixture
def server():
    """Return a server of this test's own."""
    with servers.private() as own:
        yield own


@pytest.fixture
def store_url(server):
    """Return the URL of a store that is not there yet, reached as one over a network is, with little patience."""
    return f"{server.tcp_url}?connect_timeout=2&schema=registry"


@pytest.fixture
def cli(founded):
    """Return alice's command line."""
    run = InProcess(founded.home.value)
    return lambda *words: run(*words, TOKEN_REGISTRY_URL=founded.url.value)


def connections(server):
    """Return how many connections of registries there are."""
    return server.sql("SELECT COUNT(*) FROM pg_stat_activity WHERE application_name = 'token-registry'")[0][0]


def log_of(server):
    """Return the numbers of all commits, and the positions of all events."""
    commits = server.sql("SELECT number FROM registry.commits ORDER BY 1")
    events = server.sql("SELECT position FROM registry.stored_events ORDER BY 1")
    return [number for (number,) in commits], [position for (position,) in events]


@MODES
def test_a_restart_between_uses_is_not_noticed(filled, server, mode):
    """Whoever asks again after a restart is answered, whatever it asks, and no connection is left behind."""
    assert filled.resolve("Zoom")["api_secret"].reveal() == OLD
    for work in (
        lambda: filled.tokens.show("Zoom"),
        lambda: filled.resolve("Zoom"),
        lambda: list(filled.history()),
        lambda: filled.tokens.edit("Zoom", edit(description="still here")),
    ):
        server.restart(mode)
        work()
    assert filled.tokens.show("Zoom").description == "still here"
    assert filled.resolve("Zoom")["api_secret"].reveal() == OLD
    # Its own, one that resolves, one for what is recorded, and one for each that had to wait for its turn.
    servers.until(lambda: connections(server) <= 5)
    filled.close()
    servers.until(lambda: connections(server) == 0)


@MODES
def test_a_restart_within_a_change_leaves_nothing_of_it(filled, founded, around, server, mode, monkeypatch):
    """Where the server restarts after a change has taken its turn, nothing was changed, and the next one is made."""
    before, write = log_of(server), postgres_store.PostgresStore._writer
    monkeypatch.setattr(postgres_store.PostgresStore, "_writer", lambda self: (server.restart(mode), write(self))[1])
    with pytest.raises(StoreUnreadable, match="cannot be reached"):
        filled.tokens.edit("Zoom", edit(fields=fields("not-made")))
    monkeypatch.undo()
    assert log_of(server) == before
    assert filled.resolve("Zoom")["api_secret"].reveal() == OLD
    assert filled.tokens.edit("Zoom", edit(fields=fields("made"))).changed
    assert filled.resolve("Zoom")["api_secret"].reveal() == "made"
    assert verify_registry(founded, surroundings=around).ok


def test_a_commit_whose_answer_a_restart_took_is_found(filled, founded, around, server):
    """A commit that is there when the server comes back is taken for made, although its answer was never heard."""
    with servers.private(standby_of=server, synchronous=True) as standby, ThreadPoolExecutor(1) as pool:
        standby.pause()
        changing = pool.submit(filled.tokens.edit, "Zoom", edit(description="made"))
        try:
            servers.until(lambda: server.sql("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'"))
            server.restart("immediate")
        finally:
            standby.go_on()
        assert changing.result().changed
        assert filled.tokens.show("Zoom").description == "made"
        assert verify_registry(founded, surroundings=around).ok


def test_a_running_app_goes_on_over_restarts(filled, server):
    """An app that resolves all the while sees errors only while the server is away, and then the token again."""
    ended, seen, errors = Event(), [], []

    def resolve():
        while not ended.is_set():
            try:
                seen.append(filled.resolve("Zoom")["api_secret"].reveal())
            except Exception as error:  # noqa: BLE001 - whatever it is, the test looks at it
                errors.append(error)

    app = Thread(target=resolve)
    app.start()
    try:
        for mode in ("fast", "immediate", "fast"):
            count = len(seen)
            servers.until(lambda count=count: len(seen) > count + 10)
            server.restart(mode)
    finally:
        count = len(seen)
        with suppress(AssertionError):
            servers.until(lambda: len(seen) > count + 10)
        ended.set()
        app.join()
    assert len(seen) > count + 10
    assert set(seen) == {OLD}
    assert all(isinstance(error, Unusable) for error in errors), errors
    servers.until(lambda: connections(server) <= 5)


def test_what_is_asked_while_the_server_is_away_ends_with_10(filled, founded, around, server, cli):
    """Reading and changing are refused in one line while it is away; afterwards everything is as it was."""
    filled.resolve("Zoom")
    before = filled.tokens.show("Zoom")
    server.stop()
    for words in (
        ("list",),
        ("edit", "Zoom", "--description", "lost"),
        ("verify",),
        ("reveal", "Zoom", "--field", "api_key"),
    ):
        ran = cli(*words)
        assert (ran.code, ran.out) == (10, ""), ran
        assert "cannot be reached: nothing listens there" in ran.err
        assert "Traceback" not in ran.err
    for use in (
        lambda: filled.resolve("Zoom"),
        lambda: filled.tokens.show("Zoom"),
        lambda: filled.tokens.edit("Zoom", edit(description="lost")),
    ):
        with pytest.raises(StoreUnreadable, match="nothing listens there"):
            use()
    server.start()
    assert filled.tokens.show("Zoom") == before
    assert filled.resolve("Zoom")["api_secret"].reveal() == OLD
    assert verify_registry(founded, surroundings=around).ok
    assert filled.tokens.edit("Zoom", edit(description="made")).changed


WRITER = """
import sys
from registry import load_settings, open_registry
from tests.service.attacks import edit
with open_registry(load_settings({"home": sys.argv[1], "url": sys.argv[2]}, {})) as opened:
    opened._ledger.store._wait = 0.2  # the server stays away for as long as this process lives
    for number in range(1_000_000):
        opened.tokens.edit("Zoom", edit(description=f"edit {number}"))
        print(number, flush=True)
"""


def test_a_crash_loses_no_commit_that_was_acknowledged(settings, server):
    """Killed while another process commits, the server comes back with all that it has acknowledged, densely."""
    init_registry(settings, name="alice")
    with open_registry(settings) as opened:
        opened.tokens.add(token("Zoom"))
    for _ in range(2):
        (commits, _events), acknowledged = log_of(server), 0
        arguments = [sys.executable, "-c", WRITER, settings.home.value, settings.url.value]
        with subprocess.Popen(
            arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={"PYTHONPATH": str(ROOT)}
        ) as writer:
            while acknowledged < 20:
                acknowledged = int(writer.stdout.readline()) + 1
            server.kill()
            rest, said = writer.communicate(timeout=60)
        acknowledged += len(rest.splitlines())
        assert said.splitlines()[-1].startswith(("registry.errors.OutcomeUnknown", "registry.errors.StoreUnreadable"))
        server.start()
        numbers, positions = log_of(server)
        made = len(numbers) - len(commits)
        assert made in {acknowledged, acknowledged + 1}
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        assert positions == list(range(len(positions)))
        assert verify_registry(settings).ok
        with open_registry(settings) as opened:
            assert opened.tokens.show("Zoom").description == f"edit {made - 1}"


def test_a_silent_server_is_not_waited_for_long(filled, server, cli, monkeypatch):
    """A server that stands still keeps neither a running app nor a new command; once it goes on, so do they."""
    monkeypatch.setattr(connection, "_SILENCE", 0.2)
    assert filled.resolve("Zoom")["api_secret"].reveal() == OLD
    tried, connect = [], place.connect
    monkeypatch.setattr(place, "connect", lambda *a, **more: (tried.append(current_thread()), connect(*a, **more))[1])
    server.pause()
    try:
        with pytest.raises(StoreUnreadable, match="cannot be reached: it does not answer"):
            filled.resolve("Zoom")
        assert tried.count(current_thread()) == 1, "a silent server is waited for once"
        ran = cli("list")
    finally:
        server.go_on()
    assert (ran.code, ran.out) == (10, "")
    assert "cannot be reached: it does not answer" in ran.err
    assert filled.resolve("Zoom")["api_secret"].reveal() == OLD
    assert cli("list").code == 0
