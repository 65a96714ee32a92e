"""Files that are no store: each has its error, and none is touched."""

import hashlib
import os
import sqlite3

import pytest

from registry.errors import AlreadyExists, IntegrityError, RegistryError, StoreMissing, StoreUnreadable, Unusable
from registry.service.registry import open_registry
from registry.store import schema
from registry.store.sqlite import SQLiteStore
from tests.service.attacks import fill


@pytest.fixture
def path(founded, around):
    """Return the file of a closed store that has a history."""
    with open_registry(founded, surroundings=around) as registry:
        fill(registry)
    return founded.store_path()


def fingerprint(path):
    """Return what all files of a folder hold."""
    return {file: hashlib.sha256(file.read_bytes()).hexdigest() for file in path.parent.rglob("*") if file.is_file()}


def foreign(path):
    """Put another program's database there."""
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE stored_events (x)")
    connection.close()


def header(offset, value):
    """Return what changes four bytes of the file's header."""

    def change(path):
        data = bytearray(path.read_bytes())
        data[offset : offset + 4] = value.to_bytes(4, "big")
        path.write_bytes(data)

    return change


UNREADABLE = {
    "empty": lambda path: path.write_bytes(b""),
    "garbage": lambda path: path.write_bytes(b"\x00\xff" * 4096),
    "text": lambda path: path.write_text("not a database\n" * 100),
    "header only": lambda path: path.write_bytes(path.read_bytes()[:99]),
    "foreign": foreign,
    "other application": header(68, 0x12345678),
    "no application": header(68, 0),
    "newer schema": header(60, schema.SCHEMA_VERSION + 1),
    "newest schema": header(60, 0xFFFFFFFF),
    "older schema": header(60, schema.FIRST_VERSION - 1),
    "no schema": header(60, 0),
}


@pytest.mark.parametrize("damage", UNREADABLE.values(), ids=UNREADABLE)
def test_what_is_no_registry_is_refused_and_left_alone(path, founded, around, damage):
    """Empty, foreign, newer and garbage files are unreadable; neither they nor their folder change."""
    damage(path)
    before = fingerprint(path)
    with pytest.raises(StoreUnreadable):
        SQLiteStore.open(path)
    with pytest.raises(StoreUnreadable):
        open_registry(founded, surroundings=around)
    assert fingerprint(path) == before


def test_a_newer_schema_is_called_newer(path):
    """A store of a newer program is told apart from a damaged one, with the hint to update."""
    header(60, schema.SCHEMA_VERSION + 1)(path)
    with pytest.raises(StoreUnreadable, match="newer") as caught:
        SQLiteStore.open(path)
    assert caught.value.hint == "update this program"


def test_a_schema_from_before_the_log_is_called_so(path):
    """Nobody signed what such a store holds: it is not read on trust, and not changed into one of today's."""
    before = path.read_bytes()
    for version in range(schema.FIRST_VERSION):
        header(60, version)(path)
        with pytest.raises(StoreUnreadable, match="from before there was a log") as caught:
            SQLiteStore.open(path)
        assert "found a new registry" in caught.value.hint
    path.write_bytes(before)
    SQLiteStore.open(path).close()


def test_nothing_there_is_missing_and_stays_so(founded, around):
    """Opening a store that is not there makes none."""
    path = founded.store_path()
    path.unlink()
    before = fingerprint(path)
    with pytest.raises(StoreMissing):
        open_registry(founded, surroundings=around)
    assert fingerprint(path) == before


def test_what_is_no_file_is_no_store(tmp_path):
    """A folder in the store's place is unreadable, and a pipe is not waited for."""
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(StoreUnreadable):
            SQLiteStore.open(place)


@pytest.mark.parametrize("sixteenths", range(1, 16))
def test_a_truncated_store_is_an_error_of_ours_and_left_alone(path, founded, around, sixteenths):
    """Wherever the file was cut, reading it all ends in one of the registry's errors, and changes no byte of it."""
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * sixteenths // 16])
    before = path.read_bytes()
    with pytest.raises((Unusable, IntegrityError)):
        read_everything(founded, around)
    assert path.read_bytes() == before


def read_everything(settings, around):
    """Read the whole registry."""
    with open_registry(settings, surroundings=around) as registry:
        list(registry.tokens.list())
        registry.applications.list()
        list(registry.history())


@pytest.mark.parametrize("page", range(1, 12))
def test_a_page_of_noise_is_an_error_of_ours_or_unseen(path, founded, around, page):
    """A page overwritten with noise ends in one of the registry's errors, if what is read lies in it."""
    data = bytearray(path.read_bytes())
    data[page * 4096 : (page + 1) * 4096] = hashlib.shake_256(b"noise").digest(4096)
    path.write_bytes(data)
    try:
        read_everything(founded, around)
    except RegistryError as error:
        assert isinstance(error, Unusable | IntegrityError)  # noqa: PT017 - unseen noise raises nothing


def test_a_store_is_never_made_over_something(tmp_path):
    """Creating refuses any file, and a dangling link."""
    path = tmp_path / "registry.db"
    path.write_bytes(b"mine")
    with pytest.raises(AlreadyExists):
        SQLiteStore.create(path)
    assert path.read_bytes() == b"mine"
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "nowhere.db")
    with pytest.raises(AlreadyExists):
        SQLiteStore.create(link)
    assert not (tmp_path / "nowhere.db").exists()
