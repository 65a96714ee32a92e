"""Several writers at once: they queue, nothing is lost, and nobody waits for ever."""

import fcntl
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from datetime import timedelta

import pytest
from msgspec import structs

from registry import AlreadyExists, ClockBehind, Conflict, NotFound, StoreBusy, diagnose, init_registry, open_registry
from registry.providers import interface
from registry.providers.zoom import ZOOM
from registry.store import lock
from registry.store.sqlite_raw import open_raw
from tests.conftest import NOON
from tests.service.attacks import edit, fields, query, token

WRITER = """
import sys
from registry import AlreadyExists, load_settings, open_registry
from tests.service.attacks import edit, token
home, who = sys.argv[1:]
settings = load_settings({"home": home}, {})
print("ready", flush=True)
sys.stdin.readline()
lost = 0
for number in range(12):
    with open_registry(settings) as registry:
        registry.tokens.add(token(f"{who} {number}"))
        registry.tokens.edit("Shared", edit(description=f"{who} {number}"))
        try:
            registry.tokens.add(token(f"Race {number}"))
        except AlreadyExists:
            lost += 1
print(lost)
"""


@pytest.fixture
def other(founded, around, registry):
    """Return a second open registry on the same store."""
    with open_registry(founded, surroundings=around) as opened:
        yield opened


