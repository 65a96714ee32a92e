"""Test vectors from fixed keys: what was written with earlier versions is read for ever, bit by bit as documented."""

import base64
import hashlib
import hmac
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from registry import Invitation, PublicIdentity
from registry.domain.roster import AUDIT, Grant, Roster
from registry.sealing import grants
from registry.sealing.keyring import Keyring
from registry.store import roster_chain
from registry.store.contents import Contents
from tests.golden.make_members import PLACE, fixed, identity, member_id, stored_events


def joined(*parts: bytes) -> bytes:
    """Return the parts, each behind its length in four bytes, as the format document says."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


@pytest.fixture(scope="module")
def vectors():
    """Return the vectors."""
    return json.loads(PLACE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def registry(vectors):
    """Return the id of the registry that the vectors belong to."""
    return bytes.fromhex(vectors["registry_id"])


def test_the_registrys_id_is_the_hash_of_its_founding_statement(vectors, registry):
    """The id is SHA-256 over a label and the founding statement."""
    data = joined(b"token-registry/v1/founding-statement", vectors["founding_statement"].encode())
    assert hashlib.sha256(data).digest() == registry


def test_the_public_line(vectors):
    """The public line is prefix, name, and the base64url of both public keys and four bytes of checksum."""
    signing = Ed25519PrivateKey.from_private_bytes(fixed("bob signs")).public_key().public_bytes_raw()
    sealing = X25519PrivateKey.from_private_bytes(fixed("bob opens")).public_key().public_bytes_raw()
    checksum = hashlib.sha256(joined(b"token-registry/v1/public-line", b"bob", signing + sealing)).digest()[:4]
    encoded = base64.urlsafe_b64encode(signing + sealing + checksum).decode().rstrip("=")
    assert vectors["public_line"] == f"trm1:bob:{encoded}" == identity("bob").public.line()
    assert PublicIdentity.parse(vectors["public_line"]).keys.signing == signing


def test_the_invitation(vectors, registry):
    """The invitation is prefix and base64url of id, size, the checkpoint's hash, roster version, head and checksum."""
    given = vectors["invitation"]
    head = bytes.fromhex(vectors["roster"][-1]["link"])
    named = joined(b"token-registry/v1/invited-checkpoint", given["checkpoint"].encode())
    point = hashlib.sha256(named).digest()
    data = registry + given["size"].to_bytes(8, "big") + point + given["roster_version"].to_bytes(4, "big") + head
    checksum = hashlib.sha256(joined(b"token-registry/v1/invitation", data)).digest()[:4]
    assert given["text"] == "tri2:" + base64.urlsafe_b64encode(data + checksum).decode().rstrip("=")
    assert Invitation.parse(given["text"]) == Invitation(registry, 17, point, 4, head)


def test_the_grant(vectors, registry):
    """A grant is HPKE to the member's key, bound to registry, audience, generation and member, and committed to."""
    given = vectors["grant"]
    info = joined(
        b"token-registry/v1/audience-grant", registry, b"audit", (1).to_bytes(4, "big"), bytes.fromhex(given["member"])
    )
    private = X25519PrivateKey.from_private_bytes(bytes.fromhex(given["private_key"]))
    key = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM).decrypt(
        bytes.fromhex(given["sealed"]), private, info=info
    )
    assert key.hex() == given["key"]
    message = joined(b"token-registry/v1/audience-commitment", registry, b"audit", (1).to_bytes(4, "big"))
    assert hmac.digest(key, message, "sha256").hex() == given["commitment"]
    sealing = hmac.digest(key, joined(b"token-registry/v1/audience-sealing-key"), "sha512")[:32]
    assert X25519PrivateKey.from_private_bytes(sealing).public_key().public_bytes_raw().hex() == given["public"]


def test_the_library_opens_the_grant(vectors, registry):
    """The library opens what was granted with an earlier version."""
    given = vectors["grant"]
    roster = roster_chain.follow(registry, Roster(), stored_events(vectors))
    granted = Grant(AUDIT, 1, given["member"], bytes.fromhex(given["sealed"]))
    generation = roster.generations[AUDIT][0]
    assert grants.open_grant(registry, fixed("bob opens"), granted, generation).key.hex() == given["key"]


def test_the_roster_chain(vectors, registry):
    """Each link is the hash of label, id, version, topic, core and sealed part; the author signs it."""
    before, author = registry, Ed25519PrivateKey.from_private_bytes(fixed("ada signs")).public_key()
    for version, event in enumerate(vectors["roster"], 1):
        state = bytes.fromhex(event["state"])
        size = int.from_bytes(state[1:5], "big")
        core, rest = state[5 : 5 + size], state[5 + size :]
        sealed, signature = rest[4:-64], rest[-64:]
        place = (registry, version.to_bytes(8, "big"), event["topic"].encode())
        link = hashlib.sha256(joined(b"token-registry/v1/roster-link", *place, core, sealed)).digest()
        assert (state[:1], link.hex()) == (b"\x02", event["link"])
        assert base64.b64decode(json.loads(core)["previous"]) == before
        Ed25519PublicKey.from_public_bytes(author.public_bytes_raw()).verify(
            signature, joined(b"token-registry/v1/roster-signature", link)
        )
        before = link


def test_the_library_follows_the_chain(vectors, registry):
    """The library reads the roster of an earlier version, and its admin all of its contents."""
    events = stored_events(vectors)
    roster = roster_chain.follow(registry, Roster(), events)
    assert [event.topic for event in events] == [
        "roster.founded",
        "member.admitted",
        "audience.rotated",
        "member.removed",
    ]
    assert (list(roster.members), list(roster.former)) == ([member_id("ada")], [member_id("bob")])
    assert {audience: made[-1].number for audience, made in roster.generations.items()} == {
        "audit": 3,
        "global": 2,
        "fingerprint": 1,
    }
    keyring = Keyring(registry, identity("ada"), member_id("ada"), roster)
    opened = [Contents(registry, identity("ada"), keyring).event(event) for event in events]
    assert [getattr(event, "name", None) for event in opened] == [None, "bob", None, "bob"]
    assert keyring.key("audit", 1).key.hex() == vectors["grant"]["key"]
