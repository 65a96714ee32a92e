"""Reading the roster from its stored events, trusting none of them before it is checked."""

from collections.abc import Sequence

from msgspec import structs

from registry.domain.roster import ADMIN, Roster
from registry.domain.roster_events import RosterEvent, RosterFounded
from registry.domain.roster_rules import evolve
from registry.errors import IntegrityError, InvalidValue, NotFound, NotPermitted
from registry.sealing import roster_record
from registry.sealing.roster_record import RosterRecord
from registry.store import codec
from registry.store.rows import Stored
from registry.store.topics import event_class


def founding_bytes(founded: RosterFounded) -> bytes:
    """Return the founding statement in the form whose hash is the registry's id."""
    return codec.encode_value(founded.statement)


def follow(registry: bytes, roster: Roster, stored_events: Sequence[Stored]) -> Roster:
    """Return the roster after the stored events that follow it; ``IntegrityError`` names the first that is wrong."""
    for stored in stored_events:
        try:
            roster = _next(registry, roster, stored)
        except (IntegrityError, InvalidValue, NotFound, NotPermitted) as error:
            raise IntegrityError(f"roster event {stored.originator_version} ({stored.topic}): {error}") from None
        except (ValueError, TypeError):
            raise IntegrityError(
                f"roster event {stored.originator_version} ({stored.topic}) is in no known format"
            ) from None
    return roster


def _next(registry: bytes, roster: Roster, stored: Stored) -> Roster:
    record = RosterRecord.parse(stored.state)
    event = _core(stored, record)
    if event.originator_version != roster.version + 1:
        raise IntegrityError(f"event {roster.version + 1} should stand here")
    if isinstance(event, RosterFounded):
        _check_founding(registry, roster, event)
        roster = structs.replace(evolve(roster, event), version=0, generations={}, grants=(), head=registry)
    author = roster.members.get(event.by)
    if author is None or author.role != ADMIN:
        raise IntegrityError("its author was no admin at that moment")
    if event.previous != roster.head:
        raise IntegrityError("it does not follow the event before it")
    linked = roster_record.link(registry, event.originator_version, event.TOPIC, record.core, record.sealed)
    roster_record.check_signature(author.keys.signing, linked, record.signature)
    return structs.replace(evolve(roster, event), head=linked)


def _core(stored: Stored, record: RosterRecord) -> RosterEvent:
    kind = event_class(stored.topic)
    if not issubclass(kind, RosterEvent):
        raise IntegrityError("such an event does not belong to the roster")
    document = codec.decode(record.core)
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
