"""Keyed tags: by them names are found and values compared without storing either."""

from collections.abc import Iterable

from cryptography.hazmat.primitives.hashes import SHA256

from registry.errors import IntegrityError
from registry.sealing import aead, labels
from registry.sealing.labels import joined
from registry.values import Secret, TokenId

FINGERPRINT_LENGTH = 16


class NameTags:
    """Makes the tags under which tokens lie in the scope of an audience; they say nothing without its key."""

    def __init__(self, audience_key: bytes, registry: bytes, audience: str) -> None:
        key = aead.derive(audience_key, labels.NAME_INDEX_KEY, registry, audience.encode())[:32]
        self._keyed = aead.Keyed(SHA256(), key, joined(labels.NAME_INDEX))

    def of(self, folded_name: str) -> bytes:
        """Return the 32-byte tag of a folded name."""
        # Whoever looks for a token may ask for what can be no name; there is none then, and that is no fault.
        return self._keyed.digest(joined(folded_name.encode(errors="surrogatepass")))


def name_tag(audience_key: bytes, registry: bytes, audience: str, folded_name: str) -> bytes:
    """Return one tag alone."""
    return NameTags(audience_key, registry, audience).of(folded_name)


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
    if not column:
        return frozenset()
    starts = range(0, len(column), FINGERPRINT_LENGTH)
    found = frozenset(column[start : start + FINGERPRINT_LENGTH] for start in starts)
    if len(column) % FINGERPRINT_LENGTH or packed(found) != column:
        raise IntegrityError("the fingerprints of a current row are in no known format", "'verify' says more")
    return found
