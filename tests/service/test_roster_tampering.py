"""The roster under attack: it is trusted before anything else is, so every change of it must be noticed."""

import contextlib
import json
from pathlib import Path

import pytest

from registry import IntegrityError, NotPermitted, Unusable, init_registry, load_settings, open_registry
from registry.domain.roster_events import ApplicationRemoved, ApplicationRenamed
from registry.pins import Pin, Pins
from registry.sealing import roster_record
from registry.sealing.envelope import Place
from registry.sealing.identity import Identity
from registry.sealing.roster_record import RosterRecord
from registry.store.sqlite import SQLitePlace
from tests.sealing.specimens import BOB
from tests.service.attacks import fill, query, tamper
from tests.tampering.forger import Forger

LOG = r"an event of commit \d+, at position \d+ or behind it, is not the one committed|its last commit says \d+"


@pytest.fixture
def path(registry, founded):
    """Return the database of a registry whose roster has four events."""
    fill(registry)
    registry.policies.set("allow-plaintext", "yes")
    registry.policies.set("allow-plaintext", "no")
    registry.close()
    return founded.store_path()


@pytest.fixture
def reopened(founded, around):
    """Return a function that opens the registry again and reads its roster."""

    def reopen():
        with open_registry(founded, surroundings=around) as registry:
            return registry.policies.list(), registry.applications.list()

    return reopen


@pytest.fixture
def rebuilt(founded, path):
    """Return a function that makes the log anew around what stands in the store, signed with alice's identity."""
    with contextlib.closing(open_registry(founded)._ledger) as ledger:
        forger = Forger(path, ledger.registry, {ledger.member.id: ledger.identity})
    return forger.rebuild


def forget(founded, path):
    """Make the machine know the registry's id and nothing else."""
    pins = Pins(Path(founded.state.value))
    known = pins.get(SQLitePlace(path).url)
    pins.put(Pin(known.url, known.registry_id))


def roster(path):
    """Return version, topic and state of every roster event, in order."""
    return query(
        path,
        "SELECT originator_version, topic, state FROM stored_events WHERE topic NOT LIKE 'token.%'"
        " ORDER BY originator_version",
    )


def store(path, version, state):
    """Put another state in the place of a roster event."""
    statement = "UPDATE stored_events SET state = ? WHERE topic NOT LIKE 'token.%' AND originator_version = ?"
    tamper(path, statement, parameters=(state, version))


def resigned(path, reopened, identity, version, **changed):
    """Change the core of a roster event and sign it anew, with another identity."""
    registry = bytes.fromhex(_pinned_id(path))
    (topic, state) = next((topic, state) for number, topic, state in roster(path) if number == version)
    record = RosterRecord.parse(state)
    core = json.dumps(json.loads(record.core) | changed, separators=(",", ":")).encode()
    linked = roster_record.link(registry, version, topic, core, record.sealed)
    return RosterRecord(core, record.sealed, roster_record.sign(identity, linked)).encoded()


def _pinned_id(path):
    (pin,) = (path.parent / "state" / "pins").glob("*.json")
    return json.loads(pin.read_text())["registry_id"]


def test_the_roster_of_these_tests_opens(path, reopened):
    """Untouched, the roster is followed to its end."""
    policies, applications = reopened()
    assert policies["allow-plaintext"] == "no"
    assert [application.name for application in applications] == ["Payroll"]
    assert [version for version, _, _ in roster(path)] == [1, 2, 3, 4]


@pytest.mark.parametrize("version", [1, 2, 3, 4])
@pytest.mark.parametrize("part", ["core", "sealed", "signature"])
def test_a_changed_roster_event_is_noticed(path, reopened, version, part):
    """Every part of every roster event is signed; the error names the event."""
    state = next(state for number, _, state in roster(path) if number == version)
    record = RosterRecord.parse(state)
    parts = {name: getattr(record, name) for name in ("core", "sealed", "signature")}
    parts[part] = parts[part][:-1] + bytes([parts[part][-1] ^ 1])
    store(path, version, RosterRecord(**parts).encoded())
    with pytest.raises(IntegrityError, match=f"roster event {version} "):
        reopened()


