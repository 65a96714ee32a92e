"""What a folder of evidence is made of; ``docs/evidence.md`` describes it for those who write another verifier.

::

    manifest.json                         what is there, and in which version of this layout
    checkpoint                            the newest commit's signed checkpoint
    tile/<L>/<N>[.p/<W>]                  the tree, and
    tile/entries/<N>[.p/<W>]              its entries, as C2SP tlog-tiles lays them out
    commits/<N>[.p/<W>]                   every commit's signed checkpoint, 256 to a file
    states/<N>[.p/<W>]                    every event's sealed state, 256 to a file
    roster                                the positions of the roster's events, 8 bytes each
    openings                              position and event key of each disclosed event, 8 and 32 bytes

Files of our own begin with a line that names their kind and version. What has no fixed size stands behind its length
in four bytes.
"""

from collections.abc import Iterator
from typing import Annotated, BinaryIO, Literal

import msgspec
from msgspec import Meta, Struct

from registry.errors import IntegrityError
from registry.log.tiles import WIDTH, numbered_path
from registry.sealing.aead import KEY_LENGTH
from registry.store.rows import LARGEST_STATE

MANIFEST = "manifest.json"
COMMITS = "commits"
STATES = "states"
ROSTER = "roster"
OPENINGS = "openings"

LONGEST_NOTE = 4_096
"""No commit's checkpoint is longer: all its lines have a bounded length, and one member signed it."""
LONGEST_STATE = LARGEST_STATE
LEFT_OUT = b""
"""Stands in the place of a state that is longer: its hash in the entry is all that evidence has of it."""
LARGEST_MANIFEST = 4_096

_LENGTH = 4
POSITION = 8
OPENING = POSITION + KEY_LENGTH

Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class Manifest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is there. All of it is checked against the rest; nothing is believed for standing here."""

    format: Literal["token-registry evidence"] = "token-registry evidence"
    version: Literal[1] = 1
    registry: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
    size: Count
    """How many events the log has."""
    commits: Count
    roster: Count
    """How many of the events are the roster's."""
    openings: Count
    """How many events are disclosed."""

    def encode(self) -> bytes:
        """Return the file's bytes: there is one way to write it."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"

    @classmethod
    def parse(cls, data: bytes) -> "Manifest":
        """Return the manifest of a file; ``IntegrityError`` unless it is written exactly as ``encode`` writes it."""
        try:
            manifest = msgspec.json.decode(data, type=cls)
        except (ValueError, RecursionError):
            raise IntegrityError(
                f"{MANIFEST} is not that of evidence, or of a version that this program does not know"
            ) from None
        if manifest.encode() != data:
            raise IntegrityError(f"{MANIFEST} is written otherwise than evidence writes it")
        return manifest


def magic(kind: str) -> bytes:
    """Return the line with which a file of that kind begins."""
    return f"token-registry/evidence/v1/{kind}\n".encode()


def bundle_path(kind: str, index: int, count: int) -> str:
    """Return where the bundle lies that holds the 256 things from ``256 * index`` on, of ``count`` in all."""
    return f"{kind}/{numbered_path(index, min(WIDTH, count - index * WIDTH))}"


def framed(data: bytes) -> bytes:
    """Return the data behind its length."""
    return len(data).to_bytes(_LENGTH, "big") + data


def frames(file: BinaryIO, longest: int) -> Iterator[bytes]:
    """Give what stands in the rest of a file, one behind the other; ``IntegrityError`` where it is cut or too long."""
    while head := file.read(_LENGTH):
        length = int.from_bytes(head, "big")
        if len(head) < _LENGTH or length > longest:
            raise IntegrityError("it holds a part with a length that none has")
        data = file.read(length)
        if len(data) < length:
            raise IntegrityError("it is cut off")
        yield data
