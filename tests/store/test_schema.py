"""The schema is part of what a store promises: it is compared, statement by statement, before anything is read."""

import sqlite3
from contextlib import closing

import pytest

from registry.errors import IntegrityError
from registry.store.sqlite import SQLiteStore


@pytest.fixture
def path(tmp_path):
    """Return an empty store that nobody has open."""
    store = SQLiteStore.create(tmp_path / "registry.db")
    store.close()
    return store.path


def test_an_untouched_store_opens(path):
    """What this program makes is what it expects."""
    SQLiteStore.open(path).close()


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("DROP TRIGGER stored_events_no_delete", "CREATE TRIGGER stored_events_no_delete is missing"),
        ("DROP TRIGGER log_nodes_no_update", "CREATE TRIGGER log_nodes_no_update is missing"),
        ("DROP TRIGGER commits_no_replace", "CREATE TRIGGER commits_no_replace is missing"),
        ("DROP TABLE present_units", "CREATE TABLE present_units is missing"),
        ("CREATE TABLE marks (name TEXT PRIMARY KEY, value TEXT NOT NULL)", "CREATE TABLE marks is no part"),
        ("DROP INDEX tokens_by_application", "CREATE INDEX tokens_by_application is missing"),
        ("ALTER TABLE commits ADD COLUMN more TEXT", "CREATE TABLE commits"),
        ("CREATE TABLE kept (key BLOB)", "CREATE TABLE kept.* is no part of a registry"),
        (
            "CREATE TRIGGER keep BEFORE UPDATE ON data_keys BEGIN SELECT 1; END",
            "CREATE TRIGGER keep is no part of a registry",
        ),
        ("CREATE VIEW peek AS SELECT * FROM data_keys", "CREATE VIEW peek is no part of a registry"),
    ],
)
def test_a_changed_schema_is_refused(path, statement, named):
    """A trigger that is gone lets history be rewritten; one too many could keep keys that are to be destroyed."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)
    with pytest.raises(IntegrityError, match=named):
        SQLiteStore.open(path)
