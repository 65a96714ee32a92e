"""Pins: what a machine has seen of a registry is kept outside the store, whole, and never goes back."""

import fcntl
import json
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from msgspec import structs

from registry.errors import Unusable
from registry.log import checkpoint
from registry.log.checkpoint import Checkpoint
from registry.pins import Pin, Pinned, Pins
from tests.sealing.specimens import ALICE, BOB, MEMBER, OTHER_MEMBER

REGISTRY = bytes(range(32))
URL = "sqlite:////srv/registry/registry.db"
FIRST = Checkpoint(
    registry=REGISTRY,
    size=12,
    root=b"\x11" * 32,
    commit=7,
    present=b"\x22" * 32,
    roster_length=3,
    roster_head=b"\x33" * 32,
    shredded=8,
)


NOON = datetime(2027, 1, 31, 12, 0, 0, 5, tzinfo=UTC)
"""When commit 0 was made; each that follows is a minute later."""


def pin(number=7, identity=ALICE, url=URL, accepted=(), **parts):
    """Return the pin of a commit, signed by alice unless told otherwise."""
    point = structs.replace(FIRST, commit=number, size=number + 5, **parts)
    signed = checkpoint.sign(point, MEMBER, identity.public.keys.signing, identity.sign)
    members = {MEMBER: ("admin", ALICE.public.keys.signing), OTHER_MEMBER: ("auditor", BOB.public.keys.signing)}
    at = NOON + timedelta(minutes=number)
    return Pin(url, point.registry, Pinned(signed, point, at, b"digest", members, frozenset(accepted)))


@pytest.fixture
def pins(tmp_path):
    """Return the pins of a machine that has seen nothing yet."""
    return Pins(tmp_path / "state")


KEPT = (
    Pin(URL, REGISTRY),
    pin(),
    pin(url="sqlite:////srv/übung/\udcff.db"),
    pin(accepted=(b"\x55" * 32, b"\x44" * 32)),
)


@pytest.mark.parametrize("kept", KEPT, ids=range(4))
def test_a_pin_comes_back_as_it_was(pins, kept):
    """Checkpoint, author, signature, time, digest, members and accepted rollbacks are what was kept."""
    assert pins.get(kept.url) is None
    pins.put(kept)
    assert pins.get(kept.url) == kept
    assert pins.of_registry(REGISTRY) == [kept]
    assert pins.of_registry(bytes(32)) == []
    assert (kept.commit, kept.size) == ((7, 12) if kept.seen else (-1, 0))
    if kept.seen:
        assert (kept.seen.author, kept.seen.signature) == (MEMBER, ALICE.sign(kept.seen.checkpoint.text().encode()))


def test_a_pin_is_its_owners_alone(pins, tmp_path):
    """Folder and files are nobody else's to read or write, and nothing is left beside them but the lock."""
    pins.replace(None, pin())
    folder = tmp_path / "state" / "pins"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.suffix: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {"": 0o600, ".json": 0o600}


def test_a_pin_moves_from_the_one_that_was_gone_on_from_alone(pins):
    """Whoever began with another pin than there is changes nothing, and is told which one there is."""
    assert pins.replace(None, pin(7)) == pin(7)
    assert pins.replace(pin(7), pin(9)) == pin(9)
    for before in (None, pin(7), pin(9, identity=BOB), pin(9, accepted=(b"\x44" * 32,)), Pin(URL, REGISTRY)):
        assert pins.replace(before, pin(10)) == pin(9)
        assert pins.get(URL) == pin(9)
    assert pins.replace(pin(9), pin(5)) == pins.get(URL) == pin(5)


def test_a_pin_that_was_removed_meanwhile_is_made_anew(pins):
    """Where none is left there is nothing to go on from."""
    assert pins.replace(pin(7), pin(9)) == pins.get(URL) == pin(9)


def test_a_machine_that_knew_the_id_alone_goes_on_from_there(pins):
    """The first checkpoint that is verified takes the place of the bare id."""
    pins.put(Pin(URL, REGISTRY))
    assert pins.replace(Pin(URL, REGISTRY), pin(0)) == pins.get(URL) == pin(0)


MOVER = """
import sys
from pathlib import Path
from registry.pins import Pins
from tests.service.test_pins import pin
pins = Pins(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
for number in map(int, sys.argv[2].split(",")):
    before = None
    while (before := pins.replace(before, pin(number))).commit < number:
        pass
"""


