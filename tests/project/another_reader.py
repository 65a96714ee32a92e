"""Another reader of a store, written from ``docs/formats.md`` alone: it uses nothing of the library.

It keeps the page honest. Whoever changes a format changes the page, and then this.
"""

import hashlib
import hmac
import json
import sqlite3
import unicodedata
from contextlib import closing

from tests.project.another_log import Log, digest, looked_up, present_of
from tests.project.another_roster import Roster, record
from tests.project.another_sealing import b64, derive, hpke_open, ids, joined, label, open_once, open_under, u64


class Reader:
    """Reads a store with an identity file that is under no passphrase."""

    def __init__(self, store, identity, registry):
        self.database = sqlite3.connect(f"file:{store}?mode=ro", uri=True)
        document = json.loads(identity.read_text())
        assert document["version"] == 1
        self.signing_seed, self.private = b64(document["keys"])[:32], b64(document["keys"])[32:]
        self.public_line = document["public"]
        self.registry = registry
        stream = registry[:16].hex()
        self.roster = Roster(registry, self.private)
        for version, topic, state in self.rows(
            "SELECT originator_version, topic, state FROM stored_events WHERE originator_id = ? ORDER BY 1", stream
        ):
            self.roster.follow(version, topic, state)
        self.keys = self.roster.keys

    def rows(self, statement, *parameters):
        """Return the rows of a statement."""
        with closing(self.database.execute(statement, parameters)) as cursor:
            return cursor.fetchall()

    def contents(self, originator, version, topic, envelope):
        """Return the contents of an envelope, of either version."""
        header = envelope[:5]
        key = self.keys["audit", int.from_bytes(header[1:], "big")]
        associated = header + joined(self.registry, ids(originator), u64(version), topic)
        if envelope[:1] == b"\x01":
            contents = open_under(key, "event-key", "event-content", envelope[5:], associated)
        else:
            assert envelope[:1] == b"\x02"
            private, info = derive(key, "audience-sealing-key")[:32], joined(label("event-key-hpke"), associated)
            event_key = hpke_open(private, envelope[5:85], info)
            contents = open_once(event_key, "event-content", envelope[85:], associated)
        assert contents[:1] == b"\x01"
        return json.loads(contents[1:])

    def history(self):
        """Return every event: position, topic, and what it says."""
        found = []
        for position, originator, version, topic, state in self.rows(
            "SELECT position, originator_id, originator_version, topic, state FROM stored_events ORDER BY position"
        ):
            if originator == self.registry[:16].hex():
                core, sealed, _ = record(state)
                found.append((position, topic, json.loads(core) | self.contents(originator, version, topic, sealed)))
            else:
                found.append((position, topic, self.contents(originator, version, topic, state)))
        return found

    def log(self):
        """Return the log, verified from the founding to its end."""
        return Log(self, self.private)

    def current(self):
        """Return the current rows with their wrapped keys."""
        return self.rows(
            "SELECT token_id, application_id, name_tag, version, revision, box_revision, position, card, box, plain,"
            " fingerprints, wrapped FROM tokens LEFT JOIN data_keys USING (token_id)"
        )

    def present(self):
        """Return root and units of the present, made of the current rows."""
        return present_of({row[2]: digest(self.registry, row) for row in self.current()})

    def checked(self, tag):
        """Return the current row under a tag, which the newest checkpoint vouches for; ``None`` if it says so."""
        ((top,),) = self.rows("SELECT present FROM commits ORDER BY number DESC LIMIT 1")
        found = next((row for row in self.current() if row[2] == tag), None)
        known = looked_up(top, dict(self.rows("SELECT unit, data FROM present_units")), tag)
        assert known == (found and digest(self.registry, found))
        return found

    def token(self, name, application=None):
        """Return card and credentials of the token of that name."""
        audience = f"application:{application}" if application else "global"
        row = self.checked(self.name_tag(audience, name))
        if row is None:
            raise LookupError(name)
        token, _, _, version, _, revision, _, card, box, plain, _, _ = row
        return self.contents(token, version, "card", card), self.credentials(audience, token, revision, box, plain)

    def name_tag(self, audience, name):
        """Return the tag of a name in the scope of an audience."""
        key = derive(self.newest(audience), "name-index-key", self.registry, audience)[:32]
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
        return hmac.digest(key, joined(label("name-index"), folded), hashlib.sha256)

    def newest(self, audience):
        """Return the newest key of an audience."""
        return self.keys[max((place for place in self.keys if place[0] == audience), default=audience)]

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
