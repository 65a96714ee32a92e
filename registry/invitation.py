"""The invitation: what a newcomer must find in the store, told by whoever admitted it and not by the database.

::

    tri1:BASE64URL(registry id 32, size 8, roster version 4, roster head 32, checksum 4)

It holds no secret. The checksum is the start of a SHA-256: it catches a mangled paste.
"""

import base64
import binascii
import hashlib

from msgspec import Struct

from registry.errors import InvalidValue

PREFIX = "tri1"
_LABEL = b"token-registry/v1/invitation"
_LENGTH = 32 + 8 + 4 + 32
_HINT = "copy the whole line that 'member add' printed"


class Invitation(Struct, frozen=True):
    """The registry's id, and how far its history and roster had come when the newcomer was admitted."""

    registry_id: bytes
    size: int
    roster_version: int
    roster_head: bytes

    def text(self) -> str:
        """Return it as one line that can be mailed."""
        data = (
            self.registry_id + self.size.to_bytes(8, "big") + self.roster_version.to_bytes(4, "big") + self.roster_head
        )
        return f"{PREFIX}:{base64.urlsafe_b64encode(data + _checksum(data)).decode().rstrip('=')}"

    @classmethod
    def parse(cls, text: str) -> "Invitation":
        """Return the invitation of a line; ``InvalidValue`` if it was mangled on its way."""
        prefix, _, encoded = text.strip().partition(":")
        if prefix != PREFIX:
            raise InvalidValue("that is not an invitation", _HINT)
        try:
            decoded = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise InvalidValue("the invitation was mangled: it contains what none contains", _HINT) from None
        data, checksum = decoded[:_LENGTH], decoded[_LENGTH:]
        if len(data) != _LENGTH or checksum != _checksum(data):
            raise InvalidValue("the invitation was mangled: its checksum does not fit", _HINT)
        return cls(data[:32], int.from_bytes(data[32:40], "big"), int.from_bytes(data[40:44], "big"), data[44:])


def _checksum(data: bytes) -> bytes:
    return hashlib.sha256(_LABEL + data).digest()[:4]
