"""What a database says of a schema: whether it is a registry, and all that stands in it."""

import psycopg

from registry.errors import StoreMissing, StoreUnreadable
from registry.store.place import Place
from registry.store.postgres import schema
from registry.store.postgres.connection import Connection, unusable
from registry.store.raw import COLUMNS


def check_mark(connection: Connection, name: str, place: Place) -> int:
    """Return of which version a schema says it is; ``StoreMissing`` or ``StoreUnreadable`` if that is none of ours."""
    statement = "SELECT pg_catalog.obj_description(oid, 'pg_namespace') FROM pg_catalog.pg_namespace WHERE nspname = %s"
    try:
        found = connection.execute(statement, (name,)).fetchone()
    except psycopg.Error as error:
        raise unusable(place, error) from None
    if found is None:
        raise StoreMissing(f"there is no registry at {place}", "'init' founds one, 'join' makes one known")
    mark, _, version = str(found[0]).rpartition(" ")
    if mark != schema.MARK or not version.isdigit():
        raise StoreUnreadable(f"the schema at {place} is not a token registry", "check TOKEN_REGISTRY_URL and --url")
    if int(version) not in schema.VERSIONS:
        raise StoreUnreadable(f"the store at {place} is of the schema {version}", "update this program")
    return int(version)


def check_may_read(connection: Connection, name: str, place: Place) -> None:
    """Raise ``StoreUnreadable`` if one's role may not read what a schema holds of a registry: that is no damage."""
    statement = (
        "SELECT 1 FROM pg_catalog.pg_class WHERE relnamespace = (SELECT oid FROM pg_catalog.pg_namespace"
        " WHERE nspname = %s) AND relname = ANY(%s) AND relkind = 'r'"
        " AND NOT (pg_catalog.has_table_privilege(oid, 'SELECT')"
        " AND pg_catalog.has_schema_privilege(relnamespace, 'USAGE')) LIMIT 1"
    )
    try:
        if connection.execute(statement, (name, list(COLUMNS))).fetchone() is not None:
            raise psycopg.errors.InsufficientPrivilege
    except psycopg.Error as error:
        raise unusable(place, error) from None


def parts(connection: Connection, name: str, place: Place) -> list[str]:
    """Return all that stands in a schema, a line for each part."""
    try:
        return [line for (line,) in connection.execute(schema.CATALOG, {"schema": name}).fetchall()]
    except psycopg.Error as error:
        raise unusable(place, error) from None
