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
from msgspec import structs

from registry.domain.events import Event
from registry.errors import Conflict
from registry.store import schema
from registry.store.assembly import assemble, placed
from registry.store.connection import connect, file_url, placeholders, unusable
from registry.store.contents import Contents
from registry.store.mapper import SealingMapper
from registry.store.rows import Commit, LoggedCommit, Stored, Written
from registry.values import rfc3339

_LOCK_FOR_WRITING = "DELETE FROM present_units WHERE FALSE"
"""A transaction that reads before it writes cannot wait for its turn: SQLite refuses it if another wrote meanwhile."""
_LAST = 2**63 - 1
_BATCH = 500
"""How many values one statement is given at the most."""


_PUT_ROW = (
    "INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (token_id) DO UPDATE SET"
    " version = excluded.version, revision = excluded.revision, box_revision = excluded.box_revision,"
    " position = excluded.position, card = excluded.card, box = excluded.box, plain = excluded.plain,"
    " fingerprints = excluded.fingerprints"
)


_PUT_UNIT = "INSERT INTO present_units VALUES (?, ?) ON CONFLICT (unit) DO UPDATE SET data = excluded.data"


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
            _write_log(c, into[-1])
            _write_rows(c, commit)
        return list(range(start + 1, start + 1 + len(events)))


def _stored(event: StoredEvent) -> Stored:
    originator = event.originator_id
    stream = originator if isinstance(originator, str) else originator.hex
    return Stored(stream, event.originator_version, event.topic, event.state)


def _write_log(c: SQLiteCursor, written: Written) -> None:
    c.execute("INSERT INTO commits VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", _columns(written.commit))
    c.executemany("INSERT INTO log_nodes VALUES (?, ?)", sorted(written.nodes.items()))
    gone = [(unit,) for unit, data in written.units.items() if data is None]
    if gone:
        c.executemany("DELETE FROM present_units WHERE unit = ?", gone)
    kept = [(unit, data) for unit, data in written.units.items() if data is not None]
    if kept:
        c.executemany(_PUT_UNIT, kept)


def _columns(made: LoggedCommit) -> tuple[object, ...]:
    return (
        made.number,
        made.author,
        rfc3339(made.at),
        made.size,
        made.root,
        made.present,
        made.roster_length,
        made.roster_head,
        made.shredded,
        made.signature,
    )


def _write_rows(c: SQLiteCursor, commit: Commit) -> None:
    for token in commit.dropped:
        for table in ("tokens", "data_keys"):
            c.execute(f"DELETE FROM {table} WHERE token_id = ?", (token,))  # noqa: S608 - two constants
    known = commit.replaced
    renamed = [row for row in commit.rows if row.token in known and known[row.token].name_tag != row.name_tag]
    if renamed:
        # A name that one row of this commit gives up may be taken by another, so they are all given up first.
        c.executemany(
            "UPDATE tokens SET name_tag = CAST(token_id AS BLOB) WHERE token_id = ?", [(row.token,) for row in renamed]
        )
        c.executemany(
            "UPDATE tokens SET name_tag = ? WHERE token_id = ?", [(row.name_tag, row.token) for row in renamed]
        )
    c.executemany(_PUT_ROW, [structs.astuple(row)[:-1] for row in commit.rows])
    # A key that stays is not written again: only what is overwritten has to be shredded.
    keys = [row for row in commit.rows if row.token not in known or known[row.token].wrapped != row.wrapped]
    if keys:
        c.executemany("INSERT OR REPLACE INTO data_keys VALUES (?, ?)", [(row.token, row.wrapped) for row in keys])


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
