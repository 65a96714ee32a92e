"""The embedded store: one SQLite file. Reading is done here; writing, through ``eventsourcing``, in ``recorder``."""

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import structs

from registry.domain.events import Event
from registry.errors import AlreadyExists, IntegrityError, StoreUnreadable, Unusable
from registry.store import schema
from registry.store.connection import BUSY_TIMEOUT, connect, file_of, header_of, lock_again, placeholders, unusable
from registry.store.contents import Contents
from registry.store.forking import WITHIN_SQLITE
from registry.store.lock import queued
from registry.store.rows import (
    Commit,
    CommitColumns,
    LoggedCommit,
    LoggedEvent,
    Stored,
    TokenRow,
    Whose,
    Written,
    moment,
    typed,
)
from registry.values import TokenId

if TYPE_CHECKING:
    from registry.store.recorder import CommitWriter

_PAGE = 500
_LAST = 2**63 - 1
_OWN = 2**32
_ROW = (
    "SELECT token_id, application_id, name_tag, version, revision, box_revision, position, card, box, plain,"
    " fingerprints, wrapped FROM tokens LEFT JOIN data_keys USING (token_id)"
)
_LOGGED = (
    "position, number, author, at, originator_id, originator_version, topic, state"
    " FROM stored_events LEFT JOIN commits ON number = commit_number"
)
_COMMIT = "SELECT number, author, at, size, root, present, roster_length, roster_head, shredded, signature FROM commits"


