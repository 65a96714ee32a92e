"""A running app that forks: the child goes on with the store as if it had opened it itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.members.team import secret_of

ROOT = Path(__file__).resolve().parents[2]
OPEN = """
import os, sys
from datetime import UTC, datetime
from registry import Secret, Surroundings, TokenEdit, load_settings, open_registry
around = Surroundings(clock=lambda: datetime(2027, 2, 1, tzinfo=UTC))
registry = open_registry(load_settings({"home": sys.argv[1], "url": sys.argv[2]}, {}), surroundings=around)
"""
ORPHAN = """
registry.resolve("Mail")
alive, ended = os.pipe()
if os.fork():
    os._exit(0)
os.close(ended)
os.read(alive, 1)  # until its parent has ended
for line in sys.stdin:
    print(registry.resolve("Mail")["api_key"].reveal(), flush=True)
"""
EDIT = """
registry.tokens.edit("Mail", TokenEdit(fields={"api_key": Secret(sys.argv[3])}))
registry.close()
"""


def program(text, team, name, *words):
    """Return the arguments that run a program on a member's machine."""
    return [sys.executable, "-c", OPEN + text, str(team.root / name), f"sqlite:///{team.store}", *words]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_that_outlives_its_parent(team):
    """A daemon is told each change, although the process that opened the store for it has ended."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        program(ORPHAN, team, "pay"), env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as app:

        def key():
            app.stdin.write("\n")
            app.stdin.flush()
            return app.stdout.readline().strip()

        assert key() == secret_of("Mail", None)
        for number in range(3):
            subprocess.run(program(EDIT, team, "alice", f"key-{number}"), env=environment, check=True)
            assert key() == f"key-{number}"
        app.stdin.close()
