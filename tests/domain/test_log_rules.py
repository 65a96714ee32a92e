"""What the roster says of the log: who may commit what, which problems are known, which rollbacks were accepted."""

import pytest

from registry.domain import roster_rules as rules
from registry.domain.roster import ADMIN, APP, AUDITOR, LogPoint, Rollback
from registry.domain.roster_events import MemberRenewed, ProblemAcknowledged, RollbackAccepted
from registry.errors import InvalidValue, NotFound
from registry.store.topics import topics
from registry.values import MemberId
from tests.domain.facts import ALICE, AT, BOB
from tests.domain.rosters import CAROL, PAYROLL, admitted, keys_of, team, then

KEPT, LOST = LogPoint(4, 9, b"k" * 32), LogPoint(7, 15, b"l" * 32)


@pytest.mark.parametrize("topic", topics())
@pytest.mark.parametrize(
    ("role", "application", "own"),
    [(ADMIN, None, None), (AUDITOR, None, "evidence.exported"), (APP, PAYROLL, "token.disclosed")],
)
def test_a_role_commits_its_own_topics_into_its_own_stream(topic, role, application, own):
    """Admins commit everything anywhere; auditors and apps one topic each, and only as what they did themselves."""
    roster = admitted(team(), CAROL, role, application)
    member = roster.member(CAROL)
    assert rules.may_commit(member, topic, CAROL) == (role == ADMIN or topic == own)
    assert rules.may_commit(member, topic, ALICE) == (role == ADMIN)


def test_unknown_topics_are_nobodys_but_an_admins():
    """What is neither an auditor's nor an app's is not theirs because nobody knows it."""
    roster = admitted(admitted(team(), CAROL, APP, PAYROLL), MemberId("f" * 32), AUDITOR)
    for member in roster.members.values():
        assert rules.may_commit(member, "token.", member.id) == (member.role == ADMIN)


def test_an_acknowledged_problem_is_known_by_position_and_kind():
    """What was acknowledged adds up; the same position with another kind is another problem."""
    roster = then(team(), ProblemAcknowledged, position=17, kind="role")
    roster = then(roster, ProblemAcknowledged, position=17, kind="time")
    roster = then(roster, ProblemAcknowledged, position=17, kind="role")
    assert roster.acknowledged == {(17, "role"), (17, "time")}


def test_an_accepted_rollback_is_kept_with_who_accepted_it():
    """Both points, the author, and the signing key that it had at that moment are remembered in order."""
    roster = then(team(), RollbackAccepted, kept=KEPT, lost=LOST)
    roster = then(roster, RollbackAccepted, kept=LogPoint(5, 10, b"k" * 32), lost=LOST)
    assert roster.rollbacks[0] == Rollback(KEPT, LOST, ALICE, keys_of(ALICE).signing, AT)
    assert [one.kept.commit for one in roster.rollbacks] == [4, 5]


@pytest.mark.parametrize("lost", [LogPoint(4, 9, b"o" * 32), LogPoint(3, 8, b"o" * 32)])
def test_a_rollback_gives_up_something(lost):
    """What is lost came after what is kept: nobody gives up what the log still holds."""
    with pytest.raises(InvalidValue, match="gives up what came after"):
        then(team(), RollbackAccepted, kept=KEPT, lost=lost)


def test_a_rollback_is_accepted_by_a_member():
    """An author whom nobody knows accepts nothing."""
    with pytest.raises(NotFound):
        then(team(), RollbackAccepted, kept=KEPT, lost=LOST, by=CAROL)


def test_keys_that_were_renewed_are_remembered_with_whose_they_were():
    """Old checkpoints are checked with the keys of that time, so each spent key is known with its member."""
    roster = then(team(), MemberRenewed, member=BOB, keys=keys_of(BOB, "second"))
    roster = then(roster, MemberRenewed, member=BOB, keys=keys_of(BOB, "third"))
    old, second = keys_of(BOB), keys_of(BOB, "second")
    assert roster.spent == dict.fromkeys([old.signing, old.sealing, second.signing, second.sealing], BOB)
