"""Looking back: the history as it was known at a moment, and a token as it was then."""

from datetime import UTC, datetime, timedelta

import pytest

from registry import HistoryQuery, IntegrityError, NotFound
from registry.providers import interface
from registry.providers.zoom import ZoomProvider
from tests.conftest import NOON
from tests.service.attacks import edit, fields, tamper, token

EVERY_ENGINE = True

EXPIRY = datetime(2028, 1, 1, tzinfo=UTC)
BEFORE, AFTER = NOON - timedelta(days=1), NOON + timedelta(days=1)


@pytest.fixture
def moments(registry, monkeypatch):
    """Return the moment behind each step of a token's life, in a registry where it was lived."""
    monkeypatch.setattr(ZoomProvider, "test", lambda *_: interface.TestResult(interface.Outcome.ACCEPTED, "fine"))
    reached = {}

    def step(name, work):
        work()
        reached[name] = list(registry.history())[-1].at

    tokens = registry.tokens
    step("founded", lambda: None)
    step("registered", lambda: registry.applications.register("Payroll", "process"))
    step("created", lambda: tokens.add(token(application="Payroll", description="first")))
    step("edited", lambda: tokens.edit("Zoom", edit(fields=fields("NEW", api_url="https://x.example")), app="Payroll"))
    step("tested", lambda: tokens.test("Zoom", app="Payroll"))
    step("renamed", lambda: tokens.rename("Zoom", "Boom", app="Payroll"))
    step("again", lambda: tokens.add(token(application="Payroll", description="another", expires_at=EXPIRY)))
    step("app renamed", lambda: registry.applications.rename("Payroll", "Wages"))
    step("removed", lambda: tokens.remove("Zoom", app="Wages"))
    step("app removed", lambda: registry.applications.remove("Wages"))
    return reached


def seen(registry, at, name="Zoom", app="Payroll"):
    """Return a token as it was."""
    return registry.tokens.show(name, app=app, as_of=at)


def test_a_token_as_it_was_at_each_moment(registry, moments):
    """Description, fields, revision, names and the last test are those of the moment, whatever came later."""
    view = seen(registry, moments["created"])
    assert (view.description, view.revision, view.application) == ("first", 1, "Payroll")
    assert not view.fields["api_url"].set
    assert view.fields["api_secret"].set
    assert view.fields["api_secret"].value is None
    view = seen(registry, moments["edited"])
    assert (view.revision, view.fields["api_url"].value, view.last_test) == (2, "https://x.example", None)
    view = seen(registry, moments["tested"])
    assert (view.last_test.outcome, view.last_test.detail, view.revision) == ("accepted", "fine", 2)
    assert view.created_at == moments["created"]
    assert view.changed_by == "alice"


def test_a_name_means_who_bore_it_then(registry, moments):
    """The same name leads to the token that had it at the moment, and the other one under its own name."""
    first, again = seen(registry, moments["edited"]), seen(registry, moments["again"])
    assert first.id != again.id
    assert (again.description, again.expires_at) == ("another", EXPIRY)
    assert seen(registry, moments["again"], "boom").id == first.id
    assert seen(registry, moments["renamed"], "BOOM").id == first.id
    assert seen(registry, moments["app renamed"], "Boom", "Wages").application == "Wages"


@pytest.mark.parametrize(
    ("moment", "name", "app"),
    [
        ("founded", "Zoom", None),
        ("registered", "Zoom", "Payroll"),
        ("created", "Boom", "Payroll"),
        ("created", "Zoom", None),
        ("renamed", "Zoom", "Payroll"),
        ("app renamed", "Zoom", "Payroll"),
        ("registered", "Zoom", "Wages"),
        ("removed", "Zoom", "Wages"),
        ("app removed", "Boom", "Wages"),
        ("created", "", "Payroll"),
    ],
)
def test_what_was_not_there_then_is_not_found(registry, moments, moment, name, app):
    """A token before its creation or after its end, a name it did not bear then, an application not called so then."""
    with pytest.raises(NotFound):
        seen(registry, moments[moment], name, app)


def test_the_moment_itself_is_included(registry, moments):
    """A commit of the moment counts; the one a microsecond later does not."""
    at = moments["edited"]
    assert seen(registry, at).revision == 2
    assert seen(registry, at - timedelta(microseconds=1)).revision == 1


def test_today_is_a_moment_too(registry, moments):
    """As of now, and as of a time to come, a token is what it is."""
    registry.tokens.add(token("Zoom", description="there"))
    today = registry.tokens.show("Zoom")
    for at in (today.changed_at, AFTER):
        assert registry.tokens.show("Zoom", as_of=at) == today


def test_the_history_as_it_was_known(registry, moments):
    """Later events are left out, and an application has the name it had."""
    assert list(registry.history(HistoryQuery(as_of=BEFORE))) == []
    for number, at in enumerate(moments.values(), 1):
        told = list(registry.history(HistoryQuery(as_of=at)))
        assert [entry.position for entry in told] == list(range(len(told)))
        assert len(told) >= number
        assert told[-1].at == at
    assert {entry.application for entry in registry.history(HistoryQuery(as_of=moments["again"]))} == {None, "Payroll"}
    assert {entry.application for entry in registry.history(HistoryQuery(event="token."))} == {"Wages"}


def test_filters_know_only_what_was_known(registry, moments):
    """A name that nobody bore yet, an id that was not there, an application not called so: not found."""
    at = moments["edited"]
    first = seen(registry, at).id
    assert len(list(registry.history(HistoryQuery(token="Zoom", app="Payroll", as_of=at)))) == 2
    assert len(list(registry.history(HistoryQuery(token=first, as_of=at)))) == 2
    for query in (
        {"token": "Boom", "app": "Payroll", "as_of": at},
        {"token": first, "as_of": moments["registered"]},
        {"token": "0" * 32, "as_of": at},
        {"app": "Wages", "as_of": at},
        {"actor": "bob", "as_of": at},
    ):
        with pytest.raises(NotFound):
            list(registry.history(HistoryQuery(**query)))


def test_a_token_whose_history_has_a_gap_is_not_made_up(registry, moments, founded):
    """Where an event of the log is missing, nothing is told of any moment."""
    tamper(founded, "DELETE FROM stored_events WHERE topic = 'token.credentials_changed'")
    for moment in ("created", "tested"):
        with pytest.raises(IntegrityError, match="not the ones committed"):
            seen(registry, moments[moment])


def test_a_token_that_begins_twice_is_not_made_up(registry, moments, founded):
    """An event under another topic does not open, so that no token can be hidden or ended by its label."""
    tamper(
        founded,
        "UPDATE stored_events SET topic = 'token.deleted' WHERE topic = 'token.credentials_changed'",
    )
    with pytest.raises(IntegrityError):
        seen(registry, moments["tested"])
