"""The embedded store: one SQLite file. Reading is done here; writing, through ``eventsourcing``, in ``recorder``."""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import structs

from registry.domain.events import Event
from registry.errors import AlreadyExists, IntegrityError, StoreMissing, StoreUnreadable, Unusable
from registry.store import schema
from registry.store.connection import BUSY_TIMEOUT, connect, unusable
from registry.store.contents import Contents
from registry.store.lock import queued
from registry.store.rows import Commit, Count, Head, Id, LoggedEvent, Stored, TokenRow, moment, typed
from registry.values import ApplicationId, MemberId, TokenId

if TYPE_CHECKING:
    from registry.store.recorder import CommitWriter

_MAGIC = b"SQLite format 3\x00"
_HEADER_LENGTH = 100
_PAGE = 500
_ROW = "token_id, application_id, name_tag, version, revision, box_revision, card, box, plain"


class SQLiteStore:
    """A registry's store in one SQLite file."""

    def __init__(self, path: Path, *, wait: float = 10.0) -> None:
        self.path = path
        self._wait = wait
        self._connection = connect(path)

    @cached_property
    def _writer(self) -> "CommitWriter":
        from registry.store.recorder import CommitWriter  # noqa: PLC0415 - only those who write need eventsourcing

        return CommitWriter(self.path)

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
            store._writer.create_tables()
            store.head()  # the reading connection is older than the log, and must see it before it can empty it
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

    def _check_schema(self) -> None:
        """Refuse a store with a trigger too many, which could keep what is to be destroyed, or one too few."""
        found = {sql for (sql,) in self._rows("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}
        for changed in sorted(found.symmetric_difference(schema.statements()), key=str):
            what = " ".join(str(changed).split()[:3])
            word = "is no part of a registry" if changed in found else "is missing or was changed"
            raise IntegrityError(f"the store's schema was changed: {what} {word}", "restore it from a backup")

    def close(self) -> None:
        """Close every connection."""
        if "_writer" in self.__dict__:
            self._writer.close()
        self._connection.close()

    def discard(self) -> None:
        """Remove a store that was made but never got its first commit."""
        self.close()
        for suffix in ("", "-wal", "-shm", ".lock"):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)

    def queued(self) -> AbstractContextManager[None]:
        """Wait for one's turn to write; ``StoreBusy`` if it does not come."""
        return queued(self.path.with_name(self.path.name + ".lock"), self._wait)

    def _rows(self, statement: str, parameters: Sequence[object] = ()) -> list[Any]:
        try:
            return self._connection.execute(statement, parameters).fetchall()
        except sqlite3.Error as error:
            raise unusable(self.path, error) from None

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read one moment of the store in several steps, whatever others write meanwhile."""
        self._rows("BEGIN")
        try:
            yield
        finally:
            self._rows("ROLLBACK")

    def head(self) -> Head | None:
        """Return the newest commit, ``None`` in an empty store."""
        for row in self._rows("SELECT number, at, size FROM commits ORDER BY number DESC LIMIT 1"):
            number, size = typed(tuple[Count, Count], (row[0], row[2]), "commits")
            return Head(number, moment(row[1], "commits"), size)
        return None

    def size(self) -> int:
        """Return behind which position the history ends: the number of events, where none was tampered with."""
        size: int = self._rows("SELECT COALESCE(MAX(position) + 1, 0) FROM stored_events")[0][0]
        return size

    def stream(self, originator: str, after: int = 0) -> list[Stored]:
        """Return the events of one stream behind a version."""
        statement = (
            "SELECT originator_id, originator_version, topic, state FROM stored_events"
            " WHERE originator_id = ? AND originator_version > ? ORDER BY originator_version"
        )
        return [typed(Stored, row, "stored_events") for row in self._rows(statement, (originator, after))]

    def stream_version(self, originator: str) -> int:
        """Return the version of the stream's last event, 0 if there is none."""
        statement = "SELECT COALESCE(MAX(originator_version), 0) FROM stored_events WHERE originator_id = ?"
        version: int = self._rows(statement, (originator,))[0][0]
        return version

    def events(self, start: int = 0, topics: Sequence[str] = ()) -> Iterator[LoggedEvent]:
        """Yield the events of the history in their order, from a position on, a page at a time."""
        chosen = f"AND topic IN ({','.join('?' * len(topics))})" if topics else ""
        statement = (
            "SELECT position, number, author, at, originator_id, originator_version, topic, state"  # noqa: S608 - constants
            " FROM stored_events LEFT JOIN commits ON number = commit_number"
            f" WHERE position >= ? {chosen} ORDER BY position LIMIT ?"
        )
        while page := self._rows(statement, (start, *topics, _PAGE)):
            for row in page:
                position, number, author = typed(tuple[Count, Count, Id], row[:3], "commits")
                at, stored = moment(row[3], "commits"), typed(Stored, row[4:], "stored_events")
                yield LoggedEvent(position, number, MemberId(author), at, stored)
            start = page[-1][0] + 1

    def row_by_tag(self, tag: bytes) -> TokenRow | None:
        """Return the current row under a name's tag."""
        return self._one(f"SELECT {_ROW} FROM tokens WHERE name_tag = ?", tag)  # noqa: S608 - a constant

    def row(self, token: TokenId) -> TokenRow | None:
        """Return the current row of a token."""
        return self._one(f"SELECT {_ROW} FROM tokens WHERE token_id = ?", token)  # noqa: S608 - a constant

    def _one(self, statement: str, key: object) -> TokenRow | None:
        return next((_token_row(row) for row in self._rows(statement, (key,))), None)

    def rows(self) -> Iterator[TokenRow]:
        """Yield every current row, by id, a page at a time."""
        last = ""
        statement = f"SELECT {_ROW} FROM tokens WHERE token_id > ? ORDER BY token_id LIMIT ?"  # noqa: S608 - a constant
        while page := self._rows(statement, (last, _PAGE)):
            yield from map(_token_row, page)
            last = page[-1][0]

    def rows_of(self, application: ApplicationId | None) -> list[TokenRow]:
        """Return the current rows of an application's tokens; ``None`` stands for the global ones."""
        statement = f"SELECT {_ROW} FROM tokens WHERE application_id IS ? ORDER BY token_id"  # noqa: S608 - a constant
        return list(map(_token_row, self._rows(statement, (application,))))

    def data_keys(self) -> dict[TokenId, bytes]:
        """Return the wrapped data keys of all tokens."""
        rows = self._rows("SELECT token_id, wrapped FROM data_keys")
        return dict(typed(list[tuple[TokenId, bytes]], rows, "data_keys"))

    def data_key(self, token: TokenId) -> bytes | None:
        """Return the wrapped data key of a token's credentials."""
        for (wrapped,) in self._rows("SELECT wrapped FROM data_keys WHERE token_id = ?", (token,)):
            return typed(bytes, wrapped, "data_keys")
        return None

    def known_fingerprints(self, token: TokenId, asked: Iterable[bytes]) -> set[bytes]:
        """Return which of the fingerprints the token has had before."""
        statement = "SELECT 1 FROM fingerprints WHERE token_id = ? AND fingerprint = ?"
        return {fingerprint for fingerprint in asked if self._rows(statement, (token, fingerprint))}

    def put(self, contents: Contents, events: Sequence[Event], commit: Commit) -> None:
        """Seal the events and write their commit, whole or not at all; ``Conflict`` if it is not the next one."""
        self._writer.put(contents, events, structs.replace(commit, shredded=not self._log_bytes()))

    def shred_due(self) -> bool:
        """Return whether overwritten keys may still stand in the write-ahead log."""
        return bool(self._rows("SELECT 1 FROM marks WHERE name = ?", (schema.SHRED_DUE,)))

    def shred_pending(self) -> bool:
        """Return whether shredding is due and has not been brought to its end."""
        return self._log_bytes() > 0 and self.shred_due()

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
            self._connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT * 1000}")
        return (held_up, left) == (0, 0)

    def _log_bytes(self) -> int:
        try:
            return Path(f"{self.path}-wal").stat().st_size
        except FileNotFoundError:
            return 0


def _token_row(row: tuple[Any, ...]) -> TokenRow:
    return typed(TokenRow, row, "tokens")


def _check_header(path: Path) -> None:
    # Read from the file, because opening it through the driver would already turn a foreign database to WAL mode.
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_LENGTH)
    except FileNotFoundError:
        raise StoreMissing(f"there is no registry at {path}", "'init' founds one, 'join' makes one known") from None
    except OSError as error:
        raise StoreUnreadable(f"the store {path} cannot be read: {error.strerror}") from None
    if (
        len(header) < _HEADER_LENGTH
        or header[:16] != _MAGIC
        or int.from_bytes(header[68:72], "big") != schema.APPLICATION_ID
    ):
        raise StoreUnreadable(f"{path} is not a token registry", "check TOKEN_REGISTRY_URL and --url")
    version = int.from_bytes(header[60:64], "big")
    if version > schema.SCHEMA_VERSION:
        raise StoreUnreadable(f"the store {path} is of the newer schema {version}", "update this program")
