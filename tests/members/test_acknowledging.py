"""What acknowledging can do, and what it cannot: a bad commit stops nobody for ever, and nothing else passes."""

from datetime import UTC, datetime

import pytest
from msgspec import structs

from registry import IntegrityError, InvalidValue, NotFound, TokenEdit, acknowledge_problem
from registry.domain.roster_events import ProblemAcknowledged
from registry.domain.token_events import TokenDisclosed
from registry.errors import ClockBehind
from registry.log import checkpoint
from registry.log.problems import ACKNOWLEDGEABLE, KINDS
from registry.sealing import envelope
from registry.sealing.credentials import BoxPlace, Credentials, Wrapping
from registry.sealing.envelope import Place
from tests.members.team import fields
from tests.tampering.forger import Event
from tests.verify.history import Patched, found, verified

POSITION = 14


def disclosing(client, **more):
    """Return an app's disclosure of Mail, as its client writes it but for what is wished otherwise."""
    row = client.ledger.rows.by_tag(client.ledger.name_tag(None, "Mail"))
    stream = client.ledger.member.id
    facts = client.facts(stream, client.ledger.next_version(stream)) | more
    return TokenDisclosed(**facts, token=row.token, revision=row.revision, purpose="resolve")


def planting(client):
    """Have an app commit a disclosure, and with it credentials of its own in the row of Mail."""
    ledger = client.ledger
    row, key = ledger.rows.by_tag(ledger.name_tag(None, "Mail")), ledger.keyring.current("global")
    place, chosen = BoxPlace(ledger.registry, row.token, row.box_revision), Credentials("zoom", fields("chosen"))
    box, wrapped = Wrapping(key.key, key.audience, key.number).seal(place, chosen)
    return client.commit(disclosing(client), rows=[structs.replace(row, box=box, wrapped=wrapped)])


def acknowledged(client, *problems):
    """Have a patched client acknowledge problems, whatever it finds."""
    for position, kind in problems:
        with client.ledger.turn(late=True) as turn:
            facts = client.ledger.roster_facts(turn)
        client.commit(ProblemAcknowledged(**facts, position=position, kind=kind))


def acknowledge(team, position, kind):
    """Acknowledge a problem as an admin does."""
    return acknowledge_problem(team.settings("alice"), position, kind, reason="known", surroundings=team.around)


def everyone(team):
    """Have machines see the registry as it is now."""
    for name in ("alice", "bob", "till"):
        team.do(name, lambda r: r.whoami())


@pytest.mark.parametrize("kind", sorted(set(KINDS) - ACKNOWLEDGEABLE))
def test_what_is_the_stores_fault_is_not_acknowledged(team, kind):
    """An honest client says that it has to be mended; a patched one makes a commit that everybody refuses."""
    with pytest.raises(InvalidValue, match="is the store's, to be mended and not acknowledged"):
        acknowledge(team, 3, kind)
    with Patched(team, "carol") as carol:
        acknowledged(carol, (3, kind))
    for name in ("alice", "bob", "pay"):
        with pytest.raises(IntegrityError, match="cannot be acknowledged"):
            team.open(name)
        assert not verified(team, name).ok


def test_nothing_is_acknowledged_ahead(team):
    """An admin that is removed leaves no pass for what it, or an app, commits afterwards."""
    with Patched(team, "carol") as carol:
        acknowledged(carol, (POSITION + 8, "role"))
    with pytest.raises(IntegrityError, match="acknowledges what is not there yet"):
        team.open("alice")
    assert found(team) == [(POSITION, "roster")]


def test_a_present_that_an_app_brought_is_acknowledged_by_nobody(team):
    """Whatever an admin acknowledges, no row that an app put into the present is ever used."""
    with Patched(team, "pay") as pay:
        position = planting(pay)
    assert (position, "present") in found(team)
    for kind in ("role", "present"):
        with pytest.raises((NotFound, InvalidValue, IntegrityError)):
            acknowledge(team, position, kind)
    for name in ("till", "alice", "form"):
        with pytest.raises(IntegrityError, match="the role app does not allow commit 14 to change tokens"):
            team.do(name, lambda r: r.resolve("Mail"))


def test_verifying_pins_nothing_that_opening_refuses(team):
    """A checkpoint behind a forbidden commit leads nobody past it: 'verify' moves a pin as opening does."""
    everyone(team)
    with Patched(team, "pay") as pay:
        later = structs.replace(disclosing(pay), originator_version=2)
        planting(pay)
        pay.commit(later)
        ledger = pay.ledger
        point = ledger.store.head().checkpoint(ledger.registry)
    made = team.forger().commit(-1)
    key = team.identity("pay").public.keys.signing
    since = _note(point, made, key)
    before = team.pin("alice").commit
    outcome = verified(team, since=since)
    assert [problem.kind for problem in outcome.problems] == ["pin"]
    assert team.pin("alice").commit == before
    with pytest.raises(IntegrityError, match="does not allow"):
        team.open("alice")


def _note(point, made, key):
    return checkpoint.restored(point, made.author, key, made.signature).encode()


