"""The stored form of a roster event: a clear core, sealed contents, and the author's signature over both.

::

    record   02 core length(4) core  sealed length(4) sealed  signature(64)
    link     SHA-256(label, registry id, version, topic, core, sealed), parts length-prefixed
    signed   label, link

The core holds the link of the event before (``previous``), so the links are a hash chain; the first event's is the
registry's id, which is itself the hash of the founding statement.
"""

import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Struct

from registry.errors import IntegrityError
from registry.sealing import labels
from registry.sealing.identity import Identity

RECORD_VERSION = b"\x02"
_SIGNATURE_LENGTH = 64


class RosterRecord(Struct, frozen=True):
    """A roster event as it is stored, taken apart."""

    core: bytes
    sealed: bytes
    signature: bytes

    def encoded(self) -> bytes:
        """Return the stored bytes."""
        return RECORD_VERSION + labels.joined(self.core, self.sealed) + self.signature

    @classmethod
    def parse(cls, state: bytes) -> "RosterRecord":
        """Return the record; ``IntegrityError`` unless the bytes are exactly one."""
        record = cls(b"", b"", b"")
        if state[:1] == RECORD_VERSION:
            core, rest = _part(state[1:])
            sealed, signature = _part(rest)
            record = cls(core, sealed, signature)
        if len(record.signature) != _SIGNATURE_LENGTH or record.encoded() != state:
            raise IntegrityError("a roster event is in no known format", "a newer version may have written it")
        return record


def _part(data: bytes) -> tuple[bytes, bytes]:
    end = 4 + int.from_bytes(data[:4], "big")
    return data[4:end], data[end:]


def registry_id(statement: bytes) -> bytes:
    """Return the 32-byte id of the registry that a founding statement founds."""
    return hashlib.sha256(labels.joined(labels.FOUNDING, statement)).digest()


def stream_id(registry: bytes) -> str:
    """Return the originator id of the roster's stream."""
    return registry[:16].hex()


def link(registry: bytes, version: int, topic: str, core: bytes, sealed: bytes) -> bytes:
    """Return the hash that names a roster event and all before it."""
    parts = labels.joined(labels.ROSTER_LINK, registry, version.to_bytes(8, "big"), topic.encode(), core, sealed)
    return hashlib.sha256(parts).digest()


def sign(identity: Identity, linked: bytes) -> bytes:
    """Return the author's signature over the link."""
    return identity.sign(labels.joined(labels.ROSTER_SIGNATURE, linked))


def check_signature(key: bytes, linked: bytes, signature: bytes) -> None:
    """Raise ``IntegrityError`` unless the holder of the Ed25519 key signed the link."""
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, labels.joined(labels.ROSTER_SIGNATURE, linked))
    except (InvalidSignature, ValueError):
        raise IntegrityError("its signature is not its author's") from None
