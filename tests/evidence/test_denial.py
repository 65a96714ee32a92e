"""No member denies the others evidence: what nobody can read, and what is too large, is proven and left at that."""

import pytest
from msgspec import structs

from registry import EvidenceQuery, IntegrityError, verify_evidence
from registry.domain.evidence_events import EvidenceExported
from registry.domain.token_events import TokenDisclosed
from registry.sealing import envelope
from registry.sealing.envelope import Place
from registry.store import codec
from registry.store.contents import Contents
from registry.store.rows import LARGEST_STATE, Stored
from tests.evidence.forging import Pieces
from tests.evidence.patching import Sealed, contents, facts, given, heedless, patched, tolerated
from tests.evidence.subjects import acknowledge, kinds, seen


@pytest.mark.parametrize("query", [{}, {"token": "Mail"}], ids=["all", "a token"])
@pytest.mark.parametrize("what", ["contents", "key", "generation", "envelope"])
def test_an_event_that_nobody_can_read_stops_no_export(team, tmp_path, what, query):
    """What a member signs for without any sense is proven and not disclosed: it denies nobody the evidence."""
    known, before = seen(team, "bob", tmp_path / "known"), team.do("bob", lambda bob: len(list(bob.history())))
    position = patched(team, lambda ledger: (_disclosed(ledger), {"contents": Garbled(ledger, what)}), "pay")
    done = team.do("bob", lambda bob: bob.evidence.export(tmp_path / "out", EvidenceQuery(**query)))
    report = verify_evidence(tmp_path / "out", known)
    assert (report.verdict.value, report.problems, report.openings) == ("proven", (), done.openings)
    positions = [entry.position for entry in report.disclosed()]
    assert position not in positions
    assert query or positions == [*range(before), position + 1]
    with team.open("bob") as bob:
        (logged,) = bob._ledger.store.events(topics=["evidence.exported"])
        assert bob._ledger.opened(logged).openings == done.openings


def test_an_event_that_cannot_be_shown_stops_no_export(team, tmp_path):
    """An auditor who says a moment before all days says it in vain: it is proven, and not disclosed."""
    text = b'{"by":"BY","at":"AT","host":"h","client":"c","size":1,"openings":1,"since":"0001-01-01T00:00:00+14:00"}'

    def made(ledger):
        stream, said = ledger.member.id, facts(ledger)
        del said["revision"]
        said |= {"originator_id": stream, "originator_version": ledger.next_version(stream), "size": 1, "openings": 1}
        return EvidenceExported(**said), {"contents": Sealed(ledger, contents(ledger, text))}

    known, position = seen(team, "bob", tmp_path / "known"), patched(team, made, "bob")
    team.do("bob", lambda bob: bob.evidence.export(tmp_path / "out"))
    report = verify_evidence(tmp_path / "out", known)
    assert (report.verdict.value, report.openings) == ("proven", position + 1)


def _disclosed(ledger):
    stream, said = ledger.member.id, facts(ledger)
    version = ledger.next_version(stream)
    return TokenDisclosed(originator_id=stream, originator_version=version, **said, token="9" * 32, purpose="run")


class Garbled(Sealed):
    """Seals the contents of an app's disclosures so that they cannot be read."""

    def __init__(self, ledger, what):
        super().__init__(ledger, contents(ledger, b"{"), addressed=True)
        self._what = what

    def stored(self, event):
        """Return the event's state."""
        ledger = self._ledger
        place = Place(ledger.registry, event.originator_id, event.originator_version, event.TOPIC)
        state = envelope.seal_addressed(ledger.keyring.generation("audit").public, 1, place, self._contents)
        state = {
            "key": state[:5] + bytes(len(state) - 5),
            "generation": state[:1] + b"\x00\x00\x00\x07" + state[5:],
            "envelope": b"",
        }.get(self._what, state)
        return Stored(event.originator_id, event.originator_version, event.TOPIC, state)


class Boundless(Contents):
    """Seals whatever is wished, however large."""

    def stored(self, event):
        """Return the event's state."""
        place = Place(self._registry, event.originator_id, event.originator_version, event.TOPIC)
        state = self._sealed(place, codec.encode_event(event))
        return Stored(event.originator_id, event.originator_version, event.TOPIC, state)


@pytest.fixture
def large(team):
    """Return the position of an app's disclosure that is larger than any event may be."""

    def made(ledger):
        event = structs.replace(_disclosed(ledger), reason="x" * LARGEST_STATE)
        return event, {"contents": Boundless(ledger.registry, ledger.identity, ledger.keyring)}

    return patched(team, made, "pay")


def test_an_event_larger_than_any_stops_nothing_once_it_is_acknowledged(team, large, tmp_path):
    """Evidence has the hash of what it need not carry, and says where that is: only its admins can let it pass."""
    with pytest.raises(IntegrityError, match=rf"larger than any event may be \(position {large}, kind contents\)"):
        team.do("bob", lambda bob: bob.evidence.export(tmp_path / "out"))
    assert tolerated(team, tmp_path) == {"contents", "opening"}
    with heedless():
        acknowledge(team, large, "contents")
    done = team.do("bob", lambda bob: bob.evidence.export(tmp_path / "out"))
    report = verify_evidence(tmp_path / "out", seen(team, "bob", tmp_path / "now"))
    assert (report.verdict.value, kinds(report), report.openings) == ("proven", set(), done.openings)
    assert [(p.position, p.kind) for p in report.problems] == [(large, "contents")]
    assert Pieces.of(tmp_path / "out").states[large] == b""
    assert large not in [entry.position for entry in report.disclosed()]


def test_what_is_left_out_of_evidence_is_a_problem(team, tmp_path):
    """Nobody hides a sealed state by leaving it out: unless its admins knew of it, it disproves the folder."""
    known = seen(team, "bob", tmp_path / "known")
    pieces = Pieces.of(given(team, tmp_path / "given"))
    last, roster = len(pieces.states) - 1, pieces.first_of("application.registered")
    pieces.openings.pop(last)
    for position, kind in ((last, "contents"), (roster, "event")):
        kept, pieces.states[position] = pieces.states[position], b""
        report = verify_evidence(pieces.put(tmp_path / "out"), known)
        assert (report.verdict.value, (position, kind)) == ("disproved", _places(report)[0])
        pieces.states[position] = kept


def _places(report):
    return [(problem.position, problem.kind) for problem in report.problems]
