"""Members with patched clients, and evidence that is given without any check."""

from contextlib import contextmanager

from registry import verify_evidence
from registry.domain.token_events import TokenDescribed
from registry.evidence.writing import Writer
from registry.sealing import envelope
from registry.sealing.envelope import Place
from registry.sealing.roster_record import RosterRecord
from registry.service.ledger import Ledger
from registry.store.contents import CONTENTS_VERSION
from registry.store.rows import Stored
from tests.evidence.subjects import commit, kinds, seen


def given(team, folder):
    """Write evidence that discloses everything that opens, as a patched client does: nothing is checked or recorded."""
    with team.open("bob") as bob:
        return _given(bob._ledger, folder)


def _given(ledger, folder):
    key = ledger.keyring.key("audit", 1).key
    folder.mkdir()

    def opening(logged):
        stored = logged.stored
        place = Place(ledger.registry, stored.originator_id, stored.originator_version, stored.topic)
        is_roster = stored.originator_id == ledger.roster_stream
        return envelope.opening(key, place, RosterRecord.parse(stored.state).sealed if is_roster else stored.state)

    Writer(folder, ledger.registry, ledger.store.head()).write(ledger.store.commits(), ledger.store.events(), opening)
    return folder


@contextmanager
def heedless():
    """Go on whatever is wrong with the log, as a patched client does."""
    check = Ledger.check_problems
    Ledger.check_problems = lambda _: None
    try:
        yield
    finally:
        Ledger.check_problems = check


def facts(ledger, **changes):
    """Return what an event of a token says."""
    head = ledger.store.head()
    said = {"by": ledger.member.id, "at": head.at, "host": "h", "client": "c", "revision": 9}
    return said | changes


def described(ledger, token, **changes):
    """Return the next event of a token's stream."""
    version = ledger.next_version(token)
    said = facts(ledger, **changes)
    return TokenDescribed(**({"originator_id": token, "originator_version": version, "description": "x"} | said))


class Sealed:
    """Seals chosen bytes as the contents of every event."""

    def __init__(self, ledger, contents, *, addressed=False):
        self._ledger = ledger
        self._contents = contents
        self._addressed = addressed

    def stored(self, event):
        """Return the event's state."""
        key = self._ledger.keyring.key("audit", 1).key
        place = Place(self._ledger.registry, event.originator_id, event.originator_version, event.TOPIC)
        if self._addressed:
            state = envelope.seal_addressed(self._ledger.keyring.generation("audit").public, 1, place, self._contents)
        else:
            state = envelope.seal(key, 1, place, self._contents)
        return Stored(event.originator_id, event.originator_version, event.TOPIC, state)


def judged(team, tmp_path):
    """Return the report on evidence of the team, against what its auditor has pinned before."""
    known = seen(team, "bob", tmp_path / "known")
    folder = tmp_path / "given"
    with heedless(), team.open("alice") as alice:
        _given(alice._ledger, folder)
    report = verify_evidence(folder, known)
    assert report.verdict.value in {"proven", "disproved"}
    assert list(report.disclosed()) == [] or report.verdict.value == "proven"
    return report


def patched(team, make, name="alice"):
    """Have a member commit what a patched client makes."""
    with team.open(name) as registry:
        ledger = registry._ledger
        made = make(ledger)
        event, more = made if isinstance(made, tuple) else (made, {})
        commit(ledger, event, **more)
        return ledger.store.size() - 1


def tolerated(team, tmp_path):
    """Return the kinds of problems of evidence given by who is not stopped by what it wrote."""
    return kinds(judged(team, tmp_path))


def contents(ledger, text):
    """Return contents in which the author and the time are right."""
    rest = b'"at":"AT","host":"h","client":"c","revision":1,"description":"x"'
    at = ledger.store.head().at.isoformat().replace("+00:00", "Z").encode()
    return CONTENTS_VERSION + text.replace(b"REST", rest).replace(b"BY", ledger.member.id.encode()).replace(b"AT", at)