def test_a_fork_is_verified_into_by_nobody(team):
    """A removed admin's fork that acknowledges the very alarm it raises is another history, and no pin moves to it."""
    backup = team.backup()
    team.do("alice", lambda r: r.members.remove("carol"))
    everyone(team)
    before = team.pin("alice").commit
    team.restore(backup)
    with Patched(team, "carol") as carol:
        acknowledged(carol, (1, "replay"), (2, "replay"), (3, "replay"))
    for name in ("alice", "bob"):
        outcome = verified(team, name)
        assert not outcome.ok
        assert "pin" in {problem.kind for problem in outcome.problems if not problem.acknowledged}
    assert team.pin("alice").commit == before


@pytest.mark.parametrize("kind", sorted(ACKNOWLEDGEABLE))
def test_no_admin_makes_a_token_look_unused(team, kind):
    """A good event that is acknowledged as bad is shown as before, and verification reports the acknowledgement."""
    team.do("carol", lambda r: r.tokens.reveal("Mail", "api_key"))
    before = team.do("bob", lambda r: [entry.document() for entry in r.history()])
    position = before[-1]["position"]
    with Patched(team, "carol") as carol:
        acknowledged(carol, (position, kind))
    assert team.do("bob", lambda r: [entry.document() for entry in r.history()])[:-1] == before
    assert [use.member for use in team.do("bob", lambda r: r.usage("Mail"))] == ["carol"]
    assert found(team) == ([] if kind == "time" else [(position + 1, "replay")])


def test_what_an_app_may_not_is_acknowledged_and_disregarded(team):
    """A forbidden commit stops everybody until it is acknowledged; then it is shown, and nothing else of it."""
    row = team.sql("SELECT token_id FROM tokens LIMIT 1")[0][0]
    with Patched(team, "pay") as pay:
        one, other = disclosing(pay), disclosing(pay)
        pay.commit(
            structs.replace(one, originator_id=row, originator_version=90),
            structs.replace(other, originator_id=row, originator_version=91),
        )
    with pytest.raises(IntegrityError, match=r"the role app does not allow token.disclosed at position 14 "):
        team.open("alice")
    assert acknowledge(team, POSITION, "role")
    team.do("alice", lambda r: r.tokens.edit("Mail", TokenEdit(fields={}, description="later")))
    entries = team.do("bob", lambda r: list(r.history(diff=True))[POSITION:])
    assert [(entry.event, entry.detail.get("problem")) for entry in entries] == [
        ("token.disclosed", "role"),
        ("token.disclosed", "role"),
        ("log.problem_acknowledged", None),
        ("token.described", None),
    ]
    assert team.do("bob", lambda r: list(r.usage("Mail"))) == []


def test_an_app_whose_clock_is_far_ahead_stops_nobody_for_ever(team):
    """A commit of a time that is not yet is reported; acknowledged, it binds neither clocks nor later commits."""
    with Patched(team, "pay") as pay:
        pay.commit(disclosing(pay, at=datetime(9999, 12, 31, tzinfo=UTC)))
    assert set(found(team)) == {(POSITION, "time")}
    with pytest.raises(ClockBehind) as caught:
        team.do("alice", lambda r: r.tokens.edit("Mail", TokenEdit(fields={}, description="x")))
    assert "acknowledges its time" in caught.value.hint
    assert acknowledge(team, POSITION, "time")
    team.do("alice", lambda r: r.tokens.edit("Mail", TokenEdit(fields={}, description="x")))
    team.do("till", lambda r: r.tokens.reveal("Mail", "api_key"))
    assert team.forger().commit(-1).at < "2027-03"
    assert {(p.position, p.kind, p.acknowledged) for p in verified(team).problems} == {(POSITION, "time", True)}
    assert verified(team).ok
    everyone(team)


def test_garbage_of_an_app_stops_nobody_from_reading(team):
    """Disclosures that hold nothing are shown as that, all of them, and verification reports each."""
    forger, me = team.forger("pay"), team.ids["pay"]
    with team.open("pay") as pay:
        generation, registry = pay._ledger.keyring.generation("audit"), pay._ledger.registry
    events = forger.events()
    position, number = events[-1].position + 1, events[-1].commit + 1
    for version in range(1, 6):
        place = Place(registry, me, version, TokenDisclosed.TOPIC)
        state = envelope.seal_addressed(generation.public, generation.number, place, b"\x01{}")
        events.append(Event(me, version, place.topic, state, position + version - 1, number))
    forger.put_events(events)
    forger.rebuild(author=me)
    shown = team.do("bob", lambda r: list(r.history())[position:])
    assert [entry.detail for entry in shown] == [{"problem": "contents"}] * 5
    assert team.do("bob", lambda r: list(r.usage("Mail"))) == []
    assert found(team) == [(position + number, "contents") for number in range(5)]


@pytest.mark.parametrize("size", [2**31, 2**62])
def test_a_commit_that_says_an_absurd_size_is_refused(team, size):
    """A row that nobody signed takes no more memory than there is in the store."""
    made, event = team.forger().commit(-1), team.forger().events()[-1]
    added = structs.replace(event, stream="ab" * 16, position=event.position + 1, commit=event.commit + 1)
    team.hand.put_events([*team.forger().events(), added])
    team.hand.put_commit(structs.replace(made, number=made.number + 1, size=size))
    with pytest.raises(IntegrityError, match="events of commit 14 are missing"):
        team.open("alice")
    assert not verified(team).ok
