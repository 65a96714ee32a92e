"""The history: what its filters let through."""

import pytest

from registry import HistoryQuery, NotFound
from tests.conftest import NOON
from tests.service.attacks import edit, token

EVERY_ENGINE = True


@pytest.fixture
def story(registry):
    """Return a registry in which names moved between tokens and scopes."""
    registry.tokens.add(token("Zoom"))
    registry.tokens.rename("Zoom", "Old Zoom")
    registry.tokens.add(token("Zoom"))
    registry.applications.register("Payroll", "process")
    registry.tokens.add(token("Zoom", application="Payroll"))
    registry.tokens.edit("Zoom", edit(description="x"), reason="why")
    registry.tokens.reveal("zoom", "api_key")
    registry.tokens.remove("Zoom")
    return registry


EVENTS = [
    "roster.founded",
    "token.created",
    "token.renamed",
    "token.created",
    "application.registered",
    "token.created",
    "token.described",
    "token.disclosed",
    "token.deleted",
]


def asked(registry, **query):
    """Return the positions of what the history answers."""
    return [entry.position for entry in registry.history(HistoryQuery(**query))]


def test_without_a_question_everything_comes_in_order(story):
    """Every event stands at its dense position, at a time that never falls, with who, where and why."""
    entries = list(story.history())
    assert [entry.event for entry in entries] == EVENTS
    assert [entry.position for entry in entries] == list(range(len(EVENTS)))
    times = [entry.at for entry in entries]
    assert times == sorted(times)
    assert times[0] > NOON
    assert {(entry.actor, entry.host, entry.client) for entry in entries} == {("alice", "host-of-tests", "tests/1")}
    assert [entry.reason for entry in entries if entry.reason] == ["why"]


def test_a_name_means_every_token_that_ever_bore_it_in_the_scope(story):
    """Renamed and deleted bearers are included, with all they did; another scope's are not."""
    assert asked(story, token="ZOOM") == [1, 2, 3, 6, 7, 8]
    assert asked(story, token="old zoom") == [1, 2]
    assert asked(story, token="Zoom", app="payroll") == [5]


def test_an_id_means_one_token(story):
    """An id finds its token whatever it is called now."""
    first = next(entry.token_id for entry in story.history() if entry.event == "token.created")
    assert asked(story, token=first) == [1, 2]


def test_entries_name_the_token_as_it_was_then(story):
    """Before a rename the entry has the old name, with it the new one."""
    assert [entry.token for entry in story.history(HistoryQuery(token="Old Zoom"))] == ["Zoom", "Old Zoom"]


def test_topics_beginnings_times_and_counts_narrow(story):
    """A topic, a beginning that ends in a dot, a time span, and the last few."""
    assert asked(story, event="token.created") == [1, 3, 5]
    assert asked(story, event="token.") == [1, 2, 3, 5, 6, 7, 8]
    assert asked(story, event="token") == []
    assert asked(story, last=2) == [7, 8]
    at = {entry.position: entry.at for entry in story.history()}
    assert asked(story, since=at[3], until=at[5]) == [3, 4, 5]
    assert asked(story, event="token.created", last=1) == [5]
    assert asked(story, app="Payroll") == [5]


def test_a_filter_on_topics_still_knows_the_names(story):
    """An entry behind a rename has its token's name though the naming events are filtered out."""
    (entry,) = story.history(HistoryQuery(event="token.described"))
    assert (entry.token, entry.changed, entry.detail) == ("Zoom", ("description",), {"description": "x"})


def test_the_actor_is_a_member(story):
    """A member's events are found by its name or id; a stranger's name is not found."""
    assert asked(story, actor="alice") == list(range(len(EVENTS)))
    with pytest.raises(NotFound):
        story.history(HistoryQuery(actor="mallory"))


def test_what_never_was_is_not_found(story):
    """Unknown tokens, names of another scope and unknown applications are told apart from an empty answer."""
    for query in ({"token": "Nope"}, {"token": "Old Zoom", "app": "Payroll"}, {"app": "Nope"}):
        with pytest.raises(NotFound):
            asked(story, **query)


def test_a_removed_applications_tokens_stay_in_the_history(story):
    """History of an application outlives it."""
    story.applications.remove("Payroll")
    assert asked(story, token="Zoom", app="Payroll") == [5, 9]


def test_an_entry_has_the_promised_keys(story):
    """The JSON of an entry has every key the contract names."""
    for entry in story.history():
        assert entry.document().keys() >= {
            *("position", "at", "actor", "event", "token_id", "token"),
            *("application", "revision", "changed", "reason"),
        }
        assert entry.document()["at"].endswith("Z")
