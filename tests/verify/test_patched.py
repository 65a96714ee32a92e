"""Members with a patched client: what they sign is logged for good, and found by everyone else's verification."""

from datetime import timedelta

import pytest
from msgspec import structs

from registry.domain import token_rules as rules
from registry.domain.evidence_events import EvidenceExported
from registry.domain.token_events import (
    SealedCredentials,
    TokenCreated,
    TokenCredentialsChanged,
    TokenDeleted,
    TokenDisclosed,
    TokenEncryptionChanged,
    TokenRenamed,
    TokenTested,
)
from registry.sealing import envelope, tags
from registry.sealing.envelope import Place
from registry.store import recorder
from registry.store.rows import LARGEST_STATE, Stored
from tests.verify.history import READERS, Client, acknowledge, found, query, size_of, verified


def goes_on(team, position, kind):
    """Check that, acknowledged, a bad event does not stand in the way of anything that is done later."""
    acknowledge(team, position, kind)
    with Client(team, "alice") as client:
        row, token = client.token("Mail")
        client.put(token, row, client.described(token, description="later"))
    outcome = verified(team)
    assert [(problem.position, problem.kind) for problem in outcome.problems] == [(position, kind)]
    assert outcome.ok


def test_an_honest_patched_client_is_not_noticed(rich, alice):
    """What these clients write when they are honest is right: what is found below is their fault alone."""
    row, token = alice.token()
    alice.put(token, row, alice.described(token))
    assert found(rich) == []


@pytest.mark.parametrize("name", READERS)
def test_an_event_that_a_role_does_not_allow(rich, bob, name):
    """An auditor who changes a token's history is found, and the token's row is as it was."""
    _, token = bob.token()
    position = bob.commit(bob.described(token))
    assert found(rich, name) == [(position, "role")]


def test_an_event_that_a_role_does_not_allow_can_be_acknowledged(rich, bob):
    """Such an event may be left in the past."""
    _, token = bob.token("Open")
    position = bob.commit(bob.described(token))
    goes_on(rich, position, "role")


@pytest.mark.parametrize("name", READERS)
def test_rows_that_a_role_does_not_allow(rich, bob, name):
    """Who is no admin and changes current rows is found, whatever else stands in the commit."""
    row, _ = bob.token()
    stream = bob.ledger.member.id
    event = EvidenceExported(**bob.facts(stream, 1), size=5, openings=0)
    position = bob.commit(event, rows=[structs.replace(row, box=row.box[:-1] + b"\x00")])
    assert (position, "present") in found(rich, name)


@pytest.mark.parametrize("name", ["alice", "bob"])
def test_another_actor(rich, alice, name):
    """Who signs for an event must be who it says acted."""
    row, token = alice.token()
    event = structs.replace(alice.described(token), by=bob_of(rich))
    position = alice.put(token, row, event)
    assert found(rich, name) == [(position, "actor")]
    goes_on(rich, position, "actor")


def bob_of(team):
    """Return the auditor's id."""
    with Client(team, "bob") as client:
        return client.ledger.member.id


def test_an_event_later_than_its_commit(rich, alice):
    """A commit is at least as late as the clock of who made it."""
    row, token = alice.token()
    event = structs.replace(alice.described(token), at=alice.ledger.head.at + timedelta(hours=1))
    position = alice.put(token, row, event, at=alice.ledger.head.at)
    assert found(rich) == [(position, "time")]
    goes_on(rich, position, "time")


def test_a_commit_later_than_everything(rich, alice):
    """A commit has the later of its author's time and that of the commit before, and no time of its own."""
    row, token = alice.token()
    position = alice.put(token, row, alice.described(token), at=alice.ledger.head.at + timedelta(days=1))
    assert set(found(rich)) == {(position, "time")}


@pytest.mark.parametrize("name", READERS)
def test_a_commit_older_than_the_one_before(rich, alice, name):
    """Time never goes back."""
    row, token = alice.token()
    earlier = alice.ledger.head.at - timedelta(hours=1)
    position = alice.put(token, row, structs.replace(alice.described(token), at=earlier), at=earlier)
    assert found(rich, name) == [(position, "time")]
    goes_on(rich, position, "time")


@pytest.mark.parametrize("name", READERS)
def test_a_version_left_out(rich, alice, name):
    """The versions of a stream have no gaps."""
    row, token = alice.token()
    position = alice.put(token, row, alice.described(token, version=token.version + 2))
    assert found(rich, name) == [(position, "version")]


WRONG = {
    "a revision left out": lambda c, t: c.described(t, revision=t.revision + 2),
    "a revision that stays": lambda c, t: c.described(t, revision=t.revision),
    "a test of another revision": lambda c, t: c.event(TokenTested, t, revision=t.revision - 1, outcome="accepted"),
    "another thing named": lambda c, t: c.described(t, changed=("name",)),
    "nothing named": lambda c, t: c.described(t, changed=()),
    "a token made twice": lambda c, t: c.event(
        TokenCreated, t, revision=t.revision + 1, name="x", provider="zoom", credentials=credentials(t)
    ),
    "a token readable that must not be": lambda c, t: c.event(
        TokenEncryptionChanged, t, revision=t.revision + 1, changed=("encrypted",), encrypted=False
    ),
}


