"""The honest case of a log that became shorter: a backup was restored, and an admin says that it goes on from there."""

from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from msgspec import Struct

from registry.domain.roster import ADMIN, LogPoint
from registry.domain.roster_events import RollbackAccepted
from registry.errors import IntegrityError, InvalidValue
from registry.log.checkpoint import Checkpoint
from registry.pins import Pin, Pins
from registry.service.checking import check_vouched, parse_seen
from registry.service.keeping import move
from registry.service.ledger import Ledger
from registry.service.moving import reopen
from registry.service.places import place_of
from registry.service.recalling import pin_of
from registry.service.registry import PassphrasePrompt, known_pin, open_identity
from registry.service.surroundings import Surroundings
from registry.settings import Settings, load_settings
from registry.store.following import Follower
from registry.store.store import Store

_MOST_LOST = 1_000_000
"""How many commits another machine may have seen beyond this one. More are none that anybody has made."""


class ReturningMember(Struct, frozen=True):
    """A member of the restored state who, as this machine last saw it, was none, or had other keys or another role."""

    name: str
    role: str


class ReturningToken(Struct, frozen=True):
    """A token whose credentials are again those of that moment, whatever was changed of it since."""

    name: str
    application: str | None
    revision: int
    credentials_changed_at: datetime


class RolledBack:
    """A store that was put back to an older state, open for an admin who may accept that. Use it as a context manager.

    ``kept`` is the newest commit that stays, ``lost`` the newest that anybody is known to have seen of what is gone.
    """

    def __init__(self, ledger: Ledger, pins: Pins, pin: Pin, kept: LogPoint, lost: LogPoint) -> None:
        self._ledger = ledger
        self._pins = pins
        self._pin = pin
        self.kept = kept
        self.lost = lost

    def members(self) -> list[ReturningMember]:
        """Return who comes back to life: members that were removed, renewed or given another role since."""
        seen = self._pin.seen.members if self._pin.seen else {}
        names = self._ledger.directory()
        return [
            ReturningMember(names.member(member.id), member.role)
            for member in self._ledger.roster.members.values()
            if seen.get(member.id) != (member.role, member.keys.signing)
        ]

    def tokens(self) -> list[ReturningToken]:
        """Return every token that there is again, or still: what was changed since is unknown, and no longer so."""
        ledger, found = self._ledger, []
        with ledger.store.snapshot():
            names = ledger.directory()
            for row in ledger.rows.all():
                token = ledger.token(row)
                application = names.application(token.application)
                found.append(ReturningToken(token.name, application, token.revision, token.credentials_at))
        return sorted(found, key=lambda token: (token.application or "", token.name))

    def accept(self, *, reason: str) -> None:
        """Commit that the log goes on from here; machines whose pin lies in what is given up then follow."""
        ledger = self._ledger
        if not reason.strip():
            raise InvalidValue("a rollback is accepted for a reason", "--reason says it")
        with ledger.turn(reason, roster=True, anywhere=True) as turn:
            event = RollbackAccepted(**ledger.roster_facts(turn), kept=self.kept, lost=self.lost)
            ledger.commit(turn, [event])
        if ledger.is_away():
            reopen(ledger, reason)  # to go on from here is to go on in this store
        move(self._pins, self._pin, pin_of(self._pin.url, ledger.log), ledger.store)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ledger.close()


def open_rolled_back(
    settings: Settings | None = None,
    *,
    lost: bytes | None = None,
    kept: int | None = None,
    passphrase: PassphrasePrompt | None = None,
    surroundings: Surroundings | None = None,
) -> RolledBack:
    """Open a store that does not hold what this machine has seen, checked from its founding on.

    ``lost`` is a checkpoint that another machine saw, in the place of this machine's own; ``kept`` the number of the
    last commit that both histories have, otherwise the store's newest. ``InvalidValue`` if nothing is lost.
    """
    settings = settings or load_settings()
    place, pins = place_of(settings), Pins(Path(settings.state.value))
    pin = known_pin(pins, place)
    identity = open_identity(settings, passphrase)
    store = place.open()
    try:
        log = Follower(pin.registry_id)
        with store.snapshot():  # within which every commit is one that was followed
            log.advance(store)
            points = _given_up(store, log, _gone(log, pin, lost), kept)
        ledger = Ledger(store, pin, identity, surroundings or Surroundings(), None, log=log)
        ledger.require(ADMIN)
        return RolledBack(ledger, pins, pin, *points)
    except BaseException:
        store.close()
        raise


def _given_up(store: Store, log: Follower, gone: Checkpoint, kept: int | None) -> tuple[LogPoint, LogPoint]:
    """Return what is kept and what is lost."""
    made = store.commit(gone.commit)
    if made is not None and made.checkpoint(log.registry) == gone:
        raise InvalidValue("nothing is lost: the store holds the checkpoint", "there is nothing to accept")
    head = store.commit(kept) if kept is not None else log.head
    if head is None or head.number >= gone.commit:
        raise InvalidValue(
            f"what is lost ends at commit {gone.commit}, and the store goes on further",
            "--kept says which commit is the last that both histories have",
        )
    return LogPoint(head.number, head.size, head.root), LogPoint(gone.commit, gone.size, gone.root)


def _gone(log: Follower, pin: Pin, lost: bytes | None) -> Checkpoint:
    if lost is None:
        if pin.seen is None:
            raise InvalidValue("this machine has seen nothing of the registry yet", "--lost names what another saw")
        return pin.seen.checkpoint
    signed, seen = parse_seen(lost)
    if seen.registry != pin.registry_id:
        raise IntegrityError("the lost checkpoint is another registry's")
    # Who is a member of what was put back, or was one when this machine last looked: whoever was removed before that
    # has nothing to say of what came after.
    members = [(member.id, member.keys.signing) for member in log.roster.members.values()]
    known = [(member, key) for member, (_, key) in pin.seen.members.items()] if pin.seen else []
    check_vouched(pin.registry_id, signed, [*members, *known])
    farthest = max(log.head.number if log.head else 0, pin.commit) + _MOST_LOST
    if not seen.commit <= farthest or not seen.roster_length <= seen.size or seen.commit >= seen.size:
        raise InvalidValue("the lost checkpoint names commits that cannot have been made", "a member made it up")
    return seen
