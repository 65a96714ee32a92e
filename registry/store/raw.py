"""Reading a store as it is, whatever somebody made of it: rows as bare tuples, with nothing believed or refused.

Where opening refuses a store, this reads on, so that all of what is wrong can be said. Tables that are not there, or
cannot be read as tables, have no rows. What SQLite itself cannot read raises ``StoreUnreadable``.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any

from registry.store.schema import WITH_INSTANCE
from registry.values import is_instance

COLUMNS = {
    "stored_events": ("originator_id", "originator_version", "topic", "state", "position", "commit_number"),
    "commits": (
        *("number", "author", "at", "size", "root", "present"),
        *("roster_length", "roster_head", "shredded", "signature"),
    ),
    "log_nodes": ("number", "hash"),
    "present_units": ("unit", "data"),
    "tokens": (
        *("token_id", "application_id", "name_tag", "version", "revision", "box_revision", "position"),
        *("card", "box", "plain", "fingerprints"),
    ),
    "data_keys": ("token_id", "wrapped"),
}
"""What is read of each table."""
READ = {**COLUMNS, "instance": ("id",)}
Row = tuple[Any, ...]

_PLACED = "SELECT position, commit_number, originator_id, originator_version, topic, state FROM stored_events"
_STREAMED = "SELECT originator_id, originator_version, topic, state, position, commit_number FROM stored_events"


class RawStore(ABC):
    """One connection that reads and believes nothing."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the store."""

    @abstractmethod
    def snapshot(self) -> AbstractContextManager[None]:
        """Read one moment of the store, whatever others write meanwhile."""

    @abstractmethod
    def illegible(self) -> str | None:
        """Return why not even the names of the tables can be read; ``None`` if they can."""

    @abstractmethod
    def differences(self) -> list[str]:
        """Return what is different in the store's schema, in words; ``StoreUnreadable`` if it is of another version."""

    @abstractmethod
    def damage(self) -> list[str]:
        """Return what the database itself finds wrong with its files, at most ten lines."""

    @abstractmethod
    def _is_table(self, table: str) -> bool:
        """Return whether there is a real table of that name, with the columns that are needed stored in it."""

    @abstractmethod
    def _pages(self, statement: str, parameters: Sequence[object] = ()) -> Iterator[list[Row]]:
        """Yield what the database answers, a page at a time."""

    @abstractmethod
    def _among(self, statement: str, values: Sequence[object]) -> list[Row]:
        """Return what the database answers to a statement that ends with ``IN``, for these values."""

    def _all(self, statement: str, parameters: Sequence[object] = ()) -> list[Row]:
        return [row for page in self._pages(statement, parameters) for row in page]

    def _one(self, statement: str, parameters: Sequence[object] = ()) -> Any:  # noqa: ANN401 - whatever is stored
        return next(iter(self._all(statement, parameters)), (None,))[0]

    @cached_property
    def readable(self) -> frozenset[str]:
        """The tables that can be read: real ones, with the columns that are needed stored in them."""
        return frozenset(table for table in COLUMNS if self._is_table(table))

    def instance(self) -> str:
        """Return the id that the store says is its own; nothing where that is none."""
        rows = self._all("SELECT id FROM instance LIMIT 2") if self._is_table("instance") else []
        said = rows[0][0] if len(rows) == 1 else None
        return said if isinstance(said, str) and is_instance(said) else ""

    def unnamed(self, version: int) -> list[str]:
        """Return what is wrong with that id, in words, in a store of a version."""
        named = version < WITH_INSTANCE or self.instance()
        return [] if named else ["the table instance does not hold one id"]

    # Tables that change: to be read in one snapshot

    def table(self, name: str) -> Iterator[Row]:
        """Yield the rows of a table, of each the columns that are needed."""
        if name in self.readable:
            for page in self._pages(f"SELECT {', '.join(COLUMNS[name])} FROM {name}"):  # noqa: S608 - constants
                yield from page

    def count(self, table: str) -> int:
        """Return how many rows a table has."""
        return int(self._one(f"SELECT COUNT(*) FROM {table}")) if table in self.readable else 0  # noqa: S608 - a constant

    def newest(self) -> Row | None:
        """Return the commit with the highest number."""
        if "commits" not in self.readable:
            return None
        columns = ", ".join(COLUMNS["commits"])
        return next(iter(self._all(f"SELECT {columns} FROM commits ORDER BY number DESC LIMIT 1")), None)  # noqa: S608 - constants

    def last_position(self) -> int:
        """Return the highest position that is a number, -1 where there is none."""
        if "stored_events" not in self.readable:
            return -1
        statement = "SELECT MAX(position) FROM stored_events WHERE typeof(position) = 'integer'"
        found = self._one(statement)
        return found if isinstance(found, int) and found >= 0 else -1

    def last_node(self) -> int:
        """Return the highest number of a node, -1 where there is none."""
        found = self._one("SELECT MAX(number) FROM log_nodes") if "log_nodes" in self.readable else None
        return found if isinstance(found, int) and found >= 0 else -1

    def stray_nodes(self) -> int:
        """Return how many nodes have a number that is none."""
        return int(self._one("SELECT COUNT(*) FROM log_nodes WHERE number < 0")) if "log_nodes" in self.readable else 0

    def stray_commits(self) -> int:
        """Return how many commits have a number that is none."""
        return int(self._one("SELECT COUNT(*) FROM commits WHERE number < 0")) if "commits" in self.readable else 0

    def behind(self, size: int) -> tuple[int, int]:
        """Return how many events stand behind a size, and the first position of them."""
        if "stored_events" not in self.readable:
            return 0, size
        statement = (
            "SELECT COUNT(*), MIN(position) FROM stored_events WHERE position >= ? AND typeof(position) = 'integer'"
        )
        count, first = self._all(statement, (size,))[0]
        return count, size if first is None else first

    def end_of(self, number: int) -> int:
        """Return behind which position the events end that say that they belong to a commit or to one before it."""
        if "stored_events" not in self.readable:
            return 0
        statement = (
            "SELECT MAX(position) + 1 FROM stored_events WHERE typeof(position) = 'integer'"
            " AND typeof(commit_number) = 'integer' AND commit_number <= ?"
        )
        found = self._one(statement, (number,))
        return found if isinstance(found, int) and found > 0 else 0

    def strays(self) -> int:
        """Return how many events have a position that is none."""
        if "stored_events" not in self.readable:
            return 0
        statement = (
            "SELECT COUNT(*) FROM stored_events WHERE position < 0 OR position IS NULL OR typeof(position) <> 'integer'"
        )
        return int(self._one(statement))

    # What is only ever appended: it may be read at any time up to a size

    def outline(self, last: int) -> Iterator[tuple[int, Any]]:
        """Yield number and size of the commits up to a number, in their order."""
        if "commits" in self.readable:
            statement = "SELECT number, size FROM commits WHERE number >= 0 AND number <= ? ORDER BY number"
            for page in self._pages(statement, (last,)):
                yield from page

    def commits(self, first: int, last: int) -> list[Row]:
        """Return the commits of a range of numbers, both ends included."""
        if "commits" not in self.readable:
            return []
        columns = ", ".join(COLUMNS["commits"])
        statement = f"SELECT {columns} FROM commits WHERE number BETWEEN ? AND ? ORDER BY number"  # noqa: S608 - constants
        return self._all(statement, (first, last))

    def authors(self, numbers: Sequence[int]) -> dict[int, tuple[Any, Any]]:
        """Return author and time of commits by their numbers."""
        if "commits" not in self.readable:
            return {}
        found = self._among("SELECT number, author, at FROM commits WHERE number IN", numbers)
        return {number: (author, at) for number, author, at in found}

    def events(self, start: int, end: int) -> Iterator[list[Row]]:
        """Yield the events from a position on and before another, in their order, a page at a time."""
        if "stored_events" in self.readable:
            yield from self._pages(f"{_PLACED} WHERE position >= ? AND position < ? ORDER BY position", (start, end))

    def event(self, position: int) -> list[Row]:
        """Return the events at one position."""
        return self._all(f"{_PLACED} WHERE position = ?", (position,))

    def nodes(self, first: int, end: int) -> Iterator[list[Row]]:
        """Yield the nodes from a number on and before another, in their order, a page at a time."""
        if "log_nodes" in self.readable:
            statement = "SELECT number, hash FROM log_nodes WHERE number >= ? AND number < ? ORDER BY number"
            yield from self._pages(statement, (first, end))

    def node_hashes(self, first: int, end: int) -> list[Any]:
        """Return the hashes of the nodes from a number on and before another, in their order."""
        if "log_nodes" not in self.readable:
            return []
        return [
            row[0]
            for row in self._all(
                "SELECT hash FROM log_nodes WHERE number >= ? AND number < ? ORDER BY number", (first, end)
            )
        ]

    def node(self, number: int) -> Any:  # noqa: ANN401 - whatever is stored
        """Return the hash of a node, ``None`` if it is not there."""
        if "log_nodes" not in self.readable:
            return None
        return self._one("SELECT hash FROM log_nodes WHERE number = ?", (number,))

    def stream(self, originator: str, end: int) -> list[Row]:
        """Return version, topic, state, position and commit number of a stream's events before a position."""
        if "stored_events" not in self.readable:
            return []
        statement = (
            "SELECT originator_version, topic, state, position, commit_number FROM stored_events"
            " WHERE originator_id = ? AND position BETWEEN 0 AND ? ORDER BY originator_version"
        )
        return self._all(statement, (originator, end - 1))

    def streams(self, low: str | None, high: str | None, start: int, end: int) -> Iterator[list[Row]]:
        """Yield the events of the streams between two ids, both left out, within positions: stream by stream.

        ``None`` is before or behind every id.
        """
        bounds = [("originator_id > ?", low), ("originator_id < ?", high)]
        chosen = [(clause, value) for clause, value in bounds if value is not None]
        where = " AND ".join(["+position >= ?", "+position < ?", *(clause for clause, _ in chosen)])
        yield from self._streamed(where, (start, end, *(value for _, value in chosen)))

    def versions(self, originator: str, first: int, before: int | None, span: tuple[int, int]) -> Iterator[list[Row]]:
        """Yield the events of one stream from a version on and before another, within positions."""
        where = "originator_id = ? AND originator_version >= ? AND +position >= ? AND +position < ?"
        parameters: tuple[object, ...] = (originator, first, *span)
        if before is not None:
            where, parameters = f"{where} AND originator_version < ?", (*parameters, before)
        yield from self._streamed(where, parameters)

    def _streamed(self, where: str, parameters: Sequence[object]) -> Iterator[list[Row]]:
        if "stored_events" in self.readable:
            order = "ORDER BY originator_id, originator_version"
            yield from self._pages(f"{_STREAMED} WHERE {where} {order}", parameters)

    def later_version(self, originator: str, version: int, step: int, end: int) -> int | None:
        """Return the version of the stream's event that stands so many behind one; ``None`` if there is none."""
        statement = (
            "SELECT originator_version FROM stored_events WHERE originator_id = ? AND originator_version > ?"
            " AND position < ? ORDER BY originator_version LIMIT 1 OFFSET ?"
        )
        found = self._one(statement, (originator, version, end, step - 1))
        return found if isinstance(found, int) else None

    def newest_of(self, originator: object, end: int) -> tuple[int, int] | None:
        """Return position and version of a stream's last event before a position; ``None`` where it has none."""
        if "stored_events" not in self.readable:
            return None
        statement = (
            "SELECT MAX(position), MAX(originator_version) FROM stored_events WHERE originator_id = ? AND position < ?"
        )
        position, version = self._all(statement, (originator, end))[0]
        return (position, version) if isinstance(position, int) and isinstance(version, int) else None
