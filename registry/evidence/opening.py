"""Opening single events with their event keys, where nobody has any other key and nothing that is read is trusted."""

from typing import Any

from registry.domain.events import Event
from registry.domain.roster_events import RosterEvent
from registry.errors import IntegrityError
from registry.sealing import envelope
from registry.sealing.envelope import Place
from registry.sealing.roster_record import RosterRecord
from registry.store import codec
from registry.store.contents import CONTENTS_VERSION
from registry.store.rows import Stored
from registry.store.topics import event_class
from registry.views.directory import directory

_COLUMNS = frozenset({"originator_id", "originator_version"})
_ADDRESSED_TOPICS = frozenset({"token.disclosed"})
"""What members without the ``audit`` key may write. Anybody can seal to its public half, which stands in the clear."""


def place_of(registry: bytes, stored: Stored) -> Place:
    """Return the place at which the event is sealed."""
    return Place(registry, stored.originator_id, stored.originator_version, stored.topic)


def envelope_of(stored: Stored) -> bytes:
    """Return the sealed part of an event's state."""
    if issubclass(event_class(stored.topic), RosterEvent):
        return RosterRecord.parse(stored.state).sealed
    return stored.state


def opened_event(registry: bytes, stored: Stored, key: bytes) -> Event:
    """Return the event that an opening discloses; ``IntegrityError`` unless it opens this one, to what it may say."""
    kind = event_class(stored.topic)
    sealed = envelope_of(stored)
    if envelope.addressed(sealed) and stored.topic not in _ADDRESSED_TOPICS:
        raise IntegrityError("it was sealed without the key that its author must have")
    contents = envelope.open_with(key, place_of(registry, stored), sealed)
    if contents[:1] != CONTENTS_VERSION:
        raise IntegrityError("its contents are in no known format")
    document = json_object(contents[1:])
    if issubclass(kind, RosterEvent):
        if not kind.SEALED.issuperset(document):
            raise IntegrityError("its sealed part contradicts its core")
        document = json_object(RosterRecord.parse(stored.state).core) | document
    if not _COLUMNS.isdisjoint(document):
        raise IntegrityError("its contents say where it stands, which they cannot")
    columns = {"originator_id": stored.originator_id, "originator_version": stored.originator_version}
    try:
        event = codec.from_document(kind, document, **columns)
        directory([event])  # what it says of members must be said of those it names
        if event.at.tzinfo is None:
            raise IntegrityError("its contents say a time without saying where")
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        raise IntegrityError("its contents are not those of such an event") from None
    return event


def json_object(data: bytes) -> dict[str, Any]:
    """Return a JSON object, read as every reader of events reads it; ``IntegrityError`` if it is none."""
    try:
        document = codec.decode(data)
    except (ValueError, RecursionError):
        raise IntegrityError("what it says is no JSON") from None
    if not isinstance(document, dict):
        raise IntegrityError("what it says is not an object")
    return document
