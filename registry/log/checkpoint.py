"""Checkpoints: what one commit's author vouches for, as a C2SP tlog-checkpoint (https://c2sp.org/tlog-checkpoint@v1.0.0).

::

    token-registry/<registry id, hex>            the origin
    <size: how many events there are>
    <root of the log, base64>
    commit <number>
    present <root of the present, base64>
    roster-length <how many events the roster has>
    roster-head <hash of the roster's last event, base64>
    shredded <number of the first commit whose destroyed keys may still be found in the files>

It is signed as a note by the commit's author, under the key name ``<origin>/<member id>``. Every line has one form, so
the text can be made again from its parts and need not be stored.
"""

import re
from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

from registry.errors import IntegrityError
from registry.log import note
from registry.log.merkle import HASH_LENGTH
from registry.log.note import Note, NoteKey, NoteSignature, decode_base64, encode_base64
from registry.values import MemberId

_ORIGIN = "token-registry/"
_NUMBER = re.compile(r"(?:0|[1-9][0-9]{0,18})\Z")
_MEMBER = re.compile(r"[0-9a-f]{32}\Z")
_LARGEST = 2**63 - 1
_HEAD_LINES = 3
_KEYS = ("commit", "present", "roster-length", "roster-head", "shredded")


class TreeHead(Struct, frozen=True):
    """Any log's checkpoint text, ours or another's: its origin, size and root, and the lines that extend it."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def text(self) -> str:
        """Return the text that is signed."""
        return "".join(f"{line}\n" for line in (self.origin, self.size, encode_base64(self.root), *self.extensions))

    @classmethod
    def parse(cls, text: str) -> "TreeHead":
        """Return the parts of a text; ``IntegrityError`` unless it is written exactly as ``text`` writes it."""
        lines = text.split("\n")
        if len(lines) <= _HEAD_LINES or lines.pop() or not all(lines):
            raise IntegrityError("a checkpoint has at least three lines, and none of them is empty")
        root = parse_hash(lines[2], "the checkpoint's root")
        return cls(lines[0], parse_number(lines[1], "the checkpoint's size"), root, tuple(lines[_HEAD_LINES:]))


def parse_number(text: str, what: str) -> int:
    """Return a number of a C2SP format: decimal, without leading zeros; ``IntegrityError`` names ``what`` is none."""
    if not _NUMBER.match(text) or int(text) > _LARGEST:
        raise IntegrityError(f"{what} is not a number")
    return int(text)


def parse_hash(text: str, what: str) -> bytes:
    """Return a hash of a C2SP format, in base64; ``IntegrityError`` names ``what`` is none."""
    hashed = decode_base64(text)
    if hashed is None or len(hashed) != HASH_LENGTH:
        raise IntegrityError(f"{what} is not a hash")
    return hashed


class Checkpoint(Struct, frozen=True, kw_only=True):
    """What a commit's author vouches for: all history with it, and all rows and members after it."""

    registry: bytes
    size: int
    root: bytes
    commit: int
    present: bytes
    roster_length: int
    roster_head: bytes
    shredded: int
    """Keys that commits before this number destroyed have left the files of the store."""

    def text(self) -> str:
        """Return the text that is signed."""
        # At one go: it is what TreeHead.text() makes of the same parts, but for each signature that is checked.
        return (
            f"{_ORIGIN}{self.registry.hex()}\n{self.size}\n{encode_base64(self.root)}\n"
            f"commit {self.commit}\npresent {encode_base64(self.present)}\nroster-length {self.roster_length}\n"
            f"roster-head {encode_base64(self.roster_head)}\nshredded {self.shredded}\n"
        )

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """Return the checkpoint of a text; ``IntegrityError`` unless it is written exactly as ``text`` writes it."""
        head = TreeHead.parse(text)
        parts = [line.partition(" ") for line in head.extensions]
        if tuple(key for key, _, _ in parts) != _KEYS:
            raise IntegrityError("the checkpoint has other lines than a registry's")
        commit, present, length, roster_head, shredded = (value for _, _, value in parts)
        return cls(
            registry=registry_of(head.origin),
            size=head.size,
            root=head.root,
            commit=parse_number(commit, "the checkpoint's commit"),
            present=parse_hash(present, "the checkpoint's present"),
            roster_length=parse_number(length, "the checkpoint's roster length"),
            roster_head=parse_hash(roster_head, "the checkpoint's roster head"),
            shredded=parse_number(shredded, "the checkpoint's shredded commits"),
        )


class SignedCheckpoint(Struct, frozen=True):
    """A checkpoint whose signatures were checked, and which members made them."""

    checkpoint: Checkpoint
    signers: tuple[MemberId, ...]


def origin(registry: bytes) -> str:
    """Return the first line of a registry's checkpoints: its name among all logs."""
    return f"{_ORIGIN}{registry.hex()}"


def registry_of(line: str) -> bytes:
    """Return the registry's id of an origin line; ``IntegrityError`` if it is not a registry's."""
    try:
        registry = bytes.fromhex(line.removeprefix(_ORIGIN))
    except ValueError:
        registry = b""
    if len(registry) != HASH_LENGTH or line != origin(registry):
        raise IntegrityError("the checkpoint is not a registry's")
    return registry


def member_key(registry: bytes, member: MemberId, public: bytes) -> NoteKey:
    """Return a member's key by which its checkpoints are verified; its ``text()`` is the member's vkey."""
    return NoteKey(f"{origin(registry)}/{member}", public)


def sign(checkpoint: Checkpoint, member: MemberId, public: bytes, signer: Callable[[bytes], bytes]) -> Note:
    """Return the checkpoint as a note signed by the member."""
    text = checkpoint.text()
    return Note(text, (note.sign(text, member_key(checkpoint.registry, member, public), signer),))


def restored(checkpoint: Checkpoint, member: MemberId, public: bytes, signature: bytes) -> Note:
    """Return the note that ``sign`` made, from the parts that are stored of it; nothing is checked."""
    key = member_key(checkpoint.registry, member, public)
    return Note(checkpoint.text(), (NoteSignature(key.name, key.id, signature),))


def verify(signed: Note, registry: bytes, members: Mapping[MemberId, bytes]) -> SignedCheckpoint:
    """Return the checkpoint and which of the members signed it, by their public keys.

    ``IntegrityError`` if it is another registry's, if no member signed it, or a member's signature is wrong. The
    origin is the caller's: no log says itself which log it is.
    """
    checkpoint = Checkpoint.parse(signed.text)
    if checkpoint.registry != registry:
        raise IntegrityError("the checkpoint is another registry's")
    keys = {member_key(registry, member, public): member for member, public in members.items()}
    return SignedCheckpoint(checkpoint, tuple(keys[key] for key in note.verify(signed, keys)))


def verify_foreign(signed: Note, name: str, known: Iterable[NoteKey]) -> TreeHead:
    """Return the head of any log by its origin; ``IntegrityError`` unless a known key signed it."""
    head = TreeHead.parse(signed.text)
    if head.origin != name:
        raise IntegrityError("the checkpoint is another log's")
    note.verify(signed, known)
    return head


def member_of(registry: bytes, key_name: str) -> MemberId:
    """Return the member a key name is of; ``IntegrityError`` if it is no member's of that registry."""
    of_registry, _, member = key_name.rpartition("/")
    if of_registry != origin(registry) or not _MEMBER.match(member):
        raise IntegrityError("the checkpoint is signed under a name that is no member's")
    return MemberId(member)
