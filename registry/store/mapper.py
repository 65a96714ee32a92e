"""The mapper of ``eventsourcing`` over the registry's own contents."""

from typing import Any

from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import Mapper, StoredEvent, Transcoder

from registry.domain.events import Event
from registry.store import codec
from registry.store.contents import Contents
from registry.store.rows import Stored


class JSONDocuments(Transcoder):
    """Transcodes documents to compact JSON."""

    def encode(self, obj: object) -> bytes:
        """Return compact JSON in UTF-8."""
        return codec.encode(obj)

    def decode(self, data: bytes) -> Any:  # noqa: ANN401 - whatever the JSON stands for
        """Return what the JSON stands for; ``ValueError`` if it is none."""
        return codec.decode(data)


class SealingMapper(Mapper[str]):
    """Maps events to stored events and back, sealed; nothing else of a mapper's settings applies."""

    def __init__(self, contents: Contents) -> None:
        super().__init__(JSONDocuments())
        self._contents = contents

    def to_stored_event(self, domain_event: DomainEventProtocol[str]) -> StoredEvent:
        """Return the event sealed, ready to be inserted."""
        if not isinstance(domain_event, Event):
            msg = "only the registry's own events are stored"
            raise TypeError(msg)
        stored = self._contents.stored(domain_event)
        return StoredEvent(stored.originator_id, stored.originator_version, stored.topic, stored.state)

    def to_domain_event(self, stored_event: StoredEvent) -> Event:
        """Return the event; ``IntegrityError`` names the one that is not what was committed."""
        return self._contents.event(
            Stored(
                str(stored_event.originator_id),
                stored_event.originator_version,
                stored_event.topic,
                stored_event.state,
            )
        )
