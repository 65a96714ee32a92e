"""A registry in PostgreSQL whose members have database roles of their own, none of them a superuser."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

from registry import (
    Identity,
    NewToken,
    Registry,
    Settings,
    Surroundings,
    init_registry,
    join,
    load_settings,
    open_registry,
    store_grants,
)
from tests.members.team import fields
from tests.servers import Server

TABLES = ("stored_events", "commits", "log_nodes", "present_units", "tokens", "data_keys", "shreddings", "turns")


class Shared:
    """A schema, the database roles of those who use it, and their machines. The owner of the schema is ``owner``."""

    def __init__(self, server: Server, schema: str, root: Path) -> None:
        self.server = server
        self.schema = schema
        self.root = root
        self.around = Surroundings(host="host-of-tests", client="tests/1")
        self.roles: dict[str, str] = {}
        """The database role of each who was named."""
        self._word = secrets.token_hex(8)
        self._quoted: list[str] = []
        with server.connect() as connection:
            self.modern = connection.info.server_version >= 170_000

    def new_role(self, name: str, role: str | None = None) -> str:
        """Make a database role that may do nothing, and return its name, which nobody else's has."""
        role = f"{name}_{secrets.token_hex(6)}" if role is None else role
        self.roles[name], quoted = role, '"{}"'.format(role.replace('"', '""'))
        self.server.sql(f"CREATE ROLE {quoted} LOGIN PASSWORD '{self._word}'")
        self._quoted.append(quoted)
        return role

    def url(self, name: str) -> str:
        """Return the URL by which somebody connects to the store."""
        parts = urlsplit(self.server.store_url(self.schema))
        place = parts.netloc.rpartition("@")[2]
        return parts._replace(netloc=f"{self.roles[name]}:{self._word}@{place}").geturl()

    def settings(self, name: str) -> Settings:
        """Return the settings of somebody's machine."""
        return load_settings({"home": str(self.root / name)}, {"TOKEN_REGISTRY_URL": self.url(name)})

    def open(self, name: str) -> Registry:
        """Open the registry as a member, by the member's database role."""
        return open_registry(self.settings(name), surroundings=self.around)

    @contextmanager
    def connect(self, name: str) -> Iterator["psycopg.Connection[Any]"]:
        """Give a plain connection with somebody's database role."""
        with self.server.connect(user=self.roles[name], password=self._word) as connection:
            yield connection

    def grant(self, role: str, name: str) -> None:
        """Have the owner carry out what is printed for a member's database role."""
        script = store_grants(self.settings("owner"), role, self.roles[name])
        with self.connect("owner") as connection:
            connection.execute(script.encode())

    def found(self) -> None:
        """Have the owner found the registry, with an application and a token in each scope."""
        self.new_role("owner")
        ((database,),) = self.server.sql("SELECT current_database()")
        self.server.sql(f'GRANT CREATE ON DATABASE "{database}" TO {self.roles["owner"]}')
        init_registry(self.settings("owner"), name="owner", surroundings=self.around)
        with self.open("owner") as registry:
            registry.applications.register("Payroll", "process")
            registry.tokens.add(NewToken(name="Mail", provider="zoom", fields=fields("mail")))
            registry.tokens.add(
                NewToken(name="Zoom", application="Payroll", provider="zoom", fields=fields("of-payroll"))
            )

    def admit(self, name: str, role: str, *, app: str | None = None, granted: bool = True) -> None:
        """Have the owner admit a member with a database role of its own, which then joins by it."""
        self.new_role(name)
        if granted:
            self.grant(role, name)
        identity = Identity.generate(name)
        identity.save(self.root / name / "identity")
        with self.open("owner") as registry:
            invitation = registry.members.add(name, role, identity.public, app=app)
        if granted:
            join(self.settings(name), invitation=invitation, surroundings=self.around)

    def held(self, name: str) -> dict[str, set[str]]:
        """Return what a database role may do with each table, by whatever way."""
        privileges = ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"]
        privileges += ["MAINTAIN"] if self.modern else []
        rows = self.server.sql(
            "SELECT t, p FROM unnest(%(tables)s::text[]) t, unnest(%(privileges)s::text[]) p"
            " WHERE has_table_privilege(%(role)s, format('%%I.%%I', %(schema)s::text, t), p)"
            " OR (p IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES')"
            " AND has_any_column_privilege(%(role)s, format('%%I.%%I', %(schema)s::text, t), p))",
            {"tables": list(TABLES), "privileges": privileges, "role": self.roles[name], "schema": self.schema},
        )
        return {table: {p for t, p in rows if t == table} for table in TABLES}

    def acl(self) -> set[str]:
        """Return everything that is granted in the schema."""
        statement = (
            "SELECT relname || ':' || unnest(relacl)::text FROM pg_class WHERE relnamespace = %(schema)s::regnamespace"
            " UNION ALL SELECT nspname || ':' || unnest(nspacl)::text FROM pg_namespace"
            " WHERE oid = %(schema)s::regnamespace"
            " UNION ALL SELECT attname || ':' || unnest(attacl)::text FROM pg_attribute JOIN pg_class ON"
            " attrelid = pg_class.oid WHERE relnamespace = %(schema)s::regnamespace"
            " UNION ALL SELECT proname || ':' || unnest(proacl)::text FROM pg_proc"
            " WHERE pronamespace = %(schema)s::regnamespace"
        )
        return {line for (line,) in self.server.sql(statement, {"schema": self.schema})}

    def drop(self) -> None:
        """Take the schema away, and the roles."""
        self.server.drop(self.schema)
        for quoted in self._quoted:
            self.server.sql(f"DROP OWNED BY {quoted}")
            self.server.sql(f"DROP ROLE {quoted}")
