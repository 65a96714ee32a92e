"""``run``: what a program is given, that it is recorded, and that its end is its own."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cli import failures
from tests.cli.conftest import KEY, NEW_SECRET, SECRET
from tests.cli.harness import command, environment, process, typed
from tests.cli.test_bad_input import refused
from tests.cli.test_secrecy import found_in

SHOW = (sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))")
PYTHON = (sys.executable, "-c")


def told(cli, *words, **more):
    """Return the environment that a program is given."""
    ran = process(cli.home, "run", *words, "--", *SHOW, **more)
    assert (ran.code, ran.err) == (0, "")
    return json.loads(ran.out)


def disclosures(cli):
    """Return what the history says of disclosures."""
    return json.loads(cli.ok("history", "--event", "token.disclosed", "--format", "json"))


@pytest.fixture
def two(token, secrets):
    """Return a registry with the tokens Zoom and Mail."""
    token.ok("add", "Mail", *secrets)
    return token


def test_fields_are_variables(token):
    """Each field is a variable: its name in capitals behind the prefix, defaults filled in, and nothing of ours."""
    given = told(token, "Zoom", "--prefix", "ZOOM_", TOKEN_REGISTRY_FORMAT="table", KEPT="ü")
    expected = {"ZOOM_API_KEY": KEY, "ZOOM_API_SECRET": SECRET, "ZOOM_API_URL": "https://api.zoom.us/v2"}
    assert expected.items() <= given.items()
    assert [name for name in given if "TOKEN_REGISTRY" in name] == []
    assert (given["KEPT"], given["HOME"]) == ("ü", str(token.home))
    assert told(token, "Zoom")["API_KEY"] == KEY


def test_pristine_inherits_little(token):
    """With --pristine only what every program relies on is inherited."""
    given = told(token, "Zoom", "--pristine", "--only", "api_key", KEPT="1", LC_TIME="C", TZ="UTC", LD_DEBUG_OUTPUT="x")
    assert given["API_KEY"] == KEY
    assert set(given) <= {"API_KEY", "PATH", "HOME", "LC_TIME", "LC_ALL", "LC_CTYPE", "LANG", "TMPDIR", "TZ"}
    assert (given["LC_TIME"], given["TZ"]) == ("C", "UTC")


def test_several_tokens_in_one_commit(two):
    """Several tokens are handed out together, each behind its own prefix, and recorded in one commit."""
    given = told(two, "Zoom", "--token", "MAIL_=Mail", "--only", "api_key", "--reason", "ticket 1", "--process", "pay")
    assert (given["API_KEY"], given["MAIL_API_KEY"]) == (KEY, KEY)
    assert "API_SECRET" not in given
    first, second = disclosures(two)
    assert [(one["token"], one["changed"], one["reason"]) for one in (first, second)] == [
        ("Zoom", ["api_key"], "ticket 1"),
        ("Mail", ["api_key"], "ticket 1"),
    ]
    assert first["detail"] == {"purpose": "run", "process": "pay"}
    assert (first["at"], first["position"] + 1) == (second["at"], second["position"])


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("Zoom", "--token", "Mail"), 2),
        (("Zoom", "--token", "Zoom"), 2),
        (("Zoom", "--prefix", "A-"), 2),
        (("Zoom", "--prefix", "0"), 2),
        (("Zoom", "--prefix", "A=B"), 2),
        (("Zoom", "--token", "A=B=Mail"), 2),
        (("Zoom", "--prefix", "TOKEN_REGISTRY_"), 2),
        (("Zoom", "--only", "colour"), 3),
        (("Zoom", "--only", ""), 3),
        (("Nope",), 3),
        (("Zoom", "--token", "Nope"), 3),
        (("Zoom", "--app", "HR", "--global"), 2),
        (("Zoom", "--file", "nowhere"), 2),
        (("Zoom", "--file", "key.txt"), 2),
        (("$(id)",), 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_refused_before_anything_is_recorded(two, words, code):
    """What cannot be handed out is refused in one line, and leaves no trace."""
    refused(two("run", *words, "--", "true"), code)
    assert disclosures(two) == []


@pytest.mark.parametrize(
    ("program", "code"),
    [
        ("no-such-program", 127),
        ("./no-such-program", 127),
        ("", 127),
        ("./key.txt", 126),
        ("/", 126),
    ],
)
def test_a_program_that_is_none(token, program, code):
    """A program that is not there ends as in a shell, with 127 or 126, and nothing is handed out."""
    ran = token("run", "Zoom", "--", program)
    assert (ran.code, ran.out, len(ran.err.splitlines())) == (code, "", 1)
    assert disclosures(token) == []


def test_a_file_that_the_system_does_not_run(token, tmp_path):
    """An executable file that is no program ends with 126; by then its use is in the history."""
    script = tmp_path / "no-interpreter"
    script.write_text("echo\n", encoding="utf-8")
    script.chmod(0o755)
    for more in ((), ("--file", str(tmp_path))):
        ran = process(token.home, "run", "Zoom", *more, "--", str(script))
        assert (ran.code, "cannot be run" in ran.err) == (126, True)
    assert len(disclosures(token)) == 2
    assert list(tmp_path.glob("token-registry-*")) == []


@pytest.mark.parametrize("words", [("run", "Zoom"), ("run", "Zoom", "--"), ("run", "Zoom", "true"), ("run", "--", "a")])
def test_the_program_stands_behind_two_hyphens(token, words):
    """Without ``--`` and a program behind it, the command line is not understood; no word of it is repeated."""
    ran = token(*words)
    assert (ran.code, ran.out) == (2, "")
    assert "'true'" not in ran.err


def test_its_options_are_its_own(token):
    """Whatever stands behind ``--`` is the program's, our own options and further hyphens too."""
    ran = process(token.home, "run", "Zoom", "--", "echo", "--help", "--", "--format", "json", "--debug")
    assert (ran.code, ran.out) == (0, "--help -- --format json --debug\n")


