"""Verifying a store: what this machine knows of it, and what it holds, checked from its raw rows.

It does not open the registry: where opening refuses a store, this says all that is wrong with it.
"""

from collections.abc import Sequence, Set as AbstractSet
from pathlib import Path

from msgspec import Struct

from registry.errors import IntegrityError, StoreUnreadable, Unusable
from registry.log import checkpoint, problems
from registry.log.checkpoint import Checkpoint
from registry.log.note import Note
from registry.log.problems import Problem
from registry.pins import Pin, Pinned, Pins
from registry.service.checking import parse_seen
from registry.service.keeping import PinKeeper
from registry.service.places import place_of
from registry.service.recalling import gives_up, recall
from registry.service.registry import PassphrasePrompt, open_identity
from registry.service.surroundings import Surroundings
from registry.settings import Settings, load_settings
from registry.store.place import Place
from registry.store.raw import RawStore, Row
from registry.values import MemberId
from registry.verify.cases import Case, Signatures
from registry.verify.log import frontier_of
from registry.verify.report import Outcome
from registry.verify.taking import Moment
from registry.verify.timeline import Signers
from registry.verify.verifier import Progress, Verifier
from registry.verify.walking import signed_text


class FoundProblem(Struct, frozen=True):
    """Something wrong in a store: where, of which kind, and in words."""

    position: int
    """The position of the first event that it concerns; the log's size if it concerns none."""
    kind: str
    message: str
    acknowledged: bool
    """Whether an admin knows of it, so that it is no alarm."""


class Verification(Struct, frozen=True):
    """What verifying a store came to."""

    ok: bool
    """Whether nothing is wrong that no admin has acknowledged."""
    size: int
    root: bytes
    checkpoint: str | None
    """The newest signed checkpoint, as it is kept and compared; ``None`` if there is none that its author signed."""
    members: int
    commits: int
    problems: tuple[FoundProblem, ...]
    unchecked: tuple[str, ...]
    """What could not be checked, and why."""


def verify_registry(
    settings: Settings | None = None,
    *,
    passphrase: PassphrasePrompt | None = None,
    surroundings: Surroundings | None = None,
    since: bytes | None = None,
    progress: Progress | None = None,
    workers: int | None = None,
) -> Verification:
    """Recompute everything that the store of the settings holds, and say what is wrong; nothing in it is changed.

    ``since`` is a signed checkpoint that is known to be right: only what came after it is verified. ``progress`` is
    called with how much is done, and of how much. ``workers`` is the number of processes; the default is one for each
    core, where there is enough to do.
    """
    settings = settings or load_settings()
    place = place_of(settings)
    pins = Pins(Path(settings.state.value))
    pin = pins.get(place.url)
    if pin is None:
        raise Unusable(f"this machine does not know the registry at {place}", "'join' makes it known")
    identity = open_identity(settings, passphrase)
    told = parse_seen(since)[0] if since is not None else None
    memory = Memory(pin)
    now = (surroundings or Surroundings()).clock()
    verifier = Verifier(place, pin.registry_id, identity, since=told, now=now, workers=workers, progress=progress)
    outcome = verifier.run(memory.look)
    if isinstance(outcome, str):
        return _illegible(outcome)
    found = acknowledged(outcome.problems, outcome.moment.timeline.last.acknowledged)
    if not any(not problem.acknowledged for problem in found) and outcome.moment.signed:
        found += acknowledged(_go_on(place, pins, pin, outcome.moment), frozenset())
    return _verification(outcome, found)


