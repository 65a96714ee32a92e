"""Reading an SQLite store as it is, with nothing believed or refused."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from registry.errors import StoreMissing, StoreUnreadable
from registry.store import schema
from registry.store.connection import BUSY_TIMEOUT, file_url, placeholders, unusable
from registry.store.raw import READ, RawStore, Row

_PAGE = 1_000
_PAGES_AT_ONCE = 4_096
# No trigger fires where nothing is written, and a view in the place of a table is not read.
_PRAGMAS = ("query_only = ON", "trusted_schema = OFF", "cell_size_check = ON", "temp_store = MEMORY")


def _lenient(text: bytes) -> str:
    return text.decode(errors="surrogateescape")


class SQLiteRawStore(RawStore):
    """One connection that reads and believes nothing. ``lenient`` reads texts that are no UTF-8, and is slower."""

    def __init__(self, path: Path, *, lenient: bool = True) -> None:
        self.path = path
        try:
            self._connection = sqlite3.connect(
                file_url(path), uri=True, isolation_level=None, timeout=BUSY_TIMEOUT, check_same_thread=False
            )
            for pragma in _PRAGMAS:
                # It reads the catalogue first, of which ``illegible`` tells.
                with suppress(sqlite3.DatabaseError, UnicodeError):
                    self._connection.execute(f"PRAGMA {pragma}")
        except sqlite3.Error as error:
            raise unusable(path, error) from None
        if lenient:
            self._connection.text_factory = _lenient

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read one moment of the store, whatever others write meanwhile."""
        self._all("BEGIN")
        try:
            yield
        finally:
            self._connection.rollback()

    def give_pages(self, target: sqlite3.Connection, progress: Callable[[int, int], None] | None = None) -> None:
        """Make another file a copy of this one, as the snapshot shows it; nobody waits for it."""

        def tell(_status: int, left: int, total: int) -> None:
            if progress is not None:
                progress(total - left, total)

        self._connection.backup(target, pages=_PAGES_AT_ONCE, progress=tell)

    def _pages(self, statement: str, parameters: Sequence[object] = ()) -> Iterator[list[Row]]:
        try:
            cursor = self._connection.execute(statement, parameters)
            while page := cursor.fetchmany(_PAGE):
                yield page
        except (sqlite3.Error, OverflowError, UnicodeError) as error:
            raise unusable(self.path, error) from None

    def _among(self, statement: str, values: Sequence[object]) -> list[Row]:
        return self._all(f"{statement} ({placeholders(values)})", values)

    # The schema

    def pragma(self, name: str) -> Any:  # noqa: ANN401 - whatever is stored
        """Return what the file's header says: ``application_id`` or ``user_version``."""
        return self._one(f"PRAGMA {name}")

    def illegible(self) -> str | None:
        """Return why not even the names of the tables can be read; ``None`` if they can."""
        try:
            _ = self.statements(), self.readable
        except StoreUnreadable as error:
            return str(error)
        return None

    def statements(self) -> list[str]:
        """Return the statements of the catalogue, without those that SQLite itself made."""
        return [str(sql) for (sql,) in self._all("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")]

    def differences(self) -> list[str]:
        """Return what is different in the store's schema, a line for each statement and each word of its header."""
        found = self.statements()
        lines = []
        if self.pragma("application_id") != schema.APPLICATION_ID:
            lines.append("the file does not say that it is a registry")
        version = self.pragma("user_version")
        if version not in schema.VERSIONS:
            if set(found) != set(schema.statements()):
                raise StoreUnreadable(f"the store {self.path} is of the schema {version}", "update this program")
            lines.append(f"the file says that it is of the schema {version}")
            version = schema.SCHEMA_VERSION
        wanted = schema.statements(version)
        lines += [f"{_named(sql)} is missing or was changed" for sql in wanted if sql not in found]
        lines += [f"{_named(sql)} is no part of a registry" for sql in found if sql not in wanted]
        lines += self.unnamed(version)
        return lines + [f"{_named(sql)} is there twice" for sql in wanted if found.count(sql) > 1]

    def damage(self) -> list[str]:
        """Return what SQLite itself finds wrong with the file, at most ten lines: pages and indexes."""
        return [str(line) for (line,) in self._all("PRAGMA integrity_check(10)") if line != "ok"]

    def _is_table(self, table: str) -> bool:
        kind = self._all("SELECT type, sql FROM sqlite_master WHERE name = ?", (table,))
        # A virtual table, or a column that is worked out when it is read, can run for ever.
        if [row[0] for row in kind] != ["table"] or not str(kind[0][1]).upper().startswith("CREATE TABLE"):
            return False
        stored = {name for _, name, _, _, _, _, hidden in self._all(f"PRAGMA table_xinfo({table})") if not hidden}
        return stored.issuperset(READ[table])


def open_raw(path: Path) -> SQLiteRawStore:
    """Return a connection to a store; ``StoreMissing`` or ``StoreUnreadable`` where there is no database to be read."""
    try:
        empty = not path.stat().st_size
    except FileNotFoundError:
        raise StoreMissing(f"there is no registry at {path}", "'init' founds one, 'join' makes one known") from None
    except OSError as error:
        raise StoreUnreadable(f"the store {path} cannot be read: {error.strerror}") from None
    store = SQLiteRawStore(path)
    # Read as any reader reads, with locks: a look at the bare file while others write finds it torn.
    if empty or "not a database" in (store.illegible() or ""):
        store.close()
        raise StoreUnreadable(f"{path} is not a token registry", "check TOKEN_REGISTRY_URL and --url")
    return store


def _named(sql: str) -> str:
    return " ".join(sql.split()[:3])[:100]