def test_two_processes_writing_at_once_lose_nothing(settings):
    """Every token of both is there, every name once, every edit counted, every commit numbered."""
    init_registry(settings, name="alice")
    with open_registry(settings) as registry:
        registry.tokens.add(token("Shared"))
    path = settings.store_path()
    command = [sys.executable, "-c", WRITER, str(path.parent)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    writers = [subprocess.Popen([*command, who], env={"PYTHONPATH": ":".join(sys.path)}, **pipes) for who in "AB"]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    ends = []
    for writer in writers:
        writer.stdin.write("\n")
        writer.stdin.flush()
    for writer in writers:
        out, errors = writer.communicate(timeout=60)
        assert writer.returncode == 0, errors
        ends.append(int(out))
    assert sum(ends) == 12
    with open_registry(settings) as again:
        names = [view.name for view in again.tokens.list()]
        assert len(names) == len(set(names)) == 1 + 12 + 24
        assert again.tokens.show("Shared").revision == 1 + 24
        positions = [entry.position for entry in again.history()]
    assert positions == list(range(len(positions)))
    numbers = [number for (number,) in query(path, "SELECT number FROM commits ORDER BY number")]
    assert numbers == list(range(len(numbers)))


OTHER_PROCESS = """
import sys
from registry import load_settings, open_registry
from tests.service.attacks import token
with open_registry(load_settings({"home": sys.argv[1]}, {})) as registry:
    print([view.name for view in registry.tokens.list()])
    registry.tokens.add(token(sys.argv[2]))
"""


@pytest.mark.parametrize(
    "look", [open_registry, diagnose, lambda settings: open_raw(settings.store_path())], ids=range(3)
)
def test_a_program_that_opens_the_store_twice_keeps_its_hold_on_it(settings, look):
    """Opening and closing once more lets go of no lock: no other program takes the log away from the first opening.

    What is written then would be written nowhere.
    """
    init_registry(settings, name="alice")
    home = settings.store_path().parent
    command = [sys.executable, "-c", OTHER_PROCESS, str(home)]
    environment = {"PYTHONPATH": ":".join(sys.path)}
    with open_registry(settings) as kept:
        kept.tokens.add(token("One"))
        again = look(settings)
        if hasattr(again, "close"):
            again.close()
        for name, seen in (("Two", "['One']"), ("Four", "['One', 'Three', 'Two']")):
            done = subprocess.run([*command, name], env=environment, capture_output=True, text=True, check=True)
            assert done.stdout.strip() == seen
            assert (home / "registry.db-wal").exists()
            if name == "Two":
                kept.tokens.add(token("Three"))
        assert [view.name for view in kept.tokens.list()] == ["Four", "One", "Three", "Two"]


def test_an_open_registry_goes_on_behind_anothers_commits(registry, other):
    """What one has committed the other builds upon, without opening anew."""
    registry.tokens.add(token())
    registry.applications.register("Payroll", "process")
    other.tokens.edit("Zoom", edit(description="by the other"))
    other.tokens.add(token(application="Payroll"))
    assert registry.tokens.show("Zoom").description == "by the other"
    assert registry.applications.list()[0].tokens == 1
    with pytest.raises(AlreadyExists):
        registry.tokens.add(token(application="Payroll"))


def test_who_waits_for_its_turn_follows_the_others_meanwhile(registry, other, monkeypatch):
    """What the others commit while one waits is verified before one's turn, so that turns stay short."""
    monkeypatch.setattr(lock, "_MEANWHILE", 0)
    registry.tokens.add(token())
    waiting = threading.Thread(target=other.tokens.edit, args=("Zoom", edit(description="by the other")))
    ledger, behind, changes = registry._ledger, other._ledger.log, registry.tokens._changes
    with ledger.turn() as turn:
        waiting.start()
        changes.commit(turn, [changes.edited(turn, *ledger.find("Zoom", None), edit(description="mine"))])
        deadline = time.monotonic() + 30
        while behind.head.number < ledger.head.number and time.monotonic() < deadline:
            time.sleep(0.001)
        assert behind.head == ledger.head
    waiting.join()
    assert registry.tokens.show("Zoom").description == "by the other"


def test_a_long_held_queue_ends_in_busy(registry, founded):
    """A writer that does not come to its end keeps others waiting for a bounded time only."""
    path = founded.store_path().with_name("registry.db.lock")
    registry.tokens.add(token())
    registry._ledger.store._wait = 0.3
    with path.open("r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        started = time.monotonic()
        with pytest.raises(StoreBusy):
            registry.tokens.remove("Zoom")
        assert 0.2 < time.monotonic() - started < 2
        assert registry.tokens.show("Zoom")
    assert registry.tokens.remove("Zoom")


def test_a_foreign_lock_ends_in_busy_and_writes_nothing(registry, founded):
    """Another program's transaction is waited for a bounded time, then the command ends as if never begun."""
    registry.tokens.add(token())
    with closing(sqlite3.connect(founded.store_path(), isolation_level=None)) as foreign:
        foreign.execute("BEGIN IMMEDIATE")
        started = time.monotonic()
        with pytest.raises(StoreBusy):
            registry.tokens.edit("Zoom", edit(description="x"))
        assert time.monotonic() - started < 4
        foreign.execute("ROLLBACK")
    assert registry.tokens.show("Zoom").description == ""
    assert registry.tokens.edit("Zoom", edit(description="x")).changed


def test_a_short_foreign_lock_is_waited_for(registry, founded):
    """A transaction or checkpoint of another program that ends soon is no error."""
    registry.tokens.add(token())
    with closing(sqlite3.connect(founded.store_path(), isolation_level=None, check_same_thread=False)) as foreign:
        foreign.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(0.3, foreign.execute, ["ROLLBACK"])
        timer.start()
        assert registry.tokens.edit("Zoom", edit(description="x")).changed
        timer.join()


def test_a_reader_does_not_hold_up_writers_or_see_half(registry, founded):
    """A long read keeps its moment; commits go on beside it."""
    registry.tokens.add(token())
    with closing(sqlite3.connect(founded.store_path(), isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT COUNT(*) FROM tokens").fetchone() == (1,)
        registry.tokens.add(token("Two"))
        assert reader.execute("SELECT COUNT(*) FROM tokens").fetchone() == (1,)


class Meanwhile:
    """A provider during whose test somebody else does something."""

    def __init__(self, act):
        """Remember what happens during the test."""
        self.act = act
        self.name, self.label, self.fields = ZOOM.name, ZOOM.label, ZOOM.fields

    def test(self, credentials):
        """Let it happen, and accept."""
        self.act()
        return interface.TestResult(interface.Outcome.ACCEPTED)


@pytest.mark.parametrize(
    "act",
    [
        lambda other: other.tokens.edit("Zoom", edit(fields=fields("OTHER"))),
        lambda other: other.tokens.remove("Zoom"),
        lambda other: (other.tokens.remove("Zoom"), other.tokens.add(token(fields=fields("OTHER")))),
    ],
    ids=["edited", "removed", "made anew"],
)
@pytest.mark.parametrize(
    "use",
    [
        lambda registry: registry.tokens.test("Zoom"),
        lambda registry: registry.tokens.edit("Zoom", edit(fields=fields("MINE")), test=True),
    ],
    ids=["test", "edit"],
)
def test_a_verdict_is_only_recorded_of_what_was_tested(registry, other, monkeypatch, act, use):
    """If a token changes during its test, the verdict is about nothing that is there, and is not recorded."""
    registry.tokens.add(token())
    provider = Meanwhile(lambda: act(other))
    monkeypatch.setattr("registry.service.token_changes.catalogue.load", lambda _: provider)
    with pytest.raises((Conflict, NotFound)):
        use(registry)
    assert "token.tested" not in [entry.event for entry in other.history()]
    for view in other.tokens.list():
        assert other.tokens.reveal(view.name, "api_secret").reveal() == "OTHER"


@pytest.mark.parametrize("step", ["row_by_tag", "units"])
def test_a_change_between_row_and_proof_is_no_integrity_error(registry, other, monkeypatch, step):
    """A test reads the row, its data key and its proof of one moment; who changes them meanwhile raises no alarm."""
    registry.tokens.add(token())
    provider = Meanwhile(lambda: None)
    monkeypatch.setattr("registry.service.token_changes.catalogue.load", lambda _: provider)
    store = registry._ledger.store
    read = getattr(store, step)

    def afterwards(asked):
        found = read(asked)
        monkeypatch.undo()
        other._ledger.store.shred = lambda **_: False  # it would wait for the reader, who waits for it here
        other.tokens.edit("Zoom", edit(fields=fields("OTHER")))
        monkeypatch.setattr("registry.service.token_changes.catalogue.load", lambda _: provider)
        return found

    monkeypatch.setattr(store, step, afterwards)
    with pytest.raises(Conflict):
        registry.tokens.test("Zoom")


def test_a_clock_far_behind_is_refused_with_a_hint(registry, clock):
    """More than ten minutes behind the history nothing is written; within them everything is."""
    registry.tokens.add(token())
    clock.now -= timedelta(minutes=11)
    with pytest.raises(ClockBehind) as caught:
        registry.tokens.edit("Zoom", edit(description="x"))
    assert caught.value.hint.startswith("set the clock")
    assert registry.tokens.show("Zoom").description == ""
    clock.now += timedelta(minutes=2)
    assert registry.tokens.edit("Zoom", edit(description="x")).changed


def test_commit_times_never_fall(registry, clock):
    """A clock that was set back a little gives commits the former one's time; the author's own stands in the event."""
    for step in (0, -300, 120, -200, 500, -90):
        clock.now = NOON + timedelta(seconds=1000 + step)
        registry.tokens.add(token(f"Zoom {step + 1000}"))
    entries = list(registry.history())[1:]
    times = [entry.at for entry in entries]
    assert times == sorted(times)
    assert times[-1] == NOON + timedelta(seconds=1501)
    assert registry.tokens.show("Zoom 910").created_at == NOON + timedelta(seconds=911)


def test_a_clock_that_ran_ahead_holds_the_registry_up_only_as_long_as_it_must(registry, clock, around, founded):
    """After a commit from the future, members with a right clock are refused until it is reached, and told why."""
    clock.now = NOON + timedelta(days=1)
    registry.tokens.add(token())
    behind = structs.replace(around, clock=lambda: NOON + timedelta(hours=1))
    with open_registry(founded, surroundings=behind) as late:
        assert late.tokens.show("Zoom")
        with pytest.raises(ClockBehind, match="2027-02-01"):
            late.tokens.remove("Zoom")
