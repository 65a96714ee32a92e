"""The command that watches: each commit is a line as soon as it is made, and it ends in order however it is ended."""

import json
import select
import signal
import subprocess
import time

import pytest

from cli import failures
from tests.cli.conftest import KEY, NEW_SECRET, SECRET
from tests.cli.harness import command, environment
from tests.cli.team import complete

EVERY_ENGINE = True

PATIENCE = 20.0


class Watcher:
    """The command as a process whose output is read as it comes."""

    def __init__(self, home, *words, **more):
        self.process = subprocess.Popen(
            command("watch", *words),
            env=environment(home, **more),
            cwd=home,
            stdin=subprocess.DEVNULL,
            bufsize=0,  # what was read ahead would not be seen by whoever waits for more
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def line(self):
        """Return the next line; it must come."""
        assert select.select([self.process.stdout], [], [], PATIENCE)[0], "no line came"
        return self.process.stdout.readline().decode()

    def document(self):
        """Return the next line's JSON."""
        return json.loads(self.line())

    def ended(self):
        """Return how it ended, and what it said of that."""
        _, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, err.decode()


@pytest.fixture
def watch():
    """Return what starts a watcher and ends it after the test."""
    watchers = []

    def start(home, *words, **more):
        watchers.append(Watcher(home, *words, **more).__enter__())
        return watchers[-1]

    yield start
    for watcher in watchers:
        watcher.__exit__()


def last(cli):
    """Return the last position of the history."""
    return json.loads(cli.ok("history", "-n", "1", "--format", "json"))[0]["position"]


def test_each_commit_is_a_line_at_once(token, watch):
    """A commit stands on a line of its own as soon as it is made, with what history shows."""
    watching = watch(token.home, "--after", str(last(token)), "--format", "jsonl")
    for number in range(3):
        token.ok("edit", "Zoom", "--description", f"text {number}", "--reason", "why not")
        change = watching.document()
        (entry,) = json.loads(token.ok("history", "-n", "1", "--format", "json"))
        assert change == {
            "commit": 2 + number,
            "first": entry["position"],
            "last": entry["position"],
            "at": entry["at"],
            "events": [entry],
        }
        assert entry["reason"] == "why not"


def test_it_goes_on_where_one_stopped(token, watch):
    """From the last position that was seen on, nothing is left out and nothing comes twice."""
    for number in range(4):
        token.ok("edit", "Zoom", "--description", f"text {number}")
    first = watch(token.home, "--after", "-1", "--format", "jsonl")
    seen = [first.document() for _ in range(3)]
    second = watch(token.home, "--after", str(seen[-1]["last"]), "--format", "jsonl")
    seen += [second.document() for _ in range(3)]
    assert [change["commit"] for change in seen] == list(range(6))
    assert [change["first"] for change in seen] == [0, *(change["last"] + 1 for change in seen[:-1])]


def test_lines_for_people(token, watch):
    """As a table it shows the rows of history, under their heading, each at once."""
    watching = watch(token.home, "--after", "0")
    header, created = watching.line().split(), watching.line()
    assert header == token.ok("history").splitlines()[0].split()
    assert created.split() == token.ok("history", "Zoom").splitlines()[1].split()
    token.ok("edit", "Zoom", "--description", "words")
    assert "token.described" in watching.line()


def test_the_setting_for_programs(token, watch):
    """Where JSON is what one wants of all commands, it is lines of JSON here."""
    assert watch(token.home, "--after", "-1", TOKEN_REGISTRY_FORMAT="json").document()["commit"] == 0
    assert watch(token.home, "--after", "-1", "--format", "table", TOKEN_REGISTRY_FORMAT="json").line()[:3] == "POS"


def test_an_app_is_told_no_contents(tmp_path, watch):
    """An app member's lines hold ids of its tokens and kinds of events, and no name, value or reason."""
    team, others = complete(tmp_path)
    token_id = json.loads(team.ada.ok("show", "Zoom", "--format", "json"))["id"]
    after = str(last(team.ada))
    watching = watch(others["app"].home, "--after", after, "--format", "jsonl")
    team.ada.ok("edit", "Zoom", "--description", "canary-words", "--reason", "canary-reason")
    change = watching.document()
    assert change["events"] == [{"position": change["first"], "event": "token.described", "token_id": token_id}]
    table = watch(others["app"].home, "--after", after)
    assert table.line().split() == ["POS", "AT", "EVENT", "TOKEN", "ID"]
    assert table.line().split()[-1] == token_id


def test_secrets_are_not_told(token, watch):
    """Neither an admin's lines nor rows hold a value that is secret."""
    token.ok("edit", "Zoom", "--field", "api_secret=@new.txt")
    for shape in ("jsonl", "table"):
        watching = watch(token.home, "--after", "0", "--format", shape)
        text = "".join(watching.line() for _ in range(2 if shape == "jsonl" else 3))
        assert "token.credentials_changed" in text
        assert not [value for value in (KEY, SECRET, NEW_SECRET) if value in text]


@pytest.mark.parametrize("position", ["99", "-2", "x"])
def test_a_position_that_there_is_not(token, position):
    """A position beyond the history, or none at all, is refused."""
    ran = token("watch", "--after", position)
    assert (ran.code, ran.out) == (failures.USAGE, "")
    assert len(ran.err.splitlines()) <= 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_is_ended_by_a_signal(token, watch, number):
    """Ctrl-C and a termination are how it ends: without an error, and without a word."""
    watching = watch(token.home, "--after", "0", "--format", "jsonl")
    watching.document()
    watching.process.send_signal(number)
    assert watching.ended() == (0, "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_is_ended_while_nobody_takes_its_output(token, watch, number):
    """A reader that stands still does not keep it from ending."""
    lines = [
        json.dumps(
            {"name": f"Zoom {number}", "provider": "zoom", "fields": {"api_key": "env:K", "api_secret": "env:K"}}
        )
        for number in range(400)
    ]
    (token.home / "many.jsonl").write_text("\n".join(lines), encoding="utf-8")
    token.ok("import", str(token.home / "many.jsonl"), K="k")
    watching = watch(token.home, "--after", "1", "--format", "jsonl")
    assert select.select([watching.process.stdout], [], [], PATIENCE)[0]
    time.sleep(0.3)  # by then the pipe is full, and a part of the line still to be written
    watching.process.send_signal(number)
    assert watching.process.wait(PATIENCE) == 0
    assert watching.process.stderr.read() == b""


def test_a_reader_that_goes_while_nothing_happens(token, watch):
    """A closed pipe is noticed before the next commit."""
    watching = watch(token.home, "--after", "0", "--format", "jsonl")
    watching.document()
    watching.process.stdout.close()
    assert watching.process.wait(PATIENCE) == failures.UNREAD
    assert watching.process.stderr.read() == b""


@pytest.mark.parametrize("shape", ["jsonl", "table"])
def test_a_reader_that_has_gone_before(token, watch, shape):
    """A closed pipe ends it quietly when it writes, too."""
    watching = watch(token.home, "--after", "-1", "--format", shape)
    watching.process.stdout.close()
    assert watching.process.wait(PATIENCE) == failures.UNREAD
    assert watching.process.stderr.read() == b""


def test_the_removal_of_its_member_ends_it(tmp_path, watch):
    """Who is no member any more is told so, with the code for what is not permitted."""
    team, others = complete(tmp_path)
    watching = watch(others["app"].home, "--after", str(last(team.ada)), "--format", "jsonl")
    team.ada.ok("edit", "Zoom", "--description", "first")
    watching.document()
    team.ada.ok("member", "remove", "server", "--yes")
    code, err = watching.ended()
    assert (code, err.splitlines()[0].startswith("error: ")) == (6, True)
