"""Members: who may come, change and go, which keys are whose due, and which names are too much alike."""

import pytest

from registry.domain import roster_rules as rules
from registry.domain.roster import ADMIN, APP, AUDIT, AUDITOR, FINGERPRINT, GLOBAL, Grant, Member, scope_audience
from registry.domain.roster_events import (
    ApplicationRemoved,
    AudienceRotated,
    MemberAdmitted,
    MemberRemoved,
    MemberRenewed,
    MemberRoleChanged,
)
from registry.errors import AlreadyExists, InvalidValue, NotFound, NotPermitted
from registry.values import ApplicationId, MemberId
from tests.domain.facts import ALICE, BOB
from tests.domain.rosters import CAROL, CRM, DAVE, PAYROLL, admitted, keys, keys_of, team, then

OF_PAYROLL, OF_CRM = scope_audience(PAYROLL), scope_audience(CRM)


def test_an_admitted_member_is_what_its_admission_says():
    """Role, application and keys are those of the fact."""
    roster = admitted(team(), CAROL, APP, PAYROLL)
    assert roster.member(CAROL) == Member(CAROL, APP, keys_of(CAROL), PAYROLL)


@pytest.mark.parametrize(
    ("role", "application", "audiences"),
    [
        (ADMIN, None, [AUDIT, GLOBAL, FINGERPRINT, OF_PAYROLL, OF_CRM]),
        (AUDITOR, None, [AUDIT]),
        (APP, PAYROLL, [GLOBAL, OF_PAYROLL]),
    ],
)
def test_a_role_decides_which_audiences_a_member_is_in(role, application, audiences):
    """Admins are in all audiences, auditors in that of the history, apps in the global one and their own."""
    roster = admitted(team(), CAROL, role, application)
    assert roster.audiences_of(roster.member(CAROL)) == audiences
    assert all(roster.member(CAROL) in roster.audience_members(audience) for audience in audiences)
    assert roster.audience_members(OF_CRM)[:2] == [roster.member(ALICE), roster.member(BOB)]


@pytest.mark.parametrize(
    ("role", "application"),
    [("Admin", None), ("", None), (AUDITOR, PAYROLL), (ADMIN, CRM), (APP, None)],
    ids=str,
)
def test_only_apps_belong_to_an_application_and_roles_are_known(role, application):
    """Another role, an app without an application and anyone else with one are refused, on admission and change."""
    with pytest.raises(InvalidValue):
        admitted(team(), CAROL, role, application)
    with pytest.raises(InvalidValue):
        then(team(), MemberRoleChanged, member=BOB, role=role, application=application)


def test_an_app_belongs_to_an_application_that_is_there():
    """Nobody is admitted to an application that is unknown or removed."""
    with pytest.raises(NotFound):
        admitted(team(), CAROL, APP, ApplicationId("e" * 32))
    with pytest.raises(NotFound):
        admitted(then(team(), ApplicationRemoved, application=CRM), CAROL, APP, CRM)


def test_nobody_is_admitted_twice():
    """An id that is a member's cannot be admitted, whatever keys it would come with."""
    with pytest.raises(InvalidValue):
        admitted(team(), BOB, AUDITOR, keys=keys_of(BOB, "second"))


def test_a_changed_role_keeps_the_keys():
    """With another role a member is in other audiences and still itself."""
    roster = then(team(), MemberRoleChanged, member=BOB, role=APP, application=CRM)
    assert roster.member(BOB) == Member(BOB, APP, keys_of(BOB), CRM)


def test_a_renewed_member_keeps_its_role_and_loses_the_grants_to_its_former_keys():
    """What was sealed to the former keys does not open with the new ones, so only new grants count."""
    granted = keys(AUDIT, 2, ALICE, BOB)
    roster = then(team(), MemberRenewed, member=BOB, keys=keys_of(BOB, "second"), **granted)
    assert roster.member(BOB) == Member(BOB, ADMIN, keys_of(BOB, "second"))
    assert [grant for grant in roster.grants if grant.member == BOB] == [Grant(AUDIT, 2, BOB, b"sealed")]
    assert sum(grant.member == ALICE for grant in roster.grants) == 6


def test_a_removed_member_is_former_for_ever():
    """It is in no audience, is remembered as it last was, and its id never comes back."""
    roster = then(team(), MemberRemoved, member=BOB)
    assert roster.former == {BOB: Member(BOB, ADMIN, keys_of(BOB))}
    with pytest.raises(NotFound):
        roster.member(BOB)
    with pytest.raises(InvalidValue, match="comes back"):
        then(roster, MemberAdmitted, member=BOB, role=AUDITOR, keys=keys_of(BOB, "second"))


@pytest.mark.parametrize(
    ("kind", "facts"),
    [(MemberRemoved, {}), (MemberRenewed, {"keys": keys_of(CAROL)}), (MemberRoleChanged, {"role": AUDITOR})],
    ids=lambda value: getattr(value, "TOPIC", ""),
)
def test_what_happens_to_a_member_happens_to_one_there_is(kind, facts):
    """Changes of a member that never was, or was removed, are not found."""
    with pytest.raises(NotFound):
        then(team(), kind, member=CAROL, **facts)
    with pytest.raises(NotFound):
        then(then(team(), MemberRemoved, member=BOB), kind, member=BOB, **facts)


