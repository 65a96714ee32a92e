"""Events of the roster that an admin with a patched client signed: what is no event of it ends in a verdict."""

import base64
import json

import pytest

from registry import IntegrityError, verify_evidence
from registry.domain.roster_events import PolicyChanged
from registry.log import checkpoint
from registry.sealing import envelope, roster_record
from registry.sealing.envelope import Place
from registry.sealing.roster_record import RosterRecord
from registry.store.contents import CONTENTS_VERSION
from registry.store.rows import LARGEST_STATE, Stored
from tests.evidence.forging import Pieces
from tests.evidence.subjects import commit, kinds, seen
from tests.sealing.specimens import ALICE

TOPIC = "policy.changed"
GOOD = ALICE.public.keys


class _Signed:
    """Seals and signs an event of the roster with a core of the caller's own making, by an identity of its choice."""

    def __init__(self, ledger, topic, core, identity):
        self._ledger = ledger
        self._topic = topic
        self._core = core
        self._identity = identity or ledger.identity

    def stored(self, event):
        """Return the state, whatever the event was."""
        ledger, topic = self._ledger, self._topic
        version = ledger.roster.version + 1
        place = Place(ledger.registry, ledger.roster_stream, version, topic)
        key = ledger.keyring.key("audit", 1).key
        sealed = envelope.seal(key, 1, place, CONTENTS_VERSION + b'{"host":"h","client":"c"}')
        linked = roster_record.link(ledger.registry, version, topic, self._core, sealed)
        state = RosterRecord(self._core, sealed, roster_record.sign(self._identity, linked)).encoded()
        return Stored(ledger.roster_stream, version, topic, state)


def core(ledger, **changes):
    """Return what a change of a policy says in the clear."""
    at, previous = ledger.store.head().at, base64.b64encode(ledger.roster.head).decode()
    said = {"by": ledger.member.id, "at": at.isoformat().replace("+00:00", "Z"), "previous": previous}
    return said | {"policy": "allow-plaintext", "value": "yes"} | changes


def forged(team, tmp_path, make, topic=TOPIC):
    """Return evidence whose last commit holds the roster event that ``make`` gives core and signer of."""
    seen(team, "bob", tmp_path / "known")
    team.do("bob", lambda bob: bob.evidence.export(tmp_path / "true"))
    pieces = Pieces.of(tmp_path / "true")
    with team.open("alice") as alice:
        ledger = alice._ledger
        text, signer = make(ledger)
        text = text if isinstance(text, bytes) else json.dumps(text).encode()
        said = {"by": ledger.member.id, "at": ledger.store.head().at, "host": "h", "client": "c", "previous": b""}
        stream = {"originator_id": ledger.roster_stream, "originator_version": ledger.roster.version + 1}
        event = PolicyChanged(policy="", value="", **said, **stream)
        commit(ledger, event, contents=_Signed(ledger, topic, text, signer))
        append(pieces, ledger)
    return pieces


def append(pieces, ledger):
    """Add the store's newest commit, of one event, to the pieces."""
    made = ledger.store.head()
    (logged,) = ledger.store.events(made.size - 1)
    pieces.entries.append(logged.leaf(ledger.registry).data())
    pieces.states.append(logged.stored.state)
    point, key = made.checkpoint(ledger.registry), ledger.identity.public.keys.signing
    pieces.notes.append(checkpoint.restored(point, made.author, key, made.signature).encode())


def judged(pieces, tmp_path):
    """Return the verdict and the kinds of problems."""
    report = verify_evidence(pieces.put(tmp_path / "forged"), tmp_path / "known")
    return report.verdict.value, kinds(report)


def test_the_tools_make_a_true_event(team, tmp_path):
    """What the next tests change would be followed."""
    assert judged(forged(team, tmp_path, lambda ledger: (core(ledger), None)), tmp_path) == ("proven", set())


