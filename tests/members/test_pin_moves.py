"""Several processes of one machine share a pin: none moves it past what another has seen, and none cries wolf."""

import os
import subprocess
import sys
from contextlib import closing
from sqlite3 import connect

import pytest

from registry import IntegrityError, TokenEdit, load_settings, open_registry, open_rolled_back
from registry.service import keeping
from registry.store.sqlite import SQLitePlace
from tests.members.team import fields

SEEN = r"^the store (was cut or put back|holds another history)"


def edit(team, key, who="carol"):
    """Change Mail's credentials, on a member's machine."""
    team.do(who, lambda r: r.tokens.edit("Mail", TokenEdit(fields=fields(key))))


def put_under(team, copy):
    """Put a copy into the store's file while others have it open."""
    with closing(connect(copy)) as source, closing(connect(team.store)) as target:
        source.backup(target)


@pytest.fixture
def forked(team):
    """Return a process of bob's machine that began before two commits, which another has seen, and a copy of both."""
    before = team.backup()
    process = team.open("bob")
    edit(team, "A1", "alice")
    edit(team, "A2", "alice")
    team.do("bob", lambda r: r.whoami())
    after = team.backup()
    put_under(team, before)
    return process, after


@pytest.mark.parametrize("commits", [1, 2, 3, 5], ids=["fewer", "as many", "one more", "more"])
def test_a_process_that_followed_another_history_does_not_take_the_pin_along(team, forked, commits):
    """Whichever history has more commits: what one process has seen is compared with what the other has pinned."""
    process, _ = forked
    seen = team.pin("bob")
    for number in range(commits):
        edit(team, f"B{number}")
    assert len(list(process.history())) == seen.size + commits - 2
    with pytest.raises(IntegrityError, match=SEEN) as caught:
        process.close()
    assert seen.seen.text() in caught.value.detail
    assert team.pin("bob") == seen
    with pytest.raises(IntegrityError, match=SEEN):
        team.open("bob")


@pytest.mark.parametrize("commits", [1, 2, 3])
def test_a_process_that_was_shown_another_history_is_told_when_the_first_is_back(team, forked, commits):
    """That the store holds what the machine has pinned is not enough: the process has believed something else."""
    process, first = forked
    seen = team.pin("bob")
    for number in range(commits):
        edit(team, f"B{number}")
    assert process.whoami().member == "bob"
    process.require("auditor")
    put_under(team, first)
    with pytest.raises(IntegrityError, match=SEEN):
        process.close()
    assert team.pin("bob") == seen


def test_who_lags_behind_and_who_is_ahead_verify_nothing_again(team, checked):
    """That two processes went the same way is proven by hashes, whoever has seen more of it."""
    behind, ahead = team.open("alice"), team.open("alice")
    behind.tokens.edit("Mail", TokenEdit(fields=fields("one")))
    ahead.policies.set("allow-plaintext", "yes")
    between = team.pin("alice")
    for number in range(4):
        ahead.tokens.edit("Mail", TokenEdit(fields=fields(f"more-{number}")))
    del checked[:]
    behind.close()
    assert team.pin("alice") == between
    with team.open("alice") as third:
        third.tokens.edit("Mail", TokenEdit(fields=fields("third")))
    newest = team.pin("alice")
    ahead.close()
    assert checked == [number for number in checked if number in range(between.commit + 1, newest.commit)]
    assert len(checked) == len(set(checked))
    assert team.pin("alice") == newest
    team.do("alice", lambda r: r.whoami())


def test_a_pin_that_is_ahead_of_a_snapshot_is_no_alarm(team):
    """Who reads one moment of the store, while others commit and pin on, compares with the store as it is by then."""
    with team.open("alice") as reading:
        reading.tokens.edit("Mail", TokenEdit(fields=fields("own")))
        with reading._ledger.glance():
            with team.open("alice") as other:
                for number in range(3):
                    other.tokens.edit("Mail", TokenEdit(fields=fields(f"other-{number}")))
            ahead = team.pin("alice")
            assert reading._ledger.store.head().number < ahead.commit
            reading._ledger._pin.keep(reading._ledger.log, at_once=True)
            assert team.pin("alice") == ahead
        assert reading.tokens.show("Mail").revision == 5


