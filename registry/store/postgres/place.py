"""Where a PostgreSQL store lies: a server, a database in it, and a schema in that."""

import os
import re
from collections.abc import Callable
from copy import copy
from secrets import token_hex
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from registry.errors import AlreadyExists, InvalidValue, StoreUnreadable
from registry.store.place import Place
from registry.store.postgres import catalog, grants, schema
from registry.store.postgres.connection import Connection, connect, unusable
from registry.store.postgres.raw import PostgresRawStore
from registry.store.postgres.store import PostgresStore
from registry.store.store import Store

DEFAULT_SCHEMA = "token_registry"
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,49}\Z")
_OWN = {"schema", "prepare"}
_NEAR = {"", "localhost", "127.0.0.1", "::1"}
_WRITE = "write postgresql://user@host/database?schema=name"


class PostgresPlace(Place):
    """A schema of a database.

    ``url`` is libpq's, with ``schema`` and ``prepare`` as parameters more. What it lacks, libpq looks for.
    A server elsewhere must show a certificate that this machine trusts, unless the URL says otherwise.
    """

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            asked = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
            own = {name: value for name, value in asked if name in _OWN}
            rest = urlencode([(name, value) for name, value in asked if name not in _OWN], quote_via=quote)
            told = conninfo_to_dict(f"postgresql://{parts.netloc}{parts.path}{'?' if rest else ''}{rest}")
            _ = [int(port) for port in str(told.get("port") or 0).split(",") if port]
        except (ValueError, psycopg.Error):
            raise InvalidValue("the URL of the store is not one of a PostgreSQL database", _WRITE) from None
        self.schema = own.get("schema", DEFAULT_SCHEMA)
        self.prepares = own.get("prepare", "yes") == "yes"
        if own.get("prepare", "yes") not in {"yes", "no"}:
            raise InvalidValue("'prepare' in the URL of the store is yes or no", _WRITE)
        if not _NAME.match(self.schema) or self.schema.startswith("pg_"):
            raise InvalidValue("a schema's name has at most 50 small letters, digits and underscores", _WRITE)
        self.has_password = bool(told.get("password"))
        host = str(told.get("host") or os.environ.get("PGHOST", ""))
        if not all(name in _NEAR or name.startswith("/") for name in host.split(",")):
            told.setdefault("sslmode", os.environ.get("PGSSLMODE", "verify-full"))
            if told["sslmode"] == "verify-full" and "PGSSLROOTCERT" not in os.environ:
                told.setdefault("sslrootcert", "system")
        self.conninfo = make_conninfo("", **told)
        ports = str(told.get("port") or os.environ.get("PGPORT", "5432"))
        database = str(told.get("dbname") or os.environ.get("PGDATABASE", ""))
        self._url = f"postgresql://{quote(host, safe=',:')}:{ports}/{quote(database)}?schema={self.schema}"

    def __str__(self) -> str:
        return self._url

    @property
    def url(self) -> str:
        """What a machine remembers the store by: hosts, database and schema, whoever connects."""
        return self._url

    def connect(self) -> Connection:
        """Return a new connection; ``Unusable`` says what stands in the way."""
        return connect(self.conninfo, self, prepares=self.prepares)

    def open(self) -> PostgresStore:
        """Open the store; ``StoreMissing`` or ``StoreUnreadable`` where there is none of ours."""
        store = PostgresStore(self, self.schema)
        try:
            catalog.check_mark(store._connection, self.schema, self)  # noqa: SLF001 - both are this store
            if lines := schema.differences(catalog.parts(store._connection, self.schema, self)):  # noqa: SLF001
                raise StoreUnreadable(f"the schema of {self} was changed: {lines[0]}", "'verify' says more")
        except BaseException:
            store.close()
            raise
        return store

    def raw(self, *, lenient: bool = True) -> PostgresRawStore:  # noqa: ARG002 - every text of the server is one
        """Return a connection that believes nothing."""
        return PostgresRawStore(self)

    def open_raw(self) -> PostgresRawStore:
        """Return such a connection; ``StoreMissing`` or ``StoreUnreadable`` where there is no registry."""
        store = self.raw()
        try:
            store.check()
        except BaseException:
            store.close()
            raise
        return store

    def check_vacant(self) -> None:
        """Raise ``AlreadyExists`` if there is a schema of the name."""
        with self.connect() as connection:
            if _exists(connection, self.schema, self):
                raise self._taken()

    def _taken(self) -> AlreadyExists:
        return AlreadyExists(f"there is a schema at {self} already", "it is never overwritten: name another")

    def create(self) -> PostgresStore:
        """Make an empty store in a schema beside the one that it is to be."""
        store = PostgresStore(self, f"{self.schema}_new_{token_hex(4)}")
        try:
            store._connection.execute(schema.statements(store.schema).encode())  # noqa: SLF001 - as above
        except psycopg.errors.InsufficientPrivilege:
            store.close()
            raise StoreUnreadable(
                f"the role that you connect to {self} with may make no schema", "GRANT CREATE ON DATABASE lets it"
            ) from None
        except psycopg.Error as error:
            store.close()
            raise unusable(self, error) from None
        except BaseException:
            store.close()
            raise
        return store

    def beside(self, store: Store) -> "PostgresPlace":
        """Return the schema that was made."""
        assert isinstance(store, PostgresStore)  # noqa: S101 - as ``create`` made it
        made = copy(self)
        made.schema = store.schema
        made._url = f"{self._url.removesuffix(self.schema)}{store.schema}"  # noqa: SLF001 - it is one of these
        return made

    def settle(self, store: Store, pin: Callable[[], None]) -> None:
        """Give the schema that was made its name; ``AlreadyExists`` if another has come meanwhile."""
        assert isinstance(store, PostgresStore)  # noqa: S101 - as ``create`` made it
        try:
            with store._connection.transaction():  # noqa: SLF001 - as above
                store._connection.execute(f'ALTER SCHEMA "{store.schema}" RENAME TO "{self.schema}"'.encode())  # noqa: SLF001
                pin()
        except psycopg.errors.DuplicateSchema:
            raise self._taken() from None
        except psycopg.Error as error:
            raise unusable(self, error) from None
        store.schema = self.schema
        store.close()

    def grants(self, role: str, name: str) -> str:
        """Return the SQL by which the schema's owner lets a database role work as a member of a role does, no more."""
        return grants.statements(self.schema, role, name)


def _exists(connection: Connection, name: str, place: Place) -> bool:
    try:
        found = connection.execute("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = %s", (name,)).fetchone()
    except psycopg.Error as error:
        raise unusable(place, error) from None
    return found is not None
