"""Every change of one row that the campaign tries: what is done to it, and what must be said of it.

What must be said is worked out from the rows as they were before: nothing here asks the verifier.
"""

from collections.abc import Iterator, Mapping, Sequence, Set as AbstractSet
from typing import Any

from msgspec import Struct

from registry.store.raw import COLUMNS
from tests.tampering.scene import Problem, Row, Scene, Statement
from tests.tampering.statements import FREE_ID, HUGE, NUMBERED, covered, updated

KIND = {
    "stored_events": "event",
    "log_nodes": "node",
    "present_units": "present",
    "tokens": "row",
    "data_keys": "data-key",
}
OWNED = ("tokens", "data_keys")
"""Tables whose rows belong to a token."""
_UNSIGNED: Mapping[str, AbstractSet[str]] = {"author": {"commit", "signature"}, "at": {"commit"}}
"""The columns of a commit that are no part of its signed text."""
Expected = Mapping[int, AbstractSet[str]]


class Change(Struct, frozen=True):
    """One change of one row. Each position of ``expected`` must be named, with one of its kinds, and no other."""

    row: str
    statements: Sequence[Statement]
    expected: Expected
    also: Expected = {}
    """What may be named besides."""
    tokens: AbstractSet[str] = frozenset()
    """Tokens that must not resolve any more."""
    units: AbstractSet[int] = frozenset()
    """Units of the present that are not what they were: nothing that they prove resolves any more."""
    beside: AbstractSet[int] = frozenset()
    """Units where there were none."""
    position: int | None = None
    """Of a change of the log: how little of it a machine must have seen to notice the change when it opens it."""

    def wrong(self, found: Sequence[Problem]) -> str | None:
        """Return what is wrong with what was found; ``None`` if it is just what must be said."""
        places = {problem.position for problem in found}
        missed = {
            where for where, kinds in self.expected.items() if not any(Problem(where, kind) in found for kind in kinds)
        }
        strange = {
            where
            for where in places
            for problem in found
            if problem.position == where
            and problem.kind not in {*self.expected.get(where, ()), *self.also.get(where, ())}
        }
        told = [(problem.position, problem.kind) for problem in found]
        return f"{self.row}: {told[:9]} instead of {self.expected}" if missed or strange or not found else None


def joined(*expected: Expected) -> Expected:
    """Return all that is expected in any of these."""
    places = {where for one in expected for where in one}
    return {where: {kind for one in expected for kind in one.get(where, ())} for where in places}


