"""A program that is started anew on a change: by real processes, as they end, and as they are signalled."""

import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time

import pytest

from tests.cli.harness import environment

PATIENCE = 20.0
# Not print, which a signal may interrupt and must not enter a second time.
TOLD = "import os, signal, sys, time\ndef say(*words): os.write(1, (' '.join(map(str, words)) + '\\n').encode())\n"
# A signal that comes just before a sleep is heard after it.
SERVE = f"{TOLD}say(os.environ['VALUE'], os.getpid())\nwhile True: time.sleep(0.05)\n"
STUBBORN = f"{TOLD}signal.signal(signal.SIGTERM, lambda *_: say('no'))\n{SERVE}"
HANDED_ON = [
    *(signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGABRT),
    *(signal.SIGVTALRM, signal.SIGPROF, signal.SIGXCPU, signal.SIGIO, signal.SIGURG, signal.SIGWINCH),
    *(getattr(signal, name) for name in ("SIGRTMIN", "SIGRTMAX") if hasattr(signal, name)),
]
TELLS = f"""{TOLD}
for number in {[int(number) for number in HANDED_ON]}:
    signal.signal(number, lambda number, _: say(signal.Signals(number).name))
{SERVE}"""
SLOW_END = f"""{TOLD}
def end(*_):
    say('ending')
    time.sleep(1)
    sys.exit(7)
signal.signal(signal.SIGTERM, end)
{SERVE}"""


class Supervised:
    """A supervisor as a process, and what its program says."""

    def __init__(self, folder, code, *, grace=5.0, command=None, **more):
        self.folder = folder
        self.put("value", "first")
        words = command or [sys.executable, "-c", code]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.cli.supervised", str(grace), "--", *words],
            env=environment(folder),
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
            **more,
        )

    def put(self, name, text):
        """Write a file, whole at once."""
        (self.folder / f"{name}.new").write_text(text, encoding="utf-8")
        (self.folder / f"{name}.new").replace(self.folder / name)

    def line(self):
        """Return the words of the next line that the program says."""
        assert select.select([self.process.stdout], [], [], PATIENCE)[0], "nothing was said"
        return self.process.stdout.readline().decode().split()

    def said(self, *words):
        """Wait until the program says this."""
        assert self.line() == list(words)

    def started(self):
        """Return the value with which the next program starts, and its process id."""
        value, pid = self.line()
        return value, int(pid)

    def ended(self):
        """Return how the supervisor ended, and what it said of that."""
        _, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, err.decode()

    def left(self):
        """Return the values of the programs that have ended, and were tidied up behind."""
        path = self.folder / "left"
        return path.read_text(encoding="utf-8").split() if path.exists() else []


@pytest.fixture
def supervised(tmp_path):
    """Return what starts a supervisor, and ends it with all its programs after the test."""
    running = []

    def start(code="", **more):
        running.append(Supervised(tmp_path, code, **more))
        return running[-1]

    yield start
    for one in running:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(one.process.pid, signal.SIGKILL)
        one.process.communicate()


def is_gone(pid):
    """Return whether there is no such process any more."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize("code", [0, 1, 7, 255])
def test_the_exit_code_is_the_programs_own(supervised, code):
    """A program that ends by itself is not started again, and its exit code is the answer."""
    one = supervised(f"import sys; sys.exit({code})")
    assert one.ended() == (code, "")
    assert one.left() == ["first"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGPIPE])
def test_a_program_that_a_signal_ended(supervised, number):
    """Who waits for it sees the very signal that ended the program."""
    one = supervised(command=["sh", "-c", f"kill -{int(number)} $$"])
    assert one.ended() == (-number, "")


def test_a_change_starts_it_anew(supervised):
    """The program gets SIGTERM, and the next one starts with the new value when it has ended, each time."""
    one = supervised(SERVE)
    before = one.started()
    for value in ("second", "third"):
        one.put("value", value)
        after = one.started()
        assert after[0] == value
        assert is_gone(before[1])
        before = after
    assert one.left() == ["first", "second"]
    one.process.terminate()
    assert one.ended() == (-signal.SIGTERM, "")
    assert is_gone(before[1])


def test_a_program_that_does_not_end_is_killed(supervised):
    """Who ignores SIGTERM is killed when the grace is over, and not before."""
    one = supervised(STUBBORN, grace=0.5)
    _, pid = one.started()
    began = time.monotonic()
    one.put("value", "second")
    one.said("no")
    assert one.started()[0] == "second"
    assert time.monotonic() - began >= 0.5
    assert is_gone(pid)


def test_a_program_that_ends_in_its_own_time(supervised):
    """Within the grace a program may take its time, and its code then is nobody's business: it was told to end."""
    one = supervised(SLOW_END)
    one.started()
    one.put("value", "second")
    one.said("ending")
    one.put("value", "third")
    assert one.started()[0] == "third"


def test_signals_are_handed_on(supervised):
    """What is sent to the supervisor reaches the program, and what the program does with it is its own affair."""
    one = supervised(TELLS)
    _, pid = one.started()
    for number in HANDED_ON:
        one.process.send_signal(number)
        one.said(number.name)
    one.process.terminate()
    assert one.ended() == (-signal.SIGTERM, "")
    assert is_gone(pid)


