"""HPKE (RFC 9180) in the one suite the registry uses: X25519, HKDF-SHA256, AES-256-GCM, base mode, single shot."""

from functools import cache
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from registry.errors import IntegrityError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.hpke import Suite


@cache
def _suite() -> "Suite":
    from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite  # noqa: PLC0415 - not on the start-up path

    return Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def seal_to(public: bytes, plaintext: bytes, info: bytes) -> bytes:
    """Return the encapsulated key and the ciphertext for the holder of the X25519 key (32 bytes)."""
    try:
        key = X25519PublicKey.from_public_bytes(public)
        return _suite().encrypt(plaintext, key, info=info)
    except ValueError:
        raise IntegrityError("a public key to seal to is not one") from None


def open_with(private: bytes, sealed: bytes, info: bytes) -> bytes:
    """Return what ``seal_to`` sealed; ``IntegrityError`` for any other key, info or byte."""
    try:
        return _suite().decrypt(sealed, X25519PrivateKey.from_private_bytes(private), info=info)
    except (InvalidTag, ValueError):
        raise IntegrityError("a key that was granted does not open") from None


def public_of(private: bytes) -> bytes:
    """Return the X25519 public key (32 bytes) of a private one."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