@pytest.mark.parametrize(("kind", "facts"), [(MemberRemoved, {}), (MemberRoleChanged, {"role": AUDITOR})])
def test_a_registry_always_keeps_one_admin(kind, facts):
    """The last admin but one may go, the last may neither go nor become anything else."""
    one = then(team(), kind, member=BOB, **facts)
    assert [admin.id for admin in one.admins()] == [ALICE]
    with pytest.raises(NotPermitted):
        then(one, kind, member=ALICE, **facts)


def test_with_an_application_go_its_members():
    """Removing an application removes its app members, and nobody else."""
    roster = admitted(admitted(team(), CAROL, APP, CRM), DAVE, APP, PAYROLL)
    after = then(roster, ApplicationRemoved, application=CRM)
    assert (set(after.members), set(after.former)) == ({ALICE, BOB, DAVE}, {CAROL})


@pytest.mark.parametrize(
    ("role", "application", "audience"),
    [
        (AUDITOR, None, GLOBAL),
        (AUDITOR, None, FINGERPRINT),
        (AUDITOR, None, OF_PAYROLL),
        (APP, PAYROLL, AUDIT),
        (APP, PAYROLL, FINGERPRINT),
        (APP, PAYROLL, OF_CRM),
        (ADMIN, None, scope_audience(ApplicationId("e" * 32))),
    ],
)
def test_a_grant_that_is_not_a_members_due_is_refused(role, application, audience):
    """No role is given the key of an audience that it is not in, nor of one that is not there."""
    grants = (Grant(audience, 1, CAROL, b"sealed"),)
    with pytest.raises(InvalidValue, match="not its due"):
        admitted(team(), CAROL, role, application, grants=grants)


def test_a_grant_goes_to_a_member_of_that_moment():
    """Nothing is granted to strangers, nor to somebody who goes with this very fact."""
    with pytest.raises(NotFound):
        then(team(), AudienceRotated, **keys(GLOBAL, 2, CAROL))
    with pytest.raises(NotFound):
        then(team(), MemberRemoved, member=BOB, **keys(GLOBAL, 2, ALICE, BOB))


def test_only_the_newest_generation_is_granted():
    """Whoever comes late is not given the keys of the past: ``audit`` hands them on itself, others do not."""
    roster = then(team(), AudienceRotated, **keys(GLOBAL, 2, ALICE, BOB))
    for number in (1, 3):
        with pytest.raises(InvalidValue, match="not its due"):
            admitted(roster, CAROL, ADMIN, grants=(Grant(GLOBAL, number, CAROL, b"sealed"),))
    assert admitted(roster, CAROL, ADMIN, grants=(Grant(GLOBAL, 2, CAROL, b"sealed"),)).grants[-1].number == 2


@pytest.mark.parametrize("number", [1, 3, 0])
def test_generations_come_without_gaps(number):
    """A generation is its audience's next, the first is number 1."""
    with pytest.raises(InvalidValue, match="cannot come next"):
        then(team(), AudienceRotated, **keys(AUDIT, number))


def test_there_are_no_audiences_but_the_known():
    """Nobody makes an audience that is neither one of the registry's own nor an application's."""
    with pytest.raises(InvalidValue, match="there is no audience"):
        then(team(), AudienceRotated, **keys("new", 1))


def test_a_rotation_relabels_the_applications_it_touches():
    """An application's name is sealed anew under its new key; the labels of others stay."""
    roster = then(team(), AudienceRotated, labels={PAYROLL: b"2"}, **keys(OF_PAYROLL, 2, ALICE, BOB))
    assert (roster.application(PAYROLL).label, roster.application(CRM).label) == (b"2", b"1")
    with pytest.raises(NotFound):
        then(team(), AudienceRotated, labels={ApplicationId("e" * 32): b"2"})


@pytest.mark.parametrize(
    "name",
    [
        "ada",
        "ADA",
        "Ada",
        "bi11",
        "BILL",
        "bil1",
        "biIl",
        "car0l",
        "caro1",
        "CAR0I",
        "dan-e",
        "dan.e",
        "dan_e",
        "barnum",
    ],
)
def test_a_name_that_imitates_another_is_refused(name):
    """Case, digits like letters, separators, and letters that run together make no new name."""
    names = dict(enumerate(["ada", "bill", "carol", "dan_e", "bamum"]))
    with pytest.raises(AlreadyExists):
        rules.check_member_name_free(names, name)


def test_names_that_differ_to_the_eye_are_free():
    """A longer name, or one with another letter, is somebody else's."""
    names = {MemberId("a" * 32): "ada", MemberId("b" * 32): "bob-2"}
    for name in ("adam", "ad", "add", "bob", "bob-3", "bob-22"):
        rules.check_member_name_free(names, name)


def test_keys_belong_to_one_member_for_ever():
    """Neither half of a member's keys can be another's, a former member's, or its own new ones."""
    roster = then(team(), MemberRemoved, member=BOB)
    rules.check_keys_free(roster, Member(CAROL, ADMIN, keys_of(CAROL)))
    fresh = keys_of(CAROL)
    for taken in (keys_of(ALICE), keys_of(BOB)):
        for wished in (type(fresh)(taken.signing, fresh.sealing), type(fresh)(fresh.signing, taken.sealing)):
            with pytest.raises(AlreadyExists):
                rules.check_keys_free(roster, Member(CAROL, ADMIN, wished))
