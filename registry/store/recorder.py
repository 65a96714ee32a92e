"""Writing: the recorder of ``eventsourcing`` for SQLite, extended so that one transaction holds a whole commit."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from eventsourcing.persistence import EventStore, PersistenceError, StoredEvent
from eventsourcing.persistence import IntegrityError as RecordConflict
from eventsourcing.sqlite import (
    SQLiteApplicationRecorder,
    SQLiteConnection,
    SQLiteConnectionPool,
    SQLiteCursor,
    SQLiteDatastore,
)

from registry.domain.events import Event
from registry.errors import Conflict
from registry.store import schema
from registry.store.connection import PRAGMAS, file_url, unusable
from registry.store.contents import Contents
from registry.store.mapper import SealingMapper
from registry.store.rows import Commit
from registry.values import rfc3339

_LOCK_TIMEOUT = 2
_LOCK_FOR_WRITING = "DELETE FROM marks WHERE FALSE"
"""A transaction that reads before it writes cannot wait for its turn: SQLite refuses it if another wrote meanwhile."""


class _Pool(SQLiteConnectionPool):
    def _create_connection(self) -> SQLiteConnection:
        connection = super()._create_connection()
        cursor = connection.cursor()
        for pragma in PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        return connection


class CommitDatastore(SQLiteDatastore):
    """Connections to an existing file, with the pragmas that the registry's promises rest on."""

    def __init__(self, path: Path, originator_id_type: Literal["uuid", "text"] = "text") -> None:
        super().__init__(file_url(path), originator_id_type=originator_id_type)
        self.pool = _Pool(db_name=file_url(path), lock_timeout=_LOCK_TIMEOUT)


class CommitRecorder(SQLiteApplicationRecorder):
    """Inserts events at dense positions, and with them everything else that their commit writes."""

    def __init__(self, datastore: SQLiteDatastore) -> None:
        super().__init__(datastore)
        self.insert_events_statement = (
            "INSERT INTO stored_events (originator_id, originator_version, topic, state, position, commit_number)"
            " VALUES (?, ?, ?, ?, ?, ?)"
        )

    def construct_create_table_statements(self) -> list[str]:
        """Return the statements that make an empty store."""
        return schema.statements()

    def _insert_events(
        self,
        c: SQLiteCursor,
        stored_events: Sequence[StoredEvent],
        *,
        commit: Commit | None = None,
        **_: object,
    ) -> Sequence[int]:
        c.execute(_LOCK_FOR_WRITING)
        c.execute("SELECT COALESCE(MAX(position) + 1, 0) FROM stored_events")
        position = c.fetchone()[0]
        if commit is not None and position != commit.size:
            raise Conflict("somebody else committed meanwhile", "try again")
        number = 0 if commit is None else commit.number
        positions = range(position, position + len(stored_events))
        for at, event in zip(positions, stored_events, strict=True):
            originator = event.originator_id
            stream = originator if isinstance(originator, str) else originator.hex
            c.execute(
                self.insert_events_statement,
                (stream, event.originator_version, event.topic, event.state, at, number),
            )
        if commit is not None:
            _write_commit(c, commit, positions.stop)
        return [at + 1 for at in positions]


def _write_commit(c: SQLiteCursor, commit: Commit, size: int) -> None:
    c.execute("INSERT INTO commits VALUES (?, ?, ?, ?)", (commit.number, commit.author, rfc3339(commit.at), size))
    for token in commit.dropped:
        for table in ("tokens", "data_keys", "fingerprints"):
            c.execute(f"DELETE FROM {table} WHERE token_id = ?", (token,))  # noqa: S608 - three constants
    # A name that one row of this commit gives up may be taken by another, so the rows leave before any returns.
    c.executemany("DELETE FROM tokens WHERE token_id = ?", [(row.token,) for row in commit.rows])
    c.executemany(
        "INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (r.token, r.application, r.name_tag, r.version, r.revision, r.box_revision, r.card, r.box, r.plain)
            for r in commit.rows
        ],
    )
    c.executemany("INSERT OR REPLACE INTO data_keys VALUES (?, ?)", list(commit.data_keys.items()))
    c.executemany("INSERT OR IGNORE INTO fingerprints VALUES (?, ?)", list(commit.fingerprints))
    if commit.shredded:
        c.execute("DELETE FROM marks WHERE name = ?", (schema.SHRED_DUE,))
    if commit.shred:
        c.execute("INSERT OR REPLACE INTO marks VALUES (?, ?)", (schema.SHRED_DUE, str(commit.number)))


class CommitWriter:
    """Writes commits to the SQLite file at a path."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._datastore = CommitDatastore(path)
        self._recorder = CommitRecorder(self._datastore)

    def create_tables(self) -> None:
        """Make the tables of an empty store."""
        try:
            with self._datastore.transaction(commit=True) as c:
                for statement in self._recorder.create_table_statements:
                    c.execute(statement)
                c.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
                c.execute(f"PRAGMA user_version = {schema.SCHEMA_VERSION}")
        except PersistenceError as error:
            raise unusable(self._path, error) from None

    def put(self, contents: Contents, events: Sequence[Event], commit: Commit) -> None:
        """Seal the events and write their commit, whole or not at all; ``Conflict`` if it is not the next one."""
        try:
            EventStore(SealingMapper(contents), self._recorder).put(events, commit=commit)
        except RecordConflict:
            raise Conflict("somebody else committed meanwhile", "try again") from None
        except PersistenceError as error:
            raise unusable(self._path, error) from None

    def close(self) -> None:
        """Close every connection."""
        self._datastore.close()
