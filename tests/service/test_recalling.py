"""From what a machine has seen to the newest state: what is followed, what is pinned, and what is given up."""

from datetime import timedelta
from pathlib import Path

import pytest
from msgspec import structs

from registry import IntegrityError, join, load_settings, open_registry
from registry.domain.roster import ADMIN, AUDITOR, LogPoint, Rollback, Roster
from registry.pins import Pin, Pins
from registry.service import keeping
from registry.service.recalling import gives_up
from registry.store.sqlite import SQLitePlace
from tests.sealing.specimens import ALICE, BOB, MEMBER, OTHER_MEMBER
from tests.service.attacks import edit, fill, query, tamper, token
from tests.service.test_pins import pin

SEEN = 20
ROOT = b"\x11" * 32
KEY = ALICE.public.keys.signing


LATER = pin(SEEN + 60).seen.at
LINK = b"\x44" * 32


def accepted(kept=10, lost=30, by=MEMBER, signing=KEY, at=LATER, **parts):
    """Return a rollback that alice accepted an hour later, of all that came after the tenth commit, or another one."""
    point = LogPoint(lost, lost + 5, ROOT)
    return Rollback(LogPoint(kept, kept + 5, bytes(32)), structs.replace(point, **parts), by, signing, at, LINK)


def seen_by_members(**members):
    """Return what a machine has seen: commit 20, with alice an admin and bob an auditor unless told otherwise."""
    known = {MEMBER: (ADMIN, KEY), OTHER_MEMBER: (AUDITOR, BOB.public.keys.signing)}
    return structs.replace(pin(SEEN).seen, members=known | members)


@pytest.mark.parametrize(
    ("rollbacks", "given"),
    [
        ([], False),
        ([accepted()], True),
        ([accepted(kept=19)], True),
        ([accepted(kept=20, lost=21)], False),
        ([accepted(kept=0, lost=21)], True),
        ([accepted(lost=25, root=bytes(32))], True),
        ([accepted(lost=19)], False),
        ([accepted(lost=SEEN)], True),
        ([accepted(lost=SEEN, root=bytes(32))], False),
        ([accepted(lost=SEEN, size=24)], False),
        ([accepted(by=OTHER_MEMBER, signing=BOB.public.keys.signing)], False),
        ([accepted(by="e" * 32)], False),
        ([accepted(signing=BOB.public.keys.signing)], False),
        ([accepted(by=OTHER_MEMBER)], False),
        ([accepted(lost=19), accepted(lost=SEEN, root=bytes(32)), accepted()], True),
        ([accepted(kept=0, lost=5), accepted(kept=25, lost=30)], False),
    ],
)
def test_what_was_seen_is_given_up_by_an_admin_of_that_moment(rollbacks, given):
    """The point lies in what is given up, and who accepted that was an admin, with that key, when it was seen."""
    assert gives_up(Roster(rollbacks=tuple(rollbacks)), seen_by_members()) is given


@pytest.mark.parametrize("late", [timedelta(), timedelta(microseconds=1), timedelta(days=400)])
def test_what_was_seen_after_the_acceptance_is_not_given_up(late):
    """Commits from the acceptance on have numbers that it gave up, and are not older than it."""
    seen = seen_by_members()
    assert not gives_up(Roster(rollbacks=(accepted(at=seen.at - late),)), seen)
    assert gives_up(Roster(rollbacks=(accepted(at=seen.at + timedelta(microseconds=1)),)), seen)


def test_what_is_named_as_lost_is_given_up_whatever_the_clocks_say():
    """Where clocks differed, naming the very checkpoint that a machine has seen still lets it follow."""
    seen = seen_by_members()
    assert gives_up(Roster(rollbacks=(accepted(lost=SEEN, at=seen.at - timedelta(days=1)),)), seen)


@pytest.mark.parametrize("lost", [SEEN, 30])
def test_an_acceptance_that_was_followed_does_not_count_again(lost):
    """What a machine has seen behind an acceptance, or behind another that came after it, is not given up by it."""
    seen = structs.replace(seen_by_members(), accepted=frozenset([LINK]))
    assert not gives_up(Roster(rollbacks=(accepted(lost=lost),)), seen)
    other = structs.replace(accepted(lost=lost), link=b"\x55" * 32)
    assert gives_up(Roster(rollbacks=(accepted(lost=lost), other)), seen)


