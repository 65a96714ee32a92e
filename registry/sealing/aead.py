"""The one construction under every sealed thing: a committing AES-256-GCM box for a key that is used once.

From the single-use key, HMAC-SHA512 derives the AES key and a key commitment; the commitment stands before the
ciphertext and is compared before anything is decrypted, because AES-GCM alone lets one ciphertext open under two
keys (the AWS Encryption SDK's committing suite 0x0478 does the same with HKDF). The nonce is all zero: it is safe
because no key ever seals a second message.
"""

import hmac
import os
from functools import cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512, HashAlgorithm
from cryptography.hazmat.primitives.hmac import HMAC

from registry.errors import IntegrityError
from registry.sealing.labels import joined

KEY_LENGTH = 32
SALT_LENGTH = 32
COMMITMENT_LENGTH = 32
_NONCE = bytes(12)
_SHA512 = SHA512()


def new_key() -> bytes:
    """Return 32 fresh random bytes."""
    return os.urandom(KEY_LENGTH)


class Keyed:
    """HMAC under one key, of messages that begin alike: key and beginning are taken up once, and kept."""

    __slots__ = ("_begun",)

    def __init__(self, hashed: HashAlgorithm, key: bytes, beginning: bytes) -> None:
        self._begun = _keyed(key, hashed)
        self._begun.update(beginning)

    def digest(self, rest: bytes) -> bytes:
        """Return the HMAC of the beginning and the rest."""
        going = self._begun.copy()
        going.update(rest)
        return going.finalize()


def derive(key: bytes, label: bytes, *parts: bytes) -> bytes:
    """Return HMAC-SHA512 under the key of the label and the parts, each length-prefixed: 64 bytes."""
    return _hmac(key, joined(label, *parts))


def _hmac(key: bytes, message: bytes) -> bytes:
    going = _keyed(key, _SHA512)
    going.update(message)
    return going.finalize()


def _keyed(key: bytes, hashed: HashAlgorithm) -> HMAC:
    if len(key) != KEY_LENGTH:
        raise IntegrityError(f"a key is not {KEY_LENGTH} bytes long")
    return HMAC(key, hashed)


@cache
def _labelled(label: bytes) -> bytes:
    return joined(label)


def seal_once(key: bytes, label: bytes, plaintext: bytes, associated: bytes) -> bytes:
    """Return commitment, ciphertext and tag. The key must be fresh: it seals this message and no other."""
    derived = _hmac(key, _labelled(label))
    return derived[32:] + AESGCM(derived[:32]).encrypt(_NONCE, plaintext, associated)


def open_once(key: bytes, label: bytes, sealed: bytes, associated: bytes) -> bytes:
    """Return what ``seal_once`` sealed; ``IntegrityError`` for any other key, associated data or byte."""
    derived = _hmac(key, _labelled(label))
    if not hmac.compare_digest(derived[32:], sealed[:COMMITMENT_LENGTH]):
        raise IntegrityError("a sealed value does not belong to its key")
    try:
        return AESGCM(derived[:32]).decrypt(_NONCE, sealed[COMMITMENT_LENGTH:], associated)
    except InvalidTag:
        raise IntegrityError("a sealed value was changed, or moved from another place") from None


class LastingKey:
    """A key that lives longer, in one use: a random salt gives each message a single-use key of its own."""

    __slots__ = ("_keyed", "_label")

    def __init__(self, key: bytes, key_label: bytes, label: bytes) -> None:
        self._keyed = Keyed(_SHA512, key, joined(key_label))
        self._label = label

    def single_use(self, salt: bytes, associated: bytes) -> bytes:
        """Return the key that seals one message."""
        return self._keyed.digest(joined(salt, associated))[:KEY_LENGTH]

    def seal(self, plaintext: bytes, associated: bytes) -> bytes:
        """Return salt and sealed box."""
        salt = os.urandom(SALT_LENGTH)
        return salt + seal_once(self.single_use(salt, associated), self._label, plaintext, associated)

    def open(self, sealed: bytes, associated: bytes) -> bytes:
        """Return what ``seal`` sealed; ``IntegrityError`` for any other key, associated data or byte."""
        single_use = self.single_use(sealed[:SALT_LENGTH], associated)
        return open_once(single_use, self._label, sealed[SALT_LENGTH:], associated)


def seal_under(key: bytes, key_label: bytes, label: bytes, plaintext: bytes, associated: bytes) -> bytes:
    """Return salt and sealed box under a long-lived key that is used just now."""
    return LastingKey(key, key_label, label).seal(plaintext, associated)


def open_under(key: bytes, key_label: bytes, label: bytes, sealed: bytes, associated: bytes) -> bytes:
    """Return what ``seal_under`` sealed; ``IntegrityError`` for any other key, associated data or byte."""
    return LastingKey(key, key_label, label).open(sealed, associated)
