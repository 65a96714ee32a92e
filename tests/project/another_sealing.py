"""The building blocks of another reader, written from ``docs/formats.md`` alone: it uses nothing of the library."""

import base64
import hashlib
import hmac

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def u32(number):
    """Return the number in 4 bytes."""
    return number.to_bytes(4, "big")


def u64(number):
    """Return the number in 8 bytes."""
    return number.to_bytes(8, "big")


def raw(value):
    """Return a part as bytes: labels by their last word, texts in UTF-8."""
    return value.encode() if isinstance(value, str) else value


def label(name):
    """Return a label in full."""
    return f"token-registry/v1/{name}".encode()


def joined(*parts):
    """Return the parts, each behind its length."""
    return b"".join(u32(len(raw(part))) + raw(part) for part in parts)


def derive(key, name, *parts):
    """Return 64 bytes."""
    return hmac.digest(key, joined(label(name), *parts), hashlib.sha512)


def open_once(key, name, sealed, associated):
    """Return what a key that seals one message sealed."""
    derived = derive(key, name)
    assert sealed[:32] == derived[32:]
    return AESGCM(derived[:32]).decrypt(bytes(12), sealed[32:], associated)


def open_under(key, key_name, name, sealed, associated):
    """Return what a key that lives longer sealed."""
    single = derive(key, key_name, sealed[:32], associated)[:32]
    return open_once(single, name, sealed[32:], associated)


def ids(text):
    """Return an id's bytes."""
    return bytes.fromhex(text)


def b64(text):
    """Return the bytes of a JSON text."""
    return base64.b64decode(text, validate=True)


def public_of(private):
    """Return the public key of an X25519 private one."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def hpke_open(private, sealed, info):
    """Return what was sealed to an X25519 key."""
    return SUITE.decrypt(sealed, X25519PrivateKey.from_private_bytes(private), info=info)
