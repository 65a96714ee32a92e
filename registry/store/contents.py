"""What events say, sealed and signed into their stored state, and back: the one place that knows both sides."""

from typing import Any

from msgspec import Struct

from registry.domain.events import Event
from registry.domain.roster import AUDIT
from registry.domain.roster_events import RosterEvent
from registry.errors import IntegrityError, InvalidValue
from registry.sealing import envelope, roster_record
from registry.sealing.envelope import Envelopes, Place
from registry.sealing.grants import AudienceKey
from registry.sealing.identity import Identity
from registry.sealing.keyring import Keyring
from registry.sealing.roster_record import RosterRecord
from registry.store import codec
from registry.store.rows import LARGEST_STATE, Stored
from registry.store.topics import event_class

CONTENTS_VERSION = b"\x01"
_ADDRESSED_TOPICS = frozenset({"token.disclosed"})
"""What members without the ``audit`` key may write. Anybody can seal to its public half, which stands in the clear."""
_COLUMNS = frozenset({"originator_id", "originator_version"})


class Contents:
    """Seals every event at its place under the ``audit`` audience; signs those of the roster as well.

    ``audit`` is the key to seal under where a commit itself makes it: whoever it takes the former one away from is
    not to read the commit.
    """

    def __init__(self, registry: bytes, identity: Identity, keyring: Keyring, audit: AudienceKey | None = None) -> None:
        self._audit = audit
        self._registry = registry
        self._identity = identity
        self._keyring = keyring
        self._envelopes: dict[int, Envelopes] = {}

    def stored(self, event: Event) -> Stored:
        """Return the event sealed, ready to be inserted; ``InvalidValue`` for one that nobody would accept."""
        place = Place(self._registry, event.originator_id, event.originator_version, event.TOPIC)
        if isinstance(event, RosterEvent):
            state = self._roster_state(event, place)
        else:
            state = self._sealed(place, codec.encode_event(event))
        if len(state) > LARGEST_STATE:
            raise InvalidValue(f"the event {event.TOPIC} would be larger than any event may be", "change less at once")
        return Stored(event.originator_id, event.originator_version, event.TOPIC, state)

    def _roster_state(self, event: RosterEvent, place: Place) -> bytes:
        clear = frozenset(event.__struct_fields__) - event.SEALED
        core = codec.encode(codec.to_document(event, event.SEALED | _COLUMNS))
        sealed = self.seal(place, codec.to_document(event, clear | _COLUMNS))
        linked = roster_record.link(self._registry, place.version, place.topic, core, sealed)
        return RosterRecord(core, sealed, roster_record.sign(self._identity, linked)).encoded()

    def seal(self, place: Place, document: Struct | dict[str, Any]) -> bytes:
        """Return the envelope of a document; members without the ``audit`` key seal to its public half."""
        return self._sealed(place, codec.encode(document))

    def _sealed(self, place: Place, document: bytes) -> bytes:
        contents = CONTENTS_VERSION + document
        if self._audit or self._keyring.holds(AUDIT):
            return self._under(self._audit or self._keyring.current(AUDIT)).seal(place, contents)
        generation = self._keyring.generation(AUDIT)
        if generation.public is None:
            raise IntegrityError("the roster names no key to seal the contents of events to")
        return envelope.seal_addressed(generation.public, generation.number, place, contents)

    def _under(self, key: AudienceKey) -> Envelopes:
        if key.number not in self._envelopes:
            self._envelopes[key.number] = Envelopes(key.key, key.number)
        return self._envelopes[key.number]

    def unseal(self, place: Place, sealed: bytes) -> dict[str, Any]:
        """Return what an envelope holds; ``NotPermitted`` without its key, ``IntegrityError`` if it was changed."""
        document = codec.decode(self.unsealed(place, sealed))
        if not isinstance(document, dict):
            raise IntegrityError("an event's contents are not an object")
        return document

    def unsealed(self, place: Place, sealed: bytes) -> bytes:
        """Return what an envelope holds as it was encoded; it raises what ``unseal`` does."""
        if envelope.addressed(sealed) and place.topic not in _ADDRESSED_TOPICS:
            raise IntegrityError("it was sealed without the key that its author must have")
        key = self._keyring.key(AUDIT, envelope.generation(sealed))
        contents = self._under(key).unseal(place, sealed)
        if contents[:1] != CONTENTS_VERSION:
            raise IntegrityError("an event's contents are in no known format", "a newer version may have written them")
        return contents[1:]

    def event(self, stored: Stored) -> Event:
        """Return the event of a stored state; ``IntegrityError`` names the one that is not what was committed."""
        kind = event_class(stored.topic)
        place = Place(self._registry, stored.originator_id, stored.originator_version, stored.topic)
        named = f"event {stored.originator_version} of {stored.originator_id} ({stored.topic})"
        try:
            if issubclass(kind, RosterEvent):
                record = RosterRecord.parse(stored.state)
                core, sealed = codec.decode(record.core), self.unseal(place, record.sealed)
                if not kind.SEALED.issuperset(sealed):
                    raise IntegrityError("its sealed part contradicts its core")
                document = {**core, **sealed}
            else:
                document = self.unseal(place, stored.state)
            return codec.from_document(
                kind, document, originator_id=stored.originator_id, originator_version=stored.originator_version
            )
        except IntegrityError as error:
            raise IntegrityError(f"{named}: {error}") from None
        except (ValueError, TypeError):
            raise IntegrityError(f"{named} has other contents") from None
