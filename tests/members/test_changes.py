"""Watching: every commit in order, none twice, none left out, each verified; to app members without its contents."""

import asyncio
import sqlite3
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import islice

import pytest

from registry import (
    Conflict,
    HistoryEntry,
    IntegrityError,
    InvalidValue,
    NotPermitted,
    TokenChange,
    TokenEdit,
    open_registry,
    open_rolled_back,
)
from tests.members.team import fields

EVERY_ENGINE = True

PATIENCE = 10.0


def described(team, text, name="Mail", app=None):
    """Have alice make one commit about a token."""
    team.do("alice", lambda r: r.tokens.edit(name, TokenEdit(fields={}, description=text), app=app))


def lived(team):
    """Let many things happen to the team: other names, deletions, a member that leaves, an application that goes."""
    described(team, "once")
    team.do("alice", lambda r: r.tokens.rename("Mail", "Post"))
    team.do("pay", lambda r: r.tokens.reveal("Post", "api_key"))
    team.do("alice", lambda r: r.tokens.rename("Post", "Letters", reason="clearer"))
    team.do("alice", lambda r: r.tokens.edit("Wages", TokenEdit(fields=fields("other")), app="Payroll"))
    team.do("alice", lambda r: r.members.remove("till", reason="sold"))
    team.do("alice", lambda r: r.tokens.remove("Letters"))
    team.do("alice", lambda r: r.applications.remove("Survey", expected=r.applications.doomed("Survey")))


def there(registry, after=-1):
    """Return the commits behind a position that are there."""
    with registry.changes(after, timeout=0) as changes:
        return list(changes)


def told(changes):
    """Return the kind of each event that an app member is told of, and of which token."""
    return [(event.event, event.token_id) for change in changes for event in change.events]


def ids(team):
    """Return the ids of the tokens there are, by name and application."""
    return team.do("alice", lambda r: {(view.name, view.application): view.id for view in r.tokens.list()})


def test_a_reader_is_told_what_history_shows(team, opened):
    """From any position on, admins and auditors get the very entries of the history behind it, and their names then."""
    lived(team)
    for name in ("bob", "carol"):
        registry = opened(name)
        entries = list(registry.history())
        for after in range(-1, len(entries)):
            behind = there(registry, after)
            assert [entry for change in behind for entry in change.events] == entries[after + 1 :]
            assert [position for c in behind for position in range(c.first, c.last + 1)] == list(
                range(after + 1, len(entries))
            )


def test_commits_are_whole_and_dense(team, opened):
    """What one command did comes together, numbered without a gap, with its time."""
    team.do("alice", lambda r: r.tokens.edit("Mail", TokenEdit(fields=fields("new"), description="both")))
    changes = there(opened("bob"))
    assert [change.commit for change in changes] == list(range(len(changes)))
    last = changes[-1]
    assert {entry.event for entry in last.events} == {"token.credentials_changed", "token.described"}
    assert (last.first, last.last) == (last.events[0].position, last.events[-1].position)
    assert {entry.at for entry in last.events} == {last.at}
    assert last.document()["events"] == [entry.document() for entry in last.events]


def test_a_position_within_a_commit(team, opened):
    """Whoever has seen the half of a commit gets the other half."""
    team.do("alice", lambda r: r.tokens.edit("Mail", TokenEdit(fields=fields("new"), description="both")))
    bob = opened("bob")
    whole = there(bob)[-1]
    (rest,) = there(bob, whole.first)
    assert (rest.commit, rest.first, rest.last) == (whole.commit, whole.first + 1, whole.last)
    assert rest.events == whole.events[1:]


