"""What the log says of one event: the data of its leaf.

::

    leaf data   label, registry id (32), position (8), commit number (8), author, commit time, originator id,
                version (8), topic, SHA-256 of the sealed state (32); each behind its length in four bytes
    leaf hash   SHA-256(0x00 || leaf data), RFC 6962

Numbers are big-endian. Author, time, originator and topic are the texts as they are stored, byte for byte: a time is
what ``rfc3339`` wrote, and the same moment written otherwise is another leaf. Nothing in it needs a key to be read.
"""

import hashlib

from msgspec import Struct

from registry.errors import IntegrityError
from registry.log import labels
from registry.log.merkle import leaf_hash
from registry.sealing.labels import joined

REGISTRY_LENGTH = 32
LONGEST_LEAF = 65_535
"""The longest entry that a C2SP entry bundle can hold."""
_PARTS = 10
_NUMBER = 8


class Leaf(Struct, frozen=True):
    """An event as the log knows it. ``position`` is its dense index from 0; ``at`` the stored text of the time."""

    registry: bytes
    position: int
    commit: int
    author: str
    at: str
    originator_id: str
    version: int
    topic: str
    state_hash: bytes

    def data(self) -> bytes:
        """Return the leaf's data; ``IntegrityError`` if it is of a kind or size that no event has."""
        try:
            data = joined(
                labels.LEAF,
                self.registry,
                self.position.to_bytes(_NUMBER, "big"),
                self.commit.to_bytes(_NUMBER, "big"),
                self.author.encode(),
                self.at.encode(),
                self.originator_id.encode(),
                self.version.to_bytes(_NUMBER, "big"),
                self.topic.encode(),
                self.state_hash,
            )
        except (AttributeError, OverflowError, TypeError, UnicodeError):  # SQLite holds any type in any column
            raise IntegrityError("no event has such columns") from None
        if len(data) > LONGEST_LEAF:
            raise IntegrityError("no event has columns that long")
        return data

    def hashed(self) -> bytes:
        """Return the leaf hash."""
        return leaf_hash(self.data())

    @classmethod
    def parse(cls, data: bytes) -> "Leaf":
        """Return the leaf of its data; ``IntegrityError`` unless every byte is as ``data`` writes it."""
        parts = _parts(data)
        if len(parts) != _PARTS or parts[0] != labels.LEAF:
            raise IntegrityError("that is not the leaf of an event")
        _, registry, position, commit, author, at, originator, version, topic, state_hash = parts
        try:
            leaf = cls(
                registry,
                int.from_bytes(position, "big"),
                int.from_bytes(commit, "big"),
                author.decode(),
                at.decode(),
                originator.decode(),
                int.from_bytes(version, "big"),
                topic.decode(),
                state_hash,
            )
        except UnicodeDecodeError:
            raise IntegrityError("the leaf of an event holds a text that is none") from None
        lengths = (len(registry), len(state_hash))
        if lengths != (REGISTRY_LENGTH, hashlib.sha256().digest_size) or leaf.data() != data:
            raise IntegrityError("the leaf of an event holds a part of the wrong length")
        return leaf


def _parts(data: bytes) -> list[bytes]:
    parts = []
    place = 0
    while place < len(data):
        start = place + 4
        end = start + int.from_bytes(data[place:start], "big")
        if end > len(data):
            raise IntegrityError("the leaf of an event is cut off")
        parts.append(data[start:end])
        place = end
    return parts


def state_hash(state: bytes) -> bytes:
    """Return the hash by which a leaf commits to an event's sealed state."""
    return hashlib.sha256(state).digest()