class Campaign:
    """Makes the changes of each operation, and says what is expected of each."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.size = scene.size

    def rows(self, table: str) -> list[Row]:
        """Return the rows of a table."""
        return self.scene.rows[table]

    def place(self, table: str, row: Row) -> int:
        """Return the position that stands for a row."""
        if table == "stored_events":
            return row["position"]
        if table == "commits":
            return self.scene.start(row["number"])
        if table == "log_nodes":
            return covered(row["number"])
        return self.scene.last_of(row["token_id"]) if table in OWNED else self.size

    def change(self, table: str, row: Row, statements: Sequence[Statement], what: str = "", **more: Any) -> Change:
        """Return the change of a row, which is expected to be named at its place under its table's kind."""
        number = row.get(NUMBERED.get(table, ""), row.get("token_id"))
        place = self.place(table, row)
        parts: dict[str, Any] = {"expected": {place: self.kinds(table)}}
        if table in OWNED:
            parts["tokens"] = {row["token_id"]}
        if table == "present_units":
            parts["units"] = {row["unit"]}
        if table in ("stored_events", "commits"):
            parts["position"] = place
        return Change(f"{table} {number} {what}", statements, **(parts | more))

    def kinds(self, table: str, column: str | None = None) -> AbstractSet[str]:
        """Return under which kinds a wrong row is named; of a commit it depends on the column."""
        if table != "commits":
            return {KIND[table]}
        if column is None:
            return {"commit", "signature"}
        return _UNSIGNED.get(column, {"signature"})

    # Flipping a bit, and other values

    def flips(self, table: str) -> Iterator[Change]:
        """Yield a change of one bit of each column of each row."""
        for row in self.rows(table):
            for column in COLUMNS[table]:
                key = column == NUMBERED.get(table) or (column == "token_id" and table in OWNED)
                expected = (
                    self.moved(table, row, self.flipped(table, row, column))
                    if key
                    else {self.place(table, row): self.kinds(table, column)}
                )
                value = self.flipped(table, row, column)
                beside = {value} if column == "unit" else set()
                statements = [updated(table, row, **{column: value})]
                yield self.change(table, row, statements, column, **_both(expected), beside=beside)

    def flipped(self, table: str, row: Row, column: str) -> Any:
        """Return a column's value with the lowest bit changed that the database lets change."""
        value, number = row[column], NUMBERED.get(table)
        if value is None:
            return FREE_ID if column == "application_id" else b"{}"
        if isinstance(value, int):
            taken = {other[column] for other in self.rows(table)} if column == number else set[int]()
            if column == "originator_version":
                stream = row["originator_id"]
                taken = {e[column] for e in self.rows(table) if e["originator_id"] == stream}
            return next(value ^ 1 << bit for bit in range(62) if value ^ 1 << bit not in taken)
        if isinstance(value, str):
            return value[:-1] + chr(ord(value[-1]) ^ 1)
        middle = len(value) // 2
        return value[:middle] + bytes([value[middle] ^ 1]) + value[middle + 1 :]

    def moved(self, table: str, row: Row, to: int | str) -> tuple[Expected, Expected]:
        """Return what must, and what may, be said of a row that lies under another key, at which there is none."""
        place, size, kinds = self.place(table, row), self.size, self.kinds(table)
        if table == "stored_events":
            beyond = {size: {"event"}} if to < 0 else {to: {"unsigned"}}
            return joined({place: kinds}, beyond), {}
        if table == "commits":
            last = len(self.rows(table)) - 1
            if row["number"] == last and to < 0:
                return self.beheaded(row), {place: {"commit", "pin"}}
            return joined({place: {"commit"}}, {size: {"commit"} if to < 0 else {"signature"}}), {size: {"commit"}}
        if table == "present_units":
            return {size: kinds}, {}
        return joined({place: kinds}, {size: kinds}), {}

    def may_be_of_the_event(self, row: Row) -> Expected:
        """Return what else may be said of a commit whose time was changed.

        A disclosure is committed later than it says. So if it is alone in its commit, nobody can know which of both was
        changed.
        """
        place, events = self.place("commits", row), self.rows("stored_events")
        alone = row["size"] == place + 1 and events[place]["topic"] == "token.disclosed"
        return {place: {"event"}} if alone else {}

    def beheaded(self, row: Row) -> Expected:
        """Return what must be said if the newest commit, or it and some before it, are gone."""
        return {self.place("commits", row): {"unsigned"}}

    def others(self, table: str) -> Iterator[Change]:
        """Yield changes of each column of each row to what no honest program writes there: of all in their turn."""
        for number, row in enumerate(self.rows(table)):
            for column in COLUMNS[table]:
                values = self._strange(table, row, column)
                value = values[number % len(values)]
                key = column == NUMBERED.get(table) or (column == "token_id" and table in OWNED)
                expected = self.moved(table, row, value) if key else {self.place(table, row): self.kinds(table)}
                what = f"{column} {str(value)[:20]!r}"
                yield self.change(table, row, [updated(table, row, **{column: value})], what, **_both(expected))

    def _strange(self, table: str, row: Row, column: str) -> Sequence[object]:
        value = row[column]
        if column == NUMBERED.get(table):
            return (-1, HUGE)
        nothing = () if table == "data_keys" or column not in _NULLABLE or value is None else (None,)
        if isinstance(value, int):
            return (-1, HUGE, 1.5, b"\x01", "x", *nothing)
        if isinstance(value, str):
            return (value.encode(), "", value + "\x00", 7, *nothing)
        return (b"", bytes(70_000), "text", 7, *nothing)


_NULLABLE = {"token_id", "application_id", "plain"}


def _both(expected: Expected | tuple[Expected, Expected]) -> dict[str, Expected]:
    return {"expected": expected[0], "also": expected[1]} if isinstance(expected, tuple) else {"expected": expected}
