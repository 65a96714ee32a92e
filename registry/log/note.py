"""C2SP signed notes, v1.0.0 (https://c2sp.org/signed-note@v1.0.0): a text with Ed25519 signatures under it.

::

    <text, its last line ended>
    <empty line>
    — <key name> <base64(key id (4) || signature)>        one line or more

    key id   SHA-256(key name || 0x0A || signature type || public key)[:4]
    vkey     <key name>+<hex key id>+<base64(signature type || public key)>

Stricter than the specification in one point: base64 is accepted only as it is written, so that a note has one form.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Struct

from registry.errors import IntegrityError, InvalidValue

ED25519 = b"\x01"
"""The signature type of plain Ed25519; lines of any other type count as unknown."""
PUBLIC_LENGTH = 32
SIGNATURE_LENGTH = 64
MOST_SIGNATURES = 100
"""How many signature lines are read: the specification asks for 16, Go's reader stops at 100 too."""
LARGEST_NOTE = 1_000_000

_ID_LENGTH = 4
_DASH = "\N{EM DASH} "
_KEY_ID = re.compile(r"[0-9a-f]{8}\Z")
_UNCLEAN = re.compile(r"[\x00-\x09\x0b-\x1f\ud800-\udfff]")
"""Control characters but the line's end, which the specification forbids, and what cannot be written as UTF-8."""


class NoteKey(Struct, frozen=True):
    """The public key by which notes are verified, under its name."""

    name: str
    public: bytes

    def __post_init__(self) -> None:
        """Refuse with ``InvalidValue`` what no key of a note can be."""
        if not is_key_name(self.name):
            raise InvalidValue("the name of a note's key is empty, or holds a space, a control character or '+'")
        if len(self.public) != PUBLIC_LENGTH:
            raise InvalidValue("a note's key is not an Ed25519 public key")

    @property
    def id(self) -> bytes:
        """The four bytes by which a signature line refers to the key."""
        return hashlib.sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:_ID_LENGTH]

    def text(self) -> str:
        """Return the key as a vkey, which every tool that knows signed notes reads."""
        return f"{self.name}+{self.id.hex()}+{encode_base64(ED25519 + self.public)}"

    @classmethod
    def parse(cls, text: str) -> "NoteKey":
        """Return the key of a vkey; ``InvalidValue`` if it is damaged or of a kind that is not Ed25519."""
        name, _, rest = text.partition("+")
        key_id, _, encoded = rest.partition("+")
        data = decode_base64(encoded)
        if not _KEY_ID.match(key_id) or not data:
            raise InvalidValue("that is not the vkey of a note", "a vkey is written name+id+base64")
        if data[:1] != ED25519:
            raise InvalidValue("the vkey is of a kind other than Ed25519")
        key = cls(name, data[1:])
        if key.id.hex() != key_id:
            raise InvalidValue("the vkey was mangled: its id does not fit its key")
        return key


class NoteSignature(Struct, frozen=True):
    """One signature line: which key made it, by its own word, and what it made."""

    name: str
    key_id: bytes
    value: bytes

    def line(self) -> str:
        """Return the line with its end."""
        return f"{_DASH}{self.name} {encode_base64(self.key_id + self.value)}\n"


class Note(Struct, frozen=True):
    """A text and the signatures under it, none of them checked."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def encode(self) -> bytes:
        """Return the note as it is stored, sent and shown."""
        return f"{self.text}\n{''.join(signature.line() for signature in self.signatures)}".encode()


def is_key_name(name: str) -> bool:
    """Say whether a key may have this name."""
    return bool(name) and "+" not in name and not any(map(str.isspace, name)) and not _UNCLEAN.search(name)


def encode_base64(data: bytes) -> str:
    """Return standard base64 with padding, which all C2SP formats use."""
    return base64.b64encode(data).decode()


def decode_base64(text: str) -> bytes | None:
    """Return what a text says in standard base64, or ``None`` unless it is written exactly so."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if encode_base64(data) == text else None


def sign(text: str, key: NoteKey, signer: Callable[[bytes], bytes]) -> NoteSignature:
    """Return the signature of a text, last line end included; ``InvalidValue`` for what no note can hold."""
    if not text.endswith("\n") or _UNCLEAN.search(text):
        raise InvalidValue("the text of a note ends its last line and holds no control characters")
    return NoteSignature(key.name, key.id, signer(text.encode()))


def parse(data: bytes) -> Note:
    """Return the note of its bytes, unchecked; ``IntegrityError`` if it is none."""
    if len(data) > LARGEST_NOTE:
        raise IntegrityError("the note is larger than any note")
    try:
        whole = data.decode()
    except UnicodeDecodeError:
        raise IntegrityError("the note is not UTF-8") from None
    if _UNCLEAN.search(whole):
        raise IntegrityError("the note holds a control character")
    body, separator, lines = whole.rpartition("\n\n")  # only the last empty line divides; the text may hold others
    if not separator or not lines.endswith("\n"):
        raise IntegrityError("the note has no signatures")
    if lines.count("\n") > MOST_SIGNATURES:
        raise IntegrityError("the note has more signatures than any note")
    return Note(f"{body}\n", tuple(_signature(line) for line in lines[:-1].split("\n")))


def _signature(line: str) -> NoteSignature:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    decoded = decode_base64(encoded)
    if not line.startswith(_DASH) or not is_key_name(name) or decoded is None or len(decoded) <= _ID_LENGTH:
        raise IntegrityError("the note has a signature line that is none")
    return NoteSignature(name, decoded[:_ID_LENGTH], decoded[_ID_LENGTH:])


def verify(note: Note, known: Iterable[NoteKey]) -> tuple[NoteKey, ...]:
    """Return which known keys signed the note; ``IntegrityError`` if none did, or any of their signatures is wrong.

    Signatures of unknown keys say nothing, good or bad. A known key's wrong signature condemns the whole note, as the
    specification demands: somebody made it up.
    """
    keys: dict[tuple[str, bytes], list[NoteKey]] = {}
    for key in known:
        keys.setdefault((key.name, key.id), []).append(key)
    found: dict[NoteKey, None] = {}
    text = note.text.encode()
    for signature in note.signatures:
        # An id has four bytes: a renewed member's two keys may share it, and only trying tells which one signed.
        candidates = keys.get((signature.name, signature.key_id), ())
        signed_by = next((key for key in candidates if _signed(key, signature, text)), None)
        if signed_by is not None:
            found[signed_by] = None
        elif candidates:
            raise IntegrityError(f"the signature of {signature.name} under the note is wrong")
    if not found:
        raise IntegrityError("none of the known keys signed the note")
    return tuple(found)


def _signed(key: NoteKey, signature: NoteSignature, text: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature.value, text)
    except (InvalidSignature, ValueError):
        return False
    return True
