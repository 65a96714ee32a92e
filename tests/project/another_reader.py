"""Another reader of a store, written from ``docs/formats.md`` alone: it uses nothing of the library.

It keeps the page honest. Whoever changes a format changes the page, and then this.
"""

import base64
import hashlib
import hmac
import json
import sqlite3
import unicodedata
from contextlib import closing

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
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


class Reader:
    """Reads a store with an identity file that is under no passphrase."""

    def __init__(self, store, identity, registry):
        self.database = sqlite3.connect(f"file:{store}?mode=ro", uri=True)
        document = json.loads(identity.read_text())
        assert document["version"] == 1
        self.signing_seed, self.private = b64(document["keys"])[:32], b64(document["keys"])[32:]
        self.public_line = document["public"]
        self.registry = registry
        self.keys = {}
        self.policies = {}
        self.grants()

    def rows(self, statement, *parameters):
        """Return the rows of a statement."""
        with closing(self.database.execute(statement, parameters)) as cursor:
            return cursor.fetchall()

    def grants(self):
        """Walk the roster: check its chain and signatures, and open the keys granted to this identity."""
        stream = self.registry[:16].hex()
        stored = self.rows(
            "SELECT originator_version, topic, state FROM stored_events WHERE originator_id = ? ORDER BY 1", stream
        )
        head, members = self.registry, {}
        for expected, (version, topic, state) in enumerate(stored, 1):
            core, sealed, signature = self.record(state)
            link = hashlib.sha256(
                joined(label("roster-link"), self.registry, u64(version), topic, core, sealed)
            ).digest()
            document = json.loads(core)
            if topic == "roster.founded":
                members = self.founders(document["statement"])
            assert (version, b64(document["previous"])) == (expected, head)
            signing = Ed25519PublicKey.from_public_bytes(members[document["by"]][0])
            signing.verify(signature, joined(label("roster-signature"), link))
            for grant in document.get("grants", []):
                if members[grant["member"]][1] == self.public_key():
                    self.grant(grant)
            self.check(document.get("generations", []))
            if topic == "policy.changed":
                self.policies[document["policy"]] = document["value"]
            head = link

    def record(self, state):
        """Return core, sealed and signature of a record."""
        assert state[:1] == b"\x02"
        length = int.from_bytes(state[1:5], "big")
        core, rest = state[5 : 5 + length], state[5 + length :]
        length = int.from_bytes(rest[:4], "big")
        sealed, signature = rest[4 : 4 + length], rest[4 + length :]
        assert len(signature) == 64
        return core, sealed, signature

    def founders(self, statement):
        """Check the founding statement and return the founders' keys."""
        encoded = json.dumps(statement, separators=(",", ":"), ensure_ascii=False).encode()
        assert hashlib.sha256(joined(label("founding-statement"), encoded)).digest() == self.registry
        return {
            one["member"]: (b64(one["keys"]["signing"]), b64(one["keys"]["sealing"])) for one in statement["founders"]
        }

    def public_key(self):
        """Return this identity's X25519 public key."""
        return X25519PrivateKey.from_private_bytes(self.private).public_key().public_bytes_raw()

    def grant(self, grant):
        """Open a grant."""
        number, member = u32(grant["number"]), ids(grant["member"])
        info = joined(label("audience-grant"), self.registry, grant["audience"], number, member)
        private = X25519PrivateKey.from_private_bytes(self.private)
        self.keys[grant["audience"], grant["number"]] = SUITE.decrypt(b64(grant["sealed"]), private, info=info)

    def check(self, generations):
        """Check the commitments of generations whose keys were granted."""
        for one in generations:
            key = self.keys[one["audience"], one["number"]]
            parts = joined(label("audience-commitment"), self.registry, one["audience"], u32(one["number"]))
            assert hmac.digest(key, parts, hashlib.sha256) == b64(one["commitment"])
            if one["audience"] == "audit":
                private = X25519PrivateKey.from_private_bytes(derive(key, "audience-sealing-key")[:32])
                assert private.public_key().public_bytes_raw() == b64(one["public"])

    def contents(self, originator, version, topic, envelope):
        """Return the contents of an envelope of version 1."""
        assert envelope[:1] == b"\x01"
        header = envelope[:5]
        key = self.keys["audit", int.from_bytes(header[1:], "big")]
        associated = header + joined(self.registry, ids(originator), u64(version), topic)
        contents = open_under(key, "event-key", "event-content", envelope[5:], associated)
        assert contents[:1] == b"\x01"
        return json.loads(contents[1:])

    def history(self):
        """Return every event: position, topic, and what it says."""
        found = []
        for position, originator, version, topic, state in self.rows(
            "SELECT position, originator_id, originator_version, topic, state FROM stored_events ORDER BY position"
        ):
            if originator == self.registry[:16].hex():
                core, sealed, _ = self.record(state)
                found.append((position, topic, json.loads(core) | self.contents(originator, version, topic, sealed)))
            else:
                found.append((position, topic, self.contents(originator, version, topic, state)))
        return found

    def token(self, name, application=None):
        """Return card and credentials of the token of that name."""
        audience = f"application:{application}" if application else "global"
        columns = "token_id, version, box_revision, card, box, plain"
        token, version, revision, card, box, plain = self.rows(
            f"SELECT {columns} FROM tokens WHERE name_tag = ?", self.name_tag(audience, name)
        )[0]
        return self.contents(token, version, "card", card), self.credentials(audience, token, revision, box, plain)

    def name_tag(self, audience, name):
        """Return the tag of a name in the scope of an audience."""
        key = derive(self.newest(audience), "name-index-key", self.registry, audience)[:32]
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
        return hmac.digest(key, joined(label("name-index"), folded), hashlib.sha256)

    def newest(self, audience):
        """Return the newest key of an audience."""
        return self.keys[max(place for place in self.keys if place[0] == audience)]

    def credentials(self, audience, token, revision, box, plain):
        """Return the credentials in a box."""
        wrapped = self.rows("SELECT wrapped FROM data_keys WHERE token_id = ?", token)[0][0]
        place, header = joined(self.registry, ids(token), u64(revision)), wrapped[:5]
        key = self.keys[audience, int.from_bytes(header[1:], "big")]
        associated = header + joined(audience, place)
        data_key = open_under(key, "data-key-wrap-key", "data-key-wrap", wrapped[5:], associated)
        padded = open_once(data_key, "credentials-box", box[1:], b"\x01" + place)
        assert box[:1] == b"\x01"
        assert len(padded) % 256 == 0
        data = padded.rstrip(b"\x00")
        assert data[-1:] == b"\x80"
        assert plain in (None, data[:-1])
        return json.loads(data[:-1])

    def label_of(self, application, sealed):
        """Return an application's name from its label."""
        header = sealed[:5]
        associated = header + joined(self.registry, ids(application))
        key = self.keys[f"application:{application}", int.from_bytes(header[1:], "big")]
        return open_under(key, "application-label-key", "application-label", sealed[5:], associated).decode()

    def fingerprint(self, token, field, value):
        """Return the fingerprint of a value."""
        parts = joined(label("fingerprint"), self.registry, ids(token), field, value)
        return hmac.digest(self.newest("fingerprint"), parts, hashlib.sha256)[:16]
