"""A token: given what happened, when somebody wishes something, then these facts follow."""

import pytest

from registry.domain import token_rules as rules
from registry.domain.token_events import (
    TokenCreated,
    TokenCredentialsChanged,
    TokenDeleted,
    TokenDescribed,
    TokenEncryptionChanged,
    TokenExpirySet,
    TokenProviderChanged,
    TokenRenamed,
    TokenTested,
)
from registry.domain.token_rules import Change
from registry.errors import Conflict
from tests.domain.facts import ALICE, AT, BOB, BY_BOB, LATER, TOKEN, created, given, sealed


@pytest.fixture
def token():
    """Return a token that alice has just made."""
    return given(*created())


def test_a_new_token_is_one_fact_that_names_its_fields():
    """Creating is one fact of version 1 and revision 1, and names the fields that were given."""
    (fact,) = created(credentials=sealed({"api_url": "https://zoom.example"}))
    assert isinstance(fact, TokenCreated)
    assert (fact.originator_id, fact.originator_version, fact.revision) == (TOKEN, 1, 1)
    assert fact.changed == ("api_key", "api_secret", "api_url")
    assert (fact.by, fact.at, fact.host, fact.client, fact.reason) == (ALICE, AT, "desk", "tests/1", None)


def test_a_new_token_is_what_was_wished():
    """The state after the first fact holds every wish, and who and when twice."""
    token = given(*created(name="Zoom 2", application="9" * 32, description="x", encrypted=False, expires_at=LATER))
    assert (token.name, token.application, token.description) == ("Zoom 2", "9" * 32, "x")
    assert (token.encrypted, token.expires_at, token.provider) == (False, LATER, "zoom")
    assert (token.revision, token.box_revision, token.version, token.deleted) == (1, 1, 1, False)
    assert (token.created_at, token.created_by) == (token.changed_at, token.changed_by) == (AT, ALICE)


def test_a_token_that_was_tested_first_keeps_revision_1():
    """The test a new token has passed is a second fact of the same revision."""
    token = given(*created(tested=("accepted", "fine")))
    assert (token.version, token.revision) == (2, 1)
    assert (token.last_test.outcome, token.last_test.detail, token.last_test.revision) == ("accepted", "fine", 1)


@pytest.mark.parametrize(
    ("change", "kind", "fields"),
    [
        (Change(description="new"), TokenDescribed, ("description",)),
        (Change(provider="zoom-oauth"), TokenProviderChanged, ("provider",)),
        (Change(credentials=sealed(box=b"box 2")), TokenCredentialsChanged, ("api_key", "api_secret")),
        (Change(encrypted=False), TokenEncryptionChanged, ("encrypted",)),
        (Change(expiry=(LATER,)), TokenExpirySet, ("expires_at",)),
    ],
    ids=["description", "provider", "credentials", "encryption", "expiry"],
)
def test_each_wish_is_one_fact_in_who_wished_its_name(token, change, kind, fields):
    """A change is one fact of the next version and revision, with its author and reason."""
    (fact,) = rules.edit(BY_BOB, token, change)
    assert type(fact) is kind
    assert fact.changed == fields
    assert (fact.originator_version, fact.revision) == (2, 2)
    assert (fact.by, fact.at, fact.reason) == (BOB, LATER, "because")


@pytest.mark.parametrize(
    "change",
    [
        Change(),
        Change(description=""),
        Change(provider="zoom"),
        Change(encrypted=True),
        Change(expiry=(None,)),
        Change(description="", provider="zoom", encrypted=True, expiry=(None,)),
    ],
    ids=["nothing", "description", "provider", "encryption", "expiry", "all"],
)
def test_what_is_already_there_appends_nothing(token, change):
    """Wishing what is so leads to no fact."""
    assert rules.edit(BY_BOB, token, change) == []


def test_an_expiry_can_be_taken_away():
    """``(None,)`` ends the expiry, ``None`` leaves it alone."""
    token = given(*created(expires_at=LATER))
    assert rules.edit(BY_BOB, token, Change(expiry=None)) == []
    (fact,) = rules.edit(BY_BOB, token, Change(expiry=(None,)))
    assert rules.evolve(token, fact).expires_at is None


