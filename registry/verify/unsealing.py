"""Opening many sealed values under few keys: what ``registry.sealing`` opens, several times as fast.

A call of ``hmac`` sets up its key each time, and takes longer for it than for hashing what events are bound to. Here
the two halves of HMAC (RFC 2104) are set up once for each long-lived key, and copied.
"""

import hashlib
import struct
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from registry.errors import IntegrityError
from registry.sealing import aead, envelope, hpke, labels
from registry.sealing.labels import joined

_sha512 = hashlib.sha512
_BLOCK = 128  # of SHA-512
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))
_REST_INNER = b"\x36" * (_BLOCK - aead.KEY_LENGTH)
_REST_OUTER = b"\x5c" * (_BLOCK - aead.KEY_LENGTH)
_NONCE = bytes(12)
_SALT = aead.SALT_LENGTH
_KEY = aead.KEY_LENGTH
_COMMITMENT = aead.COMMITMENT_LENGTH
_ID = 16
_HEADER = 5
_SALTED = _HEADER + _SALT
_COMMITTED = _SALTED + aead.COMMITMENT_LENGTH
_GRANTED = _HEADER + 32 + aead.KEY_LENGTH + 16
_length = struct.Struct(">I").pack
_version = struct.Struct(">IQ").pack
_CONTENT = joined(labels.EVENT_CONTENT)
_EVENT_CONTENT = _REST_INNER + _CONTENT
ADDRESSED = bytes([envelope.ADDRESSED])
"""How envelopes begin that anybody could have sealed who knows nothing but a public key."""
_OTHER_KEY = "a sealed value does not belong to its key"
_CHANGED = "a sealed value was changed, or moved from another place"


class LongKey:
    """A key under which many values are sealed, each with a salt of its own: the other side of ``aead.seal_under``."""

    __slots__ = ("_content", "inner", "outer")

    def __init__(self, key: bytes, key_label: bytes, label: bytes) -> None:
        self.inner = _sha512(key.translate(_INNER) + _REST_INNER + joined(key_label) + _length(_SALT))
        self.outer = _sha512(key.translate(_OUTER) + _REST_OUTER)
        self._content = joined(label)

    def open(self, sealed: bytes, associated: bytes, start: int = 0) -> bytes:
        """Return what was sealed, from a byte on; ``IntegrityError`` for any other key, associated data or byte."""
        end = start + _SALT
        inner, outer = self.inner.copy(), self.outer.copy()
        inner.update(sealed[start:end] + _length(len(associated)) + associated)
        outer.update(inner.digest())
        return open_single(outer.digest()[:_KEY], self._content, sealed, end, associated)


def open_single(key: bytes, content: bytes, sealed: bytes, start: int, associated: bytes) -> bytes:
    """Return what ``aead.seal_once`` sealed under a key, from a byte on; ``content`` is its label, joined."""
    inner = _sha512(key.translate(_INNER) + _REST_INNER + content).digest()
    derived = _sha512(key.translate(_OUTER) + _REST_OUTER + inner).digest()
    begin = start + _COMMITMENT
    # What is compared is stored in the clear, so how long it takes tells nobody anything.
    if derived[_KEY:] != sealed[start:begin]:
        raise IntegrityError(_OTHER_KEY)
    try:
        return AESGCM(derived[:_KEY]).decrypt(_NONCE, sealed[begin:], associated)
    except InvalidTag:
        raise IntegrityError(_CHANGED) from None


class Opener:
    """Opens the contents of events and cards, given every generation of the ``audit`` key."""

    def __init__(self, registry: bytes, keys: Mapping[int, bytes]) -> None:
        self._place = joined(registry) + _length(_ID)
        self._keys: dict[bytes, LongKey] = {}
        self._addressed: dict[bytes, bytes] = {}
        for number, key in keys.items():
            generation = _length(number)
            self._keys[b"\x01" + generation] = LongKey(key, labels.EVENT_KEY, labels.EVENT_CONTENT)
            self._addressed[b"\x02" + generation] = envelope.sealing_key(key)
        self._topics: dict[str, bytes] = {}

    def place(self, originator: str) -> bytes:
        """Return what places in a stream have in common."""
        return self._place + bytes.fromhex(originator)

    def knows(self, sealed: bytes) -> bool:
        """Return whether the key is there under which a value says that it is sealed."""
        return sealed[:_HEADER] in self._keys or sealed[:_HEADER] in self._addressed

    def open(self, place: bytes, version: int, topic: str, sealed: bytes) -> bytes:
        """Return what an envelope holds; ``IntegrityError`` for any other place, generation or byte."""
        header = sealed[:_HEADER]
        associated = header + place + _version(8, version) + (self._topics.get(topic) or self._topic(topic))
        key = self._keys.get(header)
        if key is None:
            return self._open_addressed(header, associated, sealed)
        # Here, as ``LongKey`` does it: each call would cost as much as a hash.
        inner, outer = key.inner.copy(), key.outer.copy()
        inner.update(sealed[_HEADER:_SALTED] + _length(len(associated)) + associated)
        outer.update(inner.digest())
        single = outer.digest()[:_KEY]
        derived = _sha512(single.translate(_INNER) + _EVENT_CONTENT).digest()
        derived = _sha512(single.translate(_OUTER) + _REST_OUTER + derived).digest()
        if derived[_KEY:] != sealed[_SALTED:_COMMITTED]:
            raise IntegrityError(_OTHER_KEY)
        try:
            return AESGCM(derived[:_KEY]).decrypt(_NONCE, sealed[_COMMITTED:], associated)
        except InvalidTag:
            raise IntegrityError(_CHANGED) from None

    def _topic(self, topic: str) -> bytes:
        encoded = self._topics[topic] = joined(topic.encode())
        return encoded

    def _open_addressed(self, header: bytes, associated: bytes, sealed: bytes) -> bytes:
        private = self._addressed.get(header)
        if private is None:
            raise IntegrityError("it is sealed under a key that there is not, or in no known format")
        info = joined(labels.EVENT_GRANT, associated)
        key = hpke.open_with(private, sealed[_HEADER:_GRANTED], info)
        return open_single(key, _CONTENT, sealed, _GRANTED, associated)