@pytest.mark.parametrize("name", ["bob", "pay"])
def test_none_is_lost_while_many_write(team, opened, name):
    """While several write at once, one who watches gets every commit once, in order."""
    changes = opened(name).changes()
    start = len(team.do("bob", lambda r: list(r.history())))

    def write(number):
        with open_registry(team.settings("alice"), surroundings=team.around) as registry:
            for turn in range(8):
                registry.tokens.edit("Mail", TokenEdit(fields={}, description=f"{number} {turn}"))

    with ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(write, number) for number in range(3)]
        seen = [next(changes) for _ in range(24)]
        for writer in writers:
            writer.result()
    changes.close()
    assert [change.commit for change in seen] == list(range(seen[0].commit, seen[0].commit + 24))
    assert [(change.first, change.last) for change in seen] == [(p, p) for p in range(start, start + 24)]


def test_a_commit_is_told_within_a_tenth_of_a_second(team, opened):
    """Who watches learns of a commit at once: the half of them, on a busy machine, within a tenth of a second."""
    alice, seen = opened("alice"), []
    with opened("pay").changes(timeout=PATIENCE) as changes, ThreadPoolExecutor(1) as pool:
        watching = pool.submit(lambda: seen.extend((time.monotonic(), change) for change in islice(changes, 20)))
        made = []
        for number in range(20):
            alice.tokens.edit("Mail", TokenEdit(fields={}, description=str(number)))
            made.append(time.monotonic())
            time.sleep(0.01)
        watching.result()
    assert statistics.median(at - done for (at, _), done in zip(seen, made, strict=True)) < 0.1


def test_an_app_is_told_of_its_tokens_alone(team, opened):
    """App members learn which of their tokens and of the global ones changed, how, and nothing else."""
    names = ids(team)
    pay = opened("pay")
    with pay.changes(timeout=0) as changes:
        described(team, "a", "Answers", "Survey")
        described(team, "b", "Wages", "Payroll")
        described(team, "c", "Zoom")
        team.do("carol", lambda r: r.tokens.reveal("Zoom", "api_key"))
        team.do("alice", lambda r: r.policies.set("allow-plaintext", "yes"))
        seen = list(changes)
    assert [len(change.events) for change in seen] == [0, 1, 1, 0, 0]
    assert told(seen) == [("token.described", names["Wages", "Payroll"]), ("token.described", names["Zoom", None])]
    (event,) = seen[1].events
    assert event.document() == {
        "position": seen[1].first,
        "event": "token.described",
        "token_id": names["Wages", "Payroll"],
    }
    assert set(seen[1].document()) == {"commit", "first", "last", "at", "events"}


def test_an_app_is_told_of_the_end_of_its_tokens_alone(team, opened):
    """While it watches, a deleted token of its own or a global one is told, and another application's is not."""
    names = ids(team)
    with opened("pay").changes(timeout=0.2) as changes:
        next_one = iter(changes)
        for name, app in (("Answers", "Survey"), ("Wages", "Payroll"), ("Mail", None)):
            team.do("alice", lambda r, name=name, app=app: r.tokens.remove(name, app=app))
        seen = [next(next_one) for _ in range(3)]
        made = team.do("alice", lambda r: r.tokens.rename("Zoom", "Answers", app="Survey"))
        assert made.changed
        seen.append(next(next_one))
    assert told(seen) == [("token.deleted", names["Wages", "Payroll"]), ("token.deleted", names["Mail", None])]


def test_tokens_that_come_while_an_app_watches(team, opened):
    """A token that is made later is told if it is its own, and goes on to be, to its end."""
    from registry import NewToken  # noqa: PLC0415 - only here

    with opened("pay").changes(timeout=0) as changes:
        for app in ("Payroll", "Survey", None):
            token = NewToken(name="Late", application=app, provider="zoom", fields=fields("late"))
            team.do("alice", lambda r, token=token: r.tokens.add(token))
        names = ids(team)
        described(team, "x", "Late", "Survey")
        described(team, "x", "Late", "Payroll")
        seen = list(changes)
    own, common = names["Late", "Payroll"], names["Late", None]
    assert told(seen) == [("token.created", own), ("token.created", common), ("token.described", own)]


