"""Write the golden samples: ``python -m tests.golden.make``, from fixed keys.

The samples are promises: once a release has written a format, every later one reads it. Run this for a new format or
a new kind of event, and commit only what it added; it overwrites nothing that exists.
"""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

from registry.domain.roster import AUDIT, GLOBAL, Member
from registry.domain.roster_events import RosterEvent
from registry.log import checkpoint, merkle, present
from registry.sealing import application_label, credentials, envelope, grants, hpke, roster_record, tags
from registry.sealing.grants import AudienceKey
from registry.sealing.identity import CHEAPEST
from registry.store import codec
from registry.values import Secret
from tests.golden import samples
from tests.golden.samples import APPLICATION, BOX_PLACE, CREDENTIALS, DATA_KEY, KEY, MEMBER, PASSPHRASE, PLACE, TOKEN

FOLDER = Path(__file__).parent
EVENTS = FOLDER / "events"
VECTORS = FOLDER / "sealing.json"
COLUMNS = frozenset({"originator_id", "originator_version"})
"""What stands in columns of the store, not in an event's contents."""


def vectors() -> dict[str, str]:
    """Return a sealed sample of every format, in hexadecimal where it is not text."""
    registry = roster_record.registry_id(codec.encode_value(samples.STATEMENT))
    audit = AudienceKey(AUDIT, 1, KEY)
    newer = AudienceKey(AUDIT, 2, samples.NEWER_KEY)
    linked = roster_record.link(registry, 1, "policy.changed", b"core", b"sealed")
    record = roster_record.RosterRecord(b"core", b"sealed", roster_record.sign(samples.ALICE, linked))
    alice = Member(MEMBER, "admin", samples.ALICE.public.keys)
    made = {
        "registry_id": registry,
        "roster_link": linked,
        "roster_record": record.encoded(),
        "envelope_v1": envelope.seal(KEY, 1, PLACE, b"contents"),
        "envelope_v2": envelope.seal_addressed(hpke.public_of(envelope.sealing_key(KEY)), 1, PLACE, b"contents"),
        "box": credentials.seal_box(DATA_KEY, BOX_PLACE, CREDENTIALS),
        "wrapped_key": credentials.wrap(KEY, GLOBAL, 1, BOX_PLACE, DATA_KEY),
        "label": application_label.seal(samples.REGISTRY, APPLICATION, AudienceKey("app", 1, KEY), "Payroll"),
        "commitment": grants.commitment(samples.REGISTRY, audit),
        "sealing_public_key": hpke.public_of(envelope.sealing_key(KEY)),
        "former_key": samples.handed_on(audit, newer),
        "grant": grants.grant(samples.REGISTRY, AudienceKey(GLOBAL, 1, KEY), alice).sealed,
        "name_tag": tags.name_tag(KEY, samples.REGISTRY, GLOBAL, "zoom production"),
        "fingerprint": tags.fingerprint(KEY, samples.REGISTRY, TOKEN, "api_secret", Secret("SECRET")),
        "leaf_data": samples.LEAF.data(),
        "leaf_hash": samples.LEAF.hashed(),
        "row_digest": present.row_digest(**samples.ROW),
    }
    texts = {
        "public_line": samples.ALICE.public.line(),
        "invitation": samples.INVITATION.text(),
        "founding_statement": statement(),
        "checkpoint_text": samples.CHECKPOINT.text(),
        "checkpoint_note": checkpoint_note(),
        "node_numbers": node_numbers(),
    }
    return {name: data.hex() for name, data in made.items()} | texts | identities()


def statement() -> str:
    """Return the founding statement as it is hashed."""
    return codec.encode_value(samples.STATEMENT).decode()


def checkpoint_note() -> str:
    """Return the checkpoint, signed by alice."""
    signed = checkpoint.sign(samples.CHECKPOINT, MEMBER, samples.ALICE.public.keys.signing, samples.ALICE.sign)
    return signed.encode().decode()


def node_numbers() -> str:
    """Return lines of level, index and number of complete subtrees."""
    return "".join(f"{level} {index} {merkle.node_number(level, index)}\n" for level, index in samples.NODES)


def identities() -> dict[str, str]:
    """Return the text of alice's identity file, plain and under a passphrase."""
    with TemporaryDirectory() as folder:
        plain, locked = Path(folder) / "plain", Path(folder) / "locked"
        samples.ALICE.save(plain)
        samples.ALICE.save(locked, PASSPHRASE, CHEAPEST)
        return {"identity_plain": plain.read_text(), "identity_under_passphrase": locked.read_text()}


def events() -> dict[str, bytes]:
    """Return the files of all sample events: what is sealed, and of a roster event its clear core."""
    files = {}
    for name, event in samples.EVENTS.items():
        if isinstance(event, RosterEvent):
            clear = frozenset(event.__struct_fields__) - event.SEALED
            files[f"{name}.core.json"] = codec.encode(codec.to_document(event, event.SEALED | COLUMNS))
            files[f"{name}.sealed.json"] = codec.encode(codec.to_document(event, clear | COLUMNS))
        else:
            files[f"{name}.json"] = codec.encode(codec.to_document(event, COLUMNS))
    return files


def main() -> None:
    """Write what is not there yet."""
    known = json.loads(VECTORS.read_text()) if VECTORS.exists() else {}
    VECTORS.write_text(json.dumps(vectors() | known, indent=1, sort_keys=True) + "\n")
    for name, data in events().items():
        EVENTS.mkdir(exist_ok=True)
        if not (EVENTS / name).exists():
            (EVENTS / name).write_bytes(data)


if __name__ == "__main__":
    main()