def credentials(token, **more):
    """Return the credentials of an event, sealed in no way."""
    facts = {
        "public": {},
        "secret": ("api_key",),
        "verdicts": {"api_key": "new"},
        "fingerprints": {"api_key": "ab" * 16},
    }
    return SealedCredentials(**(facts | more), box=b"box")


@pytest.mark.parametrize("what", WRONG)
def test_an_event_that_cannot_follow(rich, alice, what):
    """An event that contradicts those before it is found, and what is built on it is not."""
    _, token = alice.token()
    position = alice.commit(WRONG[what](alice, token))
    assert found(rich) == [(position, "replay")]
    goes_on(rich, position, "replay")


@pytest.mark.parametrize(
    ("verdict", "right"), [("new", "used before"), ("same", "used before"), ("used before", "new"), ("same", "new")]
)
def test_a_verdict_that_does_not_follow(rich, alice, verdict, right):
    """Whether a value is new follows from the fingerprints of the token's past, whatever the event says."""
    _, token = alice.token("Import 4")  # whose key was changed once
    first = known_print(alice, token)
    value = first if right == "used before" else "cd" * 16
    told = credentials(token, verdicts={"api_key": verdict}, fingerprints={"api_key": value})
    changed = ("api_secret",) if verdict == "same" else ("api_key", "api_secret")
    event = alice.event(TokenCredentialsChanged, token, revision=token.revision + 1, changed=changed, credentials=told)
    position = alice.commit(event)
    assert (position, "replay") in found(rich)


def known_print(client, token):
    """Return the fingerprint of a token's first key."""
    stored = client.ledger.store.stream(token.id)[0]
    return client.ledger.contents.event(stored).credentials.fingerprints["api_key"]


def test_what_happens_after_the_end(rich, alice):
    """Nothing happens to a token that was deleted."""
    ((gone, version),) = query(
        rich, "SELECT originator_id, originator_version FROM stored_events WHERE topic = 'token.deleted' LIMIT 1"
    )
    event = TokenDeleted(**alice.facts(gone, version + 1, revision=9))
    position = alice.commit(event)
    assert found(rich) == [(position, "replay")]
    assert found(rich, "pay") == [(position, "replay")]


@pytest.mark.parametrize("what", ["no token", "too early", "another application"])
def test_a_disclosure_of_what_there_was_not(rich, alice, what):
    """What was disclosed was there: the token, at the revision that it had then, in its application."""
    _, token = alice.token()
    told = {"token": token.id, "revision": token.revision, "application": None}
    told |= {
        "no token": {"token": "e" * 32},
        "too early": {"revision": token.revision + 1},
        "another application": {"application": "e" * 32},
    }[what]
    me = alice.ledger.member.id
    version = alice.ledger.next_version(me)
    position = alice.commit(TokenDisclosed(**alice.facts(me, version), purpose="reveal", **told))
    assert found(rich) == [(position, "replay")]
    goes_on(rich, position, "replay")


def test_a_disclosure_in_another_name(rich, alice):
    """A disclosure stands in the stream of the member who made it."""
    _, token = alice.token()
    other = bob_of(rich)
    facts = {"token": token.id, "revision": token.revision, "purpose": "reveal"}
    position = alice.commit(TokenDisclosed(**alice.facts(other, 1), **facts))
    assert found(rich) == [(position, "replay")]


class Garbled:
    """Contents that are sealed in another way than they must be."""

    def __init__(self, ledger, how):
        """Seal by what the ledger knows."""
        self.ledger, self.how = ledger, how

    def stored(self, event):
        """Return the event as it is stored."""
        ledger = self.ledger
        sealed = ledger.contents.stored(event)
        place = Place(ledger.registry, event.originator_id, event.originator_version, event.TOPIC)
        key = ledger.keyring.current("audit")
        public, contents = ledger.keyring.generation("audit").public, envelope.unseal(key.key, place, sealed.state)
        state = {
            "garbage": lambda: b"garbage",
            "elsewhere": lambda: ledger.contents.stored(structs.replace(event, originator_version=1)).state,
            "other keys": lambda: envelope.seal(key.key, key.number, place, b'\x01{"by":"nobody"}'),
            "too large": lambda: sealed.state + bytes(LARGEST_STATE),
            "no version": lambda: envelope.seal(key.key, key.number, place, b"{}"),
            "addressed": lambda: envelope.seal_addressed(public, key.number, place, contents),
        }[self.how]()
        return Stored(sealed.originator_id, sealed.originator_version, sealed.topic, state)


