"""A whole store, made once more elsewhere: checked before and after, and put in place when it is whole."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from datetime import datetime

from msgspec import Struct

from registry.domain.roster import ADMIN, AUDITOR, Roster
from registry.errors import IntegrityError, NotPermitted, StoreBusy
from registry.log import problems
from registry.log.checkpoint import Checkpoint
from registry.log.note import Note
from registry.log.problems import Problem
from registry.pins import Pin
from registry.sealing.identity import Identity
from registry.service.verifying import FoundProblem, Memory, acknowledged, signed_checkpoint
from registry.store.backup_file import BackupFile
from registry.store.copying import KEYS, copy_rows
from registry.store.place import Place
from registry.store.raw import RawStore, Row
from registry.store.store import Store
from registry.verify.taking import Moment
from registry.verify.verifier import Progress, Verifier

Leaving = Callable[[Store], AbstractContextManager[Callable[[], AbstractContextManager[None]]]]
_SHOWN = 10
_PARTS = 1_000


class Copied(Struct, frozen=True):
    """A registry that was copied: where it is now, and how far it had come."""

    registry_id: str
    store: str
    commit: int
    size: int
    checkpoint: str
    """The newest signed checkpoint, as it is kept and compared."""
    away: bool
    """Whether the registry goes on in another store, so that this one takes no commits."""


class Examiner:
    """Verifies stores of one registry for a member, who must be an admin or an auditor.

    ``pin`` is what this machine has seen, if a store must hold that.
    """

    def __init__(self, registry: bytes, identity: Identity, now: datetime, pin: Pin | None = None) -> None:
        self.registry = registry
        self._identity = identity
        self._now = now
        self._memory = Memory(pin) if pin else None
        self._keyless = False
        self.home = ""
        """The one instance that takes commits, by the store that was looked at last."""

    def check(self, place: Place, progress: Progress | None, *, keyless: bool = False) -> Note:
        """Return the newest checkpoint of a store; ``IntegrityError`` for what is wrong and not acknowledged.

        Of one that is ``keyless`` all rows and data keys are missing, which must be all that is wrong.
        """
        outcome = Verifier(place, self.registry, self._identity, now=self._now, progress=progress).run(self._look)
        if isinstance(outcome, str):
            raise IntegrityError(f"the store at {place} cannot be read: {outcome}", "'verify' says more")
        moment = outcome.moment
        found = acknowledged(outcome.problems, moment.timeline.last.acknowledged)
        wrong = [one for one in found if not (one.acknowledged or (keyless and self._is_left_out(one)))]
        if wrong:
            raise _refused(place, wrong, keyless=self._keyless)
        signed = signed_checkpoint(moment)
        if signed is None:
            raise IntegrityError(f"the store at {place} has no newest checkpoint that its author signed")
        return signed

    def _look(self, store: RawStore, moment: Moment) -> Sequence[Problem]:
        timeline = moment.timeline
        self.home = timeline.last.home
        if timeline.broken is None and not moment.unread:
            self._check_role(timeline.last)
        self._keyless = not moment.unread and not any(map(store.count, KEYS))
        return self._memory.look(store, moment) if self._memory else ()

    def _check_role(self, roster: Roster) -> None:
        member = next((one for one in roster.members.values() if one.keys == self._identity.public.keys), None)
        if member is None and roster.members:
            raise NotPermitted(
                f"the identity '{self._identity.name}' is no member of this registry",
                "an admin can add its public line",
            )
        if member is not None and member.role not in (ADMIN, AUDITOR):
            raise NotPermitted(f"this takes the role {ADMIN} or {AUDITOR}; yours is {member.role}")

    def _is_left_out(self, found: FoundProblem) -> bool:
        return self._keyless and found.kind in (problems.ROW, problems.DATA_KEY)


def _refused(place: Place, wrong: Sequence[FoundProblem], *, keyless: bool) -> IntegrityError:
    first, *others = [f"{one.kind} at position {one.position}: {one.message}" for one in wrong]
    hint = "'verify' says all that is wrong with a store"
    if keyless and {one.kind for one in wrong} <= {problems.ROW, problems.DATA_KEY}:
        hint = "it is a backup without keys, which opens no credential: --without-keys takes it as that"
    more = [*others[:_SHOWN], *([f"and {len(others) - _SHOWN} more"] if len(others) > _SHOWN else [])]
    return IntegrityError(f"the store at {place} does not verify: {first}", hint, "\n".join(more) or None)


class Transfer:
    """One store that is made once more at another place.

    ``with_keys`` says whether it is to open credentials, ``same`` whether it is the same instance, ``leaving`` what is
    to be done in the source before, and undone if it comes to nothing; it gives what the copy is put in place within.
    """

    def __init__(
        self,
        source: Place,
        target: Place,
        examiner: Examiner,
        progress: Progress | None = None,
        *,
        with_keys: bool = True,
        same: bool = True,
        leaving: Leaving | None = None,
    ) -> None:
        self._source = source
        self._target = target
        self._examiner = examiner
        self._progress = progress
        self._with_keys = with_keys
        self._same = same
        self._leaving = leaving or (lambda _made: nullcontext(nullcontext))
        # What is wrong in a file is wrong in a copy of its pages, too, so that one look at that is enough.
        self._pages = target if with_keys and source.files is not None and isinstance(target, BackupFile) else None

    def run(self, pin: Callable[[Store], Callable[[], None]], *, keyless: bool = False) -> Copied:
        """Make the copy, verify it, and put it in place. Killed half-way, there is nothing in its place.

        ``pin`` is given the copy, and returns what is to be done just before. ``keyless`` says that the source itself
        was made without keys.
        """
        self._target.check_vacant()
        if not self._pages:
            self._examiner.check(self._source, self._step(0), keyless=keyless)
        made = self._target.create()
        try:
            with self._leaving(made) as settling:
                newest = self._fill(made)
                instance = made.instance()
                beside = self._target.beside(made)
                signed = self._examiner.check(beside, self._step(2), keyless=keyless or not self._with_keys)
                with closing(beside.open_raw()) as copy:
                    if copy.newest() != newest:
                        raise IntegrityError("the copy does not end with the checkpoint that the store ends with")
                known = pin(made)
                with settling():
                    self._target.settle(made, known)
        finally:
            made.discard()
        point = Checkpoint.parse(signed.text)
        return Copied(
            self._examiner.registry.hex(),
            str(self._target),
            point.commit,
            point.size,
            signed.encode().decode(),
            self._examiner.home not in ("", instance),
        )

    def _fill(self, made: Store) -> Row | None:
        """Copy one moment of the source, and return its newest commit."""
        with closing(self._source.raw(lenient=False)) as source, source.snapshot():
            newest = source.newest()
            if self._pages:
                self._pages.fill(made, source, self._step(1))
            else:
                if self._same and (instance := source.instance()):
                    made.become(instance)
                copy_rows(source, made, leave_out=() if self._with_keys else KEYS, progress=self._step(1))
        if not self._pages and not made.forget():
            raise StoreBusy("other programs hold the copy", "try again")
        return newest

    def _step(self, number: int) -> Progress | None:
        """Return what tells how far one of the steps is: looking at the source, copying, looking at the copy."""
        tell = self._progress
        if tell is None:
            return None
        first, steps = (1, 2) if self._pages else (0, 3)

        def told(done: int, total: int) -> None:
            tell((number - first) * _PARTS + _PARTS * done // max(1, total), steps * _PARTS)

        return told