def test_what_was_deleted_before_anybody_watched(team, opened):
    """Of a token that is long gone nobody can tell whose it was: its end is told, and nothing else of it."""
    names = ids(team)
    described(team, "a", "Answers", "Survey")
    team.do("alice", lambda r: r.tokens.remove("Answers", app="Survey"))
    seen = told(there(opened("pay")))
    assert [event for event, token in seen if token == names["Answers", "Survey"]] == ["token.deleted"]
    assert names["Zoom", "Survey"] not in {token for _, token in seen}
    assert ("token.created", names["Wages", "Payroll"]) in seen


def test_positions_that_there_are_not(opened):
    """A position beyond the history, or before its beginning, is refused at once."""
    pay = opened("pay")
    last = there(pay)[-1].last
    for wrong in (last + 1, 10**30, -2):
        with pytest.raises(InvalidValue):
            pay.changes(wrong)
    assert there(pay, last) == []


def test_without_a_position_it_begins_now(team, opened):
    """What was committed before the call is left out, what came before the first look is not."""
    pay = opened("pay")
    described(team, "before")
    with pay.changes(timeout=0) as changes:
        described(team, "after")
        (change,) = changes
    assert change.last == there(pay)[-1].last


def test_it_ends_when_nothing_comes(team, opened):
    """The timeout is counted from the last commit, and once it has ended it stays so."""
    with opened("pay").changes(timeout=0.3) as changes:
        began = time.monotonic()
        assert list(changes) == []
        assert 0.3 <= time.monotonic() - began < PATIENCE
        described(team, "late")
        assert list(changes) == []


def test_it_ends_when_it_is_told_to(team, opened):
    """What ``stop`` answers ends it, also between two commits that are there already."""
    described(team, "one")
    described(team, "two")
    stop = threading.Event()
    with opened("pay").changes(-1, stop=stop.is_set) as changes:
        next(changes)
        stop.set()
        assert list(changes) == []


def test_another_thread_can_close_it(opened):
    """Closing ends the waiting of another thread, and may be done twice."""
    changes = opened("pay").changes()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(list, changes)
        time.sleep(0.1)
        assert not waiting.done()
        changes.close()
        assert waiting.result(PATIENCE) == []
    changes.close()
    assert list(changes) == []


def test_it_can_be_watched_from_an_event_loop(team, opened):
    """A thread waits for each commit; the loop goes on meanwhile, and cancelling ends both."""
    pay = opened("pay")

    async def watch(seen):
        with pay.changes() as changes:
            while (change := await asyncio.to_thread(next, changes, None)) is not None:
                seen.append(change)

    async def main():
        seen = []
        task = asyncio.create_task(watch(seen))
        await asyncio.sleep(0.2)
        await asyncio.to_thread(described, team, "now")
        for _ in range(500):
            await asyncio.sleep(0.01)
            if seen:
                break
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return seen

    assert len(asyncio.run(main())) == 1


def test_a_watcher_holds_up_no_shredding(team, opened):
    """Whoever waits for changes keeps nothing that was replaced in the store's files."""
    with opened("pay").changes(timeout=PATIENCE) as changes:
        alice = opened("alice")
        alice.tokens.edit("Mail", TokenEdit(fields=fields("next")))
        next(changes)
        alice.tokens.edit("Mail", TokenEdit(fields=fields("one-more")))
        assert not alice.shred_pending


