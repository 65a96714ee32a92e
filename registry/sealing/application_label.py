"""An application's name, sealed under the application's own audience, so that its members can read it.

::

    label    01 generation(4) salt(32) commitment(32) ciphertext tag(16)
"""

from registry.errors import IntegrityError
from registry.sealing import aead, labels
from registry.sealing.grants import AudienceKey
from registry.values import ApplicationId

VERSION = b"\x01"
_HEADER = 5


def _associated(header: bytes, registry: bytes, application: ApplicationId) -> bytes:
    return header + labels.joined(registry, bytes.fromhex(application))


def seal(registry: bytes, application: ApplicationId, key: AudienceKey, name: str) -> bytes:
    """Return the name, sealed."""
    header = VERSION + key.number.to_bytes(4, "big")
    associated = _associated(header, registry, application)
    return header + aead.seal_under(key.key, labels.LABEL_KEY, labels.LABEL_CONTENT, name.encode(), associated)


def generation(label: bytes) -> int:
    """Return which generation of the application's audience opens the label."""
    if len(label) < _HEADER or label[:1] != VERSION:
        raise IntegrityError("an application's label is in no known format", "a newer version may have written it")
    return int.from_bytes(label[1:_HEADER], "big")


def unseal(registry: bytes, application: ApplicationId, key: AudienceKey, label: bytes) -> str:
    """Return the name; ``IntegrityError`` for any other application, key or byte."""
    generation(label)
    associated = _associated(label[:_HEADER], registry, application)
    sealed = label[_HEADER:]
    return aead.open_under(key.key, labels.LABEL_KEY, labels.LABEL_CONTENT, sealed, associated).decode()
