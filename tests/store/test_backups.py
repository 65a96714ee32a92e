"""Backups: one file of one moment, in which nothing is that was destroyed; and their way back."""

import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path

import pytest

from registry import (
    AlreadyExists,
    Conflict,
    IntegrityError,
    InvalidValue,
    NewToken,
    Secret,
    StoreMissing,
    StoreUnreadable,
    TokenEdit,
    back_up_store,
    join,
    open_registry,
    restore_store,
    verify_registry,
)
from registry.service.places import place_of
from registry.store.copying import KEYS
from registry.store.sqlite import SQLitePlace
from tests.golden.make_store import seen
from tests.members.team import fields
from tests.store.copies import at, backed_up, copied, make_disk_small, rows_at

ENGINES = ["sqlite", "postgres"]


def test_a_backup_is_one_private_file(team):
    """Its owner alone may read it, nothing lies beside it, and it opens as the registry that it was."""
    for with_keys in (True, False):
        file = backed_up(team, with_keys=with_keys)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert list(file.parent.glob(f"{file.name}?*")) == []
        assert file.read_bytes()[18:20] == b"\x01\x01"  # as SQLite says that there is no write-ahead log
    assert rows_at(SQLitePlace(backed_up(team))) == rows_at(SQLitePlace(team.store))


def test_no_folder_is_made_for_a_backup(team, tmp_path):
    """A disk that is not mounted is not mistaken for a folder to be made."""
    with pytest.raises(InvalidValue, match="there is no folder"):
        back_up_store(team.settings("alice"), to=tmp_path / "no" / "b.db", surroundings=team.around)
    assert not (tmp_path / "no").exists()