@pytest.mark.parametrize("opening", [b"[", b'{"by":'])
def test_a_core_that_is_nested_without_end(team, tmp_path, opening):
    """A core that takes the reader's stack is refused like any other that is none, by readers of the registry too."""
    pieces = forged(team, tmp_path, lambda ledger: (opening * 300_000, None))
    assert judged(pieces, tmp_path) == ("disproved", {"commit"})
    with pytest.raises(IntegrityError, match="no known format"):
        team.open("bob")


def test_a_core_that_says_one_thing_twice(team, tmp_path):
    """Of a key that stands twice the last one counts, for every reader."""

    def doubled(ledger):
        text = json.dumps(core(ledger))
        return text.replace('"value": "yes"', '"value": "no", "value": "yes"').encode(), None

    assert judged(forged(team, tmp_path, doubled), tmp_path) == ("proven", set())
    with team.open("bob") as bob:
        assert bob._ledger.roster.policy("allow-plaintext") == "yes"


def test_a_core_larger_than_any_event(team, tmp_path):
    """An event of the roster has to be read by everybody, so nobody follows one that is too large."""
    pieces = forged(team, tmp_path, lambda ledger: (core(ledger, value="x" * LARGEST_STATE), None))
    pieces.states[-1] = b""
    assert judged(pieces, tmp_path) == ("disproved", {"event"})
    with pytest.raises(IntegrityError, match="larger than any event"):
        team.open("bob")


def test_a_core_by_another_admin_than_signed_the_commit(team, tmp_path):
    """Who signed an event of the roster also signed for its commit: nobody commits in another's name."""

    def anothers(ledger):
        carol = team.identity("carol")
        member = next(m for m in ledger.roster.members.values() if m.keys == carol.public.keys)
        return core(ledger, by=member.id), carol

    assert judged(forged(team, tmp_path, anothers), tmp_path) == ("disproved", {"actor"})


@pytest.mark.parametrize(
    "changes",
    [{"value": "maybe"}, {"value": 1}, {"previous": ""}, {"by": "0" * 32}, {"more": 1}, {"host": "h"}, {"at": "noon"}],
    ids=str,
)
def test_a_core_that_breaks_the_rules(team, tmp_path, changes):
    """What no reader of the registry would follow is followed in no evidence."""
    pieces = forged(team, tmp_path, lambda ledger: (core(ledger, **changes), None))
    assert judged(pieces, tmp_path) == ("disproved", {"commit"})


def test_a_core_under_anothers_signature(team, tmp_path):
    """The signature is that of the admin whom the core names."""
    pieces = forged(team, tmp_path, lambda ledger: (core(ledger), team.identity("bob")))
    assert judged(pieces, tmp_path) == ("disproved", {"commit"})


@pytest.mark.parametrize(
    ("signing", "sealing", "good"),
    [
        (GOOD.signing, GOOD.sealing, True),
        (GOOD.signing[:31], GOOD.sealing, False),
        (GOOD.signing, GOOD.sealing + b"x", False),
        (b"\x01" + bytes(31), GOOD.sealing, False),
        (GOOD.signing, bytes(32), False),
    ],
    ids=["good", "short", "long", "anybody's", "nobody's"],
)
def test_a_member_whose_key_is_none(team, tmp_path, signing, sealing, good):
    """Nobody is a member with a key of another length than keys have, or with one under which anybody could sign."""

    def admitted(ledger):
        keys = {"signing": base64.b64encode(signing).decode(), "sealing": base64.b64encode(sealing).decode()}
        said = core(ledger, member="ab" * 16, role="auditor", keys=keys)
        del said["policy"], said["value"]
        return said, None

    pieces = forged(team, tmp_path, admitted, "member.admitted")
    assert judged(pieces, tmp_path) == (("proven", set()) if good else ("disproved", {"commit"}))
    if not good:
        with pytest.raises(IntegrityError, match=r"has another length|anybody could sign|nothing can be sealed"):
            team.open("bob")
