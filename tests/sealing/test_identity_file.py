"""The identity file: private, never overwritten, and opened only whole and by its owner."""

import base64
import json
import os
import stat

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from registry.errors import AlreadyExists, IdentityMissing, IdentityUnreadable, InvalidValue, WrongPassphrase
from registry.sealing.identity import CHEAPEST, RFC_9106_LOW_MEMORY, Identity, read_identity
from registry.values import Secret
from tests.sealing.specimens import ALICE, BOB

PASSPHRASE = Secret("correct horse")


@pytest.fixture
def path(tmp_path):
    """Return where an identity will be."""
    return tmp_path / "deep" / "identity"


@pytest.fixture
def plain(path):
    """Return the file of alice's identity, under no passphrase."""
    ALICE.save(path)
    return path


@pytest.fixture
def locked(path):
    """Return the file of alice's identity, under a passphrase that is cheap to guess."""
    ALICE.save(path, PASSPHRASE, CHEAPEST)
    return path


def rewrite(path, **changed):
    """Change the file's document; ``None`` takes a key away."""
    document = json.loads(path.read_text()) | changed
    path.write_text(json.dumps({key: value for key, value in document.items() if value is not None}))


def test_it_is_private_from_the_first_byte(plain, monkeypatch):
    """The file has mode 0600 even under a loose umask, and its folder is its owner's."""
    assert stat.S_IMODE(plain.stat().st_mode) == 0o600
    assert stat.S_IMODE(plain.parent.stat().st_mode) == 0o700
    before = os.umask(0)
    try:
        BOB.save(plain.with_name("other"))
    finally:
        os.umask(before)
    assert stat.S_IMODE(plain.with_name("other").stat().st_mode) == 0o600


def test_a_plain_identity_opens_to_the_same_keys(plain):
    """What was saved opens to a member with the same public line, that signs and opens grants."""
    file = read_identity(plain)
    opened = file.open()
    assert not file.locked
    assert file.public == opened.public == ALICE.public
    assert opened.sealing_private == ALICE.sealing_private
    Ed25519PublicKey.from_public_bytes(opened.public.keys.signing).verify(opened.sign(b"m"), b"m")


@pytest.mark.parametrize("cost", [CHEAPEST, RFC_9106_LOW_MEMORY], ids=["cheapest", "rfc-9106"])
def test_a_locked_identity_opens_under_its_passphrase_only(path, cost):
    """The file holds its cost and no key in the clear; a wrong or missing passphrase is told apart from damage."""
    ALICE.save(path, PASSPHRASE, cost)
    file = read_identity(path)
    assert file.locked
    assert file.public == ALICE.public
    assert file.open(PASSPHRASE).sealing_private == ALICE.sealing_private
    for wrong in (Secret("Correct horse"), Secret(""), None):
        with pytest.raises(WrongPassphrase):
            file.open(wrong)
    raw = path.read_bytes()
    for key in (ALICE.sealing_private, ALICE._keys()):
        assert base64.b64encode(key).rstrip(b"=")[:-1] not in raw
    assert json.loads(raw)["argon2id"]["memory_kib"] == cost.memory_kib


def test_a_passphrase_is_salted(locked):
    """Two files of one identity under one passphrase have neither salt nor sealed keys in common."""
    ALICE.save(locked.with_name("again"), PASSPHRASE, CHEAPEST)
    one, other = (json.loads(path.read_text()) for path in (locked, locked.with_name("again")))
    assert one["argon2id"]["salt"] != other["argon2id"]["salt"]
    assert one["sealed"] != other["sealed"]


def test_saving_never_overwrites(plain):
    """A file, even a dangling link, that stands in the way is left as it is."""
    before = plain.read_bytes()
    with pytest.raises(AlreadyExists):
        BOB.save(plain)
    assert plain.read_bytes() == before
    link = plain.with_name("link")
    link.symlink_to("nowhere")
    with pytest.raises(AlreadyExists):
        BOB.save(link)
    assert not link.with_name("nowhere").exists()


def test_replacing_is_whole_or_not_at_all(plain, monkeypatch):
    """A passphrase is set by exchanging the file; if that fails, the old file stays and nothing lies beside it."""
    before = plain.read_bytes()
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", _full)
        with pytest.raises(IdentityUnreadable):
            ALICE.replace(plain, PASSPHRASE, CHEAPEST)
    assert plain.read_bytes() == before
    assert list(plain.parent.iterdir()) == [plain]
    ALICE.replace(plain, PASSPHRASE, CHEAPEST)
    assert read_identity(plain).locked
    assert stat.S_IMODE(plain.stat().st_mode) == 0o600
    assert list(plain.parent.iterdir()) == [plain]


def _full(descriptor):
    raise OSError(28, "No space left on device")


def test_a_full_disk_leaves_no_half_identity(path, monkeypatch):
    """An identity that could not be written whole is not there, so that the next attempt can make one."""
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", _full)
        with pytest.raises(IdentityUnreadable):
            ALICE.save(path)
    assert not path.exists()
    ALICE.save(path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601, 0o620, 0o677])
def test_a_file_that_others_may_use_is_refused(plain, mode):
    """Any right of group or others is one too many, and the hint says how to end it."""
    plain.chmod(mode)
    with pytest.raises(IdentityUnreadable) as caught:
        read_identity(plain)
    assert caught.value.hint.startswith("chmod 600")


