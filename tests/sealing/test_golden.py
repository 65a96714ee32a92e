"""The golden vectors: bytes that an earlier version wrote open today, and today's code writes the same."""

import base64
import hashlib
import json
import os

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from registry.domain.roster import AUDIT, GLOBAL, Generation, Grant
from registry.invitation import Invitation
from registry.log import checkpoint, merkle, note, present
from registry.log.checkpoint import Checkpoint
from registry.log.leaf import Leaf
from registry.sealing import application_label, credentials, envelope, grants, hpke, roster_record, tags
from registry.sealing.grants import AudienceKey
from registry.sealing.identity import PublicIdentity, read_identity
from registry.sealing.roster_record import RosterRecord
from registry.values import Secret
from tests.golden import make, samples
from tests.golden.samples import APPLICATION, BOX_PLACE, CREDENTIALS, DATA_KEY, KEY, MEMBER, PLACE, REGISTRY, TOKEN

GOLDEN = json.loads(make.VECTORS.read_text())


def golden(name):
    """Return the bytes of a vector."""
    return bytes.fromhex(GOLDEN[name])


@pytest.fixture
def same_salt(monkeypatch):
    """Return a function after which the next salts are those of a vector, which begin behind its header."""

    def take(data, header=5):
        monkeypatch.setattr(os, "urandom", lambda length: data[header : header + length])

    return take


def test_every_format_has_its_vector():
    """The program that makes the vectors makes exactly those that are kept."""
    assert make.vectors().keys() == GOLDEN.keys()


def test_the_founding_statement_makes_the_registry_id():
    """The id is the SHA-256 of the label and the statement, each behind its length, computed here by hand."""
    statement, label = make.statement().encode(), b"token-registry/v1/founding-statement"
    assert statement.decode() == GOLDEN["founding_statement"]
    joined = len(label).to_bytes(4, "big") + label + len(statement).to_bytes(4, "big") + statement
    assert hashlib.sha256(joined).digest() == roster_record.registry_id(statement) == golden("registry_id")


def test_the_roster_record_and_its_link():
    """Link and signature are recomputed to the byte, and the record comes apart into them."""
    linked = roster_record.link(golden("registry_id"), 1, "policy.changed", b"core", b"sealed")
    record = RosterRecord.parse(golden("roster_record"))
    assert linked == golden("roster_link")
    assert record == RosterRecord(b"core", b"sealed", roster_record.sign(samples.ALICE, linked))
    assert record.encoded() == golden("roster_record")
    roster_record.check_signature(samples.ALICE.public.keys.signing, linked, record.signature)


@pytest.mark.parametrize("name", ["envelope_v1", "envelope_v2"])
def test_envelopes_open(name):
    """Both versions of the envelope open to what was sealed, also by the event's own key."""
    sealed = golden(name)
    assert sealed[0] == int(name[-1])
    assert envelope.unseal(KEY, PLACE, sealed) == b"contents"
    assert envelope.open_with(envelope.opening(KEY, PLACE, sealed), PLACE, sealed) == b"contents"


def test_what_is_salted_is_sealed_to_the_same_bytes(same_salt):
    """With the salt of the vector, envelope, wrapped key, label and former key come out the same."""
    same_salt(golden("envelope_v1"))
    assert envelope.seal(KEY, 1, PLACE, b"contents") == golden("envelope_v1")
    same_salt(golden("wrapped_key"))
    assert credentials.wrap(KEY, GLOBAL, 1, BOX_PLACE, DATA_KEY) == golden("wrapped_key")
    same_salt(golden("label"))
    key = AudienceKey("app", 1, KEY)
    assert application_label.seal(REGISTRY, APPLICATION, key, "Payroll") == golden("label")
    same_salt(golden("former_key"), header=0)
    newer = AudienceKey(AUDIT, 2, samples.NEWER_KEY)
    assert samples.handed_on(AudienceKey(AUDIT, 1, KEY), newer) == golden("former_key")


def test_credentials_open_and_are_sealed_to_the_same_bytes():
    """The box needs no salt: its key is used once."""
    assert credentials.unwrap(KEY, GLOBAL, BOX_PLACE, golden("wrapped_key")) == DATA_KEY
    assert credentials.open_box(DATA_KEY, BOX_PLACE, golden("box")) == CREDENTIALS
    assert credentials.seal_box(DATA_KEY, BOX_PLACE, CREDENTIALS) == golden("box")


def test_the_label_opens():
    """An application's name opens under its audience."""
    key = AudienceKey("app", 1, KEY)
    assert application_label.generation(golden("label")) == 1
    assert application_label.unseal(REGISTRY, APPLICATION, key, golden("label")) == "Payroll"


def test_audience_keys_open():
    """Commitment and public half are recomputed; the grant and the former key open to what they commit to."""
    audit, newer = AudienceKey(AUDIT, 1, KEY), AudienceKey(AUDIT, 2, samples.NEWER_KEY)
    assert grants.commitment(REGISTRY, audit) == golden("commitment")
    assert hpke.public_of(envelope.sealing_key(KEY)) == golden("sealing_public_key")
    handing_on = Generation(AUDIT, 2, b"", None, golden("former_key"))
    assert grants.former_key(REGISTRY, handing_on, newer) == audit
    granted = AudienceKey(GLOBAL, 1, KEY)
    generation = Generation(GLOBAL, 1, grants.commitment(REGISTRY, granted))
    grant = Grant(GLOBAL, 1, MEMBER, golden("grant"))
    assert grants.open_grant(REGISTRY, samples.ALICE.sealing_private, grant, generation) == granted


