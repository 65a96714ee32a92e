"""A member's identity: two private keys in a file of its own, and the public line that others may have.

::

    file     one JSON object: version, name, public, and either ``keys`` (base64 of 64 bytes) or, under a passphrase,
             ``argon2id`` (salt, iterations, lanes, memory in KiB) and ``sealed``
    line     trm1:NAME:BASE64URL(signing key 32, sealing key 32, checksum 4)

The checksum is the start of a SHA-256 over name and keys: it catches a mangled paste, not an attacker.
"""

import base64
import binascii
import contextlib
import hashlib
import json
import os
import stat
import unicodedata
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct

from registry.domain.roster import MemberKeys
from registry.errors import (
    AlreadyExists,
    IdentityMissing,
    IdentityUnreadable,
    IntegrityError,
    InvalidValue,
    RegistryError,
    WrongPassphrase,
)
from registry.sealing import aead, hpke, labels
from registry.sealing.public_keys import check_keys
from registry.values import Secret, parse_member_name

FILE_VERSION = 1
LINE_PREFIX = "trm1"
_CHECKSUM_LENGTH = 4
_KEYS_LENGTH = 64
_LARGEST_FILE = 65_536


class PassphraseCost(Struct, frozen=True):
    """What one guess at a passphrase costs; it stands in the file, so that it can be raised later."""

    iterations: int
    lanes: int
    memory_kib: int


RFC_9106_LOW_MEMORY = PassphraseCost(iterations=3, lanes=4, memory_kib=65_536)
"""The second recommended option of RFC 9106, section 4: 64 MiB."""
CHEAPEST = PassphraseCost(iterations=1, lanes=1, memory_kib=8)
"""Only for tests."""
_DEAREST = PassphraseCost(iterations=64, lanes=64, memory_kib=4_194_304)


class PublicIdentity(Struct, frozen=True):
    """The half of an identity that others may have; the name is the member's own word."""

    name: str
    keys: MemberKeys

    def line(self) -> str:
        """Return it as one line that can be mailed."""
        data = self.keys.signing + self.keys.sealing
        encoded = base64.urlsafe_b64encode(data + _checksum(self.name, data)).decode().rstrip("=")
        return f"{LINE_PREFIX}:{self.name}:{encoded}"

    @classmethod
    def parse(cls, line: str) -> "PublicIdentity":
        """Return the identity of a line; ``InvalidValue`` if it was mangled, or has keys that nobody may have."""
        hint = "copy the whole line that 'identity show' prints"
        prefix, _, rest = line.strip().partition(":")
        name, _, encoded = rest.partition(":")
        if prefix != LINE_PREFIX or not encoded or not line.isascii():
            raise InvalidValue("that is not the public line of an identity", hint)
        try:
            decoded = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise InvalidValue("the public line was mangled: it contains what no such line contains", hint) from None
        data, checksum = decoded[:_KEYS_LENGTH], decoded[_KEYS_LENGTH:]
        if len(data) != _KEYS_LENGTH or checksum != _checksum(name, data):
            raise InvalidValue("the public line was mangled: its checksum does not fit", hint)
        keys = MemberKeys(data[:32], data[32:])
        check_keys(keys)  # whoever made it chose it so: no identity comes by such keys by chance
        return cls(parse_member_name(name), keys)


def _checksum(name: str, data: bytes) -> bytes:
    return hashlib.sha256(labels.joined(labels.PUBLIC_LINE, name.encode(), data)).digest()[:_CHECKSUM_LENGTH]