class Memory:
    """What this machine has seen of the store, and whether it is still there."""

    def __init__(self, pin: Pin) -> None:
        self._pin = pin

    def look(self, store: RawStore, moment: Moment) -> Sequence[Problem]:
        """Return a problem if the log is shorter than what was seen, or another, and that was not accepted."""
        seen = self._pin.seen
        if seen is None or "commits" in moment.unread or self._holds(store, moment, seen):
            return ()
        if gives_up(moment.timeline.last, seen):
            return ()
        point = seen.checkpoint
        word = "shorter" if point.size > moment.end else "another"
        what = f"the log is {word} than this machine has seen: commit {point.commit} with {point.size} events"
        return (Problem(moment.end, problems.PIN, what),)

    def _holds(self, store: RawStore, moment: Moment, seen: Pinned) -> bool:
        """Return whether the log goes on from what was seen. A commit whose row was changed says so by itself."""
        point, registry = seen.checkpoint, self._pin.registry_id
        for row in _commits(store, point.commit):
            case = Case(row[0], row)
            if case.made is not None:
                said = signed_text(checkpoint.origin(registry), row), case.author, case.made.signature
                if said == (point.text(), seen.author, seen.signature):
                    return True
                Signatures(moment.timeline, Signers()).check(case, row, point.roster_length, point.size)
                if case.signed and case.fault is None:
                    return False
        return point.size <= moment.end and frontier_of(store, point.size, point.root) is not None


def _go_on(place: Place, pins: Pins, pin: Pin, moment: Moment) -> Sequence[Problem]:
    """Move the pin as opening the store moves it; return why that cannot be.

    Not what was verified is pinned, but what every command would go on from: nothing that one of them refuses, and
    nothing behind a gap that was not looked at, becomes what this machine has seen.
    """
    store = place.open()
    try:
        with store.snapshot():
            log, _ = recall(store, pin)
        if wrong := [one for one in log.problems if (one.position, one.kind) not in log.roster.acknowledged]:
            return wrong
        PinKeeper(pins, pin, store).keep(log, at_once=True)
    except IntegrityError as error:
        return (Problem(moment.end, problems.PIN, str(error)),)
    finally:
        store.close()
    return ()


def _commits(store: RawStore, number: int) -> Sequence[Row]:
    try:
        return store.commits(number, number)
    except StoreUnreadable:
        return ()


def _illegible(what: str) -> Verification:
    problem = FoundProblem(0, problems.SCHEMA, what, acknowledged=False)
    return Verification(
        ok=False,
        size=0,
        root=b"",
        checkpoint=None,
        members=0,
        commits=0,
        problems=(problem,),
        unchecked=("everything else: not even the names of the tables can be read",),
    )


def acknowledged(found: Sequence[Problem], known: AbstractSet[tuple[int, str]]) -> list[FoundProblem]:
    """Return what was found, and of each problem whether an admin knows of it."""
    return [
        FoundProblem(problem.position, problem.kind, problem.message, (problem.position, problem.kind) in known)
        for problem in found
    ]


def signed_checkpoint(moment: Moment) -> Note | None:
    """Return the newest commit's signed checkpoint; ``None`` if its author did not sign it."""
    timeline, row = moment.timeline, moment.newest
    if row is None or not moment.signed:
        return None
    case = Case(row[0], row)
    member = timeline.last.members.get(MemberId(case.author or ""))
    if case.made is None or member is None:
        return None
    made = case.made
    point = Checkpoint(
        registry=timeline.registry,
        size=made.size,
        root=made.root,
        commit=made.number,
        present=made.present,
        roster_length=made.roster_length,
        roster_head=made.roster_head,
        shredded=made.shredded,
    )
    return checkpoint.restored(point, member.id, member.keys.signing, made.signature)


def _verification(outcome: Outcome, found: Sequence[FoundProblem]) -> Verification:
    moment = outcome.moment
    signed = signed_checkpoint(moment)
    return Verification(
        ok=all(problem.acknowledged for problem in found),
        size=moment.end,
        root=Checkpoint.parse(signed.text).root if signed is not None else b"",
        checkpoint=signed.encode().decode() if signed is not None else None,
        members=len(moment.timeline.last.members),
        commits=moment.commits,
        problems=tuple(found),
        unchecked=tuple(outcome.unchecked),
    )