def test_an_event_of_another_copys_history_is_noticed(path, founded, around, reopened, rebuilt):
    """Two copies that both went on cannot be spliced: each event names the one before it, not its number alone."""
    before, pins = path.read_bytes(), Pins(Path(founded.state.value))
    seen_before = pins.get(SQLitePlace(path).url)
    with open_registry(founded, surroundings=around) as registry:
        registry.applications.register("CRM", "form")
        registry.policies.set("allow-plaintext", "yes")
    (_, _, allowed) = roster(path)[5]
    path.write_bytes(before)
    pins.put(seen_before)  # another machine, which has not seen the other copy go on
    with open_registry(founded, surroundings=around) as registry:
        registry.applications.register("HR", "form")
        registry.policies.set("allow-plaintext", "yes")
        registry.policies.set("allow-plaintext", "no")
    store(path, 6, allowed)
    pins.put(seen_before)
    with pytest.raises(IntegrityError, match=LOG):
        reopened()
    rebuilt()
    with pytest.raises(IntegrityError, match=r"roster event 6 .*does not follow"):
        reopened()


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_dropped_roster_event_is_noticed(path, reopened, version):
    """An event that is missing before others is noticed."""
    statement = "DELETE FROM stored_events WHERE topic NOT LIKE 'token.%' AND originator_version = ?"
    tamper(path, statement, parameters=(version,))
    with pytest.raises(IntegrityError):
        reopened()


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_dropped_event_with_the_rest_renumbered_is_noticed(path, reopened, version):
    """Closing the gap does not help: each event names the one before it, and its own version is signed."""
    condition = "topic NOT LIKE 'token.%' AND originator_version"
    tamper(path, f"DELETE FROM stored_events WHERE {condition} = {version}")
    for number in range(version + 1, 5):
        tamper(path, f"UPDATE stored_events SET originator_version = {number - 1} WHERE {condition} = {number}")
    with pytest.raises(IntegrityError):
        reopened()


def test_reordered_roster_events_are_noticed(path, reopened):
    """Two policy changes in the other order would leave plaintext allowed."""
    states = {version: state for version, _, state in roster(path)}
    store(path, 3, states[4])
    store(path, 4, states[3])
    with pytest.raises(IntegrityError):
        reopened()


def test_a_replayed_roster_event_is_noticed(path, reopened, rebuilt):
    """An honest event at a second place does not follow the one before it."""
    ((stream, topic, state),) = query(
        path, "SELECT originator_id, topic, state FROM stored_events WHERE topic = 'policy.changed' LIMIT 1"
    )
    tamper(
        path,
        "INSERT INTO stored_events SELECT ?, 5, ?, ?, MAX(position) + 1, MAX(commit_number) FROM stored_events",
        parameters=(stream, topic, state),
    )
    with pytest.raises(IntegrityError, match=LOG):
        reopened()
    tamper(path, "UPDATE stored_events SET commit_number = commit_number + 1 WHERE originator_version = 5")
    rebuilt()
    with pytest.raises(IntegrityError, match=r"roster event 5 .*does not follow"):
        reopened()


@pytest.mark.parametrize("stranger", [BOB, Identity.generate("alice")], ids=["bob", "another alice"])
def test_an_event_signed_by_a_non_member_is_noticed(path, reopened, stranger):
    """A stranger's signature under alice's name, and under no member's name, is refused."""
    store(path, 4, resigned(path, reopened, stranger, 4, value="yes"))
    with pytest.raises(IntegrityError, match="signature"):
        reopened()
    store(path, 4, resigned(path, reopened, stranger, 4, value="yes", by="e" * 32))
    with pytest.raises(IntegrityError, match="no admin"):
        reopened()


