"""The embedded store: one SQLite file. It is written, through ``eventsourcing``, in ``recorder``."""

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from itertools import islice
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from msgspec import structs

from registry.domain.events import Event
from registry.errors import AlreadyExists, IntegrityError, InvalidValue, StoreBusy, StoreUnreadable
from registry.store import schema
from registry.store.connection import BUSY_TIMEOUT, connect, file_of, header_of, lock_again, placeholders, unusable
from registry.store.contents import Contents
from registry.store.forking import WITHIN_SQLITE
from registry.store.lock import queued
from registry.store.place import Place
from registry.store.raw import COLUMNS
from registry.store.rows import Commit, LoggedCommit, Written
from registry.store.sqlite_raw import SQLiteRawStore, open_raw
from registry.store.store import Store

if TYPE_CHECKING:
    from registry.store.recorder import CommitWriter

_OWN = 2**32
_WAIT = 10.0
_PAGE = 1_000


class SQLiteStore(Store):
    """A registry's store in one SQLite file."""

    def __init__(self, path: Path, *, wait: float = _WAIT) -> None:
        self.path = path
        self.place = SQLitePlace(path)
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
            store.become(token_hex(16))
            store.shred()
        except BaseException:
            store.discard()
            raise
        return store

    @classmethod
    def open(cls, path: Path) -> "SQLiteStore":
        """Open an existing store; ``StoreMissing`` or ``StoreUnreadable`` where there is none of ours."""
        version = _version(path)
        store = cls(path)
        store.schema_version = version
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
        for changed in sorted(found.symmetric_difference(schema.statements(self.schema_version)), key=str):
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

    def _among(self, statement: str, values: Sequence[object]) -> list[Any]:
        return self._rows(f"{statement} ({placeholders(values)})", values)

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

    def take(self, table: str, rows: Iterable[Sequence[object]]) -> None:
        """Write rows as they are into a table of a store that was made just now, a page at a time."""
        columns = COLUMNS[table]
        statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({placeholders(columns)})"  # noqa: S608 - constants
        left = iter(rows)
        try:
            while page := list(islice(left, _PAGE)):
                with self._within:
                    self._connection.execute("BEGIN")
                    self._connection.executemany(statement, page)
                    self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise unusable(self.path, error) from None
        finally:
            self._let_go()

    def take_pages(self, source: SQLiteRawStore, progress: Callable[[int, int], None] | None = None) -> None:
        """Become a copy of a store, page by page; the caller holds a snapshot of it, and was the one to make this."""
        self._into_one_file()  # a write-ahead log would hold all of it once more
        try:
            with self._within:
                source.give_pages(self._connection, progress)
        except sqlite3.Error as error:
            raise unusable(self.path if "full" in str(error) else source.path, error) from None
        self._into_one_file()  # with its first page came how the other one is written
        self.schema_version = self._rows("PRAGMA user_version")[0][0]  # as the other one's

    def finish(self) -> None:
        """Close the store, all of which is then in its one file."""
        self._into_one_file()
        self.close()

    def _into_one_file(self) -> None:
        if self._rows("PRAGMA journal_mode = DELETE") != [("delete",)]:
            raise StoreBusy(f"other programs hold {self.path}", "try again")

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

    def forget(self, *, wait: bool = True) -> bool:
        """Empty the write-ahead log, so that no file holds an overwritten key; return whether nobody held it up."""
        try:
            self._rows(f"PRAGMA busy_timeout = {BUSY_TIMEOUT * 1000 if wait else 0}")
            held_up, left, _ = self._rows("PRAGMA wal_checkpoint(TRUNCATE)")[0]
        finally:
            self._rows(f"PRAGMA busy_timeout = {BUSY_TIMEOUT * 1000}")
        return (held_up, left) == (0, 0)

    def _log_bytes(self) -> int:
        try:
            return os.stat(self._log_path).st_size  # noqa: PTH116 - a path object would be made for each commit
        except FileNotFoundError:
            return 0


class SQLitePlace(Place):
    """A file on this machine."""

    def __init__(self, path: Path) -> None:
        self.files = self._path = path

    def __str__(self) -> str:
        return str(self._path)

    @property
    def url(self) -> str:
        """What a machine remembers the store by."""
        return f"sqlite:///{self._path.resolve()}"

    def open(self) -> SQLiteStore:
        """Open the store; ``StoreMissing`` or ``StoreUnreadable`` where there is none of ours."""
        return SQLiteStore.open(self._path)

    def raw(self, *, lenient: bool = True) -> SQLiteRawStore:
        """Return a connection that believes nothing. ``lenient`` reads texts that are no UTF-8, and is slower."""
        return SQLiteRawStore(self._path, lenient=lenient)

    def open_raw(self) -> SQLiteRawStore:
        """Return such a connection; ``StoreMissing`` or ``StoreUnreadable`` where there is no database."""
        return open_raw(self._path)

    def check_vacant(self) -> None:
        """Raise ``AlreadyExists`` if something stands where the store is to be."""
        if self._path.exists():
            raise AlreadyExists(f"there is a registry at {self._path} already", "it is never overwritten")
        for name in (f"{self._path.name}-wal", f"{self._path.name}-journal"):
            # SQLite would put into the new store what is left there of another.
            if self._path.with_name(name).exists():
                raise AlreadyExists(f"beside {self._path} lies {name}, without its store", "move it to where that is")

    def create(self) -> SQLiteStore:
        """Make an empty store in a file beside the one that it is to be."""
        # Not of the process's number: in a container each one has the same, that of one that was killed included.
        return SQLiteStore.create(self._path.with_name(f"{self._path.name}.{token_hex(4)}.new"))

    def beside(self, store: Store) -> "SQLitePlace":
        """Return the file that was made."""
        assert isinstance(store, SQLiteStore)  # noqa: S101 - as ``create`` made it
        return SQLitePlace(store.path)

    def settle(self, store: Store, pin: Callable[[], None]) -> None:
        """Give the file that was made its name; ``AlreadyExists`` if another has come meanwhile."""
        assert isinstance(store, SQLiteStore)  # noqa: S101 - as ``create`` made it
        store.close()
        with queued(self._path.with_name(self._path.name + ".lock"), _WAIT):
            self.check_vacant()
            pin()
            try:
                os.link(store.path, self._path)
            except FileExistsError:
                raise AlreadyExists(f"there is a registry at {self._path} already", "it is never overwritten") from None
            except OSError as error:
                raise StoreUnreadable(f"no store can be made at {self._path}: {error.strerror}") from None

    def grants(self, role: str, name: str) -> str:  # noqa: ARG002 - whatever they are
        """Raise ``InvalidValue``: who may do what with a file, the system says."""
        raise InvalidValue(
            f"the store {self._path} is a file, which has no roles", "name a store in PostgreSQL: TOKEN_REGISTRY_URL"
        )


def _version(path: Path) -> int:
    """Return the version of the schema that a file says it is of, if that is one of ours."""
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
    return version
