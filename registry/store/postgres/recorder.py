"""Writing: the recorder of ``eventsourcing`` for PostgreSQL, extended so that one transaction holds a whole commit."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import psycopg
from eventsourcing.persistence import EventStore, StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore

from registry.domain.events import Event
from registry.errors import Conflict
from registry.store.assembly import assemble, placed
from registry.store.contents import Contents
from registry.store.mapper import SealingMapper
from registry.store.postgres.connection import Connection
from registry.store.postgres.dialect import dialect
from registry.store.rows import Commit, Stored, Written
from registry.store.writing import write_log, write_rows

_PUT_EVENT = (
    "INSERT INTO stored_events (originator_id, originator_version, topic, state, position, commit_number)"
    " VALUES (?, ?, ?, ?, ?, ?)"
)
_END = "SELECT (SELECT MAX(number) FROM commits), (SELECT COALESCE(MAX(position) + 1, 0) FROM stored_events)"


class _Datastore(PostgresDatastore):
    """The connection by which the store is read; no pool is ever opened."""

    def __init__(self, connection: Connection, schema: str) -> None:
        super().__init__("", "", "", "", "", schema=schema, originator_id_type="text")
        self._connection = connection

    def register_type_adapters(self) -> None:
        """Do nothing: events are given column by column."""

    @contextmanager
    def get_connection(self) -> Iterator[Any]:
        """Give the one connection."""
        yield self._connection


class _Cursor:
    """A cursor that takes the statements of every store."""

    def __init__(self, connection: Connection, schema: str) -> None:
        self._cursor = connection.cursor()
        self._said = dialect(schema)

    def execute(self, statement: str, parameters: Sequence[Any] = (), /) -> "psycopg.Cursor[tuple[Any, ...]]":
        return self._cursor.execute(self._said(statement).encode(), parameters)

    def executemany(self, statement: str, parameters: Iterable[Sequence[Any]], /) -> None:
        self._cursor.executemany(self._said(statement).encode(), parameters)


class _Reader:
    """What a commit reads of the store inside its own transaction."""

    def __init__(self, cursor: _Cursor) -> None:
        self._cursor = cursor

    def end(self) -> tuple[int | None, int]:
        ((number, size),) = self._cursor.execute(_END).fetchall()
        return number, size

    def units(self, numbers: Iterable[int]) -> Mapping[int, bytes]:
        found = self._cursor.execute("SELECT unit, data FROM present_units WHERE unit IN", [list(numbers)])
        return dict(found.fetchall())


class CommitRecorder(PostgresApplicationRecorder):
    """Inserts events at dense positions, and with them everything else that their commit writes.

    It begins and ends no transaction, and tries nothing twice: whoever holds the turn does the one, and only who knows
    that a commit did not happen may do the other.
    """

    def __init__(self, connection: Connection, schema: str) -> None:
        super().__init__(_Datastore(connection, schema))
        self._connection = connection
        self._schema = schema

    def insert_events(
        self,
        stored_events: Sequence[StoredEvent],
        *,
        commit: Commit | None = None,
        into: list[Written] | None = None,
        **_: object,
    ) -> Sequence[int]:
        """Write the events of a commit, and the commit; return their numbers as ``eventsourcing`` counts, from 1."""
        if commit is None or into is None:
            msg = "events are stored by commits alone"
            raise TypeError(msg)
        cursor = _Cursor(self._connection, self._schema)
        events = [Stored(str(e.originator_id), e.originator_version, e.topic, e.state) for e in stored_events]
        commit = placed(commit, events)
        into.append(assemble(commit, events, _Reader(cursor)))
        with self._connection.pipeline() if psycopg.Pipeline.is_supported() else nullcontext():
            cursor.executemany(
                _PUT_EVENT,
                [
                    (event.originator_id, event.originator_version, event.topic, event.state, position, commit.number)
                    for position, event in enumerate(events, commit.start)
                ],
            )
            write_log(cursor, into[-1])
            write_rows(cursor, commit)
        return list(range(commit.start + 1, commit.start + 1 + len(events)))


class CommitWriter:
    """Writes commits by a connection that is in a transaction."""

    def __init__(self, connection: Connection, schema: str) -> None:
        self._recorder = CommitRecorder(connection, schema)

    def put(self, contents: Contents, events: Sequence[Event], commit: Commit) -> Written:
        """Seal the events and write their commit; ``Conflict`` if it is not the next one."""
        into: list[Written] = []
        try:
            EventStore(SealingMapper(contents), self._recorder).put(events, commit=commit, into=into)
        except psycopg.errors.UniqueViolation:
            raise Conflict("somebody else committed meanwhile", "try again") from None
        return into[0]