def test_a_termination_during_a_restart(supervised):
    """Who ends the supervisor while the program is being ended for a change gets no new one."""
    one = supervised(SLOW_END)
    one.started()
    one.put("value", "second")
    one.said("ending")
    one.process.terminate()
    assert one.ended()[0] == 7
    assert one.left() == ["first"]


def test_a_change_during_a_termination(supervised):
    """A program that was told to end is not started anew, because something changes meanwhile."""
    one = supervised(SLOW_END)
    one.started()
    one.process.terminate()
    one.said("ending")
    one.put("value", "second")
    assert one.ended()[0] == 7
    assert one.left() == ["first"]


def test_a_signal_that_the_program_took_otherwise(supervised):
    """A program that goes on after a signal is started anew as before, when the grace is over."""
    one = supervised(TELLS, grace=0.5)
    one.started()
    one.process.send_signal(signal.SIGINT)
    one.said("SIGINT")
    one.put("value", "second")
    assert one.started()[0] == "second"


@pytest.mark.parametrize(("kind", "code"), [("NotFound", 3), ("NotPermitted", 6), ("IntegrityError", 7)])
def test_a_token_that_is_gone_ends_the_program(supervised, kind, code):
    """What says that the value is no longer to be used ends the program, and is the answer."""
    one = supervised(SERVE)
    _, pid = one.started()
    one.put("error", kind)
    assert one.ended() == (code, "error: as the test wants it\n")
    assert is_gone(pid)


def test_a_store_that_is_away_ends_nothing(supervised):
    """While the store cannot be used the program runs on, which is said once; later changes are noticed again."""
    one = supervised(SERVE)
    _, pid = one.started()
    one.put("error", "StoreUnreadable")
    assert select.select([one.process.stderr], [], [], PATIENCE)[0]
    time.sleep(0.2)
    assert not is_gone(pid)
    (one.folder / "error").unlink()
    one.put("value", "second")
    assert one.started()[0] == "second"
    one.process.terminate()
    said = "the program runs on, but changes are not noticed now: as the test wants it\n"
    assert one.ended() == (-signal.SIGTERM, said)


def test_a_program_that_there_is_not(supervised):
    """A program that cannot be started is an error of the caller's."""
    assert supervised(command=["no-such-program"]).ended() == (127, "")


def test_what_was_ignored_stays_ignored(supervised):
    """Under ``nohup`` the program does not get the hang-up that it was to be spared."""
    one = supervised(
        TELLS.replace("signal.SIGHUP, ", ""), preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)
    )
    one.started()
    one.process.send_signal(signal.SIGHUP)
    one.process.send_signal(signal.SIGUSR1)
    one.said("SIGUSR1")


def test_ctrl_c_on_a_terminal_reaches_it_once(tmp_path):
    """What a terminal sends to all its programs is not sent to the program a second time."""
    (tmp_path / "value").write_text("first", encoding="utf-8")
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(tmp_path)
        words = [sys.executable, "-m", "tests.cli.supervised", "5", "--", sys.executable, "-c", TELLS]
        os.execve(sys.executable, words, environment(tmp_path))  # noqa: S606 - without a shell on purpose
    try:
        shown = _shown(terminal, "first")
        os.write(terminal, b"\x03")
        shown += _shown(terminal, "SIGINT")
        time.sleep(0.3)
        os.write(terminal, b"\x1c")
        shown += _shown(terminal, "SIGQUIT")
        assert (shown.count("SIGINT"), shown.count("SIGQUIT")) == (1, 1)
    finally:
        os.killpg(child, signal.SIGKILL)
        os.close(terminal)
        os.waitpid(child, 0)


def _shown(terminal, word):
    """Return what a terminal shows until it has shown a word."""
    shown, deadline = "", time.monotonic() + PATIENCE
    while word not in shown:
        assert time.monotonic() < deadline, shown
        if select.select([terminal], [], [], 0.1)[0]:
            shown += os.read(terminal, 4096).decode()
    return shown


REAL = """
import contextlib, os, sys
import registry
from cli import supervising
from cli.failures import report
wanted = registry.Asked(name="Zoom")
@contextlib.contextmanager
def environment():
    yield {**os.environ, "VALUE": opened.resolve("Zoom")["api_secret"].reveal()}
try:
    with registry.open_registry() as opened, opened.token_watch([wanted]) as watch:
        status = supervising.supervise(sys.argv[1:], environment, watch.changed)
except registry.RegistryError as error:
    sys.exit(report(error, debug=False))
supervising.end_likewise(status)
"""


def test_with_a_registry(token, tmp_path):
    """A change of the token by another process brings a new program with the new value; its deletion ends it with 3."""
    with subprocess.Popen(
        [sys.executable, "-c", REAL, sys.executable, "-c", SERVE],
        env=environment(token.home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as one:
        assert one.stdout.readline().startswith("canary-secret")
        token.ok("edit", "Zoom", "--description", "no reason to begin anew")
        token.ok("edit", "Zoom", "--field", "api_secret=@new.txt")
        value, pid = one.stdout.readline().split()
        assert value.startswith("canary-second")
        token.ok("remove", "Zoom", "--yes")
        _, err = one.communicate(timeout=PATIENCE)
        assert (one.returncode, err.startswith("error: there is no token 'Zoom'")) == (3, True)
        assert is_gone(int(pid))
    uses = [
        e["detail"]["purpose"]
        for e in json.loads(token.ok("history", "--event", "token.disclosed", "--format", "json"))
    ]
    assert uses == ["resolve", "resolve"]
