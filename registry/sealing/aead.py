"""The one construction under every sealed thing: a committing AES-256-GCM box for a key that is used once.

From the single-use key, HMAC-SHA512 derives the AES key and a key commitment; the commitment stands before the
ciphertext and is compared before anything is decrypted, because AES-GCM alone lets one ciphertext open under two
keys (the AWS Encryption SDK's committing suite 0x0478 does the same with HKDF). The nonce is all zero: it is safe
because no key ever seals a second message.
"""

import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from registry.errors import IntegrityError
from registry.sealing.labels import joined

KEY_LENGTH = 32
SALT_LENGTH = 32
COMMITMENT_LENGTH = 32
_NONCE = bytes(12)


def new_key() -> bytes:
    """Return 32 fresh random bytes."""
    return os.urandom(KEY_LENGTH)


def derive(key: bytes, label: bytes, *parts: bytes) -> bytes:
    """Return HMAC-SHA512 under the key of the label and the parts, each length-prefixed: 64 bytes."""
    return hmac.digest(key, joined(label, *parts), hashlib.sha512)


def seal_once(key: bytes, label: bytes, plaintext: bytes, associated: bytes) -> bytes:
    """Return commitment, ciphertext and tag. The key must be fresh: it seals this message and no other."""
    derived = derive(key, label)
    return derived[32:] + AESGCM(derived[:32]).encrypt(_NONCE, plaintext, associated)


def open_once(key: bytes, label: bytes, sealed: bytes, associated: bytes) -> bytes:
    """Return what ``seal_once`` sealed; ``IntegrityError`` for any other key, associated data or byte."""
    derived = derive(key, label)
    if not hmac.compare_digest(derived[32:], sealed[:COMMITMENT_LENGTH]):
        raise IntegrityError("a sealed value does not belong to its key")
    try:
        return AESGCM(derived[:32]).decrypt(_NONCE, sealed[COMMITMENT_LENGTH:], associated)
    except InvalidTag:
        raise IntegrityError("a sealed value was changed, or moved from another place") from None


def seal_under(key: bytes, key_label: bytes, label: bytes, plaintext: bytes, associated: bytes) -> bytes:
    """Return salt and sealed box under a long-lived key, by way of a single-use key derived with a random salt."""
    salt = os.urandom(SALT_LENGTH)
    return salt + seal_once(derive(key, key_label, salt, associated)[:KEY_LENGTH], label, plaintext, associated)


def open_under(key: bytes, key_label: bytes, label: bytes, sealed: bytes, associated: bytes) -> bytes:
    """Return what ``seal_under`` sealed; ``IntegrityError`` for any other key, associated data or byte."""
    salt = sealed[:SALT_LENGTH]
    single_use = derive(key, key_label, salt, associated)[:KEY_LENGTH]
    return open_once(single_use, label, sealed[SALT_LENGTH:], associated)
