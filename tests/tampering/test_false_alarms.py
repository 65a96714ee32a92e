"""An honest registry raises no alarm: after a crash anywhere in a commit, with clocks apart, while others commit."""

import multiprocessing
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec import structs

from registry import TokenEdit, open_registry, verify_registry
from tests.members.team import NOON, Clock, Team, fields
from tests.verify.history import verified
from tests.verify.test_concurrent import keep_committing

VICTIM = """
import os
import shutil
import signal
import sys
from datetime import timedelta
from pathlib import Path

from eventsourcing import sqlite
from registry import Surroundings, TokenEdit, open_registry
from registry.store.sqlite import SQLitePlace
from tests.members.team import NOON, Clock, Team, fields
from msgspec import structs

root, command = Path(sys.argv[1]), sys.argv[2]
around = Surroundings(clock=Clock(NOON + timedelta(days=1)))
works = {
    "edit": lambda r: r.tokens.edit("Mail", TokenEdit(fields=fields("new"), description="new")),
    "remove": lambda r: r.tokens.remove("Mail"),
    "rotate": lambda r: r.members.rotate(),
}

def arm(left):
    # Whoever is killed between two statements has done the one before and not the one behind.
    def counting(original):
        def run(*arguments, **named):
            nonlocal left
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
            return original(*arguments, **named)
        return run
    for owner, name in (
        (sqlite.SQLiteCursor, "execute"), (sqlite.SQLiteCursor, "executemany"), (sqlite.SQLiteConnection, "commit")
    ):
        setattr(owner, name, counting(getattr(owner, name)))

for number in range(100):
    copy = root / f"killed {number}"
    shutil.copytree(root / "whole", copy)
    child = os.fork()
    if not child:
        team = Team(copy)
        team.pins("alice").put(structs.replace(Team(root / "whole").pin("alice"), url=SQLitePlace(team.store).url))
        with open_registry(team.settings("alice"), surroundings=around) as registry:
            registry.tokens.show("Mail")
            arm(number)
            works[command](registry)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status):
        assert status == 0, status
        print(number)
        break
"""


LATER = NOON + timedelta(days=2)
"""Ahead of the clocks by which others commit."""
EVENTS = {"edit": 2, "remove": 1, "rotate": 1}
"""Commands, and how many events each commits."""


@pytest.mark.parametrize("command", EVENTS)
def test_a_commit_killed_at_any_statement_is_no_alarm(scene, tmp_path, command):
    """Wherever a commit ended, it was never there: all is well, and the next one comes behind what was before."""
    scene.team.copy(tmp_path / "whole")
    environment = {"PYTHONPATH": ":".join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"}
    arguments = [sys.executable, "-c", VICTIM, str(tmp_path), command]
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    killed = int(done.stdout)
    assert killed > 5
    for number in range(killed + 1):
        team = Team(tmp_path / f"killed {number}")
        team.around = structs.replace(team.around, clock=Clock(LATER))
        made = number == killed
        outcome = verified(team)
        assert (outcome.problems, outcome.size) == ((), scene.size + 1 + (command == "edit") if made else scene.size), (
            number
        )
        if not made:
            assert (
                team.do("alice", lambda r: r.tokens.edit("Mail", TokenEdit(fields=fields("next")))).token.revision == 4
            )
            assert verified(team).problems == ()


@pytest.mark.parametrize("minutes", [1, 5, 9.5])
def test_members_whose_clocks_differ_raise_no_alarm(scene, tmp_path, minutes):
    """Members with clocks minutes apart commit in their turns, and whoever verifies by whatever clock finds nothing."""
    team = scene.team.copy(tmp_path / "apart")
    clock = team.around.clock
    half = timedelta(minutes=minutes / 2)
    apart = {
        "alice": structs.replace(team.around, clock=lambda: clock() + half),
        "pay": structs.replace(team.around, clock=lambda: clock() - half),
        "bob": structs.replace(team.around, clock=lambda: clock() - half),
    }
    for number in range(4):
        with open_registry(team.settings("alice"), surroundings=apart["alice"]) as registry:
            registry.tokens.edit("Mail", TokenEdit(fields=fields(f"key-{number}")))
            registry.policies.set("record-resolves", "every")
        with open_registry(team.settings("pay"), surroundings=apart["pay"]) as registry:
            assert registry.resolve("Mail")["api_key"].reveal() == f"key-{number}"
        with open_registry(team.settings("bob"), surroundings=apart["bob"]) as registry:
            registry.evidence.export(tmp_path / f"evidence {number}")
        for name, around in apart.items():
            assert verify_registry(team.settings(name), surroundings=around).problems == ()


def test_whoever_looks_while_others_commit_sees_no_alarm(scene, tmp_path):
    """Verifying, opening from any moment on and resolving go well whatever another process commits meanwhile."""
    team = scene.team.copy(tmp_path / "busy")
    team.around = structs.replace(team.around, clock=Clock(LATER))
    context = multiprocessing.get_context("spawn")
    go_on = context.Event()
    go_on.set()
    writer = context.Process(target=keep_committing, args=(Path(team.root), go_on))
    writer.start()
    sizes, deadline = set(), time.monotonic() + 30
    try:
        while len(sizes) < 12 and time.monotonic() < deadline:
            for name in ("alice", "bob", "pay"):
                outcome = verified(team, name)
                assert outcome.problems == (), name
                sizes.add(outcome.size)
            team.forget("bob")
            assert len(team.do("bob", lambda r: list(r.history()))) >= scene.size
            assert team.do("pay", lambda r: r.resolve("Mail"))["api_key"].reveal() == "key-of-Mail-in-None"
    finally:
        go_on.clear()
        writer.join(30)
    assert writer.exitcode == 0
    assert len(sizes) >= 12, "nobody committed meanwhile"
