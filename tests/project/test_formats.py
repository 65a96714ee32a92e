"""A reader written from the documentation alone reads what the library stored."""

import base64
import hashlib
import json
import sqlite3
from contextlib import closing

import pytest
from cryptography.exceptions import InvalidSignature

import registry as library
from registry import NewToken, Secret, TokenEdit
from tests.project.another_log import subtrees
from tests.project.another_reader import Reader
from tests.project.another_sealing import b64, joined, label


@pytest.fixture
def folder(tmp_path):
    """Return a folder with a registry in which much has happened."""
    settings = library.load_settings({"home": str(tmp_path)}, {})
    library.init_registry(settings, name="ada")
    with library.open_registry(settings) as registry:
        registry.policies.set("allow-plaintext", "yes", reason="for the tests")
        registry.applications.register("Räume", "process")
        registry.tokens.add(_token("Zoom"), reason="first")
        registry.tokens.add(_token("Straße", application="Räume", description="two\nlines"))
        registry.tokens.add(_token("Open", encrypted=False))
        registry.tokens.edit("Zoom", TokenEdit(fields={"api_secret": Secret("new")}))
        registry.tokens.edit("Zoom", TokenEdit(fields={"api_secret": Secret("secret")}))
        registry.tokens.rename("Open", "Readable")
        registry.tokens.reveal("Zoom", "api_key")
    return tmp_path


def _token(name, **more):
    fields = {"api_key": Secret("key"), "api_secret": Secret("secret"), "api_url": Secret("https://api.zoom.us/v2")}
    return NewToken(name=name, provider="zoom", fields=fields, **more)


@pytest.fixture
def pin(folder):
    """Return the pin of the registry in the folder."""
    (file,) = (folder / "state" / "pins").glob("*.json")
    return file.name, json.loads(file.read_text())


@pytest.fixture
def reader(folder, pin):
    """Return another reader of the registry in the folder; it has checked the roster."""
    return Reader(folder / "registry.db", folder / "identity", bytes.fromhex(pin[1]["registry_id"]))


def test_another_reader_reads_the_history(reader):
    """All events open by the documented construction, at dense positions, with the documented keys."""
    history = reader.history()
    assert [position for position, _, _ in history] == list(range(len(history)))
    topics = [topic for _, topic, _ in history]
    assert topics[:4] == ["roster.founded", "policy.changed", "application.registered", "token.created"]
    assert history[1][2]["reason"] == "for the tests"
    assert history[0][2]["names"] == {history[0][2]["by"]: "ada"}
    assert topics[-2:] == ["token.renamed", "token.disclosed"]


def test_another_reader_reads_tokens(reader):
    """Names are found by their tags in any case; cards and credentials open."""
    card, credentials = reader.token("ZOOM")
    assert (card["name"], card["revision"], card["box_revision"]) == ("Zoom", 3, 3)
    assert credentials["fields"]["api_secret"] == "secret"
    assert reader.token("readable")[1]["provider"] == "zoom"


def test_another_reader_reads_tokens_of_applications(reader):
    """An application's label and its tokens open with the application's own key."""
    registered = next(says for _, topic, says in reader.history() if topic == "application.registered")
    assert reader.label_of(registered["application"], b64(registered["label"])) == "Räume"
    assert reader.token("strasse", registered["application"])[0]["description"] == "two\nlines"


def test_another_reader_compares_values(reader):
    """Fingerprints and verdicts are the documented ones."""
    card, _ = reader.token("zoom")
    changed = [says["credentials"] for _, topic, says in reader.history() if topic == "token.credentials_changed"]
    assert [one["verdicts"]["api_secret"] for one in changed] == ["new", "used before"]
    assert changed[1]["fingerprints"]["api_secret"] == reader.fingerprint(card["id"], "api_secret", "secret").hex()
    had = [("api_key", "key"), ("api_secret", "secret"), ("api_secret", "new")]
    row = next(row for row in reader.current() if row[0] == card["id"])
    assert row[10] == b"".join(sorted(reader.fingerprint(card["id"], *one) for one in had))