def test_what_a_process_saw_of_a_history_that_was_given_up_is_no_alarm(team):
    """It has an old file open while others accept a backup in its place: it ends in peace, and the pin stays there."""
    copy = team.backup()
    old = team.open("alice")
    old.tokens.edit("Mail", TokenEdit(fields=fields("lost")))
    old.tokens.edit("Mail", TokenEdit(fields=fields("lost-too")))
    team.do("alice", lambda r: r.whoami())
    old.tokens.edit("Mail", TokenEdit(fields=fields("pinned-by-nobody")))
    lost = team.do("bob", lambda r: r.log.checkpoint().signed).encode()
    put_under(team, copy)
    with open_rolled_back(team.settings("alice"), surroundings=team.around, lost=lost) as rolled_back:
        rolled_back.accept(reason="the disk broke")
    new = team.pin("alice")
    assert new.accepted
    old.close()
    assert team.pin("alice") == new


def test_a_pin_of_a_history_that_was_given_up_is_left_behind(team):
    """A process that followed an acceptance moves the pin, although another pinned more of what was given up."""
    copy = team.backup()
    edit(team, "lost", "alice")
    team.do("bob", lambda r: r.whoami())
    process_pin = team.pin("bob")
    edit(team, "lost-too", "alice")
    team.do("bob", lambda r: r.whoami())
    other_pin = team.pin("bob")
    team.do("alice", lambda r: r.whoami())
    team.restore(copy)
    with open_rolled_back(team.settings("alice"), surroundings=team.around) as rolled_back:
        rolled_back.accept(reason="the disk broke")
    new = team.pin("alice")
    with closing(SQLitePlace(team.store).open()) as store:
        moved = keeping.move(team.pins("bob"), process_pin, new, store)
    assert other_pin.commit > process_pin.commit
    assert moved == team.pin("bob") == new


WORKER = """
import sys
from datetime import UTC, datetime
from registry import Secret, Surroundings, TokenEdit, load_settings, open_registry
around = Surroundings(clock=lambda: datetime(2027, 2, 1, tzinfo=UTC))
settings = load_settings({"home": sys.argv[1], "url": sys.argv[2]}, {})
print("ready", flush=True)
sys.stdin.readline()
for number in range(5):
    with open_registry(settings, surroundings=around) as registry:
        for again in range(3):
            registry.tokens.edit("Mail", TokenEdit(fields={"api_key": Secret(f"{sys.argv[3]}-{number}-{again}")}))
        if number == 2:
            registry.policies.set("allow-plaintext", "yes" if int(sys.argv[3]) % 2 else "no")
        registry.tokens.list()
"""


def test_many_processes_that_commit_at_once_raise_no_alarm(team):
    """Eight processes of one machine open, commit, read and close as fast as they can: all of it is one history."""
    command = [sys.executable, "-c", WORKER, str(team.root / "alice"), f"sqlite:///{team.store}"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    workers = [subprocess.Popen([*command, str(name)], env=environment, **pipes) for name in range(8)]
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        worker.stdin.write("\n")
        worker.stdin.flush()
    for worker in workers:
        _, errors = worker.communicate(timeout=120)
        assert (worker.returncode, errors) == (0, "")
    settings = load_settings({"home": str(team.root / "alice"), "url": f"sqlite:///{team.store}"}, {})
    seen = team.pin("alice")
    with open_registry(settings) as registry:
        assert registry._ledger.head.number == seen.commit
        assert registry.tokens.show("Mail").revision == 1 + 8 * 5 * 3
