"""What is wrong in a log but can be followed: each problem is told with its position and its kind."""

from datetime import timedelta

import pytest
from msgspec import structs

from registry.domain.roster import ADMIN, APP, AUDITOR, Member
from registry.domain.roster_events import ProblemAcknowledged
from registry.errors import IntegrityError
from registry.log import problems
from registry.log.problems import ACKNOWLEDGEABLE, KINDS
from registry.store.following import Follower
from tests.sealing.specimens import ALICE, BOB, OTHER_MEMBER
from tests.store.commits import NOON, facts, row

LAST = 4


def wrong(writer, follower=None):
    """Return what is wrong but could be followed to the end."""
    follower = follower or Follower(writer.registry)
    follower.advance(writer.store)
    assert follower.head == writer.store.head()
    return [(problem.position, problem.kind) for problem in sorted(follower.problems)]


@pytest.mark.parametrize(("number", "position"), [(1, 1), (2, 3), (LAST, 5)])
def test_a_commit_older_than_the_one_before_is_a_problem(writer, forger, number, position):
    """Time moved back is told with the position of the commit's first event, and the log is followed to its end."""
    forger.change(number, at="2027-01-31T11:59:00Z")
    forger.rebuild()
    assert wrong(writer) == [(position, problems.TIME)]


def test_commits_at_the_same_moment_are_no_problem(writer, forger):
    """A clock that stands still makes no log a forged one."""
    for number in range(LAST + 1):
        forger.change(number, at="2027-01-31T12:00:00Z")
    forger.rebuild()
    assert wrong(writer) == []


@pytest.mark.parametrize(("number", "shredded", "position"), [(0, 2, 0), (2, 4, 3), (LAST, 6, 5), (3, 1, 4), (2, 1, 3)])
def test_what_is_said_of_shredding_neither_goes_back_nor_ahead(writer, forger, number, shredded, position):
    """No commit says that less is forgotten than before, or more than what there is to forget."""
    forger.resign(number, ALICE, shredded=shredded)
    assert (position, problems.SHREDDING) in wrong(writer)


def begun_as(writer, role, **more):
    """Return a follower at the end of the store, by whose roster alice has a role from then on."""
    follower = Follower(writer.registry)
    follower.advance(writer.store)
    alice = structs.replace(follower.roster.members[writer.member], role=role, **more)
    other = Member(OTHER_MEMBER, ADMIN, BOB.public.keys)
    roster = structs.replace(follower.roster, members={alice.id: alice, other.id: other})
    return Follower(writer.registry, follower.head, roster, follower.roster_events)


@pytest.mark.parametrize("role", [AUDITOR, APP])
def test_a_role_that_does_not_allow_an_event_is_a_problem(writer, role):
    """The first event of a commit that its author's role does not allow is told with its position."""
    follower, admin = begun_as(writer, role), begun_as(writer, ADMIN)
    writer.put([writer.created(1), writer.tested(1, 2)])
    writer.put([writer.tested(1, 3)])
    assert wrong(writer, follower) == [(position, problems.ROLE) for position in (1, 3)]
    assert [problem.message for problem in sorted(follower.problems)] == [
        f"the role {role} does not allow token.created at position 1",
        f"the role {role} does not allow token.tested at position 3",
    ]
    assert wrong(writer, admin) == []


@pytest.mark.parametrize("role", [AUDITOR, APP])
def test_a_present_that_a_role_does_not_allow_is_refused(writer, role):
    """Nobody follows a commit by who is no admin that says other current rows: no acknowledging could mend that."""
    follower, admin = begun_as(writer, role), begun_as(writer, ADMIN)
    writer.put([writer.created(1)], rows=[row(1)])
    with pytest.raises(IntegrityError, match=f"^the role {role} does not allow commit 1 to change tokens$"):
        follower.advance(writer.store)
    assert wrong(writer, admin) == []


def test_a_time_that_is_acknowledged_binds_nobody(writer, forger):
    """Behind a commit whose time is acknowledged to be wrong, the next may be earlier; the one behind that may not."""
    forger.change(LAST, at="9999-12-31T00:00:00Z")
    forger.rebuild()
    known = {"position": 6, "kind": problems.TIME}
    writer.put([ProblemAcknowledged(**facts(writer, 3), **known)], at=NOON)
    assert wrong(writer) == []
    writer.put([writer.tested(1, 4)], at=NOON - timedelta(seconds=1))
    assert wrong(writer) == [(8, problems.TIME)]


@pytest.mark.parametrize(
    ("position", "kind", "what"),
    [
        (7, problems.TIME, "the roster event at position 7 acknowledges what is not there yet"),
        (9, problems.ROLE, "the roster event at position 7 acknowledges what is not there yet"),
        *((0, kind, "roster event 3 .*cannot be acknowledged") for kind in KINDS if kind not in ACKNOWLEDGEABLE),
    ],
)
def test_only_what_an_author_did_before_can_be_acknowledged(writer, forger, position, kind, what):
    """Nobody can let something pass that is still to come, or that the database would have to have done."""
    writer.put([ProblemAcknowledged(**facts(writer, 3), position=position, kind=kind)])
    with pytest.raises(IntegrityError, match=what):
        Follower(writer.registry).advance(writer.store)
