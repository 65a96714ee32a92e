"""Where a PostgreSQL store lies: a server, a database in it, and a schema in that."""

from collections.abc import Callable
from contextlib import closing, suppress
from copy import copy
from secrets import token_hex

import psycopg

from registry.errors import AlreadyExists, OutcomeUnknown, RegistryError, StoreUnreadable
from registry.store.place import Place
from registry.store.postgres import catalog, grants, schema
from registry.store.postgres.connection import Connection, connect, is_lost, unusable
from registry.store.postgres.raw import PostgresRawStore
from registry.store.postgres.replicated import ReplicatedStore
from registry.store.postgres.store import PostgresStore
from registry.store.postgres.url import Target, parse
from registry.store.rows import LoggedCommit
from registry.store.store import Store

_LOCK_WAIT = "SET LOCAL lock_timeout = '5s'"
"""For one transaction: behind a pooler the session is another one's afterwards."""


class PostgresPlace(Place):
    """A schema of a database.

    ``url`` is libpq's, with ``schema``, ``prepare`` and ``read`` as parameters more. What it lacks, libpq looks for.
    A server elsewhere must show a certificate that this machine trusts, unless the URL says otherwise.
    """

    def __init__(self, url: str | Target) -> None:
        self._target = target = parse(url) if isinstance(url, str) else url
        self.schema = target.schema
        self.has_password = target.has_password
        self.prepares = target.prepares
        self.conninfo = target.conninfo
        self._url = target.url

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
            version = catalog.check_mark(store._connection, self.schema, self)  # noqa: SLF001 - both are this store
            store.schema_version = version
            if lines := schema.differences(catalog.parts(store._connection, self.schema, self), version):  # noqa: SLF001
                raise StoreUnreadable(f"the schema of {self} was changed: {lines[0]}", "'verify' says more")
        except BaseException:
            store.close()
            raise
        return store

    def open_to_read(self) -> Store:
        """Open the store so that it is read from its replica, if the URL names one, and written at its primary."""
        replica = self._target.replica
        return ReplicatedStore(self, PostgresPlace(replica)) if replica else self.open()

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
            store.become(token_hex(16))
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
        made._url = self._url.replace(f"schema={self.schema}", f"schema={store.schema}")  # noqa: SLF001 - it is one of these
        return made

    def settle(self, store: Store, pin: Callable[[], None]) -> None:
        """Give the schema that was made its name; ``AlreadyExists`` if another has come meanwhile."""
        assert isinstance(store, PostgresStore)  # noqa: S101 - as ``create`` made it
        made, connection = store.head(), store._connection  # noqa: SLF001 - as above
        try:
            with connection.transaction():
                connection.execute(_LOCK_WAIT)
                connection.execute(f'ALTER SCHEMA "{store.schema}" RENAME TO "{self.schema}"'.encode())
                pin()
        except (psycopg.errors.DuplicateSchema, psycopg.errors.UniqueViolation):
            raise self._taken() from None
        except psycopg.Error as error:
            if not is_lost(error):
                raise unusable(self, error) from None
            self._look_for(made)
        store.schema = self.schema
        store.close()

    def _look_for(self, made: LoggedCommit | None) -> None:
        """Return if a store is in place although the answer was lost; ``OutcomeUnknown`` if that does not show."""
        with suppress(RegistryError), closing(self.open()) as found:
            if found.head() == made:
                return
        raise OutcomeUnknown(
            f"the server of {self} was lost before it had answered: nobody knows whether a registry was put there",
            "see with 'whoami' before you repeat it",
        )

    def grants(self, role: str, name: str) -> str:
        """Return the SQL by which the schema's owner lets a database role work as a member of a role does, no more."""
        return grants.statements(self.schema, role, name)


def _exists(connection: Connection, name: str, place: Place) -> bool:
    try:
        found = connection.execute("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = %s", (name,)).fetchone()
    except psycopg.Error as error:
        raise unusable(place, error) from None
    return found is not None