@pytest.mark.parametrize(
    "members",
    [{MEMBER: (AUDITOR, KEY)}, {MEMBER: ("app", KEY)}, {MEMBER: (ADMIN, BOB.public.keys.signing)}, {MEMBER: None}],
    ids=["an auditor", "an app", "with other keys", "removed"],
)
def test_who_was_no_admin_any_more_gives_nothing_up(members):
    """Whom the pin knows as removed, renewed or with another role does not bring itself back."""
    for lost in (SEEN, 30):
        assert not gives_up(Roster(rollbacks=(accepted(lost=lost),)), seen_by_members(**members))


@pytest.fixture
def path(founded, around):
    """Return the database of a closed registry with a history."""
    with open_registry(founded, surroundings=around) as registry:
        fill(registry)
    return founded.store_path()


def pins_of(founded):
    """Return the pins of the machine."""
    return Pins(Path(founded.state.value))


def known(founded):
    """Return what the machine knows of its store."""
    return pins_of(founded).get(SQLitePlace(founded.store_path()).url)


def test_what_was_verified_once_is_not_verified_again(founded, around, path, checked):
    """A machine goes on from its pin: it checks the commits behind it, and all of them where it has seen none."""
    open_registry(founded, surroundings=around).close()
    assert checked == []
    with open_registry(founded, surroundings=around) as registry:
        registry.tokens.add(token("New"))
        assert checked == []
        registry.policies.set("allow-plaintext", "yes")
        assert checked == ["roster", 8]
    del checked[:]
    before = known(founded)
    pins_of(founded).put(Pin(before.url, before.registry_id))
    open_registry(founded, surroundings=around).close()
    assert [number for number in checked if number != "roster"] == list(range(9))
    assert known(founded) == before


def test_a_roster_whose_digest_is_another_is_verified_from_its_signatures(founded, around, path, checked):
    """Where the kept digest is not that of the stored roster, signatures decide; if they hold, nothing is wrong."""
    before = known(founded)
    pins_of(founded).put(structs.replace(before, seen=structs.replace(before.seen, roster_digest=b"other")))
    open_registry(founded, surroundings=around).close()
    assert checked == ["roster"] * before.seen.checkpoint.roster_length


def test_what_was_seen_and_what_is_held_are_both_shown(founded, around, path):
    """A store that lacks what was seen is refused with both checkpoints, so that people can compare them."""
    seen = known(founded).seen
    tamper(path, "DELETE FROM commits WHERE number > 4", "DELETE FROM stored_events WHERE commit_number > 4")
    with pytest.raises(
        IntegrityError, match="it holds commit 4 and 5 events; this machine has seen commit 6"
    ) as caught:
        open_registry(founded, surroundings=around)
    assert seen.text() in caught.value.detail
    assert "\ncommit 4\n" in caught.value.detail
    assert "accept-rollback" in caught.value.hint
    tamper(path, "DELETE FROM commits", "DELETE FROM stored_events")
    with pytest.raises(IntegrityError, match="it holds nothing; this machine has seen commit 6") as caught:
        open_registry(founded, surroundings=around)
    assert caught.value.detail.endswith("the store holds:\nnothing\n")


@pytest.mark.parametrize("column", ["root", "present", "roster_head", "signature", "author", "at", "size", "shredded"])
def test_the_pinned_commit_is_compared_part_for_part(founded, around, path, column):
    """Another value in any column of the commit that was seen is another history."""
    others = {"author": "b" * 32, "at": "2020-01-01T00:00:00Z", "size": 9, "shredded": 3, "signature": bytes(64)}
    value = others.get(column, bytes(32))
    tamper(path, f"UPDATE commits SET {column} = ? WHERE number = 6", parameters=(value,))
    with pytest.raises(IntegrityError, match="another history: its commit 6 is not the one that this machine has seen"):
        open_registry(founded, surroundings=around)


