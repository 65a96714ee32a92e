"""Credentials: the box they lie in, the data key that opens it, and the wrapping of that key.

::

    box       01 commitment(32) ciphertext tag(16)                    under a data key used for this box alone
    wrapped   01 generation(4) salt(32) commitment(32) ciphertext tag(16)    the data key, under a scope's audience

The box lies in the event and in the current row. The wrapped key lies in a table of its own and nowhere else: once it
is overwritten or deleted, nobody can open the box.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType

import msgspec
from msgspec import Struct

from registry.errors import IntegrityError
from registry.sealing import aead, labels
from registry.values import Secret, TokenId

BOX_VERSION = b"\x01"
WRAP_VERSION = b"\x01"
_STEP = 256
_JSON = json.JSONEncoder(separators=(",", ":"))
_encode = msgspec.json.Encoder().encode
_WRAP_HEADER = 5


class _Document(Struct, forbid_unknown_fields=True):
    provider: str
    fields: dict[str, str]


_DECODER = msgspec.json.Decoder(_Document)


class Credentials(Struct, frozen=True):
    """A provider's name and the values of all its fields, secret or not."""

    provider: str
    fields: Mapping[str, Secret]

    def encoded(self) -> bytes:
        """Return them as canonical JSON; the result is secret."""
        fields = {name: self.fields[name].reveal() for name in sorted(self.fields)}
        document = {"provider": self.provider, "fields": fields}
        with suppress(UnicodeEncodeError):  # half a character
            encoded = _encode(document)
            if encoded.isascii() and b"\x7f" not in encoded:
                return encoded  # the same bytes, in a tenth of the time
        return _JSON.encode(document).encode()

    @classmethod
    def decoded(cls, data: bytes) -> "Credentials":
        """Return what ``encoded`` encoded; ``IntegrityError`` for anything else."""
        try:
            loaded = _DECODER.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError):  # not what is wrong with it: that may be a part of a secret
            raise IntegrityError("a token's credentials are in no known format") from None
        fields = {name: Secret(value) for name, value in loaded.fields.items()}
        return cls(loaded.provider, MappingProxyType(fields))


class BoxPlace(Struct, frozen=True):
    """What a box and its data key are bound to: ids, never names, so that a rename re-seals nothing."""

    registry: bytes
    token: TokenId
    revision: int

    def encoded(self) -> bytes:
        """Return the place as associated data."""
        return labels.joined_place(self.registry, self.token, self.revision)


def _pad(data: bytes) -> bytes:
    # ISO/IEC 7816-4 padding to steps of 256 bytes, so that the size of a box does not tell the length of a secret.
    return data + b"\x80" + bytes(-(len(data) + 1) % _STEP)


def _unpad(data: bytes) -> bytes:
    unpadded, mark, zeros = data.rpartition(b"\x80")
    if not mark or zeros.strip(b"\x00"):
        raise IntegrityError("a token's credentials are padded in no known way")
    return unpadded


def seal_box(data_key: bytes, place: BoxPlace, credentials: Credentials) -> bytes:
    """Return the box. The data key must be fresh: it seals this box and no other."""
    return _boxed(data_key, place.encoded(), credentials)


def _boxed(data_key: bytes, place: bytes, credentials: Credentials) -> bytes:
    padded = _pad(credentials.encoded())
    return BOX_VERSION + aead.seal_once(data_key, labels.BOX_CONTENT, padded, BOX_VERSION + place)


def open_box(data_key: bytes, place: BoxPlace, box: bytes) -> Credentials:
    """Return the credentials; ``IntegrityError`` for any other key, token or revision."""
    if box[:1] != BOX_VERSION:
        raise IntegrityError("a token's credentials are in no known format", "a newer version may have written them")
    associated = BOX_VERSION + place.encoded()
    return Credentials.decoded(_unpad(aead.open_once(data_key, labels.BOX_CONTENT, box[1:], associated)))


class Wrapping:
    """Wraps data keys under one generation of an audience's key; what they have in common is made once."""

    def __init__(self, audience_key: bytes, audience: str, generation: int) -> None:
        self._audience = audience.encode()
        self._header = WRAP_VERSION + generation.to_bytes(4, "big")
        self._lasting = aead.LastingKey(audience_key, labels.DATA_KEY_WRAP_KEY, labels.DATA_KEY_WRAP)

    def seal(self, place: BoxPlace, credentials: Credentials) -> tuple[bytes, bytes]:
        """Return the box of the credentials and its data key, which is fresh, wrapped."""
        data_key, placed = aead.new_key(), place.encoded()
        return _boxed(data_key, placed, credentials), self._wrapped(placed, data_key)

    def wrap(self, place: BoxPlace, data_key: bytes) -> bytes:
        """Return the data key, wrapped."""
        return self._wrapped(place.encoded(), data_key)

    def _wrapped(self, place: bytes, data_key: bytes) -> bytes:
        return self._header + self._lasting.seal(data_key, self._associated(place))

    def unwrap(self, place: BoxPlace, wrapped: bytes) -> bytes:
        """Return the data key; ``IntegrityError`` for any other audience, generation, token or revision."""
        if not wrapped.startswith(self._header):
            raise IntegrityError("a data key lies under another generation of its key")
        return self._lasting.open(wrapped[_WRAP_HEADER:], self._associated(place.encoded()))

    def _associated(self, place: bytes) -> bytes:
        return self._header + labels.joined(self._audience, place)


def wrap(audience_key: bytes, audience: str, generation: int, place: BoxPlace, data_key: bytes) -> bytes:
    """Return the data key, wrapped for an audience."""
    return Wrapping(audience_key, audience, generation).wrap(place, data_key)


def wrap_generation(wrapped: bytes) -> int:
    """Return which generation of the audience opens the wrapped key; ``IntegrityError`` if it is not one."""
    if len(wrapped) < _WRAP_HEADER or wrapped[:1] != WRAP_VERSION:
        raise IntegrityError("a data key is in no known format", "a newer version may have written it")
    return int.from_bytes(wrapped[1:_WRAP_HEADER], "big")


def unwrap(audience_key: bytes, audience: str, place: BoxPlace, wrapped: bytes) -> bytes:
    """Return the data key; ``IntegrityError`` for any other audience, generation, token or revision."""
    return Wrapping(audience_key, audience, wrap_generation(wrapped)).unwrap(place, wrapped)
