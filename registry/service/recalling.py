"""From what this machine has seen of a registry to the newest state of its log: every command begins here."""

from datetime import datetime

from registry.domain.roster import ADMIN, LogPoint, Roster
from registry.domain.roster_events import RollbackAccepted
from registry.errors import IntegrityError
from registry.log import checkpoint
from registry.log.checkpoint import Checkpoint
from registry.log.note import Note
from registry.pins import Pin, Pinned
from registry.sealing import roster_record
from registry.store import roster_chain
from registry.store.following import Follower
from registry.store.rows import LoggedCommit
from registry.store.store import Store
from registry.values import MemberId

_ROLLBACK_HINT = "if an admin restored a backup on purpose, 'log accept-rollback' goes on from it"


def recall(store: Store, pin: Pin) -> tuple[Follower, bool]:
    """Return the log, followed from what this machine has seen of it to its end; and whether that was given up.

    ``IntegrityError`` shows both checkpoints where the store does not hold what was seen, unless an admin whom the pin
    knows has accepted that it was given up. The store is read at one moment: the caller holds a snapshot.
    """
    log = _seen(store, pin)
    if log is None:
        return _rolled_back(store, pin), True
    log.advance(store)
    return log, False


def _seen(store: Store, pin: Pin) -> Follower | None:
    """Return the log as it was when this machine last looked; ``None`` if the store does not hold that."""
    seen = pin.seen
    if seen is None:
        return Follower(pin.registry_id)
    head = store.head()
    made = head if head and head.number == pin.commit else store.commit(pin.commit)
    if made is None or not same(made, seen):
        return None
    length = seen.checkpoint.roster_length
    events = store.stream(roster_record.stream_id(pin.registry_id), until=length)
    if len(events) < length:
        raise IntegrityError(
            f"the roster ends at event {len(events)}; this machine has seen event {length}",
            "the store was cut or replaced by an older copy",
        )
    roster = roster_chain.follow_seen(pin.registry_id, events, seen.roster_digest)
    if roster.head != seen.checkpoint.roster_head:
        raise IntegrityError(
            f"roster event {length} is not the one that this machine has seen", "the store was exchanged"
        )
    return Follower(pin.registry_id, made, roster, events)


def same(made: LoggedCommit, seen: Pinned) -> bool:
    """Return whether a stored commit is the one that was seen, its author and time included."""
    said = (made.checkpoint(seen.checkpoint.registry), made.author, made.at, made.signature)
    return said == (seen.checkpoint, seen.author, seen.at, seen.signature)


def _rolled_back(store: Store, pin: Pin) -> Follower:
    """Return the log of a store that lacks what was seen, where that was given up; it is followed from the founding."""
    log = Follower(pin.registry_id)
    refusal = other_history(store, pin)
    events = store.stream(roster_record.stream_id(pin.registry_id))
    if all(event.topic != RollbackAccepted.TOPIC for event in events):
        raise refusal
    try:
        log.advance(store)
    except IntegrityError as error:
        raise IntegrityError(f"{refusal}; {error}", refusal.hint, refusal.detail) from None
    if pin.seen is None or not gives_up(log.roster, pin.seen):
        raise refusal
    return log


def gives_up(roster: Roster, seen: Pinned) -> bool:
    """Return whether an admin, also by the roster that was seen, accepted that what was seen is given up.

    Who was removed meanwhile cannot bring itself back by putting an older store in place: the pin knows the admins.
    Nor does an acceptance count twice. What was followed from it on, or from another one after it, bears the numbers
    that it gave up once more: such pins know it, and what they have seen is not older than it.
    """
    point = seen.checkpoint
    for accepted in roster.rollbacks:
        if accepted.link in seen.accepted or seen.members.get(accepted.by) != (ADMIN, accepted.signing):
            continue
        # What is named as lost is that and nothing else, whatever clocks said: it is the remedy where they differ.
        named = LogPoint(point.commit, point.size, point.root) == accepted.lost
        before = accepted.kept.commit < point.commit < accepted.lost.commit and seen.at < accepted.at
        if named or before:
            return True
    return False


def other_history(store: Store, pin: Pin) -> IntegrityError:
    """Return the error that shows what was seen and what the store holds instead."""
    head = store.head()
    held = f"commit {head.number} and {head.size} events" if head else "nothing"
    if head is None or head.number < pin.commit:
        message = (
            f"the store was cut or put back: it holds {held}; this machine has seen commit {pin.commit} and {pin.size}"
        )
    else:
        message = f"the store holds another history: its commit {pin.commit} is not the one that this machine has seen"
    theirs = head.checkpoint(pin.registry_id).text() if head else "nothing\n"
    seen = pin.seen.text() if pin.seen else "nothing\n"
    return IntegrityError(message, _ROLLBACK_HINT, f"this machine has seen:\n{seen}\nthe store holds:\n{theirs}")


def pin_of(url: str, log: Follower) -> Pin:
    """Return the pin of a log as far as it was followed."""
    head, roster = log.head, log.roster
    if head is None:
        return Pin(url, log.registry)
    signing = roster.member(MemberId(head.author)).keys.signing
    point = head.checkpoint(log.registry)
    signed = checkpoint.restored(point, head.author, signing, head.signature)
    return Pin(url, log.registry, pinned(signed, head.at, roster))


def pinned(signed: Note, at: datetime, roster: Roster) -> Pinned:
    """Return what is kept of a signed checkpoint, its commit's time, and the roster after it."""
    members = {member.id: (member.role, member.keys.signing) for member in roster.members.values()}
    accepted = frozenset(rollback.link for rollback in roster.rollbacks)
    return Pinned(signed, Checkpoint.parse(signed.text), at, roster.digest, members, accepted)