def test_a_pin_moves_at_once_at_opening_closing_and_with_the_roster(founded, around, path, monkeypatch):
    """Commits that follow closely on one another do not each move the pin; a second later, or at the end, they do."""
    now = [1000.0]
    monkeypatch.setattr(keeping, "monotonic", lambda: now[0])
    with open_registry(founded, surroundings=around) as registry:
        registry.tokens.add(token("One"))
        assert known(founded).commit == 7
        for number in range(3):
            now[0] += 0.25
            registry.tokens.add(token(f"More {number}"))
            assert known(founded).commit == 7
        now[0] += 0.5
        registry.tokens.add(token("Later"))
        assert known(founded).commit == 11
        registry.policies.set("allow-plaintext", "yes")
        assert known(founded).commit == 12
        registry.tokens.add(token("Last"))
        assert known(founded).commit == 12
    assert known(founded).commit == 13


def test_a_pin_is_not_taken_back_by_who_lags_behind(founded, around, path):
    """Two programs of one machine: the one that has seen less closes later, and the pin stays where it is."""
    lagging = open_registry(founded, surroundings=around)
    lagging.tokens.edit("Zoom", edit(description="x"))
    with open_registry(founded, surroundings=around) as other:
        other.tokens.add(token("New"))
        other.policies.set("allow-plaintext", "yes")
    ahead = known(founded)
    lagging.close()
    assert known(founded) == ahead
    assert ahead.commit == 9


def test_a_second_history_is_not_hidden_by_closing(founded, around, path, tmp_path):
    """Two copies of a store went on: whoever has followed one, while its machine pinned the other, is told so."""
    copy = path.read_bytes()
    elsewhere = load_settings(
        {"home": str(tmp_path / "elsewhere"), "identity": founded.identity.value, "url": f"sqlite:///{path}"}, {}
    )
    join(elsewhere, registry_id=known(founded).registry_id.hex(), surroundings=around)
    one = open_registry(founded, surroundings=around)
    with open_registry(elsewhere, surroundings=around) as other:
        other.tokens.add(token("One"))
    assert one.tokens.show("One").name == "One"
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    path.write_bytes(copy)
    with open_registry(founded, surroundings=around) as registry:
        registry.tokens.add(token("Another"))
    with pytest.raises(IntegrityError, match="its commit 7 is not the one that this machine has seen"):
        one.close()
    assert known(founded).commit == 7


def roster_states(path):
    """Return the stored states of the roster's events."""
    statement = "SELECT state FROM stored_events WHERE topic NOT LIKE 'token.%' ORDER BY originator_version"
    return [state for (state,) in query(path, statement)]


def test_a_roster_that_lacks_what_was_seen_is_refused(founded, around, path):
    """Where the commit that was seen still stands, and an event of the roster behind which it stands does not."""
    length = known(founded).seen.checkpoint.roster_length
    tamper(path, f"DELETE FROM stored_events WHERE originator_version = {length} AND topic = 'application.registered'")
    with pytest.raises(
        IntegrityError, match=f"^the roster ends at event {length - 1}; this machine has seen event {length}$"
    ):
        open_registry(founded, surroundings=around)


def test_another_signed_event_in_the_rosters_place_is_refused(founded, around, path):
    """An event that an admin did sign, on another copy of the store, does not pass for the one that was seen."""
    copy, before = path.read_bytes(), known(founded)
    with open_registry(founded, surroundings=around) as registry:
        registry.policies.set("allow-plaintext", "yes")
    other = roster_states(path)[-1]
    path.write_bytes(copy)
    pins_of(founded).put(before)
    with open_registry(founded, surroundings=around) as registry:
        registry.policies.set("record-resolves", "off")
    length = known(founded).seen.checkpoint.roster_length
    assert roster_states(path)[-1] != other
    tamper(path, "UPDATE stored_events SET state = ? WHERE topic = 'policy.changed'", parameters=(other,))
    with pytest.raises(IntegrityError, match=f"^roster event {length} is not the one that this machine has seen$"):
        open_registry(founded, surroundings=around)
