"""Commands as processes: side by side, interrupted, on a full disk, and with nobody to read them."""

import ctypes
import json
import os
import resource
import signal
import subprocess
import time
from pathlib import Path

import pytest

from cli import failures
from tests.cli.harness import command, environment, process


def started(home, *words, **more):
    """Start a command line as a process and return it."""
    return subprocess.Popen(
        command(*words),
        env=environment(home),
        cwd=home,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **more,
    )


def test_two_writers_at_once(token):
    """Of several changes that expect the same revision exactly one is made; the others say that they came late."""
    both = [
        started(token.home, "edit", "Zoom", "--description", f"writer {number}", "--expect-revision", "1")
        for number in range(4)
    ]
    codes = sorted(writer.wait(60) for writer in both)
    for writer in both:
        writer.communicate()
    assert codes == [0, 5, 5, 5]
    assert json.loads(token.ok("show", "Zoom", "--format", "json"))["revision"] == 2


def test_two_of_the_same_name_at_once(token, tmp_path):
    """Of several tokens of one name exactly one is made, and none of different names is lost."""
    (token.home / "k").write_text("value\n", encoding="utf-8")
    fields = "--field", "api_key=@k", "--field", "api_secret=@k"
    same = [started(token.home, "add", "Same", *fields) for _ in range(3)]
    others = [started(token.home, "add", f"Other {number}", *fields) for number in range(3)]
    assert sorted(writer.wait(60) for writer in same) == [0, 4, 4]
    assert [writer.wait(60) for writer in others] == [0, 0, 0]
    for writer in [*same, *others]:
        writer.communicate()
    assert len(json.loads(token.ok("list", "--format", "json"))) == 5


def test_two_foundings_at_once(home):
    """Of two foundings in one place one wins, and the registry that is there works."""
    home.mkdir()
    both = [started(home, "init", "--name", "ada") for _ in range(2)]
    assert min(founder.wait(60) for founder in both) == 0
    ids = [founder.communicate()[0].strip() for founder in both]
    assert len([one for one in ids if one]) == 1
    assert process(home, "list").code == 0


def test_a_store_that_is_held(token):
    """A writer that holds the store lets others wait; when it is gone they go on."""
    import fcntl  # noqa: PLC0415 - only this test needs it

    lock = os.open(token.home / "registry.db.lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    writer = started(token.home, "edit", "Zoom", "--description", "late")
    time.sleep(0.5)
    assert writer.poll() is None
    assert process(token.home, "show", "Zoom").code == 0
    os.close(lock)
    assert writer.wait(60) == 0
    writer.communicate()


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="this system does not show open files")
def test_two_changes_of_members_at_once(token):
    """Of two admissions that rest on the same roster one is made; the other is told, and admits nobody."""
    import fcntl  # noqa: PLC0415 - as above

    lines = [process(token.home, "identity", "new", "--name", name, "--out", name).out.strip() for name in ("bo", "cy")]
    place = token.home / "registry.db.lock"
    lock = os.open(place, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    both = [
        started(token.home, "member", "add", f"member{number}", "--role", "auditor", "--public-key", line)
        for number, line in enumerate(lines)
    ]
    while not all(_has_open(writer.pid, place) for writer in both):
        assert [writer.poll() for writer in both] == [None, None]
        time.sleep(0.02)
    os.close(lock)
    said = [writer.communicate(timeout=60) for writer in both]
    assert sorted(writer.returncode for writer in both) == [0, 5]
    assert len([out for out, _ in said if out]) == 1
    assert len(json.loads(token.ok("member", "list", "--format", "json"))) == 2


def _has_open(pid, path):
    """Say whether a process has a file open: whoever waits for its turn has the lock's."""
    return any(link.is_symlink() and link.readlink() == path for link in Path(f"/proc/{pid}/fd").iterdir())


@pytest.mark.parametrize(
    "words",
    [
        ("edit", "Zoom", "--description", "x" * 4_000),
        ("remove", "Zoom", "--yes"),
        ("app", "add", "HR", "--kind", "form"),
    ],
    ids=lambda words: words[0],
)
def test_a_full_disk(token, words):
    """Where nothing more can be written the command says so, with 10, and the registry is as it was."""
    before = token.ok("history", "--format", "json")
    writer = started(token.home, *words, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (16_384, 16_384)))
    out, err = writer.communicate(timeout=60)
    assert (writer.returncode, out) == (10, "")
    assert err.startswith("error: ")
    assert len(err.splitlines()) <= 2
    assert token.ok("history", "--format", "json") == before
    token.ok("show", "Zoom")