def test_several_wishes_are_one_step_of_the_revision(token):
    """All facts of one edit carry the same new revision, and dense versions."""
    change = Change(description="new", provider="zoom-oauth", credentials=sealed(box=b"box 2"), expiry=(LATER,))
    facts = rules.edit(BY_BOB, token, change)
    assert [fact.originator_version for fact in facts] == [2, 3, 4, 5]
    assert {fact.revision for fact in facts} == {2}
    after = rules.folded(token, facts)
    assert (after.revision, after.box_revision, after.credentials_at) == (2, 2, LATER)
    assert (after.changed_by, after.changed_at, after.created_by) == (BOB, LATER, ALICE)


def test_other_changes_leave_the_credentials_where_they_were(token):
    """A description does not move the revision that the present box belongs to."""
    after = rules.folded(token, rules.edit(BY_BOB, token, Change(description="new")))
    assert (after.revision, after.box_revision, after.credentials_at) == (2, 1, AT)


def test_a_passed_test_belongs_to_the_revision_it_lets_in(token):
    """With a change, the test's fact has the new revision; without one, the present."""
    tested = ("accepted", "")
    with_change = rules.edit(BY_BOB, token, Change(description="new", tested=tested))
    alone = rules.edit(BY_BOB, token, Change(tested=tested))
    assert [(type(fact), fact.revision) for fact in with_change] == [(TokenDescribed, 2), (TokenTested, 2)]
    assert [(type(fact), fact.revision) for fact in alone] == [(TokenTested, 1)]


def test_a_recorded_test_changes_neither_revision_nor_author(token):
    """A test is about a revision, not a change of the token."""
    (fact,) = rules.record_test(BY_BOB, token, "rejected", "no such key")
    after = rules.evolve(token, fact)
    assert (after.version, after.revision, after.changed_by, after.changed_at) == (2, 1, ALICE, AT)
    assert (after.last_test.outcome, after.last_test.at) == ("rejected", LATER)


@pytest.mark.parametrize(
    ("credentials", "changed"),
    [
        (sealed({"url": "x"}, verdicts={"api_key": "same", "api_secret": "new"}), ["api_secret"]),
        (sealed({"url": "y"}, verdicts={"api_key": "same", "api_secret": "same"}), ["url"]),
        (sealed({}, verdicts={"api_key": "same", "api_secret": "used before"}), ["api_secret", "url"]),
        (sealed({"url": "x", "more": "z"}, secret=("api_key",), verdicts={"api_key": "same"}), ["api_secret", "more"]),
        (sealed({"url": "x", "api_key": "k"}, ("api_secret",), {"api_secret": "same"}), ["api_key"]),
    ],
    ids=["secret", "public", "unset and reused", "added and unset", "no longer secret"],
)
def test_a_change_of_credentials_names_the_fields_that_differ(credentials, changed):
    """A field differs if it is set, unset, has another value, or is no longer secret."""
    token = given(*created(credentials=sealed({"url": "x"})))
    assert rules.changed_fields(token, credentials) == changed


def test_renaming_is_one_fact_and_to_the_same_name_none(token):
    """A rename is a fact; to its own name it is nothing, to another case it is one."""
    (fact,) = rules.rename(BY_BOB, token, "zoom")
    assert isinstance(fact, TokenRenamed)
    assert rules.evolve(token, fact).name == "zoom"
    assert rules.rename(BY_BOB, token, "Zoom") == []


def test_after_its_deletion_nothing_follows(token):
    """Deleting is the last fact of a token."""
    (fact,) = rules.delete(BY_BOB, token)
    gone = rules.evolve(token, fact)
    assert isinstance(fact, TokenDeleted)
    assert (gone.deleted, gone.revision) == (True, 2)
    with pytest.raises(Conflict):
        rules.evolve(gone, fact)


def test_a_history_cannot_begin_in_the_middle(token):
    """No fact but the first makes a token out of nothing."""
    with pytest.raises(Conflict):
        rules.evolve(None, rules.delete(BY_BOB, token)[0])
    with pytest.raises(ValueError, match="no events"):
        rules.folded(None, [])


def test_an_expected_revision_is_held_against_the_present_one(token):
    """``None`` expects nothing; any other revision than the present is a conflict."""
    rules.check_revision(token, None)
    rules.check_revision(token, 1)
    with pytest.raises(Conflict):
        rules.check_revision(token, 2)