def test_tags_are_recomputed():
    """A name and a secret have the tags they always had."""
    assert tags.name_tag(KEY, REGISTRY, GLOBAL, "zoom production") == golden("name_tag")
    assert tags.fingerprint(KEY, REGISTRY, TOKEN, "api_secret", Secret("SECRET")) == golden("fingerprint")


@pytest.mark.parametrize(
    ("name", "passphrase"), [("identity_plain", None), ("identity_under_passphrase", samples.PASSPHRASE)]
)
def test_identity_files_open(name, passphrase, tmp_path):
    """An old identity file opens to the same keys, a plain one is written the same today."""
    path = tmp_path / "identity"
    path.write_text(GOLDEN[name])
    path.chmod(0o600)
    opened = read_identity(path).open(passphrase)
    assert (opened.name, opened._keys()) == ("alice", samples.ALICE._keys())
    assert make.identities()["identity_plain"] == GOLDEN["identity_plain"]


def test_the_public_line_reads_and_is_written_the_same():
    """A mailed line means the same member for ever."""
    assert PublicIdentity.parse(GOLDEN["public_line"]) == samples.ALICE.public
    assert samples.ALICE.public.line() == GOLDEN["public_line"]


def test_the_invitation_reads_and_is_written_the_same():
    """A mailed invitation names the same registry and the same moment of it for ever."""
    assert Invitation.parse(GOLDEN["invitation"]) == samples.INVITATION
    assert samples.INVITATION.text() == GOLDEN["invitation"]


def by_hand(*parts):
    """Return the parts, each behind its length, joined without the library's help."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def test_the_leaf_of_an_event_is_the_same():
    """Data and hash of a leaf are recomputed, by the library and by hand, and the data is read back."""
    parts = [REGISTRY, (6).to_bytes(8, "big"), (4).to_bytes(8, "big"), b"aa" * 16, b"2027-01-31T12:00:00.000250Z"]
    parts += [b"11" * 16, (2).to_bytes(8, "big"), b"token.described", hashlib.sha256(b"state").digest()]
    data = by_hand(b"token-registry/v1/log-leaf", *parts)
    assert data == samples.LEAF.data() == golden("leaf_data")
    assert Leaf.parse(data) == samples.LEAF
    assert hashlib.sha256(b"\x00" + data).digest() == samples.LEAF.hashed() == golden("leaf_hash")


def test_the_digest_of_a_row_is_the_same():
    """The digest is over every column, the wrapped data key included, recomputed by the library and by hand."""
    numbers = [number.to_bytes(8, "big") for number in (5, 4, 3, 9)]
    parts = [REGISTRY, b"11" * 16, b"\x01" + b"cc" * 16, KEY, *numbers, b"card", b"box", b"\x01plain"]
    parts += [bytes(16) + b"\xff" * 16, b"\x01wrapped"]
    digest = hashlib.sha256(by_hand(b"token-registry/v1/present-row", *parts)).digest()
    assert digest == present.row_digest(**samples.ROW) == golden("row_digest")


def test_the_checkpoint_reads_and_is_written_the_same():
    """Text and note are the same to the byte, and the old note is verified by its member's key."""
    assert Checkpoint.parse(GOLDEN["checkpoint_text"]) == samples.CHECKPOINT
    assert samples.CHECKPOINT.text() == GOLDEN["checkpoint_text"]
    assert make.checkpoint_note() == GOLDEN["checkpoint_note"]
    signed = note.parse(GOLDEN["checkpoint_note"].encode())
    found = checkpoint.verify(signed, REGISTRY, {MEMBER: samples.ALICE.public.keys.signing})
    assert (found.checkpoint, found.signers) == (samples.CHECKPOINT, (MEMBER,))


def test_the_note_of_a_checkpoint_is_what_the_formats_say():
    """Key name, key id and signature are put together and checked here by hand."""
    text, _, line = GOLDEN["checkpoint_note"].rpartition("\n\n")
    assert f"{text}\n" == GOLDEN["checkpoint_text"]
    dash, name, encoded = line.rstrip("\n").split(" ")
    assert (dash, name) == ("\N{EM DASH}", f"token-registry/{REGISTRY.hex()}/{MEMBER}")
    signing = samples.ALICE.public.keys.signing
    key_id = hashlib.sha256(name.encode() + b"\n\x01" + signing).digest()[:4]
    signature = base64.b64decode(encoded)
    assert (signature[:4], len(signature)) == (key_id, 68)
    Ed25519PublicKey.from_public_bytes(signing).verify(signature[4:], f"{text}\n".encode())


def test_nodes_have_the_same_numbers():
    """What is stored under a number is the same subtree for ever, by the library and by the formats' own formula."""
    assert make.node_numbers() == GOLDEN["node_numbers"]
    for line in GOLDEN["node_numbers"].splitlines():
        level, index, number = map(int, line.split())
        last = (index + 1) * 2**level - 1
        assert merkle.node_number(level, index) == number == level + sum(last >> halved for halved in range(64))
