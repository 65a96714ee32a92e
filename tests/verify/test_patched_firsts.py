"""Members with a patched client, and the beginnings of the log."""

import pytest

from registry import TokenEdit
from registry.domain.roster_events import PolicyChanged
from registry.store import roster_chain
from tests.members.team import fields
from tests.verify.history import READERS, found, query, start_of, verified


@pytest.mark.parametrize("name", READERS)
def test_an_event_of_the_roster_by_an_auditor(rich, bob, name):
    """An event of the roster that no admin signed is not one: the roster goes on without it."""
    ledger = bob.ledger
    facts = bob.facts(ledger.roster_stream, ledger.roster.version + 1)
    event = PolicyChanged(**facts, previous=ledger.roster.head, policy="allow-plaintext", value="yes")
    position = bob.commit(event)
    outcome = verified(rich, name)
    assert [(problem.position, problem.kind) for problem in outcome.problems] == [(position, "roster")]
    assert any("roster" in sentence for sentence in outcome.unchecked)


def test_two_events_of_the_roster_in_one_commit(rich, alice):
    """A commit has at most one event of the roster."""
    ledger = alice.ledger
    with ledger.turn() as turn:
        one = PolicyChanged(**ledger.roster_facts(turn), policy="allow-plaintext", value="yes")
    linked = ledger.contents.stored(one)
    after = roster_chain.follow(ledger.registry, ledger.roster, [linked])
    facts = alice.facts(ledger.roster_stream, after.version + 1) | {"at": one.at}
    other = PolicyChanged(**facts, previous=after.head, policy="allow-plaintext", value="no")
    position = commit_both(alice, one, linked, other)
    assert found(rich) == [(position + 1, "roster")]


def commit_both(client, one, linked, other):
    """Commit two events of which the first is sealed already."""

    class Sealed:
        def stored(self, event):
            return linked if event is one else client.ledger.contents.stored(event)

    return client.commit(one, other, contents=Sealed())


def test_where_the_first_commit_begins(rich):
    """The first commit begins at the first event."""
    assert start_of(rich, 0) == 0


def test_a_disclosure_that_is_recorded_late(rich):
    """What an app resolves is recorded a moment later; that the token has changed meanwhile is no alarm."""
    with rich.open("pay") as app:
        app.resolve("Mail")
        rich.do("alice", lambda r: r.tokens.edit("Mail", TokenEdit(fields=fields("meanwhile"))))
    told = query(rich, "SELECT topic FROM stored_events ORDER BY position DESC LIMIT 2")
    assert [topic for (topic,) in told] == ["token.disclosed", "token.credentials_changed"]
    assert found(rich) == []