def test_many_processes_at_once_leave_the_newest(pins, tmp_path):
    """Whoever comes last, the newest commit of all stays, and no reader ever sees half a pin or an older one."""
    orders = [",".join(str(number) for number in range(start, 120, 3)) for start in range(3)]
    command = [sys.executable, "-c", MOVER, str(tmp_path / "state")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    movers = [subprocess.Popen([*command, order], env={"PYTHONPATH": ":".join(sys.path)}, **pipes) for order in orders]
    for mover in movers:
        assert mover.stdout.readline() == "ready\n"
    for mover in movers:
        mover.stdin.write("\n")
        mover.stdin.flush()
    seen = [-1]
    while any(mover.poll() is None for mover in movers):
        known = pins.get(URL)
        seen.append(known.commit if known else -1)
    for mover in movers:
        assert mover.communicate(timeout=60)[1] == ""
        assert mover.returncode == 0
    assert seen == sorted(seen)
    assert pins.get(URL) == pin(119)


def test_a_pin_moves_under_a_lock(pins, tmp_path):
    """Reading and writing a pin is one step: while another holds the lock, nobody moves it."""
    pins.put(pin(7))
    with (tmp_path / "state" / "pins" / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        mover = threading.Thread(target=pins.replace, args=(pin(7), pin(9)))
        mover.start()
        time.sleep(0.1)
        assert pins.get(URL) == pin(7)
        assert mover.is_alive()
    mover.join(timeout=10)
    assert pins.get(URL) == pin(9)


DAMAGE = {
    "no version": {"version": None},
    "an older version": {"version": 1},
    "a newer version": {"version": 3},
    "another store's": {"url": "sqlite:////elsewhere.db"},
    "no id": {"registry_id": None},
    "an id that is none": {"registry_id": "zz"},
    "an id of another type": {"registry_id": 7},
    "another registry's checkpoint": {"registry_id": bytes(32).hex()},
    "a checkpoint that is none": {"checkpoint": "nothing"},
    "a checkpoint of another type": {"checkpoint": None},
    "a checkpoint without signature": {"checkpoint": FIRST.text() + "\n"},
    "a checkpoint of another form": {"checkpoint": pin().seen.text().replace("commit 7", "commit 07")},
    "two signatures": {"checkpoint": pin().seen.text() + pin().seen.text().rpartition("\n\n")[2]},
    "another key's name": {"checkpoint": pin().seen.text().replace(f"/{MEMBER}", f"/{MEMBER[:-1]}")},
    "no time": {"at": None},
    "a time that is none": {"at": "noon"},
    "a time without a zone": {"at": "2027-01-31T12:07:00.000005"},
    "a time that is written otherwise": {"at": "2027-01-31T13:07:00.000005+01:00"},
    "no accepted rollbacks": {"accepted": None},
    "an accepted rollback that is none": {"accepted": ["x"]},
    "accepted rollbacks of another type": {"accepted": ""},
    "accepted rollbacks in another order": {"accepted": ["55", "44"]},
    "no digest": {"roster_digest": None},
    "a digest that is none": {"roster_digest": "x"},
    "no members": {"members": None},
    "members of another type": {"members": [1]},
    "a member without key": {"members": {MEMBER: ["admin"]}},
    "a member's key that is none": {"members": {MEMBER: ["admin", "zz"]}},
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_pin_is_no_pin(pins, tmp_path, case):
    """A pin of which any part is missing or wrong is called damaged: the machine does not begin anew by itself."""
    pins.put(pin())
    (path,) = (tmp_path / "state" / "pins").glob("*.json")
    document = json.loads(path.read_text()) | DAMAGE[case]
    path.write_text(json.dumps({name: value for name, value in document.items() if value is not None}))
    if case == "a checkpoint of another type":
        path.write_text(json.dumps(document))
    with pytest.raises(Unusable, match="is damaged") as caught:
        pins.get(URL)
    assert "restore it from a backup" in caught.value.hint
    with pytest.raises(Unusable, match="is damaged"):
        pins.replace(pin(), pin(9))
    assert pins.of_registry(REGISTRY) == []


def test_a_pin_that_was_cut_is_damaged_wherever_it_ends(pins, tmp_path):
    """No beginning of the file is a pin."""
    pins.put(pin())
    (path,) = (tmp_path / "state" / "pins").glob("*.json")
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(Unusable, match="is damaged"):
            pins.get(URL)
    path.write_bytes(whole)
    assert pins.get(URL) == pin()


def test_a_damaged_pin_of_another_store_is_no_reason_to_refuse_this_one(pins, tmp_path):
    """What is known of a registry is gathered from the pins that can be read."""
    pins.put(pin())
    pins.put(pin(9, url="sqlite:////elsewhere.db"))
    for number, junk in enumerate((b"", b"[]", b"{}", b"\xff", b'{"url": 7}', b'{"url": "x"}')):
        (tmp_path / "state" / "pins" / f"{number}.json").write_bytes(junk)
    assert sorted(known.commit for known in pins.of_registry(REGISTRY)) == [7, 9]


def test_a_state_that_cannot_be_written_is_an_error_of_ours(tmp_path):
    """Where a file lies in the place of the folder, it says so in one line."""
    (tmp_path / "state").write_text("a file")
    for move in (lambda pins: pins.put(pin()), lambda pins: pins.replace(None, pin())):
        with pytest.raises(Unusable, match="cannot be written"):
            move(Pins(tmp_path / "state"))
