"""The statements by which rows are changed, and where a node of the tree stands."""

from typing import Any

from registry.store.raw import COLUMNS
from tests.tampering.scene import KEYS, Row, Statement

HUGE = 2**63 - 1
FREE_ID = "e" * 32
"""The id of nothing."""
NUMBERED = {"stored_events": "position", "commits": "number", "log_nodes": "number", "present_units": "unit"}
"""The columns by which rows are numbered."""


def _where(table: str, row: Row) -> tuple[str, list[object]]:
    return f"{KEYS[table]} IS ?", [row[KEYS[table]]]


def updated(table: str, row: Row, **columns: Any) -> Statement:
    """Return the statement that changes columns of one row."""
    where, keys = _where(table, row)
    return f"UPDATE {table} SET {', '.join(f'{column} = ?' for column in columns)} WHERE {where}", [
        *columns.values(),
        *keys,
    ]


def deleted(table: str, row: Row) -> Statement:
    """Return the statement that takes a row away."""
    where, keys = _where(table, row)
    return f"DELETE FROM {table} WHERE {where}", keys


def inserted(table: str, row: Row) -> Statement:
    """Return the statement that adds a row, or puts it in the place of another."""
    columns = COLUMNS[table]
    places = ", ".join("?" * len(columns))
    return f"INSERT OR REPLACE INTO {table} ({', '.join(columns)}) VALUES ({places})", [row[c] for c in columns]


def swapped(table: str, one: Row, other: Row, column: str) -> list[Statement]:
    """Return the statements that exchange a column of two rows, through a third value where it must be unique."""
    between = -HUGE if isinstance(one[column], int) else FREE_ID
    between = between.encode() if isinstance(one[column], bytes) else between
    moved = {**one, column: between}
    steps = [(one, between), (other, one[column]), (moved, other[column])]
    return [updated(table, row, **{column: value}) for row, value in steps]


def covered(number: int) -> int:
    """Return the first event that a node covers, by counting the nodes as they come into being."""
    counted = leaf = 0
    while True:
        for level in range(leaf.bit_length() + 1):
            if counted == number:
                return leaf >> level << level
            counted += 1
            if not leaf >> level & 1:
                break
        leaf += 1
