"""Reading a PostgreSQL store as it is, with nothing believed or refused."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg

from registry.errors import StoreUnreadable
from registry.store.postgres import catalog, schema
from registry.store.postgres.connection import begin_look, unusable
from registry.store.postgres.dialect import dialect
from registry.store.raw import COLUMNS, READ, RawStore, Row

if TYPE_CHECKING:
    from registry.store.postgres.place import PostgresPlace

_PAGE = 1_000


class PostgresRawStore(RawStore):
    """One connection that reads and believes nothing."""

    def __init__(self, place: "PostgresPlace") -> None:
        self.place = place
        self._said = dialect(place.schema)
        self._connection = place.connect()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read one moment of the store, whatever others write meanwhile."""
        self._carry_out(begin_look(self._connection, self.place.schema))
        try:
            yield
        finally:
            if not self._connection.closed:
                self._carry_out("ROLLBACK")

    def _carry_out(self, statement: str) -> None:
        try:
            self._connection.execute(statement.encode())
        except psycopg.Error as error:
            raise unusable(self.place, error) from None

    def _pages(self, statement: str, parameters: Sequence[object] = ()) -> Iterator[list[Row]]:
        try:
            cursor = self._connection.execute(self._said(statement).encode(), parameters)
            while page := cursor.fetchmany(_PAGE):
                yield page
        except (psycopg.Error, UnicodeError) as error:
            raise unusable(self.place, error) from None

    def _among(self, statement: str, values: Sequence[object]) -> list[Row]:
        return self._all(statement, [list(values)])

    def table(self, name: str) -> Iterator[Row]:
        """Yield the rows of a table, of each the columns that are needed; within a snapshot."""
        if name not in self.readable:
            return
        statement = self._said(f"SELECT {', '.join(COLUMNS[name])} FROM {name}")  # noqa: S608 - constants
        try:
            # The server keeps what was not yet asked for: a large table is never here as a whole.
            with self._connection.cursor(name=f"rows_of_{name}") as cursor:
                cursor.itersize = _PAGE
                yield from cursor.execute(statement.encode())
        except psycopg.Error as error:
            raise unusable(self.place, error) from None

    def check(self) -> None:
        """Raise ``StoreMissing`` or ``StoreUnreadable`` unless the schema is that of a registry and may be read."""
        catalog.check_mark(self._connection, self.place.schema, self.place)
        catalog.check_may_read(self._connection, self.place.schema, self.place)

    def illegible(self) -> str | None:
        """Return why not even the names of the tables can be read; ``None`` if they can."""
        try:
            _ = self.readable
        except StoreUnreadable as error:
            return str(error)
        return None

    def differences(self) -> list[str]:
        """Return what is different in the store's schema, a line for each part."""
        found = catalog.parts(self._connection, self.place.schema, self.place)
        version = catalog.check_mark(self._connection, self.place.schema, self.place)
        return schema.differences(found, version) + self.unnamed(version)

    def damage(self) -> list[str]:
        """Return nothing: what the server itself finds wrong with its files is for ``pg_amcheck`` to say."""
        return []

    def _is_table(self, table: str) -> bool:
        statement = (
            "SELECT attname FROM pg_catalog.pg_class JOIN pg_catalog.pg_attribute ON attrelid = pg_class.oid"
            " WHERE relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = ?) AND relname = ?"
            " AND relkind = 'r' AND attnum > 0 AND NOT attisdropped AND attgenerated = ''"
        )
        stored: set[Any] = {name for (name,) in self._all(statement, (self.place.schema, table))}
        return stored.issuperset(READ[table])
