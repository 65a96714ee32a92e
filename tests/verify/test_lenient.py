"""Stores that no other command opens: verification says what is wrong, and neither fails nor runs for ever."""

import random
import sqlite3
from contextlib import closing

import pytest

from registry import RegistryError, StoreMissing, StoreUnreadable
from registry.store import schema
from registry.store.raw import COLUMNS
from tests.verify.history import READERS, damage, found, query, size_of, verified

FOREVER = "WITH RECURSIVE more(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM more) SELECT x FROM more"


def kinds(team, name="alice"):
    """Return the kinds of problems that a member finds."""
    return {kind for _, kind in found(team, name)}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("table", COLUMNS)
def test_a_table_that_was_dropped(rich, name, table):
    """Without a table the schema is wrong, and nothing is said of rows that should be in it."""
    damage(rich, f"DROP TABLE {table}")
    outcome = verified(rich, name)
    assert {problem.kind for problem in outcome.problems} == {"schema"}
    assert any(table in sentence for sentence in outcome.unchecked)


@pytest.mark.parametrize("table", COLUMNS)
def test_a_view_in_the_place_of_a_table(rich, table):
    """A view that never ends is not read."""
    damage(rich, f"DROP TABLE {table}", f"CREATE VIEW {table} AS {FOREVER}")
    assert kinds(rich) == {"schema"}


@pytest.mark.parametrize("table", COLUMNS)
def test_a_table_with_other_columns(rich, table):
    """A table that lacks a column is not read; one that has a column more is read all the same."""
    column = COLUMNS[table][-1]
    damage(rich, f"ALTER TABLE {table} RENAME COLUMN {column} TO other")
    assert kinds(rich) == {"schema"}
    damage(rich, f"ALTER TABLE {table} RENAME COLUMN other TO {column}", f"ALTER TABLE {table} ADD COLUMN more TEXT")
    assert kinds(rich) == {"schema"}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("table", COLUMNS)
def test_a_table_that_was_emptied(rich, name, table):
    """An empty table ends in problems of its own kind."""
    damage(rich, f"DELETE FROM {table}")
    wanted = {
        "stored_events": {"event"},
        "commits": {"commit", "pin", "unsigned"},
        "log_nodes": {"node"},
        "present_units": {"present"},
        "tokens": {"row"},
        "data_keys": {"data-key"},
    }[table]
    assert kinds(rich, name) == wanted


@pytest.mark.parametrize("value", ["NULL", "1.5", "'text'", "x'ff'", "9223372036854775807", "-1", "zeroblob(70000)"])
@pytest.mark.parametrize("table", COLUMNS)
def test_columns_of_any_type(rich, table, value):
    """Whatever stands in a column, and even in all rows at once, ends in problems."""
    for column in COLUMNS[table]:
        copy = rich.backup()
        try:
            damage(rich, f"UPDATE OR REPLACE {table} SET {column} = {value}")
        except sqlite3.IntegrityError:
            continue  # the database itself does not take it
        outcome = verified(rich)
        assert not outcome.ok, column
        rich.restore(copy)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER keeper AFTER UPDATE ON data_keys BEGIN SELECT 1; END",
        "CREATE TABLE more (x)",
        "CREATE INDEX more ON commits (author)",
        "DROP TRIGGER commits_no_update",
    ],
)
def test_what_is_no_part_of_a_registry(rich, statement):
    """A statement too many in the schema, or too few, is found, and nothing else is."""
    with closing(sqlite3.connect(rich.store)) as connection:
        connection.execute(statement)
    assert found(rich) == [(size_of(rich), "schema")]


@pytest.mark.parametrize("pragma", ["application_id", "user_version"])
def test_another_word_in_the_header(rich, pragma):
    """What the file says it is belongs to the schema."""
    with closing(sqlite3.connect(rich.store)) as connection:
        connection.execute(f"PRAGMA {pragma} = 77")
    assert found(rich) == [(size_of(rich), "schema")]


def test_a_store_of_a_newer_program(rich):
    """A store whose tables are others because it is newer is not called wrong."""
    damage(rich, "ALTER TABLE commits ADD COLUMN more TEXT")
    with closing(sqlite3.connect(rich.store)) as connection:
        connection.execute(f"PRAGMA user_version = {schema.SCHEMA_VERSION + 1}")
    with pytest.raises(StoreUnreadable, match="schema 4"):
        verified(rich)


def test_a_catalogue_that_nobody_can_read(rich):
    """If not even the tables' names can be read, that is the one problem."""
    with closing(sqlite3.connect(rich.store, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET sql = 'garbage' WHERE name = 'tokens'")
    outcome = verified(rich)
    assert [problem.kind for problem in outcome.problems] == ["schema"]
    assert not outcome.ok


def test_no_database_at_all(rich):
    """What is no database, or not there, is an error and no problem."""
    rich.store.write_bytes(b"nothing")
    with pytest.raises(StoreUnreadable):
        verified(rich)
    rich.store.unlink()
    with pytest.raises(StoreMissing):
        verified(rich)


@pytest.mark.parametrize("seed", range(12))
def test_any_byte_of_the_file(rich, seed):
    """Whatever bytes of the file are changed, verification comes to an end, with a result or an error of ours."""
    chance = random.Random(seed)  # noqa: S311 - which bytes are changed is no secret
    query(rich, "PRAGMA wal_checkpoint(TRUNCATE)")
    sound = rich.store.read_bytes()
    for _ in range(8):
        changed = bytearray(sound)
        for _ in range(chance.choice((1, 3, 30))):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        for suffix in ("-wal", "-shm"):
            rich.store.with_name(rich.store.name + suffix).unlink(missing_ok=True)
        rich.store.write_bytes(changed)
        try:
            verified(rich, chance.choice(READERS))
        except RegistryError:
            continue


def test_positions_beyond_all_numbers(rich):
    """Sizes and positions that no log has cost no more time than others."""
    damage(
        rich,
        "UPDATE commits SET size = 9000000000000000000 WHERE number = 5",
        "UPDATE stored_events SET position = 8000000000000000000 WHERE position = 20",
        "UPDATE commits SET number = 7000000000000000000 WHERE number = 30",
    )
    assert {kind for _, kind in found(rich)} == {"signature", "event", "unsigned", "commit"}