@pytest.mark.parametrize("file", [False, True], ids=["environment", "files"])
@pytest.mark.parametrize("code", [0, 1, 7, 255])
def test_the_exit_code_is_its_own(token, tmp_path, file, code):
    """The code of the program is the code of the command."""
    more = ("--file", str(tmp_path)) if file else ()
    assert process(token.home, "run", "Zoom", *more, "--", *PYTHON, f"raise SystemExit({code})").code == code


@pytest.mark.parametrize("file", [False, True], ids=["environment", "files"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGUSR1])
def test_it_dies_by_its_own_signal(token, tmp_path, file, number):
    """Where a signal ends the program, whoever waits sees that signal."""
    more = ("--file", str(tmp_path)) if file else ()
    code = f"import os; os.kill(os.getpid(), {int(number)})"
    assert process(token.home, "run", "Zoom", *more, "--", *PYTHON, code).code == -number
    assert list(tmp_path.glob("token-registry-*")) == []


def started(cli, *words, program, **more):
    """Start ``run`` with a program that says a line when it is ready; return it then, with what it said."""
    running = subprocess.Popen(
        [*command("run", *words), "--", *PYTHON, program],
        env=environment(cli.home),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **more,
    )
    return running, running.stdout.readline().strip()


READY = r"""
import os, signal, sys, time
def heard(number, frame):
    os.write(1, f"{signal.Signals(number).name}\n".encode())  # the first line may still be on its way
    os._exit(number)
for name in sys.argv[1:] or ("SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGQUIT"):
    signal.signal(getattr(signal, name), heard)
print(os.getpid(), os.environ["API_KEY"], flush=True)
for _ in range(1200): time.sleep(0.05)  # a signal just before a sleep is heard after it
"""


@pytest.mark.parametrize("file", [False, True], ids=["environment", "files"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGQUIT])
def test_signals_reach_it(token, tmp_path, file, number):
    """A signal to the command reaches the program once, which answers it as it likes."""
    running, _ = started(token, *(("--file", str(tmp_path)) if file else ()), "Zoom", program=READY)
    os.kill(running.pid, number)
    out, err = running.communicate(timeout=30)
    assert (out, err, running.returncode) == (f"{number.name}\n", "", number)
    assert list(tmp_path.glob("token-registry-*")) == []


def test_it_takes_the_place_of_the_process(token):
    """Without files the program is this very process, and dies of a broken pipe as from a shell."""
    running, said = started(token, "Zoom", program=READY)
    assert said == f"{running.pid} {KEY}"
    running.kill()
    running.communicate()
    code = "import signal; print(signal.getsignal(signal.SIGPIPE).name)"
    assert process(token.home, "run", "Zoom", "--", "sh", "-c", 'kill -PIPE "$$"').code == -signal.SIGPIPE
    assert process(token.home, "run", "Zoom", "--", *PYTHON, code).out == "SIG_IGN\n"  # Python's own doing


