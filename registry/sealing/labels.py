"""Domain-separation labels: one for each use of a key or hash, so that no output of one use can serve another.

``docs/formats.md`` lists where each stands. A label never changes its meaning; a new construction gets a new one.
"""

import struct

FOUNDING = b"token-registry/v1/founding-statement"
ROSTER_LINK = b"token-registry/v1/roster-link"
ROSTER_SIGNATURE = b"token-registry/v1/roster-signature"

EVENT_KEY = b"token-registry/v1/event-key"
EVENT_GRANT = b"token-registry/v1/event-key-hpke"
EVENT_CONTENT = b"token-registry/v1/event-content"

BOX_CONTENT = b"token-registry/v1/credentials-box"
DATA_KEY_WRAP_KEY = b"token-registry/v1/data-key-wrap-key"
DATA_KEY_WRAP = b"token-registry/v1/data-key-wrap"

LABEL_KEY = b"token-registry/v1/application-label-key"
LABEL_CONTENT = b"token-registry/v1/application-label"

FORMER_KEY_KEY = b"token-registry/v1/former-audience-key-key"
FORMER_KEY = b"token-registry/v1/former-audience-key"

AUDIENCE_GRANT = b"token-registry/v1/audience-grant"
AUDIENCE_COMMITMENT = b"token-registry/v1/audience-commitment"
AUDIENCE_SEALING_KEY = b"token-registry/v1/audience-sealing-key"

NAME_INDEX_KEY = b"token-registry/v1/name-index-key"
NAME_INDEX = b"token-registry/v1/name-index"
FINGERPRINT = b"token-registry/v1/fingerprint"

IDENTITY_KEY = b"token-registry/v1/identity-file"
PUBLIC_LINE = b"token-registry/v1/public-line"
INVITATION = b"token-registry/v1/invitation"
INVITED_CHECKPOINT = b"token-registry/v1/invited-checkpoint"


_length = struct.Struct(">I").pack
_place = struct.Struct(">I32s I16s IQ").pack


def joined(*parts: bytes) -> bytes:
    """Return the parts, each behind its length in four bytes: no two lists of parts join to the same bytes."""
    return b"".join([_length(len(part)) + part for part in parts])


def joined_place(registry: bytes, identity: str, number: int) -> bytes:
    """Return ``joined(registry, id, u64(number))``, with which the place of everything sealed begins.

    It is packed in one step because nothing is made more often. ``ValueError`` for what has another length.
    """
    name = bytes.fromhex(identity)
    if (len(registry), len(name)) != (32, 16):  # packing would cut or fill it, and two places could be one
        msg = "a registry is named by 32 bytes, what is in it by 16"
        raise ValueError(msg)
    return _place(32, registry, 16, name, 8, number)
