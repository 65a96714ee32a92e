"""What a store does for the registry, whichever database holds it; and the questions that are the same for each.

The statements are written as SQLite takes them. What a store believes of the answers is nothing: ``rows`` gives them
their types, and whoever uses them checks them against the log.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from registry.domain.events import Event
from registry.errors import IntegrityError, RegistryError
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
from registry.store.schema import SCHEMA_VERSION, WITH_INSTANCE
from registry.values import TokenId

if TYPE_CHECKING:
    from registry.store.contents import Contents
    from registry.store.place import Place

_PAGE = 500
_LAST = 2**63 - 1
_ROW = (
    "SELECT token_id, application_id, name_tag, version, revision, box_revision, position, card, box, plain,"
    " fingerprints, wrapped FROM tokens LEFT JOIN data_keys USING (token_id)"
)
_LOGGED = (
    "position, number, author, at, originator_id, originator_version, topic, state"
    " FROM stored_events LEFT JOIN commits ON number = commit_number"
)
_COMMIT = "SELECT number, author, at, size, root, present, roster_length, roster_head, shredded, signature FROM commits"


class Store(ABC):
    """A registry's store, by one connection."""

    place: "Place"
    """Where it lies."""
    schema_version = SCHEMA_VERSION
    """Of what version its tables are."""
    answers_at_once = True
    """Whether it is asked within this machine, so that ``unchanged_since`` never waits for anybody."""

    @abstractmethod
    def again(self) -> "Store":
        """Open the same store once more; ``IntegrityError`` if another one lies in its place."""

    def anew(self) -> "Store":
        """Open the store that lies in this one's place now."""
        return self.place.open()

    def expect(self, commit: int) -> None:  # noqa: B027 - most stores have nothing that lags
        """Answer from now on only from where the commit of this number is: it was seen."""

    def heed(self, pinned: Callable[[], int]) -> None:  # noqa: B027 - as above
        """Answer only from where the commit of the number is that is pinned by then; -1 is none."""

    def gave_way(self) -> bool:
        """Return whether another server than before would answer now, because that one could not."""
        return False

    def unanswered(self) -> str | None:
        """Return why a replica does not answer that should; ``None`` if there is none, or it does."""
        return None

    @abstractmethod
    def forked(self) -> None:
        """Make good, in a child after a fork, what the fork did to the store: it may then be opened ``again``."""

    @abstractmethod
    def in_place(self) -> bool:
        """Return whether the place still leads to this store."""

    @abstractmethod
    def check_in_place(self) -> None:
        """Raise ``IntegrityError`` if another store lies in its place by now: what is written here would be lost."""

    @abstractmethod
    def close(self) -> None:
        """Close the connection."""

    @contextmanager
    def as_of_now(self) -> "Iterator[Store]":
        """Give the store that lies in this one's place now, as it is now, whatever this connection still shows."""
        store = self.place.open()
        try:
            yield store
        finally:
            store.close()

    @abstractmethod
    def discard(self) -> None:
        """Remove a store that was made but never got its first commit."""

    @abstractmethod
    def queued(self, meanwhile: Callable[[], None] | None = None) -> AbstractContextManager[None]:
        """Wait for one's turn to write; ``StoreBusy`` if it does not come. ``meanwhile`` is called now and then."""

    @abstractmethod
    def snapshot(self) -> AbstractContextManager[None]:
        """Read one moment of the store in several steps, whatever others write meanwhile; within one it is the same."""

    @abstractmethod
    def put(self, contents: "Contents", events: Sequence[Event], commit: Commit) -> Written:
        """Seal the events and write their commit, whole or not at all; ``Conflict`` if it is not the next one."""

    @abstractmethod
    def take(self, table: str, rows: Iterable[Sequence[object]]) -> None:
        """Write rows as they are into a table of a store that was made just now, whose place has nothing of it yet."""

    def instance(self) -> str:
        """Return the id of this instance of the store; nothing in one that was made before there were ids.

        Copies have another, backups the same. It is believed as little as the rest: it keeps nobody out who would write
        here all the same, but keeps those from writing here who mean another one.
        """
        rows = self._rows("SELECT id FROM instance") if self.schema_version >= WITH_INSTANCE else []
        return str(rows[0][0]) if len(rows) == 1 else ""

    def become(self, instance: str) -> None:
        """Be a certain instance from now on, in a store that was made just now."""
        self._rows("DELETE FROM instance RETURNING 1")
        self._rows("INSERT INTO instance VALUES (?) RETURNING 1", (instance,))

    @abstractmethod
    def version(self) -> int:
        """Return a number that is another one as soon as anybody has changed the store.

        It also fixes the moment that a snapshot shows.
        """

    @abstractmethod
    def unchanged_since(self, version: int) -> Callable[[], bool]:
        """Return what says, as fast as can be, whether others left the store as it was at a ``version``, in its place.

        Running apps ask thousands of times a second. Whatever goes wrong counts as a change: who then looks closer is
        told what it is.
        """

    def quiet(self) -> bool:
        """Return whether it is sure that nobody has committed since the ``version`` was last asked for.

        Whoever cannot tell without asking says no.
        """
        return False

    def wait(self, seconds: float) -> None:
        """Wait for so long, or until somebody may have committed."""
        time.sleep(seconds)

    @abstractmethod
    def shred_pending(self, newest: LoggedCommit | None = None) -> bool:
        """Return whether overwritten keys may still stand in the store's files; ``newest`` is the head, if known."""

    @abstractmethod
    def forget(self, *, wait: bool = True) -> bool:
        """Have the files forget what was overwritten; return whether no other program held it up."""

    def shred(self, *, wait: bool = True) -> bool:
        """Have the files forget what was overwritten; return whether nothing held it up.

        It raises nothing: the commit that asks for it stands, and its mark lets the next command try again.
        """
        try:
            return self.forget(wait=wait)
        except RegistryError:
            return False

    @abstractmethod
    def _rows(self, statement: str, parameters: Sequence[object] = ()) -> list[Any]:
        """Return what the database answers."""

    @abstractmethod
    def _among(self, statement: str, values: Sequence[object]) -> list[Any]:
        """Return what the database answers to a statement that ends with ``IN``, for these values."""

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
        return _numbered(self._among("SELECT number, hash FROM log_nodes WHERE number IN", list(numbers)), "log_nodes")

    def units(self, numbers: Iterable[int]) -> dict[int, bytes]:
        """Return units of the present by their numbers; those that are not there are left out."""
        return _numbered(
            self._among("SELECT unit, data FROM present_units WHERE unit IN", list(numbers)), "present_units"
        )

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
        chosen = f"AND topic IN ({_marks(topics)})" if topics else ""
        statement = f"SELECT {_LOGGED} WHERE position >= ? AND position <= ? {chosen} ORDER BY position LIMIT ?"
        more, last = True, _LAST if end is None else end - 1
        while more:
            page = self._rows(statement, (start, last, *topics, _PAGE))
            more = len(page) == _PAGE
            yield from map(_logged, page)
            start = page[-1][0] + 1 if page else start

    def events_of(self, originator: str, topics: Sequence[str], end: int) -> list[LoggedEvent]:
        """Return the events of one stream that lie before a position: all, or those with these topics."""
        chosen = f"AND topic IN ({_marks(topics)})" if topics else ""
        statement = f"SELECT {_LOGGED} WHERE originator_id = ? AND +position < ? {chosen} ORDER BY originator_version"
        return [_logged(row) for row in self._rows(statement, (originator, end, *topics))]

    def row_by_tag(self, tag: bytes) -> TokenRow | None:
        """Return the current row under a name's tag."""
        return self._one(f"{_ROW} WHERE name_tag = ?", tag)

    def held(self, tags: Sequence[bytes]) -> set[bytes]:
        """Return those of the tags under which there is a current row."""
        pages = [tags[start : start + _PAGE] for start in range(0, len(tags), _PAGE)]
        return {tag for page in pages for (tag,) in self._among("SELECT name_tag FROM tokens WHERE name_tag IN", page)}

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


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))


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
