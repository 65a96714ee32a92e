"""Comparing the log with a checkpoint that somebody else saw: an auditor's, from an e-mail, from another machine."""

from collections.abc import Iterable, Mapping, Set as AbstractSet

from registry.domain.roster import Member, Roster
from registry.errors import IntegrityError, InvalidValue
from registry.log import checkpoint, note
from registry.log.checkpoint import Checkpoint
from registry.log.note import Note
from registry.service.ledger import Ledger
from registry.store import roster_chain
from registry.store.following import Follower
from registry.store.proven import ProvenLog
from registry.values import MemberId

_FORK = "two histories have been shown: keep both checkpoints, and find out which store each came from"


def parse_seen(signed: bytes) -> tuple[Note, Checkpoint]:
    """Return note and checkpoint of what somebody saw; ``InvalidValue`` if it is none of a registry's."""
    try:
        parsed = note.parse(signed)
        return parsed, Checkpoint.parse(parsed.text)
    except IntegrityError as error:
        raise InvalidValue(f"that is not the checkpoint of a registry: {error}", "'pin export' writes one") from None


def vouching(log: Follower, seen: Checkpoint) -> Mapping[MemberId, Member]:
    """Return whose signature under a checkpoint counts: who was a member at its point of this log.

    Of a point that the log has not, or not with that roster, only those who are members now can tell. Nobody who was
    removed, and no key that was renewed, makes anything up that comes after that.
    """
    if log.head is not None and seen.commit <= log.head.number:
        events = log.roster_events[: seen.roster_length]
        roster = roster_chain.follow(log.registry, Roster(), events, signed=False)  # they were when they were followed
        if (roster.version, roster.head) == (seen.roster_length, seen.roster_head):
            return roster.members
    return log.roster.members


def check_vouched(registry: bytes, signed: Note, keys: Iterable[tuple[MemberId, bytes]]) -> set[MemberId]:
    """Return which members signed a checkpoint, of those with these keys; ``IntegrityError`` if none did."""
    members = {checkpoint.member_key(registry, member, key): member for member, key in keys}
    try:
        return {members[key] for key in note.verify(signed, members)}
    except IntegrityError:
        raise IntegrityError(
            "no member of that moment vouches for this checkpoint",
            "somebody made it up, or it is of another history, in which its author became a member",
        ) from None


def check_seen_elsewhere(ledger: Ledger, data: bytes) -> Checkpoint:
    """Return the checkpoint if the log goes through it; ``IntegrityError`` with both checkpoints if it does not."""
    signed, seen = parse_seen(data)
    if seen.registry != ledger.registry:
        raise IntegrityError(
            "the checkpoint is another registry's", f"this one is {checkpoint.origin(ledger.registry)}"
        )
    members = vouching(ledger.log, seen).values()
    signers = check_vouched(ledger.registry, signed, [(member.id, member.keys.signing) for member in members])
    head = ledger.head
    try:
        if seen.commit > head.number:
            message = f"the log ends at commit {head.number}; somebody has seen commit {seen.commit}"
        elif _goes_through(ledger, seen, signers):
            return seen
        else:
            message = f"commit {seen.commit} is not the one that somebody has seen"
    except IntegrityError as error:  # what would prove it is damaged, so that it may be either
        message = f"the log cannot show that it goes through commit {seen.commit}: {error}"
    own = head.checkpoint(ledger.registry).text()
    raise IntegrityError(message, _FORK, f"somebody has seen:\n{signed.encode().decode()}\nthe store holds:\n{own}")


def _goes_through(ledger: Ledger, seen: Checkpoint, signers: AbstractSet[MemberId]) -> bool:
    # The commit's row proves nothing, since whoever holds the database can put another one there: it is an event of the
    # commit that says whose it was, and the verified head that says which event.
    made = ledger.head if seen.commit == ledger.head.number else ledger.store.commit(seen.commit)
    if made is None or made.checkpoint(ledger.registry) != seen:
        return False
    end = ProvenLog(ledger.store, ledger.registry, ledger.head).end_of(seen)
    return end is not None and end.author in signers
