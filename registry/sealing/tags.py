"""Keyed tags: by them names are found and values compared without storing either."""

import hmac
from collections.abc import Iterable

from cryptography.hazmat.primitives.hashes import SHA256

from registry.errors import IntegrityError
from registry.sealing import aead, labels
from registry.sealing.labels import joined
from registry.values import Secret, TokenId

FINGERPRINT_LENGTH = 16


def name_key(audience_key: bytes, registry: bytes, audience: str) -> bytes:
    """Return the key under which the names in the scope of an audience are found."""
    return aead.derive(audience_key, labels.NAME_INDEX_KEY, registry, audience.encode())[:32]


def name_tag(audience_key: bytes, registry: bytes, audience: str, folded_name: str) -> bytes:
    """Return the 32-byte tag under which a token of that folded name lies in the scope of the audience."""
    return tag_under(name_key(audience_key, registry, audience), folded_name)


def tag_under(key: bytes, folded_name: str) -> bytes:
    """Return the tag of a folded name, given the scope's name key."""
    # Whoever looks for a token may ask for what can be no name; there is none then, and that is no fault.
    name = folded_name.encode(errors="surrogatepass")
    return hmac.digest(key, joined(labels.NAME_INDEX, name), "sha256")


class Fingerprints:
    """Makes the fingerprints of secret values in one registry; they say nothing without the key.

    Token and field are part of each, so that equal values of two tokens or fields cannot be seen to be equal.
    """

    def __init__(self, key: bytes, registry: bytes) -> None:
        self._keyed = aead.Keyed(SHA256(), key, joined(labels.FINGERPRINT, registry))

    def of(self, token: TokenId, field: str, value: Secret) -> bytes:
        """Return the 16-byte fingerprint of a secret field's value."""
        rest = joined(bytes.fromhex(token), field.encode(), value.reveal().encode())
        return self._keyed.digest(rest)[:FINGERPRINT_LENGTH]


def fingerprint(key: bytes, registry: bytes, token: TokenId, field: str, value: Secret) -> bytes:
    """Return one fingerprint alone."""
    return Fingerprints(key, registry).of(token, field, value)


def packed(fingerprints: Iterable[bytes]) -> bytes:
    """Return fingerprints as a current row has them: each once, ascending, one behind the other."""
    return b"".join(sorted(set(fingerprints)))


def unpacked(column: bytes) -> frozenset[bytes]:
    """Return the fingerprints of a current row; ``IntegrityError`` if it has them in another form."""
    starts = range(0, len(column), FINGERPRINT_LENGTH)
    found = frozenset(column[start : start + FINGERPRINT_LENGTH] for start in starts)
    if len(column) % FINGERPRINT_LENGTH or packed(found) != column:
        raise IntegrityError("the fingerprints of a current row are in no known format", "'verify' says more")
    return found