def test_only_documented_keys_are_stored(reader):
    """Defaults are left out, times end in Z, and the stored order is the documented one."""
    created = next(says for _, topic, says in reader.history() if topic == "token.created")
    assert list(created) == ["by", "at", "host", "client", "reason", "changed", "revision", "name", *_ENDING]
    assert created["at"].endswith("Z")


_ENDING = ["provider", "credentials"]


def test_the_pin_lies_where_documented(pin):
    """A pin's file is named by the hash of the store's URL."""
    name, document = pin
    assert set(document) == {
        "version",
        "url",
        "registry_id",
        "checkpoint",
        "at",
        "roster_digest",
        "members",
        "accepted",
    }
    assert document["version"] == 2
    assert name == f"{hashlib.sha256(document['url'].encode()).hexdigest()[:32]}.json"


def test_a_verifier_written_from_the_documentation_follows_the_log(reader, pin):
    """Every commit, leaf, root and signature is as documented; the last checkpoint is the one that is pinned."""
    log = reader.log()
    assert len(log.notes) == len(reader.rows("SELECT * FROM commits")) == 10
    assert log.notes[-1] == pin[1]["checkpoint"]
    assert dict(reader.rows("SELECT number, hash FROM log_nodes")) == subtrees(log.leaves)


def test_the_pin_holds_what_is_documented(reader, pin):
    """Beside the checkpoint stand its time, the digest of the roster's states, and who the members were."""
    log, digest = reader.log(), b""
    for (state,) in reader.rows(
        "SELECT state FROM stored_events WHERE originator_id = ? ORDER BY originator_version",
        reader.registry[:16].hex(),
    ):
        digest = hashlib.sha256(digest + state).digest()
    assert pin[1]["roster_digest"] == digest.hex()
    assert [(pin[1]["at"],)] == reader.rows("SELECT at FROM commits ORDER BY number DESC LIMIT 1")
    assert pin[1]["accepted"] == []
    assert pin[1]["members"] == {
        member: [known["role"], b64(known["keys"]["signing"]).hex()] for member, known in log.roster.members.items()
    }


def test_the_present_is_as_documented(reader, folder):
    """Root and units are those of the current rows; names that nobody bears are proven to be free."""
    top, units = reader.present()
    assert (top, units) == (
        reader.rows("SELECT present FROM commits ORDER BY number")[-1][0],
        dict(reader.rows("SELECT unit, data FROM present_units")),
    )
    tags = [reader.name_tag("global", f"Zoom {number}") for number in range(300)]
    assert {reader.checked(tag) for tag in tags} == {None}
    assert reader.checked(reader.name_tag("global", "zoom"))


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE stored_events SET state = x'00' WHERE position = 4",
        "UPDATE commits SET at = '2020-01-01T00:00:00Z' WHERE number = 4",
        "UPDATE commits SET shredded = 3 WHERE number = 4",
        "DELETE FROM commits WHERE number = 9",
        "DELETE FROM stored_events WHERE position = 9",
    ],
)
def test_the_other_verifier_believes_nothing(reader, folder, change):
    """What was changed in the store fails where the documentation says so."""
    with closing(sqlite3.connect(folder / "registry.db")) as database, database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {name}")
        database.execute(change)
    with pytest.raises((AssertionError, InvalidSignature)):
        reader.log()


def test_the_public_line_is_as_documented(reader):
    """The checksum of a public line is over the name and both keys."""
    prefix, name, encoded = reader.public_line.split(":")
    data = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    assert (prefix, name) == ("trm1", "ada")
    assert data[64:] == hashlib.sha256(joined(label("public-line"), name, data[:64])).digest()[:4]


def test_the_database_has_the_documented_header(folder):
    """Application id and schema version stand in the header of the file."""
    header = (folder / "registry.db").read_bytes()[:100]
    assert header[68:72] == b"tkrg"
    assert header[60:64] == bytes([0, 0, 0, 3])
