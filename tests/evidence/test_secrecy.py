"""What leaves the registry with evidence: chosen events, and no way to a credential or to any other event."""

import hashlib
import hmac
import json

import pytest
from msgspec import to_builtins

from registry import EvidenceQuery
from registry.domain.token_events import TokenCreated, TokenCredentialsChanged
from registry.evidence.opening import opened_event
from registry.sealing import credentials, envelope, labels
from registry.sealing.credentials import BoxPlace
from tests.evidence.forging import Pieces
from tests.evidence.subjects import SECRETS
from tests.service.test_canary import spellings


def derived(key, label):
    """Return what a box's key is compared by, straight from the formats."""
    return hmac.digest(key, len(label).to_bytes(4, "big") + label, hashlib.sha512)[32:]


@pytest.fixture
def keys(team):
    """Return every key that there is: of audiences, of tokens' data, of members."""
    with team.open("alice") as alice:
        ledger = alice._ledger
        audiences = {audience: ledger.keyring.current(audience).key for audience in ledger.roster.generations}
        data = []
        for row in ledger.store.rows():
            place = BoxPlace(ledger.registry, row.token, row.box_revision)
            key = ledger.wrapping_key(row, row.wrapped)
            data.append(credentials.unwrap(key.key, key.audience, place, row.wrapped))
        members = [team.identity(name) for name in ("alice", "bob", "carol", "pay")]
    private = [part for m in members for part in (m._signing.private_bytes_raw(), m.sealing_private)]
    sealing = [envelope.sealing_key(audiences["audit"])]
    return [*audiences.values(), *data, *private, *sealing]


@pytest.fixture
def folder(team, tmp_path, keys):
    """Return evidence that discloses everything."""
    team.do("bob", lambda bob: bob.evidence.export(tmp_path / "out"))
    return tmp_path / "out"


@pytest.fixture
def told(folder):
    """Return all that can be read of it: the files' bytes, and the contents of every event."""
    pieces = Pieces.of(folder)
    registry = bytes.fromhex(pieces.registry)
    events = [opened_event(registry, pieces.stored(position), key) for position, key in pieces.openings.items()]
    assert len(events) == len(pieces.entries)
    files = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    contents = [json.dumps(to_builtins(event), default=repr).encode() for event in events]
    return events, files, contents


def test_no_secret_stands_in_it(told):
    """No value of a secret field is in a file or in the contents of an event, however it may be spelt."""
    _, files, contents = told
    for secret in SECRETS:
        for spelling in spellings(secret) | spellings(f"secret-behind-{secret}"):
            assert not any(spelling in text for text in files + contents)


def test_no_key_stands_in_it(told, keys):
    """No key of an audience, of a token's data or of a member is in it."""
    _, files, contents = told
    assert len(set(keys)) == len(keys) > 10
    for key in keys:
        for spelling in (key, key.hex().encode(), json.dumps(key.hex()).encode()):
            assert not any(spelling in text for text in files + contents)


def test_nothing_in_it_opens_a_box(told):
    """No 32 bytes anywhere in it are the key of a box with credentials, and no event key is one."""
    events, files, _ = told
    kinds = TokenCreated | TokenCredentialsChanged
    boxes = {event.credentials.box[1:33] for event in events if isinstance(event, kinds)}
    assert len(boxes) == 4
    tried = 0
    for text in files:
        for start in range(len(text) - 31):
            tried += 1
            assert derived(text[start : start + 32], labels.BOX_CONTENT) not in boxes
    assert tried > 10_000


def test_what_is_not_chosen_stays_sealed(team, tmp_path):
    """Of an event that is not disclosed, nothing but its place, its time and its author can be read."""
    team.do("alice", lambda alice: alice.tokens.rename("Mail", "Whispered", reason="between us"))
    team.do("bob", lambda bob: bob.evidence.export(tmp_path / "out", EvidenceQuery(token="Old Zoom")))
    pieces = Pieces.of(tmp_path / "out")
    sealed = set(range(len(pieces.entries))) - pieces.openings.keys()
    windows = {path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert not any(text in data for data in windows for text in (b"Whispered", b"between us", b"Payroll", b"alice"))
    commitments = set()
    for position in sealed:
        stored = pieces.stored(position)
        if stored.originator_id != pieces.registry[:32]:
            start = 5 + (32 if stored.state[0] == envelope.SALTED else 80)
            commitments.add(stored.state[start : start + 32])
    assert len(commitments) > 3
    for data in windows:
        for start in range(len(data) - 31):
            assert derived(data[start : start + 32], labels.EVENT_CONTENT) not in commitments
