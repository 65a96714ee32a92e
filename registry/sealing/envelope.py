"""The envelope of an event's contents.

::

    version 1   01 generation(4) salt(32) commitment(32) ciphertext tag(16)      written by holders of the audit key
    version 2   02 generation(4) hpke(80) commitment(32) ciphertext tag(16)      written by anyone else

In version 1 the event key is derived from the audience's key, the salt and the event's place; in version 2 it is
random and sealed to the audience's public key. The place (registry, originator, version, topic) is associated data
as well, so an envelope opens nowhere else. Whoever is given one event key can open that event, and no other.
"""

from msgspec import Struct

from registry.errors import IntegrityError
from registry.sealing import aead, hpke, labels

SALTED = 1
ADDRESSED = 2
_HEADER = 5
_HPKE_LENGTH = 32 + aead.KEY_LENGTH + 16


class Place(Struct, frozen=True):
    """Where an event stands; its contents open at no other place."""

    registry: bytes
    originator: str
    version: int
    topic: str

    def encoded(self) -> bytes:
        """Return the place as associated data."""
        place = labels.joined_place(self.registry, self.originator, self.version)
        return place + labels.joined(self.topic.encode())


def _header(kind: int, generation: int) -> bytes:
    return bytes([kind]) + generation.to_bytes(4, "big")


def seal_addressed(public: bytes, generation: int, place: Place, contents: bytes) -> bytes:
    """Return a version 2 envelope, for writers who hold no key of the audience."""
    header, associated = _header(ADDRESSED, generation), place.encoded()
    key = aead.new_key()
    granted = hpke.seal_to(public, key, labels.joined(labels.EVENT_GRANT, header + associated))
    return header + granted + aead.seal_once(key, labels.EVENT_CONTENT, contents, header + associated)


def generation(envelope: bytes) -> int:
    """Return which generation of the audience can open the envelope; ``IntegrityError`` if it is not one."""
    if len(envelope) < _HEADER or envelope[0] not in (SALTED, ADDRESSED):
        raise IntegrityError("an event's contents are in no known format", "a newer version may have written it")
    return int.from_bytes(envelope[1:_HEADER], "big")


def addressed(envelope: bytes) -> bool:
    """Return whether the envelope could have been made by anybody who knows the audience's public key."""
    return envelope[:1] == bytes([ADDRESSED])


def opening(audience_key: bytes, place: Place, envelope: bytes) -> bytes:
    """Return the event key: it discloses this one event."""
    generation(envelope)
    header, body, associated = envelope[:_HEADER], envelope[_HEADER:], place.encoded()
    if envelope[0] == SALTED:
        salt = body[: aead.SALT_LENGTH]
        return aead.derive(audience_key, labels.EVENT_KEY, salt, header + associated)[: aead.KEY_LENGTH]
    private = sealing_key(audience_key)
    return hpke.open_with(private, body[:_HPKE_LENGTH], labels.joined(labels.EVENT_GRANT, header + associated))


def open_with(event_key: bytes, place: Place, envelope: bytes) -> bytes:
    """Return the contents, given the event's opening; ``IntegrityError`` for anything that was not sealed here."""
    generation(envelope)
    start = _HEADER + (aead.SALT_LENGTH if envelope[0] == SALTED else _HPKE_LENGTH)
    associated = envelope[:_HEADER] + place.encoded()
    return aead.open_once(event_key, labels.EVENT_CONTENT, envelope[start:], associated)


def sealing_key(audience_key: bytes) -> bytes:
    """Return the X25519 private key that every holder of the audience's key can derive."""
    return aead.derive(audience_key, labels.AUDIENCE_SEALING_KEY)[:32]


class Envelopes:
    """Envelopes under one generation of an audience's key; what they have in common is made once."""

    def __init__(self, audience_key: bytes, generation: int) -> None:
        self._audience_key = audience_key
        self._header = _header(SALTED, generation)
        self._lasting = aead.LastingKey(audience_key, labels.EVENT_KEY, labels.EVENT_CONTENT)

    def seal(self, place: Place, contents: bytes) -> bytes:
        """Return a version 1 envelope."""
        return self._header + self._lasting.seal(contents, self._header + place.encoded())

    def unseal(self, place: Place, envelope: bytes) -> bytes:
        """Return the contents of an envelope of either version; ``IntegrityError`` if it was not sealed here."""
        if envelope.startswith(self._header):
            return self._lasting.open(envelope[_HEADER:], self._header + place.encoded())
        return open_with(opening(self._audience_key, place, envelope), place, envelope)


def seal(audience_key: bytes, generation: int, place: Place, contents: bytes) -> bytes:
    """Return a version 1 envelope."""
    return Envelopes(audience_key, generation).seal(place, contents)


def unseal(audience_key: bytes, place: Place, envelope: bytes) -> bytes:
    """Return the contents, given the audience's key."""
    return Envelopes(audience_key, generation(envelope)).unseal(place, envelope)