def test_founding_on_a_full_disk(home):
    """A founding for which there is no room leaves no registry."""
    home.mkdir()
    founder = started(
        home, "init", "--name", "ada", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (16_384, 16_384))
    )
    out, err = founder.communicate(timeout=60)
    assert (founder.returncode, out) == (10, "")
    assert err.startswith("error: ")
    assert [path.name for path in home.iterdir() if path.name.startswith("registry.db")] == []
    assert process(home, "init", "--name", "ada").code == 0


def without_privileges():
    """Let even root be bound by the permissions of files: the next program lacks what overrides them."""
    for capability in (1, 2):  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


@pytest.mark.parametrize("words", [("edit", "Zoom", "--description", "x"), ("remove", "Zoom", "--yes")], ids=str)
def test_a_folder_that_may_only_be_read(token, words):
    """A store in a folder that may only be read is refused for changes, and is as it was."""
    before = token.ok("history", "--format", "json")
    store = token.home / "registry.db"
    store.chmod(0o400)
    token.home.chmod(0o500)
    writer = started(token.home, *words, preexec_fn=without_privileges)
    out, err = writer.communicate(timeout=60)
    token.home.chmod(0o700)
    store.chmod(0o600)
    assert (writer.returncode, out) == (10, "")
    assert err.startswith("error: ")
    assert len(err.splitlines()) <= 2
    assert token.ok("history", "--format", "json") == before


def test_founding_where_nothing_may_be_written(home):
    """A founding in a folder that may only be read is refused and leaves nothing."""
    home.mkdir(mode=0o500)
    founder = started(home, "init", "--name", "ada", preexec_fn=without_privileges)
    out, err = founder.communicate(timeout=60)
    home.chmod(0o700)
    assert (founder.returncode, out) == (10, "")
    assert err.startswith("error: ")
    assert list(home.iterdir()) == []


def test_an_identity_that_may_not_be_read(token):
    """An identity that this user may not read is refused."""
    (token.home / "identity").chmod(0o000)
    reader = started(token.home, "list", preexec_fn=without_privileges)
    out, err = reader.communicate(timeout=60)
    assert (reader.returncode, out) == (10, "")
    assert "Permission denied" in err


@pytest.mark.parametrize(
    "words",
    [
        ("history",),
        ("history", "--format", "json"),
        ("show", "Zoom"),
        ("list",),
        *(("export", "--format", form) for form in ("jsonl", "csv", "cloudevents", "ocsf")),
    ],
    ids=str,
)
def test_nobody_reads_on(token, words):
    """Where the reader of the output has gone, as head does, the command ends quietly."""
    writer = started(token.home, *words)
    writer.stdout.close()
    writer.stdin.close()
    assert writer.wait(60) == failures.UNREAD
    assert writer.stderr.read() == ""
    writer.stderr.close()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no device that is always full")  # noqa: PTH110 - a device
def test_output_that_cannot_be_written(token):
    """What cannot be printed is an error, not a silent success."""
    with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123 - a device
        ran = subprocess.run(
            command("reveal", "Zoom", "--field", "api_key"),
            env=environment(token.home),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (ran.returncode, "the output cannot be written" in ran.stderr) == (failures.FAULT, True)
    assert len(json.loads(token.ok("history", "--event", "token.disclosed", "--format", "json"))) == 1


def test_without_standard_streams(token):
    """A command whose standard output is closed says that it cannot print."""
    code = "import os, sys; os.close(1); os.execv(sys.executable, [sys.executable, '-m', 'cli', 'list'])"
    ran = subprocess.run(
        [command()[0], "-c", code], env=environment(token.home), stderr=subprocess.PIPE, text=True, check=False
    )
    assert (ran.returncode, "no standard output" in ran.stderr) == (failures.FAULT, True)


def test_an_interruption_at_work(token):
    """Ctrl-C while a command works ends it with 130, one line, and no change half made."""
    reader = started(token.home, "edit", "Zoom", "--field", "api_secret=-")
    time.sleep(0.6)  # by then it waits for its standard input
    reader.send_signal(signal.SIGINT)
    _, err = reader.communicate(timeout=60)
    assert reader.returncode == failures.ABORTED
    assert err.splitlines()[0] == "error: interrupted"
    assert json.loads(token.ok("show", "Zoom", "--format", "json"))["revision"] == 1


def test_a_termination(token):
    """A termination ends a command as it ends any program, and leaves the registry as it was."""
    reader = started(token.home, "edit", "Zoom", "--field", "api_secret=-")
    time.sleep(0.6)
    reader.terminate()
    reader.communicate(timeout=60)
    assert reader.returncode == -signal.SIGTERM
    assert json.loads(token.ok("show", "Zoom", "--format", "json"))["revision"] == 1