class SQLiteStore:
    """A registry's store in one SQLite file."""

    def __init__(self, path: Path, *, wait: float = 10.0) -> None:
        self.path = path
        self._log_path = f"{path}-wal"
        self._wait = wait
        self._within = WITHIN_SQLITE.lock()
        self._commits = 0
        """How often this connection may have made one."""
        self._looking = False
        """Whether a snapshot is open."""
        self._shown: int | None = None
        """The version that it shows, once it was asked."""
        with self._within:
            self._connection = connect(path)
        self.file = file_of(path)

    @cached_property
    def _writer(self) -> "CommitWriter":
        from registry.store.recorder import CommitWriter  # noqa: PLC0415 - only those who write need eventsourcing

        self._rows("PRAGMA journal_mode = WAL")
        return CommitWriter(self.path, self._connection)

    @classmethod
    def create(cls, path: Path) -> "SQLiteStore":
        """Make an empty store; ``AlreadyExists`` where something is, ``StoreUnreadable`` where none can be made."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
        except FileExistsError:
            if not path.parent.is_dir():
                raise StoreUnreadable(f"no store can be made at {path}: what should be its folder is a file") from None
            raise AlreadyExists(f"there is a store at {path} already", "it is never overwritten") from None
        except OSError as error:
            raise StoreUnreadable(f"no store can be made at {path}: {error.strerror}") from None
        store = cls(path)
        try:
            with store._within:
                store._writer.create_tables()
            store.shred()
        except BaseException:
            store.discard()
            raise
        return store

    @classmethod
    def open(cls, path: Path) -> "SQLiteStore":
        """Open an existing store; ``StoreMissing`` or ``StoreUnreadable`` where there is none of ours."""
        _check_header(path)
        store = cls(path)
        try:
            store._check_schema()
        except BaseException:
            store.close()
            raise
        return store

    def again(self) -> "SQLiteStore":
        """Open the same store once more; ``IntegrityError`` if another file lies in its place."""
        self.check_in_place()
        return SQLiteStore.open(self.path)

    def forked(self) -> None:
        """Make good, in a child after a fork, what the fork did to the store: it may then be opened ``again``."""
        lock_again(self.path, self.file)

    def in_place(self) -> bool:
        """Return whether the path still leads to this file."""
        return file_of(self.path) == self.file

    def check_in_place(self) -> None:
        """Raise ``IntegrityError`` if the path leads to another file by now: what is written here would be lost."""
        if not self.in_place():
            raise IntegrityError(f"another file lies in the place of the store {self.path}", "open the registry anew")

    def _check_schema(self) -> None:
        """Refuse a store with a trigger too many, which could keep what is to be destroyed, or one too few."""
        found = {sql for (sql,) in self._rows("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}
        for changed in sorted(found.symmetric_difference(schema.statements()), key=str):
            what = " ".join(str(changed).split()[:3])
            word = "is no part of a registry" if changed in found else "is missing or was changed"
            raise IntegrityError(f"the store's schema was changed: {what} {word}", "restore it from a backup")

    def close(self) -> None:
        """Close the connection."""
        with self._within:
            self._connection.close()

    def discard(self) -> None:
        """Remove a store that was made but never got its first commit."""
        self.close()
        for suffix in ("", "-wal", "-shm", ".lock"):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)

    def queued(self, meanwhile: Callable[[], None] | None = None) -> AbstractContextManager[None]:
        """Wait for one's turn to write; ``StoreBusy`` if it does not come. ``meanwhile`` is called now and then."""
        return queued(self.path.with_name(self.path.name + ".lock"), self._wait, meanwhile)

    def _rows(self, statement: str, parameters: Sequence[object] = ()) -> list[Any]:
        try:
            with self._within:
                return self._connection.execute(statement, parameters).fetchall()
        except sqlite3.Error as error:
            raise unusable(self.path, error) from None

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read one moment of the store in several steps, whatever others write meanwhile; within one it is the same."""
        if self._looking:
            yield
            return
        self._let_go()
        try:
            self._looking = True
            self._rows("BEGIN")
            yield
        finally:
            self._looking, self._shown = False, None
            self._let_go()

    def _let_go(self) -> None:
        """End a transaction, if one is open; outside a snapshot it can only be what an interruption left behind.

        Within it the store would stand still: nothing that others commit would show.
        """
        try:
            if self._connection.in_transaction:
                self._rows("ROLLBACK")
        except sqlite3.Error as error:
            raise unusable(self.path, error) from None

    def head(self) -> LoggedCommit | None:
        """Return the newest commit, ``None`` in an empty store."""
        return next((_commit(row) for row in self._rows(f"{_COMMIT} ORDER BY number DESC LIMIT 1")), None)

    def commit(self, number: int) -> LoggedCommit | None:
        """Return the commit of a number, ``None`` if there is none."""
        return next((_commit(row) for row in self._rows(f"{_COMMIT} WHERE number = ?", (number,))), None)

    def commits(self, after: int = -1) -> Iterator[LoggedCommit]:
        """Yield the commits behind a number in their order, a page at a time."""
        more = True
        while more:
            page = self._rows(f"{_COMMIT} WHERE number > ? ORDER BY number LIMIT ?", (after, _PAGE))
            yield from map(_commit, page)
            more = len(page) == _PAGE
            after = page[-1][0] if page else after

    def commit_of_size(self, size: int) -> LoggedCommit | None:
        """Return the commit with which there are that many events, ``None`` if no commit ended there."""
        return next((_commit(row) for row in self._rows(f"{_COMMIT} WHERE size = ? LIMIT 1", (size,))), None)

    def nodes(self, numbers: Iterable[int]) -> dict[int, bytes]:
        """Return nodes of the log's tree by their numbers; those that are not there are left out."""
        asked = list(numbers)
        rows = self._rows(f"SELECT number, hash FROM log_nodes WHERE number IN ({placeholders(asked)})", asked)  # noqa: S608 - no values
        return _numbered(rows, "log_nodes")

    def units(self, numbers: Iterable[int]) -> dict[int, bytes]:
        """Return units of the present by their numbers; those that are not there are left out."""
        asked = list(numbers)
        rows = self._rows(f"SELECT unit, data FROM present_units WHERE unit IN ({placeholders(asked)})", asked)  # noqa: S608 - as above
        return _numbered(rows, "present_units")

    def size(self) -> int:
        """Return behind which position the history ends: the number of events, where none was tampered with."""
        size: int = self._rows("SELECT COALESCE(MAX(position) + 1, 0) FROM stored_events")[0][0]
        return size

    def stream(self, originator: str, after: int = 0, until: int | None = None) -> list[Stored]:
        """Return the events of one stream behind a version, and up to another."""
        statement = (
            "SELECT originator_id, originator_version, topic, state FROM stored_events"
            " WHERE originator_id = ? AND originator_version > ? AND originator_version <= ?"
            " ORDER BY originator_version"
        )
        rows = self._rows(statement, (originator, after, _LAST if until is None else until))
        return [typed(Stored, row, "stored_events") for row in rows]

    def newest_of(self, originator: str, end: int) -> LoggedEvent | None:
        """Return the event of a stream with the highest version before a position, ``None`` if there is none."""
        chosen = "originator_id = ? AND +position < ? ORDER BY originator_version DESC LIMIT 1"
        return next((_logged(row) for row in self._rows(f"SELECT {_LOGGED} WHERE {chosen}", (originator, end))), None)

    def events(self, start: int = 0, topics: Sequence[str] = (), end: int | None = None) -> Iterator[LoggedEvent]:
        """Yield the events of the history in their order, from a position on and before another, a page at a time."""
        chosen = f"AND topic IN ({','.join('?' * len(topics))})" if topics else ""
        statement = f"SELECT {_LOGGED} WHERE position >= ? AND position <= ? {chosen} ORDER BY position LIMIT ?"
        more, last = True, _LAST if end is None else end - 1
        while more:
            page = self._rows(statement, (start, last, *topics, _PAGE))
            more = len(page) == _PAGE
            yield from map(_logged, page)
            start = page[-1][0] + 1 if page else start

    def events_of(self, originator: str, topics: Sequence[str], end: int) -> list[LoggedEvent]:
        """Return the events of one stream that lie before a position: all, or those with these topics."""
        chosen = f"AND topic IN ({placeholders(topics)})" if topics else ""
        statement = f"SELECT {_LOGGED} WHERE originator_id = ? AND +position < ? {chosen} ORDER BY originator_version"
        return [_logged(row) for row in self._rows(statement, (originator, end, *topics))]

    def row_by_tag(self, tag: bytes) -> TokenRow | None:
        """Return the current row under a name's tag."""
        return self._one(f"{_ROW} WHERE name_tag = ?", tag)

    def held(self, tags: Sequence[bytes]) -> set[bytes]:
        """Return those of the tags under which there is a current row."""
        pages = [tags[start : start + _PAGE] for start in range(0, len(tags), _PAGE)]
        statement = "SELECT name_tag FROM tokens WHERE name_tag IN ({})"
        return {tag for page in pages for (tag,) in self._rows(statement.format(placeholders(page)), page)}

    def row(self, token: TokenId) -> TokenRow | None:
        """Return the current row of a token."""
        return self._one(f"{_ROW} WHERE tokens.token_id = ?", token)

    def _one(self, statement: str, key: object) -> TokenRow | None:
        return next((_token_row(row) for row in self._rows(statement, (key,))), None)

    def rows(self) -> Iterator[TokenRow]:
        """Yield every current row, by id, a page at a time."""
        last = ""
        statement = f"{_ROW} WHERE tokens.token_id > ? ORDER BY tokens.token_id LIMIT ?"
        more = True
        while more:
            page = self._rows(statement, (last, _PAGE))
            yield from map(_token_row, page)
            more = len(page) == _PAGE
            last = page[-1][0] if page else last

    def put(self, contents: Contents, events: Sequence[Event], commit: Commit) -> Written:
        """Seal the events and write their commit, whole or not at all; ``Conflict`` if it is not the next one."""
        if commit.parent and commit.parent.shred_due and not self._log_bytes():
            commit = structs.replace(commit, shredded=True)
        if self._looking:
            msg = "a commit would be made within a snapshot"
            raise RuntimeError(msg)
        self._let_go()
        try:
            with self._within:
                return self._writer.put(contents, events, commit)
        finally:
            # Counted whatever happened: who is interrupted cannot know whether the commit was made.
            self._commits += 1
            self._let_go()

    def version(self) -> int:
        """Return a number that is another one as soon as anybody has changed the store.

        It also fixes the moment that a snapshot shows.
        """
        if self._shown is not None:
            return self._shown
        if not self._looking:
            self._let_go()
        # SQLite counts what other connections write.
        version: int = self._rows("PRAGMA data_version")[0][0] + _OWN * self._commits
        if self._looking:
            self._shown = version
        return version

    def unchanged_since(self, version: int) -> Callable[[], bool]:
        """Return what says, as fast as can be, whether others left the store as it was at a ``version``, in its file.

        Running apps ask thousands of times a second. Whatever goes wrong counts as a change: who then looks closer is
        told what it is.
        """
        connection, path, file = self._connection, os.fsencode(self.path), self.file
        ask, version = connection.cursor().execute, version % _OWN

        def unchanged() -> bool:
            try:
                found = os.stat(path)  # noqa: PTH116 - a path object would take as long as the question itself
                same = ask("PRAGMA data_version").fetchone()[0] == version
                still = same and not connection.in_transaction  # in which the store would stand still
                return still and found.st_ino == file[1] and found.st_dev == file[0]
            except (sqlite3.Error, OSError):
                return False

        return unchanged

    def shred_pending(self, newest: LoggedCommit | None = None) -> bool:
        """Return whether overwritten keys may still stand in the write-ahead log; ``newest`` is the head, if known."""
        if not self._log_bytes():
            return False
        head = newest or self.head()
        return head is not None and head.shred_due

    def shred(self, *, wait: bool = True) -> bool:
        """Empty the write-ahead log, so that no file holds an overwritten key; return whether nothing held it up.

        It raises nothing: the commit that asks for it stands, and its mark lets the next command try again.
        """
        try:
            self._rows(f"PRAGMA busy_timeout = {BUSY_TIMEOUT * 1000 if wait else 0}")
            held_up, left, _ = self._rows("PRAGMA wal_checkpoint(TRUNCATE)")[0]
        except Unusable:
            return False
        finally:
            self._rows(f"PRAGMA busy_timeout = {BUSY_TIMEOUT * 1000}")
        return (held_up, left) == (0, 0)

    def _log_bytes(self) -> int:
        try:
            return os.stat(self._log_path).st_size  # noqa: PTH116 - a path object would be made for each commit
        except FileNotFoundError:
            return 0


