"""What running apps resolve is recorded: also at the end of a program, without a thread, and after too much of it."""

import subprocess
import sys
import threading

import pytest

from registry import InvalidValue, Unusable
from registry.service import recording, resolving
from tests.cli.harness import ROOT


def uses(team):
    """Return of which processes a use is recorded."""
    history = team.do("bob", lambda r: list(r.history()))
    return [e.detail["process"] for e in history if e.detail.get("purpose") == "resolve"]


def test_what_is_closed_answers_no_more(team):
    """After the end nothing is handed out, as it could not be recorded; whatever was asked for before, or never."""
    with team.open("pay") as app:
        app.resolve("Mail")
        auth = app.auth("Mail")
    never = team.open("pay")
    never.close()
    for ask in (
        lambda: app.resolve("Mail"),
        lambda: app.resolve("Zoom"),
        auth._resolve,
        lambda: never.resolve("Mail"),
        lambda: app.tokens.reveal("Mail", "api_key"),
    ):
        with pytest.raises(Unusable, match="was closed"):
            ask()


@pytest.mark.parametrize("name", ["", " ", "p" * 201, "a\nb", "\udcff", "\x1b[31m"])
def test_a_process_has_a_name(team, name):
    """What cannot stand in the history as the name of a process is refused, and spoils nothing that comes later."""
    with team.open("pay") as app:
        with pytest.raises(InvalidValue, match="process's name"):
            app.resolve("Mail", process=name)
        app.resolve("Mail", process="nightly")
    assert uses(team) == ["nightly"]


def test_space_around_a_process_is_none_of_its_name(team):
    """A process is recorded under its name without the space around it."""
    with team.open("pay") as app:
        app.resolve("Mail", process=" nightly \n")
    assert uses(team) == ["nightly"]


PROGRAM = """
import atexit, sys
from datetime import UTC, datetime
from registry import Surroundings, load_settings, open_registry

around = Surroundings(clock=lambda: datetime(2027, 2, 1, tzinfo=UTC))
app = open_registry(load_settings({"home": sys.argv[1], "url": sys.argv[2]}, {}), surroundings=around)
atexit.register(lambda: app.resolve("Mail", process="at the end"))
from registry.service import recording
atexit.register(lambda: app.resolve("Mail", process="before that"))
app.resolve("Mail", process="at first")
"""


def test_whoever_forgets_to_close_is_recorded_all_the_same(team):
    """A program that simply ends has its uses written, also those of its very last moments."""
    settings = team.settings("pay")
    arguments = [sys.executable, "-c", PROGRAM, str(team.root / "pay"), settings.url.value]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(uses(team)) == ["at first", "at the end", "before that"]


def test_without_a_thread(team, monkeypatch):
    """Where no thread can be started any more, a use is written before it is answered, and none is lost."""

    def refuse(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with team.open("pay") as app:
        app.resolve("Mail", process="alone")
        assert uses(team) == ["alone"]


def test_a_thread_that_died_has_a_successor(team, opened):
    """A fault in the thread that records ends that thread, and not the recording."""
    app = opened("pay")
    app.resolve("Mail", process="first")
    recorder = app._resolver._recorder
    recorder.flush()
    dead = threading.Thread(target=lambda: None)
    dead.start()
    dead.join()
    recorder._thread = dead
    app.resolve("Mail", process="second")
    assert recorder._thread is not dead
    assert recorder._thread.is_alive()


def test_too_many_uses_lose_the_oldest_alone(team, monkeypatch):
    """What comes while a full queue is being written takes no place from what was not written yet."""
    monkeypatch.setattr(recording, "_MOST", 3)
    monkeypatch.setattr(recording, "_GATHER", 60)
    with team.open("pay") as app:
        for process in "abcd":
            app.resolve("Mail", process=process)
        recorder = app._resolver._recorder
        commit = recorder._commit

        def meanwhile(batch):
            commit(batch)
            recorder._commit = commit
            app.resolve("Mail", process="e")

        recorder._commit = meanwhile
        recorder.flush()
    assert uses(team) == ["b", "c", "d", "e"]


def test_memory_does_not_grow_with_the_names_of_processes(team, monkeypatch):
    """A program that names each of its jobs keeps no more of them in mind than a fixed number."""
    monkeypatch.setattr(resolving, "_MOST", 10)
    with team.open("pay") as app:
        for number in range(35):
            app.resolve("Mail", process=f"job {number}")
        resolver = app._resolver
        assert max(len(resolver._current), len(resolver._noted)) <= 10
        assert len(resolver._opened) == 1
    assert len(uses(team)) == 35


def test_threads_that_come_first_share_one_recorder(team):
    """However many threads are the first to ask an open registry, there is one memory and one record of it."""
    with team.open("pay") as app:
        ready = threading.Barrier(8)
        found = []

        def ask():
            ready.wait()
            found.append(app._resolver or app._made_resolver())
            app.resolve("Mail")

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set(found)) == 1
    assert uses(team) == [None]
