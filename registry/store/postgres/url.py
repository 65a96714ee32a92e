"""The URL of a store in PostgreSQL: libpq's, with three parameters more, and what is not to be shown of it."""

import os
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import psycopg
from msgspec import Struct
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from registry.errors import InvalidValue

DEFAULT_SCHEMA = "token_registry"
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,49}\Z")
_OWN = {"schema", "prepare", "read"}
_NEAR = {"", "localhost", "127.0.0.1", "::1"}
_SCHEMES = ("postgresql://", "postgres://")
_WRITE = "write postgresql://user@host/database?schema=name"
_SECRET = ("password", "sslpassword", "oauth_client_secret")
_BOUNDS = {
    "connect_timeout": ("10", "PGCONNECT_TIMEOUT"),
    "tcp_user_timeout": ("10000", ""),
    "keepalives_idle": ("30", ""),
    "keepalives_interval": ("10", ""),
    "keepalives_count": ("3", ""),
    "application_name": ("token-registry", "PGAPPNAME"),
}
"""What is set where neither the URL nor libpq's variable says it: above all, how long a silent server is waited for."""


class Target(Struct, frozen=True):
    """What a URL names."""

    schema: str
    conninfo: str
    """As libpq takes it; it may hold a password."""
    url: str
    """What a machine remembers the store by, and what is shown: the server, the database and the schema."""
    has_password: bool
    prepares: bool
    """Whether the server may keep statements."""
    replica: "Target | None" = None
    """Where the same is read, if that is another server."""

    def __repr__(self) -> str:
        return f"Target({self.url!r})"


def parse(url: str, *, replica_of: str | None = None) -> Target:
    """Return what a URL names; ``InvalidValue``, without a word of it, if it is not understood.

    A replica has the schema that it is a replica of, is not waited for for long, and takes no changes.
    """
    own, told = _parts(url)
    schema = own.get("schema", replica_of or DEFAULT_SCHEMA)
    if replica_of is not None:
        if "read" in own or schema != replica_of or not url.startswith(_SCHEMES):
            raise InvalidValue("'read' in the URL of the store names another server, with the same schema", _WRITE)
        told.setdefault("connect_timeout", "2")
        told.setdefault("target_session_attrs", "any")
    if own.get("prepare", "yes") not in {"yes", "no"}:
        raise InvalidValue("'prepare' in the URL of the store is yes or no", _WRITE)
    if not _NAME.match(schema) or schema.startswith("pg_"):
        raise InvalidValue("a schema's name has at most 50 small letters, digits and underscores", _WRITE)
    server = {name: _effective(told, name, variable) for name, variable in _SERVER.items()}
    for name, (value, variable) in _BOUNDS.items():
        told.setdefault(name, (variable and os.environ.get(variable)) or value)
    _secure(told, server)
    replica = parse(own["read"], replica_of=schema) if "read" in own else None
    return Target(
        schema=schema,
        conninfo=make_conninfo("", **told),
        url=_shown(server, schema),
        has_password=any(told.get(name) for name in _SECRET) or (replica is not None and replica.has_password),
        prepares=own.get("prepare", "yes") == "yes",
        replica=replica,
    )


def _parts(url: str) -> tuple[Mapping[str, str], dict[str, Any]]:
    """Return the registry's own parameters, and libpq's."""
    try:
        parts = urlsplit(url)
        # To libpq a plus sign is one, and a number sign begins nothing.
        asked = parse_qsl(parts.query.replace("+", "%2B"), keep_blank_values=True, strict_parsing=bool(parts.query))
        own = {name: value for name, value in asked if name in _OWN}
        if len(own) < sum(name in _OWN for name, _ in asked):
            raise ValueError  # which of them would be meant
        rest = urlencode([(name, value) for name, value in asked if name not in _OWN], quote_via=quote)
        told = conninfo_to_dict(f"postgresql://{parts.netloc}{parts.path}{'?' if rest else ''}{rest}")
        _ = [int(port) for port in str(told.get("port") or 0).split(",") if port]
        # What is unescaped in a password can look like a host, a port or a database.
        if "#" in url or any(mark in str(told.get(name, "")) for name in ("host", "dbname") for mark in "@=: "):
            raise ValueError
    except (ValueError, psycopg.Error):
        raise InvalidValue("the URL of the store is not one of a PostgreSQL database", _WRITE) from None
    return own, told


_SERVER = {
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "port": "PGPORT",
    "dbname": "PGDATABASE",
    "service": "PGSERVICE",
}


def _effective(told: Mapping[str, Any], name: str, variable: str) -> str:
    return str(told.get(name) or os.environ.get(variable, ""))


def _secure(told: dict[str, Any], server: Mapping[str, str]) -> None:
    """Ask a server that may be elsewhere who it is, unless the URL or libpq's variables say otherwise."""
    hosts = [host for name in ("host", "hostaddr") for host in server[name].split(",")]
    if server["service"] or not all(host in _NEAR or host.startswith("/") for host in hosts):
        told.setdefault("sslmode", os.environ.get("PGSSLMODE", "verify-full"))
        if told["sslmode"] == "verify-full" and "PGSSLROOTCERT" not in os.environ:
            told.setdefault("sslrootcert", "system")
    if "," in server["host"]:
        # Of several servers, the one that takes changes: a standby may lag, and would answer with what was replaced.
        told.setdefault("target_session_attrs", os.environ.get("PGTARGETSESSIONATTRS", "read-write"))


def _shown(server: Mapping[str, str], schema: str) -> str:
    place = f"{quote(server['host'], safe=',')}:{server['port'] or '5432'}/{quote(server['dbname'])}"
    more = "".join(f"&{name}={quote(server[name], safe=',')}" for name in ("hostaddr", "service") if server[name])
    return f"postgresql://{place}?schema={schema}{more}"