def test_what_was_watched_is_remembered(team, opened):
    """A machine that was shown a commit does not go back behind it, also if what watched did not end in order."""
    changes = opened("bob").changes(timeout=0)
    described(team, "seen")
    seen = list(changes)[-1]
    assert team.pin("bob").size == seen.last + 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE stored_events SET state = zeroblob(200) WHERE position = 4",
        "UPDATE stored_events SET topic = 'token.tested' WHERE position = 4",
        "UPDATE stored_events SET commit_number = 3 WHERE position = 4",
        "UPDATE stored_events SET originator_version = 9 WHERE position = 4",
        "UPDATE commits SET at = '2027-01-31T12:00:04Z' WHERE number = 4",
        "UPDATE log_nodes SET hash = zeroblob(32) WHERE number < 12",
        "DELETE FROM log_nodes WHERE number < 12",
        "DELETE FROM stored_events WHERE position = 4",
        "DELETE FROM stored_events WHERE position > 3",
    ],
)
@pytest.mark.parametrize("name", ["bob", "pay"])
def test_nothing_is_told_that_was_not_committed(team, opened, name, statement):
    """What was changed in the database, long verified or not, is an integrity failure before it is told."""
    registry = opened(name)
    genuine = there(registry)
    team.sql(statement)
    seen = []
    with pytest.raises(IntegrityError), registry.changes(2, timeout=0) as changes:
        seen.extend(changes)
    assert seen == genuine[3 : 3 + len(seen)]
    assert all(change.last < 4 for change in seen)


def test_a_name_that_was_changed_in_the_database(team, opened):
    """What a token was called before the position is believed no more than what came behind it."""
    described(team, "now")
    bob = opened("bob")
    last = there(bob)[-1].last
    team.sql("UPDATE stored_events SET state = (SELECT state FROM stored_events WHERE position = 3) WHERE position = 4")
    with pytest.raises(IntegrityError):
        there(bob, last - 1)


def test_a_commit_by_nobody_is_not_told(team, opened):
    """A commit whose signature is not its author's ends the watching with an error."""
    with opened("pay").changes(timeout=0) as changes:
        described(team, "signed")
        team.sql("UPDATE commits SET signature = zeroblob(64) WHERE number = (SELECT MAX(number) FROM commits)")
        with pytest.raises(IntegrityError, match="not signed"):
            next(changes)


def test_who_is_removed_is_told_no_more(team, opened):
    """A member that is removed while it watches is refused."""
    with opened("pay").changes(timeout=PATIENCE) as changes:
        team.do("alice", lambda r: r.members.remove("pay"))
        with pytest.raises(NotPermitted):
            next(changes)


def test_another_role_is_told_something_else(team, opened):
    """Who becomes an app member while it watches is from then on told without contents."""
    with opened("bob").changes(timeout=PATIENCE) as changes:
        described(team, "as an auditor")
        assert isinstance(next(changes).events[0], HistoryEntry)
        team.do("alice", lambda r: r.members.change_role("bob", "app", app="Payroll"))
        next(changes)
        described(team, "as an app")
        assert isinstance(next(changes).events[0], TokenChange)


def replaced(team, copy):
    """Put a copy in the place of the store: another file under its name."""
    for suffix in ("-wal", "-shm"):
        team.store.with_name(team.store.name + suffix).unlink(missing_ok=True)
    copy.replace(team.store)


def test_a_copy_in_the_place_of_the_store(team, opened):
    """A file that goes on from what was seen is followed, and nothing of it is told twice."""
    with opened("bob").changes(timeout=PATIENCE) as changes:
        described(team, "one")
        first = next(changes)
        replaced(team, team.backup())
        described(team, "two")
        assert next(changes).first == first.last + 1


@pytest.mark.sqlite
def test_an_older_copy_in_the_place_of_the_store(team, opened):
    """A store that has lost what was told is an integrity failure; if an admin gave that up, a conflict."""
    copy = team.backup()
    with opened("bob").changes(timeout=PATIENCE) as changes, opened("pay").changes(timeout=PATIENCE) as late:
        described(team, "lost")
        kept = next(changes).last
        next(late)
        replaced(team, copy)
        with pytest.raises(IntegrityError):
            next(changes)
        with open_rolled_back(team.settings("alice"), surroundings=team.around) as rolled_back:
            rolled_back.accept(reason="the disk failed")
        with pytest.raises(Conflict, match=f"behind position {kept - 1}"):
            next(late)
    with closing(sqlite3.connect(team.store)) as connection:
        assert connection.execute("SELECT MAX(position) FROM stored_events").fetchone() == (kept,)