class Identity:
    """An opened identity: it signs, and opens what was sealed to it."""

    __slots__ = ("_sealing", "_signing", "name", "public")

    def __init__(self, name: str, signing: bytes, sealing: bytes) -> None:
        self.name = name
        self._signing = Ed25519PrivateKey.from_private_bytes(signing)
        self._sealing = sealing
        self.public = PublicIdentity(
            name, MemberKeys(self._signing.public_key().public_bytes_raw(), hpke.public_of(sealing))
        )

    def __repr__(self) -> str:
        return f"Identity({self.name!r})"

    @classmethod
    def generate(cls, name: str) -> "Identity":
        """Return a fresh identity; ``InvalidValue`` for a name no member can have."""
        return cls(parse_member_name(name), aead.new_key(), aead.new_key())

    def sign(self, message: bytes) -> bytes:
        """Return the Ed25519 signature, 64 bytes."""
        return self._signing.sign(message)

    @property
    def sealing_private(self) -> bytes:
        """The X25519 private key, for opening grants."""
        return self._sealing

    def _keys(self) -> bytes:
        return self._signing.private_bytes_raw() + self._sealing

    def save(self, path: Path, passphrase: Secret | None = None, cost: PassphraseCost = RFC_9106_LOW_MEMORY) -> None:
        """Write the identity to a new file that only its owner may read; ``AlreadyExists`` if there is one."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except FileExistsError:
            if not path.parent.is_dir():
                raise IdentityUnreadable(f"{path} cannot be written: what should be its folder is a file") from None
            raise AlreadyExists(f"the identity file {path} exists already", "it is never overwritten") from None
        except OSError as error:
            raise IdentityUnreadable(f"the identity file {path} cannot be written: {error.strerror}") from None
        try:
            self._write(descriptor, passphrase, cost)
        except BaseException as error:
            # A half-written identity would stand in the way of the next attempt, which never overwrites.
            path.unlink()
            if isinstance(error, OSError):
                raise IdentityUnreadable(f"the identity file {path} cannot be written: {error.strerror}") from None
            raise

    def replace(self, path: Path, passphrase: Secret | None, cost: PassphraseCost = RFC_9106_LOW_MEMORY) -> None:
        """Write the identity over its own file, whole or not at all."""
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            try:
                self._write(descriptor, passphrase, cost)
                partial.replace(path)
            finally:
                with contextlib.suppress(FileNotFoundError):
                    partial.unlink()
        except OSError as error:
            raise IdentityUnreadable(f"the identity file {path} cannot be written: {error.strerror}") from None

    def _write(self, descriptor: int, passphrase: Secret | None, cost: PassphraseCost) -> None:
        document: dict[str, Any] = {"version": FILE_VERSION, "name": self.name, "public": self.public.line()}
        if passphrase is None:
            document["keys"] = base64.b64encode(self._keys()).decode()
        else:
            salt = os.urandom(16)
            key = _passphrase_key(passphrase, salt, cost)
            associated = labels.joined(labels.IDENTITY_KEY, document["public"].encode())
            document["argon2id"] = {
                "salt": base64.b64encode(salt).decode(),
                "iterations": cost.iterations,
                "lanes": cost.lanes,
                "memory_kib": cost.memory_kib,
            }
            sealed = aead.seal_once(key, labels.IDENTITY_KEY, self._keys(), associated)
            document["sealed"] = base64.b64encode(sealed).decode()
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(json.dumps(document, indent=1) + "\n")
            file.flush()
            os.fsync(file.fileno())


def _passphrase_key(passphrase: Secret, salt: bytes, cost: PassphraseCost) -> bytes:
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id  # noqa: PLC0415 - only under a passphrase

    kdf = Argon2id(salt=salt, length=32, iterations=cost.iterations, lanes=cost.lanes, memory_cost=cost.memory_kib)
    return kdf.derive(unicodedata.normalize("NFC", passphrase.reveal()).encode())


class IdentityFile(Struct, frozen=True):
    """An identity file that was read but not opened yet."""

    path: Path
    document: dict[str, Any]

    def __repr__(self) -> str:
        return f"IdentityFile({str(self.path)!r})"

    @property
    def locked(self) -> bool:
        """Whether it takes a passphrase to open."""
        return "sealed" in self.document

    @property
    def public(self) -> PublicIdentity:
        """The public half, which needs no passphrase."""
        try:
            return PublicIdentity.parse(str(self.document["public"]))
        except (KeyError, InvalidValue):
            raise _damaged(self.path) from None

    def open(self, passphrase: Secret | None = None) -> Identity:
        """Return the identity; ``WrongPassphrase`` or ``IdentityUnreadable`` if that fails."""
        if self.document.get("version") != FILE_VERSION:
            raise IdentityUnreadable(f"the identity file {self.path} is of another version", "update this program")
        try:
            keys = self._open_keys(passphrase)
            identity = Identity(str(self.document["name"]), keys[:32], keys[32:_KEYS_LENGTH])
            line = identity.public.line()
        except (KeyError, TypeError, ValueError):
            raise _damaged(self.path) from None
        if len(keys) != _KEYS_LENGTH or line != self.document.get("public"):
            raise _damaged(self.path)
        return identity

    def _open_keys(self, passphrase: Secret | None) -> bytes:
        if not self.locked:
            return base64.b64decode(self.document["keys"], validate=True)
        if passphrase is None:
            raise WrongPassphrase(
                f"the identity {self.path} is under a passphrase", "TOKEN_REGISTRY_PASSPHRASE_FILE can name its file"
            )
        stored = self.document["argon2id"]
        cost = PassphraseCost(int(stored["iterations"]), int(stored["lanes"]), int(stored["memory_kib"]))
        if not (
            0 < cost.iterations <= _DEAREST.iterations
            and 0 < cost.lanes <= _DEAREST.lanes
            and 0 < cost.memory_kib <= _DEAREST.memory_kib
        ):
            raise _damaged(self.path)
        key = _passphrase_key(passphrase, base64.b64decode(stored["salt"], validate=True), cost)
        associated = labels.joined(labels.IDENTITY_KEY, str(self.document["public"]).encode())
        sealed = base64.b64decode(self.document["sealed"], validate=True)
        try:
            return aead.open_once(key, labels.IDENTITY_KEY, sealed, associated)
        except IntegrityError:
            raise WrongPassphrase(f"the identity {self.path} does not open under this passphrase") from None


def _damaged(path: Path) -> RegistryError:
    return IdentityUnreadable(f"the identity file {path} is damaged", "restore it from a copy")


def read_identity(path: Path) -> IdentityFile:
    """Return the identity file; ``IdentityMissing``, or ``IdentityUnreadable`` if others may read it or it is none."""
    try:
        # Opened without waiting, so that a pipe in its place is refused instead of waited for.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(_LARGEST_FILE + 1)
    except FileNotFoundError:
        raise IdentityMissing(
            f"there is no identity at {path}", "'identity new' makes one, 'init' founds a registry"
        ) from None
    except OSError as error:
        raise IdentityUnreadable(f"the identity file {path} cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(mode) or stat.S_IMODE(mode) & 0o077:
        raise IdentityUnreadable(f"other users may read the identity file {path}", f"chmod 600 {path}")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        raise _damaged(path) from None
    if len(data) > _LARGEST_FILE or not isinstance(document, dict):
        raise _damaged(path)
    return IdentityFile(path, document)