def test_a_founding_by_somebody_else_is_another_registry(path, reopened, founded):
    """A whole forged roster, consistent in itself, does not have the pinned id."""
    founding = roster(path)[0][2]
    statement = json.loads(RosterRecord.parse(founding).core)["statement"]
    statement["founders"][0]["keys"]["signing"] = json.loads(json.dumps(statement["nonce"]))
    store(path, 1, resigned(path, reopened, BOB, 1, statement=statement))
    with pytest.raises(IntegrityError, match="another registry"):
        reopened()


def test_a_founding_signed_anew_by_its_own_admin_must_name_the_members_keys(path, reopened, founded, around):
    """Grants and generations of the founding are signed too: an exchanged grant is noticed."""
    record = RosterRecord.parse(roster(path)[0][2])
    core = json.loads(record.core)
    core["grants"][0]["sealed"], core["grants"][1]["sealed"] = core["grants"][1]["sealed"], core["grants"][0]["sealed"]
    changed = RosterRecord(json.dumps(core, separators=(",", ":")).encode(), record.sealed, record.signature)
    store(path, 1, changed.encoded())
    with pytest.raises(IntegrityError, match="signature"):
        reopened()


def test_another_registrys_store_under_the_same_path_is_refused(path, founded, around, tmp_path, reopened):
    """A whole other registry, even one founded by the same identity, is not the one this machine knows."""
    other = load_settings({"home": str(tmp_path / "other"), "identity": founded.identity.value}, {})
    init_registry(other, name="alice", surroundings=around)
    path.write_bytes(other.store_path().read_bytes())
    with pytest.raises(IntegrityError, match="this machine has seen"):
        reopened()


def test_the_id_is_never_taken_from_the_database(path, founded, around, reopened):
    """Without its pin a machine refuses a store, however whole; a damaged pin is no pin."""
    (pin,) = (path.parent / "state" / "pins").glob("*.json")
    whole = pin.read_bytes()
    versions = (whole.replace(b'"version": 2', b'"version": %d' % number) for number in (1, 3))
    for damaged in (b"", b"{}", b"[]", *versions, b"\xff"):
        assert damaged != whole
        pin.write_bytes(damaged)
        with pytest.raises(Unusable, match="damaged"):
            reopened()
    pin.unlink()
    with pytest.raises(Unusable, match="does not know"):
        reopened()
    pin.write_bytes(whole)
    assert reopened()


def test_the_pin_of_another_store_does_not_count(path, founded, reopened):
    """A pin names the store it is of; one that was copied from another store is damaged."""
    pins = Pins(path.parent / "state")
    url = SQLitePlace(path).url
    known = pins.get(url)
    pins.put(Pin("sqlite:////elsewhere.db", known.registry_id))
    (mine, others) = (pins._path(url), pins._path("sqlite:////elsewhere.db"))
    mine.write_bytes(others.read_bytes())
    with pytest.raises(Unusable):
        reopened()


def test_the_roster_is_not_read_twice(path, founded, around):
    """What was checked at opening is what is used: a core that is changed later names no other application."""
    with open_registry(founded, surroundings=around) as registry:
        registry.applications.register("CRM", "form")
        by_name = {view.name: view.id for view in registry.applications.list()}
    with open_registry(founded, surroundings=around) as registry:
        for version, topic, state in roster(path):
            if topic == "application.registered":
                record = RosterRecord.parse(state)
                swapped = record.core
                for name, other in (("Payroll", "CRM"), ("CRM", "Payroll")):
                    if by_name[name].encode() in record.core:
                        swapped = record.core.replace(by_name[name].encode(), by_name[other].encode())
                store(path, version, RosterRecord(swapped, record.sealed, record.signature).encoded())
        assert {view.name: view.id for view in registry.applications.list()} == by_name
        with pytest.raises(IntegrityError):
            list(registry.history())


