"""The store of those who have outgrown one machine: a schema of a PostgreSQL database, by one connection.

A connection that was lost is made anew where nothing is open on it: what is read then is checked against what was
verified before, as it always is. One's turn to write is a transaction that holds the lock of the table ``turns``, from
the first look to the commit.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg
from msgspec import structs
from psycopg.pq import ExecStatus, Format, TransactionStatus
from psycopg.pq.abc import PGconn

from registry.domain.events import Event
from registry.errors import OutcomeUnknown, RegistryError, StoreBusy, StoreUnreadable
from registry.store.contents import Contents
from registry.store.postgres.connection import Connection, answer, begin_look, is_lost, unusable
from registry.store.postgres.dialect import dialect
from registry.store.postgres.schema import REWRITTEN
from registry.store.postgres.shredding import rewritten, write_anew
from registry.store.postgres.turns import Queue
from registry.store.raw import COLUMNS
from registry.store.rows import Commit, LoggedCommit, Written
from registry.store.store import Store

if TYPE_CHECKING:
    from registry.store.postgres.place import PostgresPlace
    from registry.store.postgres.recorder import CommitWriter

_AGAIN = 0.1
"""Seconds after which a server that was lost within a commit is looked for once more."""
_BELIEVED = 1.0
"""Seconds for which nothing was committed because the server tells of nothing."""
_NEWEST = "SELECT signature, size FROM commits ORDER BY number DESC LIMIT 1"
_NAME = b"newest_commit"
_EMPTY = 1
"""The version of a store without commits."""


class PostgresStore(Store):
    """A registry's store in one schema of a PostgreSQL database."""

    answers_at_once = False

    def __init__(self, place: "PostgresPlace", schema: str, *, wait: float = 10.0) -> None:
        self.place = self._at = place
        self.schema = schema
        self._wait = wait
        self._said = dialect(schema)
        self._looking = self._turning = self._moved = self._closed = False
        self._shown: int | None = None
        """The version that a snapshot shows, once it was asked."""
        self._made: int | None = None
        """The version as of the beginning of one's turn, or one's own commit in it: what others commit then is news."""
        self._writing: tuple[Connection, CommitWriter] | None = None
        self._channel = f"{place.schema}.commits"
        self._asking: PGconn | None = None
        """The connection that has the question for the newest checkpoint prepared."""
        self._listening: Connection | None = None
        """The connection to which the server tells of commits."""
        self._told = False
        """Whether it has told of one since the version was last asked for, which was at:"""
        self._asked_at = 0.0
        self._process = os.getpid()
        self._queue = Queue(place, schema)
        self._connection = place.connect()

    def again(self) -> "PostgresStore":
        """Open the same store once more."""
        return self._at.open()

    def forked(self) -> None:
        """Do nothing: psycopg leaves a connection alone that was made in another process."""

    def in_place(self) -> bool:
        """Return whether the connection was never lost. Behind a new one may lie a backup that was put in place."""
        return not (self._moved or self._connection.closed)

    def check_in_place(self) -> None:
        """Do nothing: where a store lies is a matter of each connection, and what it holds is checked in each turn."""

    def close(self) -> None:
        """Close the connection; what was made before a fork is the parent's."""
        self._closed = True
        if os.getpid() == self._process:
            self._queue.close()
            self._connection.close()

    @contextmanager
    def as_of_now(self) -> Iterator[Store]:
        """Give this store, if it shows what is there now: a connection more would cost the server a process more."""
        if not (self._looking or self._turning or self._closed):
            yield self
            return
        with super().as_of_now() as store:
            yield store

    def discard(self) -> None:
        """Remove a store that was made but never got its first commit."""
        with suppress(RegistryError):
            if self.schema != self._at.schema and not self._closed:
                drop = f'DROP SCHEMA IF EXISTS "{self.schema}" CASCADE'
                self._execute(f"BEGIN; SET LOCAL lock_timeout = '2s'; {drop}; COMMIT")
        self.close()

    # Reading

    def _live(self) -> Connection:
        if self._closed:
            raise StoreUnreadable("this registry was closed", "open it anew")
        if self._connection.closed and not (self._looking or self._turning):
            self._connection = self._at.connect()
            self._moved = True
        return self._connection

    def _execute(self, statement: str, parameters: Sequence[object] | None = None) -> "psycopg.Cursor[tuple[Any, ...]]":
        """Have a statement carried out; one that finds the connection lost, where nothing is open on it, once more."""
        connection = self._live()
        try:
            return connection.execute(statement.encode(), parameters)
        except psycopg.Error as error:
            if not (is_lost(error) and connection.closed) or self._looking or self._turning:
                raise unusable(self.place, error) from None
        try:
            return self._live().execute(statement.encode(), parameters)
        except psycopg.Error as error:
            raise unusable(self.place, error) from None

    def _rows(self, statement: str, parameters: Sequence[object] = ()) -> list[Any]:
        return self._execute(self._said(statement), parameters).fetchall()

    def _among(self, statement: str, values: Sequence[object]) -> list[Any]:
        return self._rows(statement, [list(values)]) if values else []

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read one moment of the store in several steps, whatever others write meanwhile; within one it is the same.

        In one's turn nobody else writes.
        """
        if self._looking or self._turning:
            yield
            return
        self._let_go()
        try:
            self._execute(begin_look(self._live(), self.schema))
            self._looking = True
            yield
        finally:
            self._looking, self._shown = False, None
            self._let_go()

    def _let_go(self) -> None:
        """End a transaction, if one is open; outside a snapshot or a turn, an interruption left it behind."""
        if self._connection.info.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
            with suppress(psycopg.Error):  # then the connection is lost, and the transaction with it
                self._connection.execute("ROLLBACK")
        elif self._connection.info.transaction_status == TransactionStatus.ACTIVE:
            self._connection.close()  # interrupted within an answer

    def version(self) -> int:
        """Return a number that is another one as soon as anybody has committed. It fixes what a snapshot shows."""
        if self._shown is not None:
            return self._shown
        if self._looking:
            self._shown = self._newest()
            return self._shown
        if self._made is not None:
            return self._made
        if not self._turning:
            self._let_go()
        return self._newest()

    def _newest(self) -> int:
        self._told, self._asked_at = False, time.monotonic()
        rows = self._rows(_NEWEST)
        return int.from_bytes(rows[0][0], "big") if rows else _EMPTY

    def unchanged_since(self, version: int) -> Callable[[], bool]:
        """Return what asks in one round trip whether the newest checkpoint is still that of a ``version``.

        It is asked as libpq asks, without what psycopg does for statements of any kind.
        """
        connection = self._connection.pgconn
        signature, statement = version.to_bytes(64, "big"), self._said(_NEWEST).encode()
        if not self._prepared(connection, statement):
            return bool
        ask = partial(connection.send_query_prepared, _NAME, (), result_format=Format.BINARY)
        if not self._at.prepares:
            ask = partial(connection.send_query_params, statement, (), result_format=Format.BINARY)

        def unchanged() -> bool:
            try:
                ask()
                found = answer(connection)
                # In a transaction it would stand still.
                idle = connection.transaction_status == TransactionStatus.IDLE
                return idle and found.status == ExecStatus.TUPLES_OK and found.get_value(0, 0) == signature
            except psycopg.Error:
                return False

        return unchanged

    def _prepared(self, connection: PGconn, statement: bytes) -> bool:
        """Prepare the question for the newest checkpoint, once for each connection; return whether it can be asked."""
        if not self._at.prepares or self._asking is connection:
            return True
        try:
            connection.send_prepare(_NAME, statement)
            done = answer(connection).status == ExecStatus.COMMAND_OK
        except psycopg.Error:
            return False
        self._asking = connection if done else None
        return done

    # Waiting for others

    def quiet(self) -> bool:
        """Return whether the server would have told of a commit since the ``version`` was last asked for.

        A pooler may keep that from us, so it is not believed for longer than a second.
        """
        try:
            if not self._listens():
                return False
            self._told = self._told or any(True for _ in self._connection.notifies(timeout=0))
        except (psycopg.Error, RegistryError):
            return False
        return not self._told and time.monotonic() < self._asked_at + _BELIEVED

    def wait(self, seconds: float) -> None:
        """Wait for so long, or until the server tells of a commit."""
        until = time.monotonic() + seconds
        with suppress(psycopg.Error, RegistryError):
            if self._listens() and not self._told:
                self._told = any(True for _ in self._connection.notifies(timeout=seconds, stop_after=1))
        if not self._told:
            time.sleep(max(0.0, until - time.monotonic()))

    def _listens(self) -> bool:
        """Return whether this connection was listening already; it does from now on."""
        connection = self._live()
        if self._listening is connection:
            return True
        connection.execute(f'LISTEN "{self._channel}"'.encode())
        self._listening = connection
        return False

    # Writing

    @contextmanager
    def queued(self, meanwhile: Callable[[], None] | None = None) -> Iterator[None]:
        """Wait for one's turn to write; ``StoreBusy`` if it does not come. ``meanwhile`` is called now and then."""
        self._let_go()
        self._take_turn(meanwhile)
        try:
            yield
        finally:
            self._turning, self._made = False, None
            self._let_go()

    def _take_turn(self, meanwhile: Callable[[], None] | None) -> None:
        until, lost = time.monotonic() + self._wait, False

        def look(other: Connection) -> None:
            assert meanwhile is not None  # noqa: S101 - who has nothing to do meanwhile is not called
            waiting, self._connection = self._connection, other
            try:
                with self.snapshot():
                    meanwhile()
            finally:
                self._queue.other, self._connection = self._connection, waiting

        while not self._turning:
            left = max(0.0, until - time.monotonic())
            try:
                newest = self._queue.stand(self._live(), left, look if meanwhile else None)
                self._turning, self._made = True, _EMPTY if newest is None else int.from_bytes(newest, "big")
            except psycopg.Error as error:
                busy = isinstance(failed := unusable(self.place, error), StoreBusy)
                if busy and time.monotonic() >= until:
                    raise StoreBusy(f"other writers held the store for {self._wait:g} seconds", "try again") from None
                if not busy and (lost or not is_lost(error)):
                    raise failed from None
                lost = lost or not busy  # what was idle for too long is made anew, once
            finally:
                if not self._turning:
                    self._let_go()

    def put(self, contents: Contents, events: Sequence[Event], commit: Commit) -> Written:
        """Seal the events and write their commit, whole or not at all; ``Conflict`` if it is not the next one."""
        if self._looking:
            msg = "a commit would be made within a snapshot"
            raise RuntimeError(msg)
        if not self._turning:
            with self.queued():
                return self.put(contents, events, commit)
        if commit.parent and commit.parent.shred_due and not self.shred_pending(commit.parent):
            commit = structs.replace(commit, shredded=True)
        try:
            written = self._writer().put(contents, events, commit)
            self._commit(written)
        except psycopg.Error as error:
            raise unusable(self.place, error) from None
        finally:
            self._turning = False
            self._let_go()
        self._made = int.from_bytes(written.commit.signature, "big")
        return written

    def take(self, table: str, rows: Iterable[Sequence[object]]) -> None:
        """Write rows as they are into a table of a store that was made just now, in one stream."""
        statement = f'COPY "{self.schema}".{table} ({", ".join(COLUMNS[table])}) FROM STDIN'
        try:
            with self._live().cursor() as cursor, cursor.copy(statement.encode()) as copy:
                for row in rows:
                    copy.write_row(row)
        except psycopg.Error as error:
            raise unusable(self.place, error) from None

    def _writer(self) -> "CommitWriter":
        from registry.store.postgres.recorder import CommitWriter  # noqa: PLC0415 - only those who write need it

        if self._writing is None or self._writing[0] is not self._connection:
            self._writing = (self._connection, CommitWriter(self._connection, self.schema))
        return self._writing[1]

    def _commit(self, written: Written) -> None:
        """End the transaction. Where the answer is lost the commit is looked for, not repeated: it may be there."""
        try:
            self._connection.execute(f'NOTIFY "{self._channel}"; COMMIT'.encode())
        except psycopg.Error as error:
            if not is_lost(error):
                raise
            self._turning = False
            self._look_for(written)

    def _look_for(self, written: Written) -> None:
        """Return if a commit is there whose answer was lost; the error says that it is not, or that nobody can tell."""
        until = time.monotonic() + self._wait
        while True:
            try:
                # The server may not have noticed yet: as long as the transaction is undecided, it holds the turn.
                self._take_turn(None)
                made = self.commit(written.commit.number)
                break
            except RegistryError:
                self._turning = False
                self._let_go()
                if time.monotonic() > until:
                    raise OutcomeUnknown(
                        f"the server of {self.place} was lost before it had answered:"
                        " nobody knows whether the change was made",
                        "look at 'history' before you repeat it",
                    ) from None
            time.sleep(_AGAIN)  # it may restart, or another take its place
        if made != written.commit:
            raise StoreUnreadable(f"the server of {self.place} was lost; nothing was changed", "try again")

    # Shredding

    def shred_pending(self, newest: LoggedCommit | None = None) -> bool:
        """Return whether overwritten keys may still stand in the table's file; ``newest`` is the head, if known."""
        head = newest or self.head()
        if head is None or not head.shred_due:
            return False
        ((done,),) = self._rows("SELECT MAX(commit_number) FROM shreddings")
        return done is None or done < head.number

    def forget(self, *, wait: bool = True) -> bool:
        """Write the tables of keys anew, so that their files hold none that was overwritten; return whether that is so.

        A lock that is not had, and a row that somebody may still look at, are no errors.
        """
        head = self.head()
        kept = [table for table in REWRITTEN if not rewritten(partial(self._anew, table), wait=wait)]
        if not kept and head is not None:
            self._rows("INSERT INTO shreddings VALUES (?) ON CONFLICT DO NOTHING RETURNING 1", (head.number,))
        return not kept

    def _anew(self, table: str) -> int | None:
        try:
            return write_anew(self._live(), self.schema, table)
        except psycopg.Error as error:
            raise unusable(self.place, error) from None
