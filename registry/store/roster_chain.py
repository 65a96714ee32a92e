"""Reading the roster from its stored events, trusting none of them before it is checked."""

import hashlib
from collections.abc import Sequence

from msgspec import structs

from registry.domain.roster import ADMIN, Roster
from registry.domain.roster_events import (
    MemberAdmitted,
    MemberRenewed,
    ProblemAcknowledged,
    RollbackAccepted,
    RosterEvent,
    RosterFounded,
)
from registry.domain.roster_rules import check_rotated, evolve
from registry.errors import IntegrityError, RegistryError
from registry.log import problems
from registry.sealing import roster_record
from registry.sealing.public_keys import check_keys
from registry.sealing.roster_record import RosterRecord
from registry.store import codec
from registry.store.rows import LARGEST_STATE, Stored
from registry.store.topics import event_class
from registry.values import MemberId

FOUNDING_VERSION = 1


def founding_bytes(founded: RosterFounded) -> bytes:
    """Return the founding statement in the form whose hash is the registry's id."""
    return codec.encode_value(founded.statement)


def founded_by(stored: Stored) -> bytes:
    """Return the id of the registry that an event founds. Nobody but the store itself says that it is the one meant."""
    try:
        founded = _core(stored, RosterRecord.parse(stored.state))
        if isinstance(founded, RosterFounded):
            return roster_record.registry_id(founding_bytes(founded))
    except (RegistryError, ValueError, TypeError):
        pass
    raise IntegrityError("it does not begin with the founding of a registry")


def follow(registry: bytes, roster: Roster, stored_events: Sequence[Stored], *, signed: bool = True) -> Roster:
    """Return the roster after the stored events that follow it; ``IntegrityError`` names the first that is wrong."""
    for stored in stored_events:
        try:
            roster = _next(registry, roster, stored, signed=signed)
        except RegistryError as error:
            raise IntegrityError(f"roster event {stored.originator_version} ({stored.topic}): {error}") from None
        except (ValueError, TypeError):
            raise IntegrityError(
                f"roster event {stored.originator_version} ({stored.topic}) is in no known format"
            ) from None
        except KeyError:
            raise IntegrityError(
                f"roster event {stored.originator_version} ({stored.topic}) is about something that is not there"
            ) from None
    return roster


def follow_seen(registry: bytes, stored_events: Sequence[Stored], digest: bytes) -> Roster:
    """Return the roster after stored events that were followed before, and of which a digest was kept since.

    Where that is still theirs, not a byte of them has changed, and their signatures need not be checked again, which
    is what takes the time. Otherwise they are followed like any others.
    """
    try:
        roster = follow(registry, Roster(), stored_events, signed=False)
        if roster.digest == digest:
            return roster
    except IntegrityError:
        pass  # followed once more, the first that is wrong is found by its signature
    return follow(registry, Roster(), stored_events)


def _next(registry: bytes, roster: Roster, stored: Stored, *, signed: bool) -> Roster:
    if len(stored.state) > LARGEST_STATE:
        raise IntegrityError("it is larger than any event may be")
    record = RosterRecord.parse(stored.state)
    event = _core(stored, record)
    if event.originator_version != roster.version + 1:
        raise IntegrityError(f"event {roster.version + 1} should stand here")
    _check_keys(event)
    if isinstance(event, RosterFounded):
        _check_founding(registry, roster, event)
        roster = structs.replace(evolve(roster, event), version=0, generations={}, grants=(), head=registry)
    author = roster.members.get(event.by)
    if author is None or author.role != ADMIN:
        raise IntegrityError("its author was no admin at that moment")
    if getattr(event, "member", None) == event.by:
        raise IntegrityError("nobody changes its own membership")
    if event.previous != roster.head:
        raise IntegrityError("it does not follow the event before it")
    linked = roster_record.link(registry, event.originator_version, event.TOPIC, record.core, record.sealed)
    if signed:
        roster_record.check_signature(author.keys.signing, linked, record.signature)
    if isinstance(event, ProblemAcknowledged) and event.kind not in problems.ACKNOWLEDGEABLE:
        raise IntegrityError(f"a problem of the kind {event.kind!r} cannot be acknowledged")
    after = evolve(roster, event)
    check_rotated(roster, after, event)
    if isinstance(event, RollbackAccepted):
        *before, accepted = after.rollbacks
        after = structs.replace(after, rollbacks=(*before, structs.replace(accepted, link=linked)))
    return structs.replace(after, head=linked, digest=hashlib.sha256(roster.digest + stored.state).digest())


def check_place(stored: Stored, position: int) -> None:
    """Raise ``IntegrityError`` for an event that was followed, but cannot stand at this position of the log.

    Only what is there can be acknowledged: an admin leaves no pass behind for what somebody may do later.
    """
    event = _core(stored, RosterRecord.parse(stored.state))
    if isinstance(event, ProblemAcknowledged) and event.position >= position:
        raise IntegrityError(f"the roster event at position {position} acknowledges what is not there yet")


def _check_keys(event: RosterEvent) -> None:
    """Raise ``InvalidValue`` if the event gives a member keys that nobody may have."""
    if isinstance(event, RosterFounded):
        for founder in event.statement.founders:
            check_keys(founder.keys)
    elif isinstance(event, MemberAdmitted | MemberRenewed):
        check_keys(event.keys)


def author_of(stored: Stored) -> MemberId:
    """Return who made a roster event that was followed."""
    return _core(stored, RosterRecord.parse(stored.state)).by


def _core(stored: Stored, record: RosterRecord) -> RosterEvent:
    kind = event_class(stored.topic)
    if not issubclass(kind, RosterEvent):
        raise IntegrityError("such an event does not belong to the roster")
    document = codec.decode(record.core)
    if not kind.SEALED.isdisjoint(document):
        raise IntegrityError("its core tells what must be sealed")
    return codec.from_document(
        kind,
        document,
        originator_id=stored.originator_id,
        originator_version=stored.originator_version,
        host="",
        client="",
    )


def _check_founding(registry: bytes, roster: Roster, founded: RosterFounded) -> None:
    if roster.version:
        raise IntegrityError("a registry is founded once")
    if roster_record.registry_id(founding_bytes(founded)) != registry:
        raise IntegrityError("this is another registry than the one this machine knows")
    if founded.statement.version != FOUNDING_VERSION:
        raise IntegrityError("the founding statement is of another version", "update this program")
