"""Verifying while others commit: what is read is one moment, and a change meanwhile is no alarm."""

import multiprocessing
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest

from registry import NewToken, Surroundings, TokenEdit, open_registry
from registry.errors import Unusable
from registry.verify.crew import Crew, workers_for
from tests.members.team import NOON, Clock, Team, fields
from tests.verify.history import READERS, verified

ROUNDS = 6


def keep_committing(root, go_on):
    """Add, change, rename and remove tokens, and make keys anew, until told to stop."""
    team = Team(root)
    number = 0
    around = Surroundings(clock=Clock(NOON + timedelta(days=1)))
    with open_registry(team.settings("alice"), surroundings=around) as registry:
        while go_on.is_set():
            number += 1
            name = f"Passing {number}"
            registry.tokens.add(NewToken(name=name, provider="zoom", fields=fields(f"first-{number}")))
            registry.tokens.edit(name, TokenEdit(fields=fields(f"second-{number}")))
            registry.tokens.rename(name, f"Passed {number}")
            if number % 3 == 0:
                registry.tokens.remove(f"Passed {number}")
            if number % 10 == 0:
                registry.members.rotate("global")


@pytest.fixture
def busy(rich):
    """Return a registry in which another process commits all the time."""
    context = multiprocessing.get_context("spawn")
    go_on = context.Event()
    go_on.set()
    writer = context.Process(target=keep_committing, args=(rich.root, go_on))
    writer.start()
    rich.around.clock.now += timedelta(days=2)  # far ahead of the other's, which goes on by itself
    yield rich
    go_on.clear()
    writer.join(30)
    assert writer.exitcode == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_commits_meanwhile_are_no_alarm(busy, workers, monkeypatch):
    """However often others commit while a store is read, nothing that is honest is reported."""
    monkeypatch.setattr("registry.verify.verifier._WORTH_FORKING", 0)
    for name in READERS:
        sizes = set()
        deadline = time.monotonic() + 20
        while len(sizes) < ROUNDS and time.monotonic() < deadline:
            outcome = verified(busy, name, workers=workers)
            assert outcome.problems == ()
            sizes.add(outcome.size)
        assert len(sizes) == ROUNDS, "nobody committed meanwhile"


def test_a_process_with_threads_verifies_alone(rich):
    """Forking a process that has threads is not safe, so such a one does all of the work itself."""
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait)
    thread.start()
    try:
        assert workers_for(4, 100) == 1
        assert verified(rich, workers=4).ok
    finally:
        ended.set()
        thread.join()
    assert workers_for(4, 100) == 4
    assert workers_for(4, 3) == 3


class Doing:
    """Prepares work that squares numbers, and ends its process for a negative one."""

    def __enter__(self):
        """Return what does a task."""
        return self._work

    def __exit__(self, *_):
        """End nothing."""

    def _work(self, number):
        if number < 0:
            sys.exit(3)
        if number == 0:
            raise ValueError("zero")
        return number * number


@pytest.mark.parametrize("workers", [1, 3])
def test_a_crew_does_every_task(workers):
    """Each task is done once, whoever does it."""
    with Crew(Doing, workers) as crew:
        assert sorted(crew.do(range(1, 50))) == [(number, number * number) for number in range(1, 50)]
        assert sorted(crew.do([7])) == [(7, 49)]


def test_what_goes_wrong_in_a_process_is_raised():
    """An error in a process is one here; a process that ends is an error of ours, and no waiting for ever."""
    with pytest.raises(ValueError, match="zero"), Crew(Doing, 2) as crew:
        list(crew.do([1, 0, 2]))
    with pytest.raises(Unusable, match="has ended"), Crew(Doing, 2) as crew:
        list(crew.do([1, -1, 2]))


def test_no_process_outlives_the_verification():
    """Whoever has verified leaves no process behind, even if it is ended in the middle."""
    code = (
        "import sys, os, signal\n"
        "from tests.verify.test_concurrent import Doing\n"
        "from registry.verify.crew import Crew\n"
        "crew = Crew(Doing, 2)\n"
        "print(*[process.pid for process in crew._processes], flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30)
    children = [int(word) for word in ran.stdout.split()]
    assert len(children) == 2
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and any(is_running(child) for child in children):
        time.sleep(0.05)
    assert not any(is_running(child) for child in children)


def is_running(process):
    """Return whether a process is there and has not ended."""
    try:
        status = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
        return status.rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
