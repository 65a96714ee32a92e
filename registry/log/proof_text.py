"""A proof that one event is in the log, as a file of its own: C2SP tlog-proof (https://c2sp.org/tlog-proof, a draft).

::

    c2sp.org/tlog-proof@v1
    extra <base64>                   optional, and vouched for by nobody
    index <position>
    <hash, base64>                   one line for each hash of the inclusion proof
    <empty line>
    <the signed checkpoint, byte for byte>
"""

from msgspec import Struct

from registry.errors import IntegrityError
from registry.log import note
from registry.log.checkpoint import parse_hash, parse_number
from registry.log.note import LARGEST_NOTE, Note, decode_base64, encode_base64

MEDIA_LINE = "c2sp.org/tlog-proof@v1"
_EXTRA = "extra "
_INDEX = "index "
_MOST_HASHES = 63
"""The height of the highest tree whose size a checkpoint can state."""


class LogProof(Struct, frozen=True):
    """The parts of a proof; ``signed`` is the checkpoint, not checked yet."""

    index: int
    hashes: tuple[bytes, ...]
    signed: Note
    extra: bytes | None = None

    def encode(self) -> bytes:
        """Return the file's bytes."""
        lines = [MEDIA_LINE]
        if self.extra is not None:
            lines.append(_EXTRA + encode_base64(self.extra))
        lines += [f"{_INDEX}{self.index}", *map(encode_base64, self.hashes), "", ""]
        return "\n".join(lines).encode() + self.signed.encode()

    @classmethod
    def parse(cls, data: bytes) -> "LogProof":
        """Return the proof of a file; ``IntegrityError`` unless it is written exactly as ``encode`` writes it."""
        if len(data) > LARGEST_NOTE:
            raise IntegrityError("the proof is larger than any proof")
        head, _, signed = data.partition(b"\n\n")
        try:
            lines = head.decode("ascii").split("\n")
        except UnicodeDecodeError:
            raise IntegrityError("the proof is not a text") from None
        if lines.pop(0) != MEDIA_LINE:
            raise IntegrityError("that is not the proof of a log")
        extra = _extra(lines.pop(0)) if lines and lines[0].startswith(_EXTRA) else None
        if not lines or not lines[0].startswith(_INDEX):
            raise IntegrityError("the proof does not say of which entry it is")
        index = parse_number(lines.pop(0).removeprefix(_INDEX), "the proof's index")
        if len(lines) > _MOST_HASHES:
            raise IntegrityError("the proof is longer than any log is high")
        hashes = tuple(parse_hash(line, "a line of the proof") for line in lines)
        return cls(index, hashes, note.parse(signed), extra)


def _extra(line: str) -> bytes:
    extra = decode_base64(line.removeprefix(_EXTRA))
    if extra is None:
        raise IntegrityError("the extra line of the proof is not base64")
    return extra
