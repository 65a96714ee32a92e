"""Changes of whole rows: taken away, doubled, exchanged, numbered anew, put back to what they were once."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from msgspec import structs

from registry.log import merkle
from registry.store.raw import COLUMNS
from tests.tampering.changes import Campaign, Change, Expected, joined
from tests.tampering.scene import Row
from tests.tampering.statements import FREE_ID, NUMBERED, deleted, inserted, swapped, updated

STREAM = ("originator_id", "originator_version")
"""The columns of an event that no other one has, both together."""


class Rearranging(Campaign):
    """Makes the changes of whole rows."""

    def deletions(self, table: str) -> Iterator[Change]:
        """Yield each row taken away."""
        for row in self.rows(table):
            yield self.change(table, row, [deleted(table, row)], **self._gone(table, row))

    def _gone(self, table: str, row: Row) -> dict[str, Expected]:
        if table == "commits":
            if row is self.rows(table)[-1]:
                return {"expected": self.beheaded(row), "also": {self.place(table, row): {"pin"}}}
            return {"expected": {self.place(table, row): {"commit"}}}
        return {}

    def duplicates(self, table: str) -> Iterator[Change]:
        """Yield each row once more, under a key that is free: just behind all others, further on, before, nobody's."""
        for number, row in enumerate(self.rows(table)):
            for copy, place in self._copies(table, row, number):
                kinds = {"unsigned"} if table == "stored_events" and place[1] >= 0 else self.kinds(table)
                log = table in ("stored_events", "commits") and place[1] >= 0
                more: dict[str, Any] = {"tokens": set(), "units": set(), "position": self.size if log else None}
                if table == "present_units":
                    more["beside"] = {place[1]}
                also = {self.size: {"commit"}} if table == "commits" else {}
                expected = {place[0]: kinds}
                statements = [inserted(table, copy)]
                yield self.change(table, row, statements, f"again: {place}", expected=expected, also=also, **more)

    def _copies(self, table: str, row: Row, turn: int) -> Iterator[tuple[Row, tuple[int, int]]]:
        """Yield copies of a row, each with the position at which it must be named, and its key."""
        size = self.size
        if table in NUMBERED:
            key = NUMBERED[table]
            ends = {
                "stored_events": (size, size + 5, -7),
                "commits": (len(self.rows("commits")), len(self.rows("commits")) + 3, -7),
                "log_nodes": (merkle.nodes_in(size), merkle.nodes_in(size) + 5, -7),
                "present_units": (self._free_unit(), 10**6, -7),
            }[table]
            number = ends[turn % len(ends)]
            more = {"originator_version": row["originator_version"] + 1_000} if table == "stored_events" else {}
            place = number if table == "stored_events" and number >= 0 else size
            yield {**row, key: number, **more}, (place, number)
            return
        gone = self.scene.deleted_token
        for token, place in ((FREE_ID, size), (gone, self.scene.last_of(gone))):
            more = {"name_tag": bytes(32)} if table == "tokens" else {}
            yield {**row, "token_id": token, **more}, (place, 0)

    def _free_unit(self) -> int:
        return next(unit for unit in range(10**4) if unit not in {row["unit"] for row in self.rows("present_units")})

    def exchanges(self, table: str) -> Iterator[Change]:
        """Yield each row exchanged with the next one: the whole of it, and one of its columns, each in its turn."""
        rows, key = self.rows(table), NUMBERED.get(table, COLUMNS[table][0])
        for turn, one in enumerate(rows):
            other = rows[(turn + 1) % len(rows)]
            columns = [c for c in COLUMNS[table] if one[c] != other[c] and self._is_free(table, one, other, c)]
            parts = [column for column in columns if column != key]
            # To exchange what tells them apart is to exchange all the rest; of two columns either is.
            for column in dict.fromkeys([key, parts[turn % len(parts)]]) if len(COLUMNS[table]) > 2 else parts[:1]:
                yield self._exchanged(table, one, other, column)

    def _exchanged(self, table: str, one: Row, other: Row, column: str) -> Change:
        statements = swapped(table, one, other, column)
        mine, theirs = self.change(table, one, statements), self.change(table, other, ())
        also: Expected = {}
        if table == "commits" and one["at"] != other["at"] and column in ("at", "number"):
            also = joined(self.may_be_of_the_event(one), self.may_be_of_the_event(other))
        expected = joined(mine.expected, theirs.expected)
        if column == "at":
            expected = {place: {*kinds, *also.get(place, ())} for place, kinds in expected.items()}
        return structs.replace(
            mine,
            row=f"{table} {one[COLUMNS[table][0]]} {column} exchanged with {other[COLUMNS[table][0]]}",
            expected=expected,
            also=also,
            tokens={*mine.tokens, *theirs.tokens},
            units={*mine.units, *theirs.units},
            position=None if mine.position is None else max(mine.position, theirs.position or 0),
        )

    def _is_free(self, table: str, one: Row, other: Row, column: str) -> bool:
        """Return whether two events may exchange a column: a stream has each version once."""
        if table != "stored_events" or column not in STREAM:
            return True
        left = [event for event in self.rows(table) if event not in (one, other)]
        taken = {tuple(event[key] for key in STREAM) for event in left}
        after = [{**one, column: other[column]}, {**other, column: one[column]}]
        places = {tuple(event[key] for key in STREAM) for event in after}
        return len(places) > 1 and not places & taken

    def renumberings(self, table: str) -> Iterator[Change]:
        """Yield the rows from each on numbered anew: moved on by one, and moved up after it is taken away."""
        key, rows = NUMBERED[table], self.rows(table)
        for place, row in enumerate(rows):
            on = [updated(table, other, **{key: other[key] + 1}) for other in reversed(rows[place:])]
            up = [updated(table, other, **{key: other[key] - 1}) for other in rows[place + 1 :]]
            for what, statements in (("moved on", on), ("dropped, the rest moved up", [deleted(table, row), *up])):
                yield self.change(table, row, statements, what, **self._shifted(table, row, up="up" in what))

    def _shifted(self, table: str, row: Row, *, up: bool) -> dict[str, Any]:
        size, place = self.size, self.place(table, row)
        rows = self.rows(table)[self.rows(table).index(row) :]
        if table == "stored_events":
            wrong: dict[int, set[str]] = {position: {"event"} for position in range(place, size)}
            wrong |= {} if up else {size: {"unsigned"}}
            if place:
                return {"expected": wrong, "position": size}
            # Without the founding there is no key that would tell changed events from a changed commit.
            return {
                "expected": {0: {"event"}},
                "also": {position: {"event", "commit", "unsigned"} for position in (*wrong, size)},
                "position": size,
            }
        if table == "log_nodes":
            first = min(self.place(table, other) for other in rows)
            return {"expected": {first: {"node"}}, "also": {position: {"node"} for position in range(size + 1)}}
        if table == "commits":
            if up and len(rows) == 1:
                return {"expected": self.beheaded(row), "also": {place: {"pin"}}, "position": size}
            # Each of the commits behind says what another one said, so that no event has the one that it names.
            also = {position: {"commit", "signature", "event"} for position in (*range(place, size), size)}
            return {"expected": {place: {"commit", "signature"}}, "also": also, "position": size}
        units = {other["unit"] for other in rows}
        return {"units": units, "beside": {unit + (-1 if up else 1) for unit in units}}

    def older(self, table: str) -> Iterator[Change]:
        """Yield each row put back to what it was once; of what is only ever appended, to what the one before it is."""
        if table in ("stored_events", "commits", "log_nodes"):
            yield from self._predecessors(table)
            return
        key = COLUMNS[table][0]
        keys = {row[key]: row for row in self.rows(table)}
        seen = list(self.rows(table))
        for row in self.scene.older[table]:
            if row in seen:
                continue
            seen.append(row)
            now = keys.get(row[key])
            what, more = "as it was once" if now else "which was destroyed", {}
            if table == "present_units" and now is None:
                more = {"units": set(), "beside": {row["unit"]}}
            yield self.change(table, row, [inserted(table, row)], what, **more)

    def _predecessors(self, table: str) -> Iterator[Change]:
        rows = self.rows(table)
        for number, (before, row) in enumerate(pairwise(rows)):
            columns = {column: value for column, value in before.items() if column != NUMBERED[table]}
            if table == "stored_events":
                columns["originator_version"] = 1_000 + number  # the stream has the other one already
            also = self.may_be_of_the_event(row) if table == "commits" else {}
            yield self.change(table, row, [updated(table, row, **columns)], "as the one before it", also=also)
