"""Writing: the recorder of ``eventsourcing`` for SQLite, extended so that one transaction holds a whole commit."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from eventsourcing.persistence import (
    EventStore,
    IntegrityError as RecordConflict,
    Notification,
    PersistenceError,
    StoredEvent,
)
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
from registry.store.assembly import assemble, placed
from registry.store.connection import connect, file_url, placeholders, unusable
from registry.store.contents import Contents
from registry.store.mapper import SealingMapper
from registry.store.rows import Commit, Stored, Written
from registry.store.writing import write_log, write_rows

_LOCK_FOR_WRITING = "DELETE FROM present_units WHERE FALSE"
"""A transaction that reads before it writes cannot wait for its turn: SQLite refuses it if another wrote meanwhile."""
_LAST = 2**63 - 1
_BATCH = 500
"""How many values one statement is given at the most."""


class _Pool(SQLiteConnectionPool):
    """Connections as every other of a store.

    ``eventsourcing``'s own would remember one prepared statement at a time: it gives ``cached_statements=True`` for a
    number.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(db_name=file_url(path))
        self._path = path

    def _create_connection(self) -> SQLiteConnection:
        connection = connect(self._path)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.row_factory = sqlite3.Row
        return SQLiteConnection(connection, max_age=self.max_age)


class CommitDatastore(SQLiteDatastore):
    """The connection by which a store is read, or a pool of connections like it.

    To read and write by one is better: each of two would throw away its pages of the file whenever the other had
    written. Whoever gives it lets one thread use it at a time, and closes it.
    """

    def __init__(
        self,
        path: Path,
        originator_id_type: Literal["uuid", "text"] = "text",
        connection: sqlite3.Connection | None = None,
    ) -> None:
        super().__init__(file_url(path), originator_id_type=originator_id_type)
        self.pool = _Pool(path)
        self._shared = SQLiteConnection(connection, max_age=None) if connection else None

    @contextmanager
    def get_connection(self, *, commit: bool) -> Iterator[SQLiteConnection]:
        """Give the connection; without one, a connection of the pool."""
        if self._shared is not None:
            yield self._shared
        else:
            with super().get_connection(commit=commit) as connection:
                yield connection


class _Reader:
    """What a commit reads of the store inside its own transaction."""

    def __init__(self, cursor: SQLiteCursor) -> None:
        self._cursor = cursor

    def end(self) -> tuple[int | None, int]:
        self._cursor.execute(
            "SELECT (SELECT MAX(number) FROM commits), (SELECT COALESCE(MAX(position) + 1, 0) FROM stored_events)"
        )
        number, size = self._cursor.fetchone()
        return number, size

    def units(self, numbers: Iterable[int]) -> Mapping[int, bytes]:
        return dict(self._among("SELECT unit, data FROM present_units WHERE unit IN", numbers))

    def _among(self, statement: str, values: Iterable[object]) -> Iterator[Any]:
        values = list(values)
        for start in range(0, len(values), _BATCH):
            batch = values[start : start + _BATCH]
            self._cursor.execute(f"{statement} ({placeholders(batch)})", batch)
            yield from map(tuple, self._cursor.fetchall())


class CommitRecorder(SQLiteApplicationRecorder):
    """Inserts events at dense positions, and with them everything else that their commit writes."""

    def __init__(self, datastore: SQLiteDatastore) -> None:
        super().__init__(datastore)
        self.insert_events_statement = (
            "INSERT INTO stored_events (originator_id, originator_version, topic, state, position, commit_number)"
            " VALUES (?, ?, ?, ?, ?, ?)"
        )
        self.select_max_notification_id_statement = "SELECT MAX(position) + 1 FROM stored_events"

    def construct_create_table_statements(self) -> list[str]:
        """Return the statements that make an empty store."""
        return schema.statements()

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """Return events as ``eventsourcing`` numbers them: from 1, where positions are counted from 0."""
        first = 1 if start is None else start if inclusive_of_start else start + 1
        chosen = f"AND topic IN ({placeholders(topics)})" if topics else ""
        statement = (
            "SELECT position + 1 AS id, originator_id, originator_version, topic, state FROM stored_events"  # noqa: S608 - no values
            f" WHERE position + 1 >= ? AND position + 1 <= ? {chosen} ORDER BY position LIMIT ?"
        )
        with self.datastore.transaction(commit=False) as c:
            c.execute(statement, (first, _LAST if stop is None else stop, *topics, limit))
            return [
                Notification(self.convert_originator_id(stream), version, topic, state, id=number)
                for number, stream, version, topic, state in map(tuple, c.fetchall())
            ]

    def _insert_events(
        self,
        c: SQLiteCursor,
        stored_events: Sequence[StoredEvent],
        *,
        commit: Commit | None = None,
        into: list[Written] | None = None,
        **_: object,
    ) -> Sequence[int]:
        c.execute(_LOCK_FOR_WRITING)
        reader = _Reader(c)
        number, start = (0, reader.end()[1]) if commit is None else (commit.number, commit.start)
        events = [_stored(event) for event in stored_events]
        if commit is not None and into is not None:
            commit = placed(commit, events)
            into.append(assemble(commit, events, reader))
        c.executemany(
            self.insert_events_statement,
            [
                (event.originator_id, event.originator_version, event.topic, event.state, position, number)
                for position, event in enumerate(events, start)
            ],
        )
        if commit is not None and into:
            write_log(c, into[-1])
            write_rows(c, commit)
        return list(range(start + 1, start + 1 + len(events)))


def _stored(event: StoredEvent) -> Stored:
    originator = event.originator_id
    stream = originator if isinstance(originator, str) else originator.hex
    return Stored(stream, event.originator_version, event.topic, event.state)


class CommitWriter:
    """Writes commits to the SQLite file at a path, by a connection to it that is not in a transaction."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._datastore = CommitDatastore(path, connection=connection)
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

    def put(self, contents: Contents, events: Sequence[Event], commit: Commit) -> Written:
        """Seal the events and write their commit, whole or not at all; ``Conflict`` if it is not the next one."""
        into: list[Written] = []
        try:
            EventStore(SealingMapper(contents), self._recorder).put(events, commit=commit, into=into)
            return into[0]
        except RecordConflict:
            raise Conflict("somebody else committed meanwhile", "try again") from None
        except (PersistenceError, sqlite3.Error) as error:
            raise unusable(self._path, error) from None