def _numbered(rows: Iterable[tuple[object, object]], table: str) -> dict[int, bytes]:
    found = {}
    for number, data in rows:
        if not (isinstance(number, int) and isinstance(data, bytes)):
            raise IntegrityError(f"a row of the table {table} is in no known format")
        found[number] = data
    return found


def _token_row(row: tuple[Any, ...]) -> TokenRow:
    return typed(TokenRow, row, "tokens")


def _logged(row: tuple[Any, ...]) -> LoggedEvent:
    if row[1] is None:
        raise IntegrityError(f"the event at position {row[0]} belongs to no commit", "'verify' says more")
    whose = typed(Whose, row[:3], "commits")
    at, stored = moment(row[3], "commits"), typed(Stored, row[4:], "stored_events")
    return LoggedEvent(whose.position, whose.commit, whose.author, at, stored)


def _commit(row: tuple[Any, ...]) -> LoggedCommit:
    number, author, at, *parts = row
    columns = typed(CommitColumns, (number, author, *parts), "commits")
    return LoggedCommit.of(columns, moment(at, "commits"))


def _check_header(path: Path) -> None:
    application, version = header_of(path) or (0, 0)
    if application != schema.APPLICATION_ID:
        raise StoreUnreadable(f"{path} is not a token registry", "check TOKEN_REGISTRY_URL and --url")
    if version > schema.SCHEMA_VERSION:
        raise StoreUnreadable(f"the store {path} is of the newer schema {version}", "update this program")
    if version < schema.FIRST_VERSION:
        raise StoreUnreadable(
            f"the store {path} is of the schema {version}, from before there was a log that could be verified",
            "found a new registry and add its tokens anew",
        )
