"""Ways to run the command line: in this process, as a process of its own, and on a terminal."""

import fcntl
import os
import pty
import select
import subprocess
import sys
import termios
import time
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner

from cli.main import root

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 20.0


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command line came to."""

    code: int
    out: str
    err: str


class InProcess:
    """Runs command lines in this process, off any terminal."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.seen: list[str] = []
        """Everything ever printed, for those who search it."""

    def __call__(self, *words: str, given: str | bytes | None = None, **environment: str) -> Ran:
        """Run a command line; ``given`` is its standard input."""
        env = {"TOKEN_REGISTRY_HOME": str(self.home), **environment}
        result = CliRunner().invoke(root, list(words), input=given, env=env)
        self.seen += [result.stdout, result.stderr]
        return Ran(result.exit_code, result.stdout, result.stderr)

    def ok(self, *words: str, given: str | bytes | None = None, **environment: str) -> str:
        """Run a command line that must succeed, and return what it printed."""
        ran = self(*words, given=given, **environment)
        assert ran.code == 0, ran
        return ran.out


def environment(home: Path, **more: str) -> dict[str, str]:
    """Return the environment of a process that must find nothing of whoever runs the tests."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TMPDIR") if name in os.environ}
    return {**kept, "PYTHONPATH": str(ROOT), "HOME": str(home), "TOKEN_REGISTRY_HOME": str(home), **more}


def command(*words: str) -> list[str]:
    """Return the arguments that start the command line as a process."""
    return [sys.executable, "-m", "cli", *words]


def process(home: Path, *words: str, given: bytes = b"", **more: str) -> Ran:
    """Run a command line as a process of its own, off any terminal."""
    done = subprocess.run(
        command(*words),
        input=given,
        env=environment(home, **more),
        capture_output=True,
        cwd=home,
        check=False,
        timeout=60,
        start_new_session=True,
    )
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())


def _started(home, words, redirected, more):
    """Return the near side of a new terminal, and the program that runs on its far side."""
    terminal, theirs = pty.openpty()
    given = theirs if redirected is None else os.open(home / redirected, os.O_RDONLY)
    child = subprocess.Popen(
        command(*words),
        stdin=given,
        stdout=theirs,
        stderr=theirs,
        env=environment(home, **{"TERM": "xterm", "COLUMNS": "200", **more}),
        cwd=home,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(theirs, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - Ctrl-C must reach it
    )
    for descriptor in {given, theirs}:
        os.close(descriptor)
    return terminal, child


def typed(
    home: Path, *words: str, answers: tuple[tuple[str, str], ...] = (), redirected: str | None = None, **more: str
) -> Ran:
    """Run a command line on a terminal of its own; each answer is typed when its question has been asked.

    Standard input comes from the file ``redirected``, if there is one.
    """
    terminal, child = _started(home, words, redirected, more)
    shown, deadline, open_questions, position = "", time.monotonic() + PATIENCE, list(answers), 0
    last, typed_at = "", 0.0
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.05)[0]:
            try:
                chunk = os.read(terminal, 65_536)
            except OSError:  # how Linux says that the other side is gone
                break
            if not chunk:
                break
            shown += chunk.decode(errors="replace")
        # A question appears after the terminal was set up for its answer, so it can be answered at once.
        if open_questions and (at := shown.find(open_questions[0][0], position)) >= 0:
            question, answer = open_questions.pop(0)
            position = at + len(question)
            os.write(terminal, answer.encode())
            typed_at, last = time.monotonic(), answer
        # A signal just before the program begins to read is noticed with the next one only; people press again.
        if last.endswith("\x03") and time.monotonic() > typed_at + PATIENCE / 10:
            os.write(terminal, b"\x03")
            typed_at = time.monotonic()
    os.close(terminal)
    code = child.wait(PATIENCE)
    assert not open_questions, f"never asked: {open_questions[0][0]!r}; shown: {shown!r}"
    return Ran(code, shown.replace("\r\n", "\n"), "")
