"""Events to stored events and back: the only place where contents are transcoded and sealed."""

from collections.abc import Hashable
from dataclasses import fields
from functools import cache
from typing import Any, cast

from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import JSONTranscoder, Mapper, StoredEvent

from registry.domain.events import Event
from registry.domain.roster import AUDIT, RosterEvent
from registry.errors import IntegrityError
from registry.sealing import envelope, roster_record
from registry.sealing.envelope import Place
from registry.sealing.identity import Identity
from registry.sealing.keyring import Keyring
from registry.sealing.roster_record import RosterRecord
from registry.store import codec
from registry.store.topics import event_class

CONTENTS_VERSION = b"\x01"
_COLUMNS = frozenset({"originator_id", "originator_version"})
_SEALED_IN_ROSTER = frozenset({"host", "client", "reason", "changed"})


@cache
def _clear_fields(kind: Hashable) -> frozenset[str]:
    named = {f.name for f in fields(cast("type[Event]", kind)) if not f.metadata.get("sealed")}
    return frozenset(named - _SEALED_IN_ROSTER - _COLUMNS)


@cache
def _sealed_fields(kind: Hashable) -> frozenset[str]:
    return frozenset({f.name for f in fields(cast("type[Event]", kind))} - _clear_fields(kind) - _COLUMNS)


class SealingMapper(Mapper[str]):
    """Seals every event at its place under the ``audit`` audience; signs those of the roster as well."""

    def __init__(self, registry: bytes, identity: Identity, keyring: Keyring, audit_public: tuple[int, bytes]) -> None:
        super().__init__(JSONTranscoder())
        self._registry = registry
        self._identity = identity
        self._keyring = keyring
        self._audit_public = audit_public

    def to_stored_event(self, domain_event: DomainEventProtocol[str]) -> StoredEvent:
        """Return the event sealed, ready to be inserted."""
        event = _event(domain_event)
        place = Place(self._registry, event.originator_id, event.originator_version, event.TOPIC)
        if isinstance(event, RosterEvent):
            state = self._roster_state(event, place)
        else:
            state = self.seal(place, codec.to_document(event, _COLUMNS))
        return StoredEvent(event.originator_id, event.originator_version, event.TOPIC, state)

    def _roster_state(self, event: RosterEvent, place: Place) -> bytes:
        kind = cast("Hashable", type(event))  # a class is hashable, whatever its instances are
        core = self.transcoder.encode(codec.to_document(event, _sealed_fields(kind) | _COLUMNS))
        sealed = self.seal(place, codec.to_document(event, _clear_fields(kind) | _COLUMNS))
        linked = roster_record.link(self._registry, place.version, place.topic, core, sealed)
        return RosterRecord(core, sealed, roster_record.sign(self._identity, linked)).encoded()

    def seal(self, place: Place, document: dict[str, Any]) -> bytes:
        """Return the envelope of a document; members without the ``audit`` key seal to its public half."""
        contents = CONTENTS_VERSION + self.transcoder.encode(document)
        if self._keyring.holds(AUDIT):
            key = self._keyring.current(AUDIT)
            return envelope.seal(key.key, key.number, place, contents)
        number, public = self._audit_public
        return envelope.seal_addressed(public, number, place, contents)

    def unseal(self, place: Place, sealed: bytes) -> dict[str, Any]:
        """Return the document of an envelope; ``NotPermitted`` without the key, ``IntegrityError`` if it was changed."""
        key = self._keyring.key(AUDIT, envelope.generation(sealed))
        contents = envelope.unseal(key.key, place, sealed)
        if contents[:1] != CONTENTS_VERSION:
            raise IntegrityError("an event's contents are in no known format", "a newer version may have written them")
        document = self.transcoder.decode(contents[1:])
        if not isinstance(document, dict):
            raise IntegrityError("an event's contents are not an object")
        return document

    def to_domain_event(self, stored_event: StoredEvent) -> Event:
        """Return the event; ``IntegrityError`` names the one that is not what was committed."""
        kind = event_class(stored_event.topic)
        originator, version = str(stored_event.originator_id), stored_event.originator_version
        place = Place(self._registry, originator, version, stored_event.topic)
        try:
            if issubclass(kind, RosterEvent):
                record = RosterRecord.parse(stored_event.state)
                document = {**self.transcoder.decode(record.core), **self.unseal(place, record.sealed)}
            else:
                document = self.unseal(place, stored_event.state)
            return codec.from_document(kind, document, originator_id=originator, originator_version=version)
        except IntegrityError as error:
            raise IntegrityError(f"event {version} of {originator} ({stored_event.topic}): {error}") from None
        except (ValueError, TypeError, KeyError, AttributeError):
            raise IntegrityError(f"event {version} of {originator} ({stored_event.topic}) has other contents") from None


def _event(domain_event: object) -> Event:
    if not isinstance(domain_event, Event):
        msg = "only the registry's own events are stored"
        raise TypeError(msg)
    return domain_event