@pytest.mark.parametrize("how", ["garbage", "elsewhere", "other keys", "no version", "addressed"])
def test_contents_that_do_not_open(rich, alice, how):
    """Contents that were sealed at another place, by nobody's key, or say what no event says, are found."""
    row, token = alice.token()
    position = alice.put(token, row, alice.described(token), contents=Garbled(alice.ledger, how))
    assert found(rich) == [(position, "contents")]
    assert found(rich, "pay") == []
    goes_on(rich, position, "contents")


@pytest.mark.parametrize("name", READERS)
def test_an_event_larger_than_any(rich, alice, name):
    """No event may be so large that readers and evidence cannot be expected to carry it, whoever can open it."""
    row, token = alice.token()
    position = alice.put(token, row, alice.described(token), contents=Garbled(alice.ledger, "too large"))
    assert found(rich, name) == [(position, "contents")]
    if name == READERS[0]:
        goes_on(rich, position, "contents")


def test_an_unknown_kind_of_event(rich, alice, monkeypatch):
    """An event of a kind that nobody knows is in no known format, for every member."""
    row, token = alice.token()
    monkeypatch.setattr(TokenRenamed, "TOPIC", "token.blessed")
    event = alice.event(TokenRenamed, token, revision=token.revision + 1, changed=("name",), name="Zoom")
    position = alice.put(token, row, event)
    monkeypatch.undo()
    assert found(rich) == [(position, "contents")]
    assert found(rich, "pay") == [(position, "contents")]


@pytest.mark.parametrize("column", ["card", "box", "wrapped", "plain", "fingerprints", "nothing"])
def test_a_row_that_does_not_follow(rich, alice, column):
    """An admin whose commit puts a row in place that does not follow from its events is found."""
    row, token = alice.token()
    event = alice.described(token)
    after = rules.folded(token, [event])
    told = after if column != "card" else structs.replace(after, description="other")
    wrong = alice.ledger.row_after(told, row)
    if column in ("box", "wrapped"):
        wrong = structs.replace(wrong, **{column: getattr(alice.token("Mail")[0], column)})
    if column in ("plain", "fingerprints"):
        wrong = structs.replace(wrong, **{column: b"{}"})
    position = alice.commit(event, rows=[] if column == "nothing" else [wrong])
    assert found(rich) == [(position, "data-key" if column == "wrapped" else "row")]


def test_a_row_that_is_not_dropped(rich, alice):
    """An admin who deletes a token and keeps its row and key is found."""
    _, token = alice.token()
    event = alice.event(TokenDeleted, token, revision=token.revision + 1)
    position = alice.commit(event)
    assert found(rich) == [(position, "data-key"), (position, "row")]


def test_fingerprints_that_are_kept_back(rich, alice):
    """An admin who leaves fingerprints out makes a value look new later; that is found."""
    row, token = alice.token("Mail")
    event = alice.described(token)
    kept_back = structs.replace(row, fingerprints=tags.packed(sorted(tags.unpacked(row.fingerprints))[1:]))
    position = alice.put(token, kept_back, event)
    assert found(rich) == [(position, "row")]


def resigned(client, **changes):
    """Return what makes the next commit with other columns, signed all the same."""

    def assemble(commit, events, reader):
        written = original(commit, events, reader)
        made = structs.replace(written.commit, **changes)
        signature = client.ledger.identity.sign(made.checkpoint(commit.registry).text().encode())
        return structs.replace(written, commit=structs.replace(made, signature=signature))

    original = recorder.assemble
    return assemble


@pytest.mark.parametrize(
    ("column", "value", "kind"),
    [
        ("root", bytes(32), "commit"),
        ("roster_head", bytes(32), "commit"),
        ("roster_length", 2, "commit"),
        ("shredded", 9_999, "shredding"),
        ("shredded", 0, "shredding"),
        ("present", bytes(32), "row"),
    ],
)
def test_a_checkpoint_that_is_signed_and_wrong(rich, alice, monkeypatch, column, value, kind):
    """What a member signs of the log that is not so is found at its commit."""
    row, token = alice.token()
    monkeypatch.setattr(recorder, "assemble", resigned(alice, **{column: value}))
    position = alice.put(token, row, alice.described(token))
    monkeypatch.undo()
    if column == "present":
        assert (size_of(rich), "present") in found(rich)
        return
    if column != "root":
        assert found(rich) == [(position, kind)]
        return
    # A root alone cannot be told from an event that is not the one committed, until a later commit has the right one.
    assert found(rich) == [(position, "event")]


@pytest.mark.parametrize("name", READERS)
def test_a_commit_of_a_former_member(rich, alice, name):
    """Who was removed and still signs commits is no author."""
    till = rich.identity("till")
    (former,) = [member.id for member in alice.ledger.roster.former.values() if member.keys == till.public.keys]
    event = structs.replace(EvidenceExported(**alice.facts(former, 1), size=5, openings=0), by=former)
    position = alice.commit(event, author=former, sign=till.sign)
    assert found(rich, name) == [(position, "signature")]