FILES = """
import json, os, pathlib, stat
names = [name for name in os.environ if name.startswith("API_")]
paths = {name: pathlib.Path(os.environ[name]) for name in names}
folder = paths["API_KEY"].parent
print(json.dumps({
    "modes": sorted({oct(stat.S_IMODE(path.stat().st_mode)) for path in paths.values()}),
    "folder": oct(stat.S_IMODE(folder.stat().st_mode)), "where": str(folder.parent), "umask": oct(os.umask(0)),
    "values": {name: path.read_text() for name, path in paths.items()},
}), flush=True)
folder.joinpath("more").mkdir()
folder.joinpath("more", "own").write_text("left behind")
folder.chmod(0o500)
"""


@pytest.mark.parametrize("mask", [0o022, 0o777, 0])
def test_files_are_private_and_gone(token, tmp_path, mask):
    """With --file the values lie in files of their own that nobody else can read; all of it is gone at the end."""
    place = tmp_path / "memory"
    place.mkdir()
    running, said = started(token, "Zoom", "--file", "memory", program=FILES, umask=mask, cwd=tmp_path)
    assert running.communicate(timeout=30)[1] == ""
    assert running.returncode == 0
    seen = json.loads(said)
    assert (seen["modes"], seen["folder"], seen["where"]) == (["0o600"], "0o700", str(place))
    assert seen["umask"] == oct(mask)
    assert seen["values"] == {"API_KEY": KEY, "API_SECRET": SECRET, "API_URL": "https://api.zoom.us/v2"}
    assert list(place.iterdir()) == []