def test_what_is_no_file_is_refused(tmp_path):
    """A missing file and a folder have errors of their own."""
    with pytest.raises(IdentityMissing):
        read_identity(tmp_path / "identity")
    with pytest.raises(IdentityUnreadable):
        read_identity(tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b"AGE-SECRET-KEY-1", b"[" * 60_000, b'{"version":1}' + b" " * 65_536],
    ids=["empty", "cut", "list", "null", "binary", "foreign", "deep", "huge"],
)
def test_foreign_files_are_refused(plain, content):
    """What is no JSON object, or larger than any identity, is refused as damaged."""
    plain.write_bytes(content)
    with pytest.raises(IdentityUnreadable):
        read_identity(plain)


@pytest.mark.parametrize("version", [None, 0, 2, "1", [1]])
def test_another_version_is_not_guessed_at(plain, version):
    """A file of another version is refused with the hint to update."""
    rewrite(plain, version=version)
    with pytest.raises(IdentityUnreadable) as caught:
        read_identity(plain).open()
    assert caught.value.hint == "update this program"


@pytest.mark.parametrize(
    "changed",
    [
        {"keys": None},
        {"keys": ""},
        {"keys": "!!!"},
        {"keys": 7},
        {"keys": base64.b64encode(ALICE._keys()[:-1]).decode()},
        {"keys": base64.b64encode(ALICE._keys() + b"\x00").decode()},
        {"keys": base64.b64encode(BOB._keys()).decode()},
        {"keys": base64.b64encode(ALICE._keys()[:32] + BOB._keys()[32:]).decode()},
        {"name": None},
        {"name": "bob"},
        {"name": "a\ud800"},
        {"public": None},
        {"public": BOB.public.line()},
    ],
    ids=[
        "no-keys",
        "empty",
        "alphabet",
        "number",
        "short",
        "long",
        "other",
        "mixed",
        "no-name",
        "name",
        "half-name",
        "no-public",
        "other-public",
    ],
)
def test_a_plain_file_that_contradicts_itself_is_damaged(plain, changed):
    """Keys, name and public line must be of one identity."""
    rewrite(plain, **changed)
    with pytest.raises(IdentityUnreadable):
        read_identity(plain).open()


ARGON = {"salt": base64.b64encode(bytes(16)).decode(), "iterations": 1, "lanes": 1, "memory_kib": 8}


@pytest.mark.parametrize(
    "argon2id",
    [
        None,
        [],
        "x",
        {},
        ARGON | {"salt": "?"},
        ARGON | {"salt": ""},
        ARGON | {"lanes": "many"},
        ARGON | {"iterations": 0},
        ARGON | {"lanes": 0},
        ARGON | {"lanes": -1},
        ARGON | {"memory_kib": 7},
    ],
    ids=["none", "list", "text", "empty", "salt", "no-salt", "word", "iterations", "lanes", "negative", "memory"],
)
def test_costs_that_cannot_be_are_damage(locked, argon2id):
    """Argon2 parameters that are none are damage, not a wrong passphrase and not a fault of ours."""
    rewrite(locked, argon2id=argon2id)
    with pytest.raises(IdentityUnreadable):
        read_identity(locked).open(PASSPHRASE)


@pytest.mark.parametrize(
    "huge", [{"iterations": 65}, {"lanes": 65}, {"memory_kib": 4_194_305}, {"iterations": 10**30}], ids=str
)
def test_a_cost_that_would_stop_the_machine_is_refused_before_it_is_paid(locked, huge, monkeypatch):
    """A file cannot make its reader spend more memory or time than the bound: Argon2 is not even begun."""
    monkeypatch.setattr("registry.sealing.identity._passphrase_key", lambda *_: pytest.fail("it was begun"))
    rewrite(locked, argon2id=ARGON | huge)
    with pytest.raises(IdentityUnreadable):
        read_identity(locked).open(PASSPHRASE)


def test_every_changed_byte_of_sealed_keys_is_noticed(locked):
    """Sealed keys that were changed do not open, whatever the byte."""
    sealed = base64.b64decode(json.loads(locked.read_text())["sealed"])
    for at in range(len(sealed)):
        changed = bytearray(sealed)
        changed[at] ^= 1
        rewrite(locked, sealed=base64.b64encode(bytes(changed)).decode())
        with pytest.raises(WrongPassphrase):
            read_identity(locked).open(PASSPHRASE)


def test_sealed_keys_belong_to_their_public_line(locked):
    """Another member's public line over alice's sealed keys does not open them."""
    rewrite(locked, public=BOB.public.line(), name="bob")
    with pytest.raises(WrongPassphrase):
        read_identity(locked).open(PASSPHRASE)


def test_an_identity_shows_no_key():
    """Neither the identity nor its unopened file shows a key."""
    assert repr(ALICE) == "Identity('alice')"
    with pytest.raises(InvalidValue):
        Identity.generate("not a name")


def test_an_unopened_file_shows_no_key(plain):
    """The representation of a file that was read names the file only."""
    assert base64.b64encode(ALICE._keys()).decode()[:20] not in repr(read_identity(plain))


def test_a_passphrase_is_the_same_however_it_is_typed(path):
    """Keyboards compose letters in two ways; both open the file."""
    ALICE.save(path, Secret("caf\u00e9"), CHEAPEST)
    assert read_identity(path).open(Secret("cafe\u0301")).public == ALICE.public


def test_a_pipe_in_its_place_is_refused_at_once(path):
    """Nobody waits for what a pipe might say."""
    path.parent.mkdir(parents=True)
    os.mkfifo(path, 0o600)
    with pytest.raises(IdentityUnreadable):
        read_identity(path)
