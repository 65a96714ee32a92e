"""Append-only: what SQLite itself refuses, and the pragmas that the promises rest on."""

import sqlite3

import pytest

from registry.store import schema
from tests.store.commits import row


@pytest.fixture
def path(writer):
    """Return the file of a store with two commits."""
    writer.put([writer.created(1), writer.tested(1, 2)], rows=[row(1)])
    return writer.store.path


@pytest.fixture
def stranger(path):
    """Return a plain connection to the store, as any tool would open it."""
    with sqlite3.connect(path, isolation_level=None) as connection:
        yield connection
    connection.close()


def rows(connection, table):
    """Return a table's rows."""
    return connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()


EVENT = "SELECT originator_id, originator_version, topic, x'00', position, commit_number FROM stored_events LIMIT 1"
REST = "at, size, root, present, roster_length, roster_head, shredded, signature"
COMMIT = "'x', 0, x'00', x'00', 0, x'00', 0, x'00'"
HISTORY = ("stored_events", "commits", "log_nodes")
OTHER = "SELECT '{:032x}', 1, topic, x'00', position, commit_number FROM stored_events LIMIT 1"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE stored_events SET state = x'00'",
        "UPDATE stored_events SET position = position + 10",
        "UPDATE OR REPLACE stored_events SET position = 0",
        "DELETE FROM stored_events",
        "DELETE FROM stored_events WHERE position = 2",
        f"INSERT OR REPLACE INTO stored_events {EVENT}",
        f"REPLACE INTO stored_events {EVENT}",
        f"REPLACE INTO stored_events {OTHER.format(77)}",
        f"INSERT OR IGNORE INTO stored_events {EVENT}",
        f"INSERT INTO stored_events {EVENT} ON CONFLICT DO UPDATE SET state = x'00'",
        "UPDATE commits SET author = 'x'",
        "UPDATE OR REPLACE commits SET number = 0",
        "DELETE FROM commits",
        f"INSERT OR REPLACE INTO commits SELECT number, 'x', {REST} FROM commits",
        f"REPLACE INTO commits VALUES (0, 'x', {COMMIT})",
        f"INSERT INTO commits VALUES (0, 'x', {COMMIT}) ON CONFLICT (number) DO UPDATE SET author = 'x'",
        "UPDATE log_nodes SET hash = x'00'",
        "UPDATE OR REPLACE log_nodes SET number = 0",
        "DELETE FROM log_nodes WHERE number = 1",
        "INSERT OR REPLACE INTO log_nodes SELECT number, x'00' FROM log_nodes",
        "REPLACE INTO log_nodes VALUES (2, x'00')",
        "INSERT OR IGNORE INTO log_nodes VALUES (2, x'00')",
        "INSERT INTO log_nodes VALUES (0, x'00') ON CONFLICT (number) DO UPDATE SET hash = x'00'",
    ],
)
def test_what_was_appended_stays(stranger, statement):
    """Updating, deleting and replacing events, commits or nodes of the log is refused by the file itself."""
    before = [rows(stranger, table) for table in HISTORY]
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        stranger.execute(statement)
    assert [rows(stranger, table) for table in HISTORY] == before
    assert all(before)


def test_current_rows_may_be_replaced(stranger):
    """Only the history is append-only: rows, data keys and units are the present."""
    stranger.execute("DELETE FROM data_keys")
    stranger.execute("UPDATE tokens SET version = 2")
    stranger.execute("DELETE FROM present_units")
    assert rows(stranger, "data_keys") == rows(stranger, "present_units") == []


@pytest.mark.parametrize(("pragma", "value"), [("synchronous", 2), ("secure_delete", 1), ("journal_mode", "wal")])
def test_the_pragmas_hold_on_every_connection(writer, path, pragma, value):
    """Reading or writing, each connection syncs fully, overwrites what it deletes, and uses the write-ahead log."""
    store = writer.store
    with store._writer._datastore.get_connection(commit=False) as connection:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA {pragma}")
        assert cursor.fetchone()[0] == value
    assert store._connection.execute(f"PRAGMA {pragma}").fetchone()[0] == value


@pytest.mark.parametrize(("pragma", "value"), [("trusted_schema", 0), ("cell_size_check", 1), ("temp_store", 2)])
def test_the_file_is_not_trusted(writer, path, pragma, value):
    """Functions in the schema, damaged cells and temporary files are dealt with on every connection."""
    store = writer.store
    with store._writer._datastore.get_connection(commit=False) as connection:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA {pragma}")
        assert cursor.fetchone()[0] == value
    assert store._connection.execute(f"PRAGMA {pragma}").fetchone()[0] == value


def test_the_file_says_what_it_is(stranger):
    """The header carries the application's id and the schema's version."""
    assert stranger.execute("PRAGMA application_id").fetchone() == (schema.APPLICATION_ID,)
    assert stranger.execute("PRAGMA user_version").fetchone() == (schema.SCHEMA_VERSION,)


def test_a_new_store_is_its_owners_alone(path):
    """The file has mode 0600."""
    assert path.stat().st_mode & 0o777 == 0o600
