"""``run`` as nobody should use it: words that are no text, closed streams, files that go another way."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cli import children
from tests.cli.conftest import KEY
from tests.cli.harness import command, environment, process
from tests.cli.team import APP, complete
from tests.cli.test_bad_input import refused


def uses(cli):
    """Return how many uses are recorded."""
    return len(json.loads(cli.ok("history", "--event", "token.disclosed", "--format", "json")))


def ran(cli, *words, **more):
    """Run a command line of bytes, and return code, output and what it said to people."""
    done = subprocess.run(
        [*command("run"), *words],
        env=environment(cli.home),
        cwd=cli.home,
        capture_output=True,
        check=False,
        timeout=60,
        **more,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("option", [b"--process", b"--reason", b"--prefix", b"--only", b"--app", b"--token"])
def test_words_that_are_no_text(token, option):
    """What is no UTF-8 is refused in one line and a hint, wherever it stands, and is no fault of ours."""
    code, out, err = ran(token, "Zoom", option, b"\xff", "--", "true")
    assert (code in {2, 3}, out, err.count(b"error:")) == (True, b"", 1), err
    assert b"fault" not in err
    assert uses(token) == 0


def test_a_programs_own_words_may_be_no_text(token):
    """The program gets its arguments byte for byte."""
    assert ran(token, "Zoom", "--", "printf", "%s", b"\xff\xfe") == (0, b"\xff\xfe", b"")


@pytest.mark.parametrize("process_name", ["", " ", "p" * 201, "a\nb", "\x1b[2J"])
def test_a_process_that_has_no_name(token, process_name):
    """A process whose name could not stand in the history is refused before anything is handed out."""
    refused(token("run", "Zoom", "--process", process_name, "--", "true"), 2)
    refused(token("reveal", "Zoom", "--field", "api_key", "--process", process_name), 2)
    assert uses(token) == 0


@pytest.mark.parametrize("grace", ["nan", "-1", "x", ""])
def test_a_grace_that_is_none(token, grace):
    """What is no number of seconds is refused."""
    refused(token("run", "Zoom", "--restart-on-change", "--grace", grace, "--", "true"), 2)
    assert uses(token) == 0


def test_an_app_runs_with_what_is_its_own(tmp_path):
    """To an app member a name is its own application's token before a global one, unless it says which."""
    team, others = complete(tmp_path)
    (tmp_path / "value").write_text("of-the-application\n", encoding="utf-8")
    team.ada.ok("edit", "Zoom", "--app", APP, "--field", f"api_key=@{tmp_path}/value")
    show = ("--", "sh", "-c", 'echo "$API_KEY"')
    for words, key in (
        ((), "of-the-application"),
        (("--app", APP.upper()), "of-the-application"),
        (("--global",), "canary-of-the-team"),
        (("--token", "G_=Zoom"), "of-the-application"),
    ):
        done = process(others["app"].home, "run", "Zoom", *words, *show)
        assert (done.code, done.out, done.err) == (0, f"{key}\n", "")
    refused(others["app"]("run", "Zoom", "--app", "Elsewhere", "--", "true"), 3)
    refused(others["auditor"]("run", "Zoom", "--", "true"), 6)
    users = team.told("usage", "Zoom", "--app", APP)
    assert [(user["member"], user["uses"], user["revision"]) for user in users] == [("server", 4, 2)]


def closed(*streams):
    """Return what closes streams of a program before it begins."""
    return lambda: [os.close(stream) for stream in streams]


@pytest.mark.parametrize("streams", [(0,), (1,), (0, 1, 2)])
@pytest.mark.parametrize("more", [(), ("--restart-on-change",), ("--file", ".")], ids=["itself", "restarts", "files"])
def test_without_standard_streams(token, streams, more):
    """Whoever starts it without standard streams has the program run all the same, with its code."""
    program = 'sleep 0.3; cat "$API_KEY" > said || printf %s "$API_KEY" > said; exit 7'
    arguments = [*command("run"), "Zoom", *more, "--", "sh", "-c", program]
    done = subprocess.run(
        arguments, env=environment(token.home), cwd=token.home, check=False, timeout=60, preexec_fn=closed(*streams)
    )
    assert done.returncode == 7
    assert (token.home / "said").read_text(encoding="utf-8") == KEY
    assert list(token.home.glob("token-registry-*")) == []


HELPED = """
import os, pathlib, sys, time
from cli import children
os.close(0)
with children.private_files(pathlib.Path(sys.argv[1]), {"A": b"value"}) as places:
    time.sleep(0.5)
    sys.exit(0 if places["A"].read_bytes() == b"value" else 1)
"""