def gone(place, patience=20.0):
    """Return whether nothing is left in a folder, waiting a while for it."""
    deadline = time.monotonic() + patience
    while list(place.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not list(place.iterdir())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
def test_files_are_gone_when_a_signal_ends_it(token, tmp_path, number):
    """A signal that ends the program ends the files with it, before the command has ended."""
    place = tmp_path / "memory"
    place.mkdir()
    code = "import signal, time; signal.signal(2, signal.SIG_DFL); print(1, flush=True); time.sleep(60)"
    running, _ = started(token, "Zoom", "--file", str(place), program=code)
    assert list(place.iterdir()) != []
    os.kill(running.pid, number)
    running.communicate(timeout=30)
    assert running.returncode == -number
    assert list(place.iterdir()) == []


def test_files_are_gone_when_the_command_is_killed(token, tmp_path):
    """Where the command itself is killed nothing of it runs any more, and still the files go."""
    place = tmp_path / "memory"
    place.mkdir()
    running, said = started(token, "Zoom", "--file", str(place), program=READY)
    child, path = said.split()
    assert Path(path).read_text(encoding="utf-8") == KEY
    os.killpg(running.pid, signal.SIGSTOP)  # so that the program does not end by itself meanwhile
    running.kill()
    assert running.wait(30) == -signal.SIGKILL
    assert gone(place)
    os.kill(int(child), signal.SIGKILL)
    running.communicate()


def test_the_exit_code_where_children_are_ignored(token, tmp_path):
    """Whoever starts the command with SIGCHLD ignored learns the exit code all the same."""
    line = f"trap '' CHLD; exec {sys.executable} -m cli run Zoom --file {tmp_path} -- sh -c 'exit 7'"
    done = subprocess.run(["sh", "-c", line], env=environment(token.home), check=False)
    assert done.returncode == 7


SERVE = r"""
import os, time
os.write(1, f"{os.getpid()} {os.environ['API_SECRET']}\n".encode())
time.sleep(60)
"""


def value(said, file):
    """Return the value that a program says it was started with: itself, or the path of its file."""
    text = said.split()[1]
    return Path(text).read_text(encoding="utf-8") if file else text


@pytest.mark.parametrize("file", [False, True], ids=["environment", "files"])
def test_started_anew_when_the_values_change(token, tmp_path, file):
    """With --restart-on-change the program is started anew with the new values, which is recorded like the first."""
    place = tmp_path / "memory"
    place.mkdir()
    more = ("--file", str(place)) if file else ()
    running, said = started(token, "Zoom", "--restart-on-change", *more, program=SERVE)
    assert value(said, file) == SECRET
    token.ok("edit", "Zoom", "--description", "no other value")
    token.ok("edit", "Zoom", "--field", "api_secret=@new.txt")
    again = running.stdout.readline()
    assert value(again, file) == NEW_SECRET
    assert again.split()[0] != said.split()[0]
    assert len(list(place.iterdir())) == int(file)
    os.kill(running.pid, signal.SIGTERM)
    assert running.communicate(timeout=30) == ("", "")
    assert running.returncode == -signal.SIGTERM
    assert list(place.iterdir()) == []
    assert [one["revision"] for one in disclosures(token)] == [1, 3]


def test_the_token_is_removed_while_it_runs(token, tmp_path):
    """Where the token goes the program is ended, and the command with the code for what is not found."""
    running, _ = started(token, "Zoom", "--restart-on-change", "--file", str(tmp_path), program=SERVE)
    token.ok("remove", "Zoom", "--yes")
    out, err = running.communicate(timeout=30)
    assert (out, running.returncode, err.startswith("error: there is no token 'Zoom'")) == ("", 3, True)
    assert list(tmp_path.glob("token-registry-*")) == []


def test_a_key_on_the_terminal_arrives_once(token, tmp_path):
    """Ctrl-C reaches the program from its terminal, and is not sent to it once more."""
    code = (
        "import signal, time\nheard = []\n"
        "signal.signal(signal.SIGINT, lambda *_: heard.append(1))\n"
        "print('ready>', flush=True)\ntime.sleep(1)\nprint('heard', len(heard), flush=True)"
    )
    words = "run", "Zoom", "--file", str(tmp_path), "--", *PYTHON, code
    ran = typed(token.home, *words, answers=(("ready>", "\x03"),))
    assert (ran.code, "heard 1" in ran.out) == (0, True)


def test_no_trace_of_a_secret(token, tmp_path):
    """Neither arguments nor output of the command hold a value, its own environment neither; with files, none does."""
    running, said = started(token, "Zoom", "--file", str(tmp_path), program=READY)
    pids = [running.pid, int(said.split()[0])]
    shown = b"".join(
        Path(f"/proc/{pid}/{part}").read_bytes() for pid in pids for part in ("cmdline", "environ", "comm", "status")
    )
    assert found_in(shown) == []
    os.kill(running.pid, signal.SIGTERM)
    out, err = running.communicate(timeout=30)
    assert found_in((out + err).encode()) == []
    running, _ = started(token, "Zoom", program=READY)
    assert found_in(Path(f"/proc/{running.pid}/cmdline").read_bytes()) == []
    running.kill()
    running.communicate()
    assert found_in("".join(token.seen).encode()) == []


def test_no_room_for_the_files(token, tmp_path, monkeypatch):
    """Where the files cannot be written nothing is run, what was begun is removed, and signals come through again."""
    place = tmp_path / "memory"
    place.mkdir()

    def full(path, data):
        assert len(list(place.iterdir())) == 1
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("cli.children._write", full)
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    assert "No space left" in refused(token("run", "Zoom", "--file", str(place), "--", "touch", "ran"), 10)
    assert (list(place.iterdir()), Path("ran").exists()) == ([], False)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


def test_the_store_is_let_go(token):
    """The program inherits no open file of ours: neither the store nor its lock."""
    for more in ((), ("--file", str(token.home))):
        ran = process(token.home, "run", "Zoom", *more, "--", "ls", "-l", "/proc/self/fd")
        assert (ran.code, "registry.db" in ran.out) == (0, False)


def test_the_codes_of_shells():
    """The codes of shells are the documented ones."""
    from cli.interruptions import CannotRun  # noqa: PLC0415 - only this test makes one

    assert [failures.report(CannotRun("x", code), debug=False) for code in (126, 127)] == [126, 127]


def test_completion_behind_the_hyphens(token):
    """Behind ``--`` files are offered, before it names and options."""
    asked = {"_TOKEN_REGISTRY_COMPLETE": "bash_complete", "COMP_CWORD": "4"}
    ran = process(token.home, COMP_WORDS="token-registry\nrun\nZoom\n--\n./p", **asked)
    assert ran.out == "file,./p\n"
    ran = process(token.home, COMP_WORDS="token-registry\nrun\nZ", **asked | {"COMP_CWORD": "2"})
    assert ran.out == "plain,Zoom\n"
