"""Applications, and names that are unique within a scope."""

import pytest

from registry import AlreadyExists, Conflict, InvalidValue, NotFound
from tests.service.attacks import edit, fields, query, token

EVERY_ENGINE = True


@pytest.fixture
def payroll(registry):
    """Return a registry with an application."""
    registry.applications.register("Payroll", "process")
    return registry


def test_the_same_name_may_stand_once_in_every_scope(payroll):
    """A name is taken within its scope only, whatever its case or Unicode form there."""
    payroll.applications.register("CRM", "form")
    for scope in (None, "Payroll", "CRM"):
        payroll.tokens.add(token("Zürich", application=scope))
    for scope in (None, "payroll", "crm"):
        for name in ("Zürich", "ZÜRICH", "zu\u0308rich"):
            with pytest.raises(AlreadyExists):
                payroll.tokens.add(token(name, application=scope))
    assert [view.application for view in payroll.tokens.list()] == [None, "CRM", "Payroll"]


def test_a_rename_keeps_to_the_scope(payroll):
    """A token cannot be renamed to a name of its scope, but to its own in another case."""
    payroll.tokens.add(token("One"))
    payroll.tokens.add(token("Two"))
    payroll.tokens.add(token("Three", application="Payroll"))
    with pytest.raises(AlreadyExists):
        payroll.tokens.rename("One", "TWO")
    assert payroll.tokens.rename("One", "three").token.name == "three"
    assert payroll.tokens.rename("THREE", "Three", app="Payroll").changed is False
    assert payroll.tokens.rename("three", "THREE").token.revision == 3


def test_a_scope_is_part_of_the_question(payroll):
    """Without an application the global token is meant; with one, its own, and no other."""
    payroll.tokens.add(token(fields=fields("GLOBAL")))
    payroll.tokens.add(token(application="Payroll", fields=fields("OWN")))
    assert payroll.tokens.reveal("Zoom", "api_secret").reveal() == "GLOBAL"
    assert payroll.tokens.reveal("Zoom", "api_secret", app="PAYROLL").reveal() == "OWN"
    payroll.tokens.remove("Zoom", app="Payroll")
    with pytest.raises(NotFound):
        payroll.tokens.show("Zoom", app="Payroll")
    assert payroll.tokens.show("Zoom").scope == "global"


def test_unknown_applications_are_not_found(registry):
    """Every use of an application that is not there says so."""
    for use in (
        lambda: registry.tokens.add(token(application="Payroll")),
        lambda: registry.tokens.show("Zoom", app="Payroll"),
        lambda: registry.applications.rename("Payroll", "Pay"),
        lambda: registry.applications.remove("Payroll"),
    ):
        with pytest.raises(NotFound):
            use()


def test_application_names_follow_the_rules_of_names(payroll):
    """An application's name is checked, unique whatever its case, and may change its own case."""
    for name, error in (("PAYROLL", AlreadyExists), ("a/b", InvalidValue), ("", InvalidValue)):
        with pytest.raises(error):
            payroll.applications.register(name, "form")
    with pytest.raises(InvalidValue):
        payroll.applications.register("Other", "both")
    assert payroll.applications.rename("payroll", "PAYROLL")
    payroll.applications.register("Other", "form")
    with pytest.raises(AlreadyExists):
        payroll.applications.rename("Other", "Payroll")
    assert [(view.name, view.kind) for view in payroll.applications.list()] == [
        ("Other", "form"),
        ("PAYROLL", "process"),
    ]


def test_a_renamed_application_keeps_its_tokens(payroll):
    """Its tokens are found, opened and listed under the new name."""
    payroll.tokens.add(token(application="Payroll"))
    payroll.applications.rename("Payroll", "Wages")
    assert payroll.tokens.show("Zoom", app="Wages").application == "Wages"
    assert payroll.tokens.reveal("Zoom", "api_secret", app="Wages").reveal() == "SECRET-1"
    assert payroll.applications.list()[0].tokens == 1


def test_removing_an_application_destroys_its_tokens_in_the_same_commit(payroll, founded):
    """One commit deletes the application and every token of it, and no other token."""
    payroll.tokens.add(token("Global"))
    for name in ("One", "Two"):
        payroll.tokens.add(token(name, application="Payroll"))
    assert payroll.applications.doomed("payroll") == ["One", "Two"]
    assert payroll.applications.remove("payroll", reason="closed") == ["One", "Two"]
    path = founded
    last = query(path, "SELECT topic FROM stored_events WHERE commit_number = (SELECT MAX(number) FROM commits)")
    assert sorted(topic for (topic,) in last) == ["application.removed", "token.deleted", "token.deleted"]
    assert query(path, "SELECT COUNT(*) FROM data_keys") == query(path, "SELECT COUNT(*) FROM tokens") == [(1,)]
    assert [view.name for view in payroll.tokens.list()] == ["Global"]
    assert payroll.applications.list() == []


def test_a_name_that_came_back_is_another_application(payroll):
    """An application of a removed one's name starts without its tokens."""
    payroll.tokens.add(token(application="Payroll"))
    first = payroll.applications.list()[0].id
    payroll.applications.remove("Payroll")
    assert payroll.applications.register("Payroll", "form").id != first
    assert payroll.applications.doomed("Payroll") == []


def test_only_the_expected_tokens_are_destroyed(payroll):
    """If the application's tokens are not the ones that were looked at, nothing is removed."""
    payroll.tokens.add(token("One", application="Payroll"))
    with pytest.raises(Conflict):
        payroll.applications.remove("Payroll", expected=[])
    assert payroll.tokens.show("One", app="Payroll")
    assert payroll.applications.remove("Payroll", expected=["One"]) == ["One"]


def test_lists_can_be_narrowed(payroll, clock):
    """By scope, by a part of name or description in any case, and by what expires soon."""
    payroll.tokens.add(token("Zoom", description="Straße"))
    payroll.tokens.add(token("Other"))
    payroll.tokens.add(token("Zoom", application="Payroll"))
    assert [(v.name, v.application) for v in payroll.tokens.list(app="Payroll")] == [("Zoom", "Payroll")]
    assert [view.name for view in payroll.tokens.list(only_global=True)] == ["Other", "Zoom"]
    assert [view.name for view in payroll.tokens.list(match="STRASSE")] == ["Zoom"]
    assert len(list(payroll.tokens.list(match="zoom"))) == 2
    assert payroll.tokens.edit("Other", edit(expiry=(clock.now,))).changed