def test_the_helper_needs_no_standard_streams(tmp_path):
    """What watches over the files is not confused by a pipe whose number is that of a standard stream."""
    done = subprocess.run([sys.executable, "-c", HELPED, str(tmp_path)], env=environment(tmp_path), check=False)
    assert done.returncode == 0
    assert list(tmp_path.glob("token-registry-*")) == []


def test_the_helper_stands_by_before_the_first_value(tmp_path, monkeypatch):
    """Nothing is written before there is a helper that removes it, whenever the command is killed."""
    written, kept = children._write, children._guarded
    order = []
    monkeypatch.setattr(children, "_guarded", lambda folder: order.append("helper") or kept(folder))
    monkeypatch.setattr(children, "_write", lambda *values: order.append("value") or written(*values))
    with children.private_files(tmp_path, {"A": b"1"}):
        assert order == ["helper", "value"]


def test_a_program_that_removes_its_files_itself(token):
    """Who tidies up behind itself is not told that something is left."""
    assert ran(token, "Zoom", "--file", ".", "--", "sh", "-c", 'rm -r "${API_KEY%/*}"; exit 3') == (3, b"", b"")


def test_a_folder_that_became_something_else(token):
    """What lies in the place of the folder is not followed into what it leads to, and people are told what is left."""
    (token.home / "others").mkdir()
    (token.home / "others" / "own").write_text("kept", encoding="utf-8")
    program = 'd="${API_KEY%/*}"; rm -r "$d"; ln -s "$PWD/others" "$d"'
    code, _, err = ran(token, "Zoom", "--file", ".", "--", "sh", "-c", program)
    assert code == 0
    assert b"is still there" in err
    assert b"None" not in err
    assert (token.home / "others" / "own").read_text(encoding="utf-8") == "kept"


def children_of(parent):
    """Return the processes that another one has started, by their numbers."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if int(path.read_text(encoding="utf-8").rpartition(")")[2].split()[1]) == parent:
                yield int(path.parent.name)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="this system does not tell whose child a process is")
@pytest.mark.parametrize("killed", ["program", "helper"])
def test_either_child_may_be_killed(token, killed):
    """A program that is killed ends the command likewise; without the helper the command itself removes the files."""
    running = subprocess.Popen(
        [*command("run"), "Zoom", "--file", ".", "--", "sh", "-c", "echo $$; exec sleep 3"],
        env=environment(token.home),
        cwd=token.home,
        stdout=subprocess.PIPE,
        text=True,
    )
    program = int(running.stdout.readline())
    family = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(running.pid)], capture_output=True, text=True, check=True
    )
    helper = next(pid for pid in map(int, family.stdout.split()) if pid != program)
    os.kill(program if killed == "program" else helper, signal.SIGKILL)
    assert running.wait(30) == (-signal.SIGKILL if killed == "program" else 0)
    running.communicate()
    assert list(token.home.glob("token-registry-*")) == []


def test_its_reader_goes_away(token):
    """A program whose reader has gone ends as it would without the command, and its files go."""
    line = f"{sys.executable} -m cli run Zoom --file . -- yes | head -1; sleep 0.5"
    done = subprocess.run(
        ["sh", "-c", line], env=environment(token.home), cwd=token.home, capture_output=True, check=True
    )
    assert (done.stdout, done.stderr) == (b"y\n", b"")
    deadline = time.monotonic() + 20
    while list(token.home.glob("token-registry-*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert list(token.home.glob("token-registry-*")) == []


ENDS = """
import os, signal, time
signal.signal(signal.SIGTERM, lambda *_: (os.mkdir("ended"), os._exit(0)))
os.write(1, b"x\\n")
for _ in range(1200): time.sleep(0.05)  # a signal just before a sleep is heard after it
"""


def test_a_restart_that_cannot_be_recorded(token):
    """Where the next start cannot be recorded the program is not started anew, and the command says why, with 10."""
    running = subprocess.Popen(
        [*command("run"), "Zoom", "--restart-on-change", "--", sys.executable, "-c", ENDS],
        env=environment(token.home),
        cwd=token.home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stdout.readline() == "x\n"
    os.kill(running.pid, signal.SIGSTOP)
    changed = process(token.home, "edit", "Zoom", "--field", "api_url=https://api.zoomgov.com/v2")
    assert changed.code == 0, changed.err
    lock = token.home / "registry.db.lock"
    lock.unlink()
    lock.mkdir()
    os.kill(running.pid, signal.SIGCONT)
    _, err = running.communicate(timeout=60)
    assert (token.home / "ended").exists()
    assert (running.returncode, "nothing is handed out" in err) == (10, True), err