def test_a_backup_holds_no_destroyed_key(team):
    """Keys and readable credentials that were overwritten are in no page of a backup, even while shredding waits."""
    find = "SELECT wrapped FROM data_keys UNION ALL SELECT plain FROM tokens WHERE plain IS NOT NULL"
    old = {value for (value,) in team.sql(find)}
    with closing(sqlite3.connect(team.store, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT COUNT(*) FROM data_keys").fetchone()
        with team.open("alice") as registry:
            registry.tokens.edit("Mail", TokenEdit(fields={"api_secret": Secret("third")}))
            registry.tokens.remove("Öffentlich")
            assert registry.shred_pending
        assert {value for (value,) in reader.execute(find)} == old
        file = backed_up(team)
        files = team.store.read_bytes() + Path(f"{team.store}-wal").read_bytes()
    with closing(sqlite3.connect(file)) as backup:
        gone = old - {value for (value,) in backup.execute(find)}
    assert len(gone) == 3
    assert [value for value in gone if value in files] != []
    assert [value for value in gone if value in file.read_bytes()] == []


def test_a_backup_of_many_tokens_holds_no_destroyed_key(team):
    """That is so where pages were split, emptied and freed, too."""
    with team.open("alice") as registry:
        for number in range(60):
            registry.tokens.add(NewToken(name=f"T {number}", provider="zoom", fields=fields(f"k{number}")))
        old = {value for (value,) in team.sql("SELECT wrapped FROM data_keys")}
        registry.members.rotate(reason="all keys anew")
        for number in range(0, 60, 2):
            registry.tokens.remove(f"T {number}")
    file = backed_up(team)
    data = file.read_bytes()
    assert len(old) > 60
    assert [value for value in old if value[5:] in data] == []


@pytest.mark.parametrize("engine", ENGINES)
def test_a_backup_without_keys_opens_nothing(team, request, engine):
    """None of the wrapped keys, boxes, readable credentials and fingerprints stands in any byte of it."""
    settings = team.settings("bob")
    if engine == "postgres":
        url = request.getfixturevalue("server").store_url(request.getfixturevalue("schema"))
        copied(team, url, "bob")
        settings = at(team, "bob", url)
    secret = team.sql("SELECT wrapped, box, plain, fingerprints, card FROM tokens JOIN data_keys USING (token_id)")
    parts = {part for row in secret for part in row if part}
    file = team.root / "log.db"
    back_up_store(settings, to=file, with_keys=False, surroundings=team.around)
    data = file.read_bytes()
    assert len(parts) > 12
    assert [part for part in parts if part[:24] in data or part[-24:] in data] == []
    rows = rows_at(SQLitePlace(team.store))
    assert rows_at(SQLitePlace(file)) == rows | {table: [] for table in KEYS}


def test_a_backup_is_one_moment_and_holds_nobody_up(team):
    """Commits that are made meanwhile succeed, and each backup ends with one of them, whole."""
    stop, made, failed = threading.Event(), [], []

    def commits():
        try:
            with team.open("carol") as registry:
                while not stop.is_set():
                    registry.policies.set("record-resolves", ("off", "every")[len(made) % 2])
                    made.append(1)
        except Exception as error:  # noqa: BLE001 - whatever it is, the test fails for it
            failed.append(error)

    writer = threading.Thread(target=commits)
    writer.start()
    try:
        for with_keys in (True, False, True):
            file = backed_up(team, with_keys=with_keys)
            with closing(SQLitePlace(file).open()) as store:
                assert store.head().size == store.size()
    finally:
        stop.set()
        writer.join()
    assert failed == []
    assert len(made) > 3


def test_a_backup_of_postgres_is_a_file(team, server, schema):
    """A registry in PostgreSQL is backed up into a file that is restored to either engine."""
    url = server.store_url(schema)
    copied(team, url)
    file = team.root / "from-postgres.db"
    back_up_store(at(team, "alice", url), to=file, surroundings=team.around)
    assert rows_at(SQLitePlace(file)) == rows_at(SQLitePlace(team.store))


@pytest.mark.parametrize("with_keys", [True, False])
def test_a_full_disk_is_said(team, monkeypatch, tmp_path, with_keys):
    """Where there is no room for the backup, the error says so and nothing is left."""
    make_disk_small(monkeypatch)
    with pytest.raises(StoreUnreadable, match=f"no room left on the disk of {tmp_path}"):
        back_up_store(team.settings("alice"), to=tmp_path / "b.db", with_keys=with_keys, surroundings=team.around)
    assert list(tmp_path.glob("b.db*")) == []


# Restoring


def test_a_restored_backup_is_the_registry(team, target):
    """On a machine that knows the place nothing is to be done where the backup is as new as what it has seen."""
    rows = rows_at(SQLitePlace(team.store))
    file = backed_up(team)
    team.store.rename(team.store.with_name("away.db"))
    restored = restore_store(team.settings("alice"), file=file, surroundings=team.around)
    assert restored.seen == restored.commit
    assert rows_at(SQLitePlace(team.store)) == rows
    assert team.do("alice", seen)["tokens"]
    elsewhere = restore_store(at(team, "alice", target), file=file, surroundings=team.around)
    assert elsewhere.seen is None
    assert rows_at(place_of(at(team, "alice", target))) == rows
    join(at(team, "alice", target), registry_id=elsewhere.registry_id, surroundings=team.around)


def test_an_older_backup_is_noticed_by_every_pin(team):
    """Restoring moves no pin back: each machine refuses what is older, until an admin has accepted it."""
    file = backed_up(team)
    for name, value in (("alice", "off"), ("carol", "every")):
        team.do(name, lambda r, value=value: r.policies.set("record-resolves", value))
    team.do("bob", lambda r: r.whoami())
    pins = {name: team.pin(name) for name in ("alice", "bob", "carol")}
    team.store.rename(team.store.with_name("away.db"))
    restored = restore_store(team.settings("alice"), file=file, surroundings=team.around)
    assert restored.seen > restored.commit
    assert {name: team.pin(name) for name in pins} == pins
    for name in pins:
        with pytest.raises(IntegrityError, match="the store was cut or put back") as refused:
            team.open(name)
        assert "log accept-rollback" in refused.value.hint


def test_what_does_not_verify_is_not_restored(team, tmp_path):
    """A backup that was changed, one that lacks its keys, and what is none are refused, and nothing is there."""
    file, log = backed_up(team), backed_up(team, with_keys=False)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE data_keys SET wrapped = zeroblob(10)")
    none = tmp_path / "none.db"
    none.write_text("nothing of ours")
    settings = at(team, "alice", f"sqlite:///{tmp_path}/there.db")
    for path, kind, match in (
        (file, IntegrityError, "data-key at position"),
        (log, IntegrityError, "is missing"),
        (none, StoreUnreadable, "is not a token registry"),
        (tmp_path / "nowhere.db", StoreMissing, "there is no backup"),
    ):
        with pytest.raises(kind, match=match):
            restore_store(settings, file=path, surroundings=team.around)
    assert not (tmp_path / "there.db").exists()


def test_a_place_that_is_known_as_another_registrys(team, tmp_path):
    """A backup of one registry is not put where this machine knows another."""
    file = backed_up(team)
    settings = at(team, "alice", f"sqlite:///{tmp_path}/there.db")
    team.pins("alice").put(type(team.pin("alice"))(SQLitePlace(tmp_path / "there.db").url, b"x" * 32))
    with pytest.raises(Conflict, match="knows the store at"):
        restore_store(settings, file=file, surroundings=team.around)


def test_a_backup_without_keys_is_restored_as_that(team, tmp_path):
    """Its history is there; every question about a token is an integrity error, and none is answered."""
    file = backed_up(team, with_keys=False)
    settings = at(team, "alice", f"sqlite:///{tmp_path}/there.db")
    restored = restore_store(settings, file=file, with_keys=False, surroundings=team.around)
    join(settings, registry_id=restored.registry_id, surroundings=team.around)
    before = team.do("alice", seen)["history"]
    with open_registry(settings, surroundings=team.around) as registry:
        assert [entry.document() for entry in registry.history(diff=True)] == before
        assert len(list(registry.export())) == restored.size
        for ask in (
            lambda: list(registry.tokens.list()),
            lambda: registry.tokens.show("Mail"),
            lambda: registry.tokens.reveal("Mail", "api_secret"),
            lambda: registry.resolve("Mail"),
            lambda: registry.tokens.edit("Mail", TokenEdit(fields={}, description="x")),
            lambda: registry.tokens.add(NewToken(name="Mail", provider="zoom", fields=fields("x"))),
        ):
            with pytest.raises(IntegrityError):
                ask()
    found = verify_registry(settings, surroundings=team.around)
    assert not found.ok
    assert {one.kind for one in found.problems} == {"row", "data-key"}


def test_only_what_is_missing_is_let_pass_without_keys(team, tmp_path):
    """A backup without keys must be right in all that it has."""
    file = backed_up(team, with_keys=False)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("DELETE FROM present_units")
    settings = at(team, "alice", f"sqlite:///{tmp_path}/there.db")
    with pytest.raises(IntegrityError, match="present at position"):
        restore_store(settings, file=file, with_keys=False, surroundings=team.around)
    whole = backed_up(team)
    with closing(sqlite3.connect(whole)) as connection, connection:
        connection.execute("DELETE FROM data_keys")
    with pytest.raises(IntegrityError, match="data-key at position"):
        restore_store(settings, file=whole, with_keys=False, surroundings=team.around)


def test_a_log_that_another_store_left_is_not_taken_over(team, tmp_path):
    """SQLite would put what a write-ahead log holds into the new file, so that nothing is made beside one."""
    file = backed_up(team)
    (tmp_path / "there.db-wal").write_bytes(b"left")
    with pytest.raises(AlreadyExists, match=r"lies there\.db-wal"):
        restore_store(at(team, "alice", f"sqlite:///{tmp_path}/there.db"), file=file, surroundings=team.around)
