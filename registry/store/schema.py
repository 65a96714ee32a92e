"""The tables of an SQLite store. ``docs/formats.md`` says what each column holds."""

APPLICATION_ID = 0x746B7267
"""``tkrg``, in the header of the file: what tells a registry from any other SQLite database."""
SCHEMA_VERSION = 3
WITH_INSTANCE = 3
"""Since which version a store has an id of its own."""
FIRST_VERSION = 2
"""Stores of version 1 were made before there was a log: nobody signed what they hold."""

VERSIONS = range(FIRST_VERSION, SCHEMA_VERSION + 1)

_APPEND_ONLY = ("stored_events", "commits", "log_nodes")

_INSTANCE = "CREATE TABLE instance (id TEXT PRIMARY KEY) WITHOUT ROWID"
# Tables of long rows have rowids: without, a row of over a quarter of a page takes a whole page more.
TABLES = (
    """
    CREATE TABLE stored_events (
        originator_id TEXT NOT NULL,
        originator_version INTEGER NOT NULL,
        topic TEXT NOT NULL,
        state BLOB NOT NULL,
        position INTEGER PRIMARY KEY,
        commit_number INTEGER NOT NULL,
        UNIQUE (originator_id, originator_version)
    )
    """,
    """
    CREATE TABLE commits (
        number INTEGER PRIMARY KEY,
        author TEXT NOT NULL,
        at TEXT NOT NULL,
        size INTEGER NOT NULL,
        root BLOB NOT NULL,
        present BLOB NOT NULL,
        roster_length INTEGER NOT NULL,
        roster_head BLOB NOT NULL,
        shredded INTEGER NOT NULL,
        signature BLOB NOT NULL
    )
    """,
    "CREATE TABLE log_nodes (number INTEGER PRIMARY KEY, hash BLOB NOT NULL)",
    "CREATE TABLE present_units (unit INTEGER PRIMARY KEY, data BLOB NOT NULL)",
    """
    CREATE TABLE tokens (
        token_id TEXT PRIMARY KEY,
        application_id TEXT,
        name_tag BLOB NOT NULL UNIQUE,
        version INTEGER NOT NULL,
        revision INTEGER NOT NULL,
        box_revision INTEGER NOT NULL,
        position INTEGER NOT NULL,
        card BLOB NOT NULL,
        box BLOB NOT NULL,
        plain BLOB,
        fingerprints BLOB NOT NULL
    )
    """,
    "CREATE INDEX tokens_by_application ON tokens (application_id)",
    "CREATE TABLE data_keys (token_id TEXT PRIMARY KEY, wrapped BLOB NOT NULL) WITHOUT ROWID",
    _INSTANCE,
)

# INSERT OR REPLACE deletes without firing a delete trigger, so replacing is refused before it is inserted.
_TAKEN = {
    "stored_events": "position = NEW.position OR (originator_id = NEW.originator_id"
    " AND originator_version = NEW.originator_version)",
    "commits": "number = NEW.number",
    "log_nodes": "number = NEW.number",
}


def triggers() -> list[str]:
    """Return the statements that make the tables of events and commits append-only."""
    statements = []
    for table in _APPEND_ONLY:
        refusal = f"SELECT RAISE(ABORT, '{table} is append-only')"
        taken = f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {_TAKEN[table]})"  # noqa: S608 - made of constants
        statements += [
            f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} BEGIN {refusal}; END",
            f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} BEGIN {refusal}; END",
            f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} {taken} BEGIN {refusal}; END",
        ]
    return statements


def statements(version: int = SCHEMA_VERSION) -> list[str]:
    """Return the statements that make an empty store, as the database keeps them in its own catalogue."""
    tables = [table for table in TABLES if version >= WITH_INSTANCE or table is not _INSTANCE]
    return [statement.strip() for statement in (*tables, *triggers())]