def test_a_roster_event_outside_the_roster_is_noticed(path, founded, around, rebuilt):
    """An event with a topic of the roster in any other stream was signed by nobody."""
    with open_registry(founded, surroundings=around) as registry:
        tamper(
            path,
            "INSERT INTO stored_events SELECT ?, 1, topic, state, (SELECT MAX(position) + 1 FROM stored_events),"
            " (SELECT MAX(number) + 1 FROM commits) FROM stored_events WHERE topic = 'policy.changed' LIMIT 1",
            parameters=("7" * 32,),
        )
        with pytest.raises(IntegrityError, match=LOG):
            list(registry.history())
        rebuilt()
        with pytest.raises(IntegrityError, match=r"commit \d+ has an event of the roster in the wrong place"):
            list(registry.history())
    with pytest.raises(IntegrityError, match=r"commit \d+ has an event of the roster in the wrong place"):
        open_registry(founded, surroundings=around)


def signed_by_alice(founded, around, version, topic, core, document):
    """Return a roster event as a patched client of alice's writes it: any core, any sealed part."""
    with open_registry(founded, surroundings=around) as registry:
        ledger = registry._ledger
        place = Place(ledger.registry, ledger.roster_stream, version, topic)
        sealed = ledger.contents.seal(place, document)
        linked = roster_record.link(ledger.registry, version, topic, core, sealed)
        return RosterRecord(core, sealed, roster_record.sign(ledger.identity, linked)).encoded()


def test_a_core_that_tells_a_sealed_field_is_refused(path, founded, around, reopened, rebuilt):
    """Names, reasons and hosts never stand in the clear, not even if an admin's client writes them there."""
    record = RosterRecord.parse(roster(path)[3][2])
    core = json.dumps(json.loads(record.core) | {"reason": "told"}, separators=(",", ":")).encode()
    sealed = {"host": "h", "client": "c"}
    store(path, 4, signed_by_alice(founded, around, 4, "policy.changed", core, sealed))
    with pytest.raises(IntegrityError, match="must be sealed"):
        reopened()
    forget(founded, path)
    rebuilt()
    with pytest.raises(IntegrityError, match="must be sealed"):
        reopened()


def test_a_sealed_part_that_contradicts_its_core_is_refused(path, founded, around, rebuilt):
    """What auditors read is what clients obey: the sealed part cannot tell another policy than the core."""
    record = RosterRecord.parse(roster(path)[3][2])
    sealed = {"host": "h", "client": "c", "value": "yes"}
    store(path, 4, signed_by_alice(founded, around, 4, "policy.changed", record.core, sealed))
    forget(founded, path)  # a machine that has not seen the event as it was
    with pytest.raises(IntegrityError, match=LOG):
        open_registry(founded, surroundings=around)
    rebuilt()
    with open_registry(founded, surroundings=around) as registry:
        assert registry.policies.list()["allow-plaintext"] == "no"
        with pytest.raises(IntegrityError, match="contradicts"):
            list(registry.history())


@pytest.mark.parametrize("kind", [ApplicationRenamed, ApplicationRemoved])
def test_even_an_admin_cannot_make_others_crash(path, founded, around, kind):
    """An event about an application that never was, signed by an admin's patched client, ends in no traceback."""
    label = {"label": b""} if kind is ApplicationRenamed else {}
    with open_registry(founded, surroundings=around) as patched, contextlib.suppress(IntegrityError):
        ledger = patched._ledger
        with ledger.turn() as turn:
            ledger.commit(turn, [kind(**ledger.roster_facts(turn), application="e" * 32, **label)])
    with contextlib.suppress(IntegrityError), open_registry(founded, surroundings=around) as registry:
        assert len(registry.applications.list()) == 1
        assert len(list(registry.history())) > 4
    assert len(roster(path)) == 5


def test_a_stranger_cannot_open_the_registry(path, founded, around):
    """An identity that is no member is refused before anything is opened."""
    identity = path.parent / "identity"
    identity.unlink()
    BOB.save(identity)
    with pytest.raises(NotPermitted):
        open_registry(founded, surroundings=around)
