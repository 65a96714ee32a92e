"""The invitation: what a newcomer must find in the store, told by whoever admitted it and not by the database.

::

    tri2:BASE64URL(registry id 32, size 8, hash of the checkpoint 32, roster version 4, roster head 32, checksum 4)

It holds no secret. The checksum is the start of a SHA-256: it catches a mangled paste.
"""

import base64
import binascii
import hashlib

from msgspec import Struct

from registry.errors import InvalidValue
from registry.sealing import labels

PREFIX = "tri2"
_LENGTH = 32 + 8 + 32 + 4 + 32
_HINT = "copy the whole line that 'member add' printed"


class Invitation(Struct, frozen=True):
    """The registry's id, and how far its log and roster had come when the newcomer was admitted."""

    registry_id: bytes
    size: int
    checkpoint: bytes
    """The hash of the checkpoint of that moment, and thereby of everything that its author vouched for."""
    roster_version: int
    roster_head: bytes

    def _told(self) -> bytes:
        counts = self.size.to_bytes(8, "big"), self.roster_version.to_bytes(4, "big")
        return self.registry_id + counts[0] + self.checkpoint + counts[1] + self.roster_head

    def text(self) -> str:
        """Return it as one line that can be mailed."""
        told = self._told()
        return f"{PREFIX}:{base64.urlsafe_b64encode(told + _checksum(told)).decode().rstrip('=')}"

    @classmethod
    def parse(cls, text: str) -> "Invitation":
        """Return the invitation of a line; ``InvalidValue`` if it was mangled on its way."""
        prefix, _, encoded = text.strip().partition(":")
        if prefix == "tri1":
            raise InvalidValue("the invitation is of an early version, without a log", "ask for a new one")
        if prefix != PREFIX:
            raise InvalidValue("that is not an invitation", _HINT)
        try:
            decoded = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise InvalidValue("the invitation was mangled: it contains what none contains", _HINT) from None
        told, checksum = decoded[:_LENGTH], decoded[_LENGTH:]
        if len(told) != _LENGTH or checksum != _checksum(told):
            raise InvalidValue("the invitation was mangled: its checksum does not fit", _HINT)
        version = int.from_bytes(told[72:76], "big")
        return cls(told[:32], int.from_bytes(told[32:40], "big"), told[40:72], version, told[76:])


def checkpoint_hash(text: str) -> bytes:
    """Return the hash by which an invitation names a checkpoint, of the text that its author signed."""
    return hashlib.sha256(labels.joined(labels.INVITED_CHECKPOINT, text.encode())).digest()


def _checksum(told: bytes) -> bytes:
    return hashlib.sha256(labels.joined(labels.INVITATION, told)).digest()[:4]
