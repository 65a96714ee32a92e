"""The roster: what its facts add up to, and what its rules refuse."""

import pytest

from registry.domain import roster_rules as rules
from registry.domain.roster import ADMIN, POLICIES, Roster, scope_audience
from registry.domain.roster_events import (
    ApplicationRegistered,
    ApplicationRemoved,
    ApplicationRenamed,
    PolicyChanged,
    RosterFounded,
)
from registry.errors import AlreadyExists, InvalidValue, NotFound
from tests.domain.facts import ALICE
from tests.domain.rosters import CRM, PAYROLL, STATEMENT, fact, keys, keys_of


def given(*events):
    """Return the roster after the facts."""
    roster = Roster()
    for event in events:
        roster = rules.evolve(roster, event)
    return roster


FOUNDED = fact(RosterFounded, 1, statement=STATEMENT, **keys("audit"))
REGISTERED = fact(
    ApplicationRegistered, 2, application=PAYROLL, kind="form", label=b"1", **keys(scope_audience(PAYROLL))
)


def test_founders_are_admins_with_the_keys_of_the_statement():
    """Whoever the founding statement names is an admin from the first fact on."""
    (admin,) = given(FOUNDED).admins()
    assert (admin.id, admin.role, admin.keys) == (ALICE, ADMIN, keys_of(ALICE))


def test_generations_and_grants_of_every_fact_are_kept():
    """An audience's newest generation is its current one; grants add up."""
    roster = given(FOUNDED, fact(PolicyChanged, 2, policy="allow-plaintext", value="yes", **keys("audit", 2)))
    assert [generation.number for generation in roster.generations["audit"]] == [1, 2]
    assert roster.current("audit").number == 2
    assert [grant.number for grant in roster.grants] == [1, 2]


def test_an_application_comes_is_renamed_and_goes():
    """An application is known while it is registered; renaming changes its label alone."""
    renamed = fact(ApplicationRenamed, 3, application=PAYROLL, label=b"2")
    removed = fact(ApplicationRemoved, 4, application=PAYROLL)
    assert given(FOUNDED, REGISTERED).application(PAYROLL).kind == "form"
    assert given(FOUNDED, REGISTERED, renamed).application(PAYROLL).label == b"2"
    gone = given(FOUNDED, REGISTERED, renamed, removed)
    assert gone.version == 4
    with pytest.raises(NotFound):
        gone.application(PAYROLL)


def test_with_an_application_go_its_keys():
    """A removed application leaves neither generations nor grants in the roster, others keep theirs."""
    roster = given(FOUNDED, REGISTERED, fact(ApplicationRemoved, 3, application=PAYROLL))
    assert set(roster.generations) == {"audit"}
    assert {grant.audience for grant in roster.grants} == {"audit"}


def test_policies_have_a_default_until_they_are_set():
    """A policy nobody has set has its first value."""
    assert given(FOUNDED).policy("allow-plaintext") == "no"
    changed = fact(PolicyChanged, 2, policy="allow-plaintext", value="yes")
    assert given(FOUNDED, changed).policy("allow-plaintext") == "yes"


def test_the_default_of_every_policy_is_the_strict_one():
    """Encryption cannot be left off unless an admin has allowed that."""
    assert POLICIES["allow-plaintext"] == ("no", "yes")


def test_unknown_policies_and_values_are_refused():
    """An unknown policy is not found, an unknown value is invalid."""
    rules.check_policy("allow-plaintext", "yes")
    with pytest.raises(NotFound):
        rules.check_policy("allow-anything", "yes")
    with pytest.raises(InvalidValue):
        rules.check_policy("allow-plaintext", "maybe")


def test_applications_are_process_based_or_form_based():
    """There are two kinds of applications."""
    assert [rules.check_kind(kind) for kind in ("process", "form")] == ["process", "form"]
    with pytest.raises(InvalidValue):
        rules.check_kind("Process")


def test_an_application_name_is_taken_by_any_other_application():
    """A name may be kept by its own application, and by no other."""
    names = {PAYROLL: "payroll", CRM: "crm"}
    rules.check_name_free(names, "hr")
    rules.check_name_free(names, "crm", but=CRM)
    with pytest.raises(AlreadyExists):
        rules.check_name_free(names, "crm")
    with pytest.raises(AlreadyExists):
        rules.check_name_free(names, "crm", but=PAYROLL)
