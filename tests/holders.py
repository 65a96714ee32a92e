"""Whoever holds a database: who can read and change all that is in it, append-only or not."""

import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg

from registry.store.place import Place
from registry.store.postgres.dialect import dialect
from registry.store.postgres.place import PostgresPlace

_WORDS = {
    r"\bx'([0-9a-f]*)'": r"'\\\\x\1'::bytea",
    r"\bzeroblob\((\d+)\)": r"decode(repeat('00', \1), 'hex')",
    r"\bAS BLOB\b": "AS bytea",
    r" IS \?": " IS NOT DISTINCT FROM ?",
    r"\bINSERT OR REPLACE INTO\b": "INSERT INTO",
}
"""What is said otherwise in PostgreSQL."""


class Refused(Exception):
    """The database itself does not take it."""


class SQLiteHolder:
    """Who holds a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def sql(self, statement: str, parameters: Sequence[object] = ()) -> list[Any]:
        """Carry out one statement."""
        return self.all([(statement, parameters)])

    def all(self, statements: Sequence[tuple[str, Sequence[object]]]) -> list[Any]:
        """Carry out statements together, and return what the last one answers; ``Refused`` if one is not taken."""
        with closing(sqlite3.connect(self._path, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
            rows: list[Any] = []
            connection.execute("BEGIN")
            try:
                for name, _ in triggers:
                    connection.execute(f"DROP TRIGGER {name}")
                for statement, parameters in statements:
                    rows = connection.execute(statement, parameters).fetchall()
                for _, sql in triggers:
                    connection.execute(sql)
            except (sqlite3.IntegrityError, OverflowError) as error:
                connection.execute("ROLLBACK")
                raise Refused(str(error)) from None
            connection.execute("COMMIT")
            return rows


class PostgresHolder:
    """Who holds a schema as its owner."""

    def __init__(self, place: PostgresPlace) -> None:
        self._place = place
        self._dialect = dialect(place.schema)

    def _said(self, statement: str) -> str:
        for pattern, instead in _WORDS.items():
            statement = re.sub(pattern, instead, statement)
        return self._dialect(statement)

    def sql(self, statement: str, parameters: Sequence[object] = ()) -> list[Any]:
        """Carry out one statement."""
        return self.all([(statement, parameters)])

    def all(self, statements: Sequence[tuple[str, Sequence[object]]]) -> list[Any]:
        """Carry out statements together, and return what the last one answers; ``Refused`` if one is not taken."""
        rows: list[Any] = []
        try:
            with psycopg.connect(self._place.conninfo) as connection:
                connection.execute("SET LOCAL session_replication_role = replica")  # in which no trigger fires
                for statement, parameters in statements:
                    cursor = connection.execute(self._said(statement).encode(), parameters)
                    rows = cursor.fetchall() if cursor.description else []
        except (psycopg.IntegrityError, psycopg.DataError) as error:
            raise Refused(str(error)) from None
        return rows


def holder_of(place: Place) -> SQLiteHolder | PostgresHolder:
    """Return whoever holds the store at a place."""
    if isinstance(place, PostgresPlace):
        return PostgresHolder(place)
    assert place.files is not None
    return SQLiteHolder(place.files)
