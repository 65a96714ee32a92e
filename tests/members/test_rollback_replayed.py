"""Copies that hold an accepted rollback, put back later: an acceptance gives up what was before it, and once."""

from datetime import timedelta

import pytest

from registry import IntegrityError, InvalidValue
from tests.members.test_rollback import KEPT, REFUSED, accept, edit, refused

MACHINES = ("alice", "bob", "pay")
LOST = 6
"""How many commits are lost in the accident."""


def look(team, *names):
    """Open the registry on machines, which pin what they see."""
    for name in names:
        team.do(name, lambda r: r.whoami())


def lose(team, copy, count=LOST, key="lost"):
    """Have alice commit, everybody see it, and the store put back to a copy."""
    for number in range(count):
        edit(team, key=f"{key}-{number}")
    look(team, *MACHINES)
    team.restore(copy)


@pytest.fixture
def accepted(team):
    """Return a team that goes on from an accepted rollback, and the copy of before it."""
    copy = team.backup()
    lose(team, copy)
    accept(team, "alice")
    look(team, *MACHINES, "till")
    return team, copy


@pytest.mark.parametrize("when", ["before", "just after", "later"])
@pytest.mark.parametrize("further", [2, LOST - 1, LOST, LOST + 3])
def test_a_copy_is_refused_by_who_has_seen_more_of_the_new_history(accepted, when, further):
    """However far the new history has come, its commits are not those that were given up under the same numbers."""
    team, before = accepted
    just_after = team.backup()
    edit(team, key="replaced-because-leaked")
    later = team.backup()
    for number in range(further):
        edit(team, key=f"new-{number}")
    look(team, *MACHINES)
    team.restore({"before": before, "just after": just_after, "later": later}[when])
    refused(team, *MACHINES)


def test_who_was_removed_after_an_acceptance_does_not_come_back_with_its_copy(accepted):
    """A removed admin that goes on from a copy of just after it, and accepts again, is followed by nobody."""
    team, _ = accepted
    just_after = team.backup()
    team.do("alice", lambda r: r.members.remove("carol"))
    look(team, *MACHINES)
    lost = team.pin("bob").seen.text().encode()
    team.restore(just_after)
    refused(team, *MACHINES)
    edit(team, "carol", key="back-again")
    refused(team, *MACHINES)
    team.restore(just_after)
    accept(team, "carol", lost=lost)
    refused(team, *MACHINES)


def test_a_second_accident_is_accepted_like_the_first(accepted):
    """A new acceptance counts for what came after the first one."""
    team, _ = accepted
    copy = team.backup()
    edit(team, key="kept-by-nobody")
    lose(team, copy, 3, "lost-again")
    refused(team, *MACHINES)
    accept(team, "alice")
    look(team, *MACHINES, "till", "carol")
    assert {team.pin(name).commit for name in (*MACHINES, "till", "carol")} == {KEPT + 2}
    assert len(team.pin("bob").accepted) == 2
    edit(team, "carol", key="after")
    look(team, *MACHINES)
    team.restore(copy)
    refused(team, *MACHINES)


def test_one_backup_restored_twice_does_not_let_the_first_way_come_back(accepted):
    """Two acceptances that do not know of each other: who follows the second is not taken back to the first's."""
    team, monday = accepted
    edit(team, key="first-way")
    first_way = team.backup()
    lose(team, monday, 2, "lost-again")
    refused(team, *MACHINES)
    accept(team, "alice")
    look(team, *MACHINES, "till", "carol")
    assert {len(team.pin(name).accepted) for name in MACHINES} == {2}
    assert len(team.pin("carol").accepted) == 1
    second_way = {name: team.pin(name) for name in (*MACHINES, "till", "carol")}
    team.restore(first_way)
    refused(team, *second_way)
    for name, pin in second_way.items():
        assert team.pin(name) == pin


def test_what_was_followed_before_is_remembered_where_clocks_differ(team):
    """A way that was left for another is not taken again, even if commits of the other bear earlier times."""
    monday = team.backup()
    honest = team.around.clock.now
    lose(team, monday)
    team.around.clock.now += timedelta(minutes=5)
    accept(team, "alice")
    edit(team, key="first-way")
    first_way = team.backup()
    lose(team, monday, 2, "lost-again")
    team.around.clock.now = honest
    accept(team, "alice")
    look(team, *MACHINES)
    running = team.open("pay")
    team.restore(first_way)
    refused(team, *MACHINES)
    for ledger in (running._ledger, running._ledger.twin()):
        with pytest.raises(IntegrityError, match=REFUSED):
            ledger.moved()
    running.close()


def test_a_clock_that_is_behind_what_is_lost_gives_up_just_what_is_named(team):
    """Whose checkpoint is named follows, whatever the time; who has seen less or more is told, and can be named."""
    copy = team.backup()
    honest = team.around.clock.now
    team.around.clock.now += timedelta(minutes=5)
    edit(team)
    look(team, "bob")
    edit(team, key="newest")
    look(team, "alice", "pay")
    named = team.pin("bob").seen.text().encode()
    team.restore(copy)
    team.around.clock.now = honest
    accept(team, "alice")
    look(team, "alice", "pay")
    refused(team, "bob")
    accept(team, "alice", lost=named, kept=KEPT)
    look(team, *MACHINES)
    assert {team.pin(name).commit for name in MACHINES} == {KEPT + 2}


def test_nothing_is_lost_twice(accepted):
    """Who has followed an acceptance has nothing to accept."""
    team, _ = accepted
    with pytest.raises(InvalidValue, match="nothing is lost"):
        accept(team, "alice")
