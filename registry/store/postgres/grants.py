"""What a database role is granted so that a member of the registry can work through it: that, and nothing more."""

from collections.abc import Mapping, Sequence
from itertools import count
from types import MappingProxyType

from registry.domain.roster import ADMIN, APP, AUDITOR
from registry.errors import InvalidValue
from registry.store.postgres.schema import REWRITTEN

_HISTORY = ("stored_events", "commits", "log_nodes")
_PRESENT = ("present_units", "tokens", "data_keys")

_Privileges = Sequence[tuple[str, Sequence[str]]]
"""Each with its tables; none stands for all."""

# Auditors commit that they gave evidence, apps what was disclosed to them: events alone, and no current row.
_RECORDING: _Privileges = (
    ("SELECT", ()),
    ("INSERT", _HISTORY),
    ("DELETE", ("turns",)),  # of which there are none: a lock that keeps other writers out asks for it
)
_PRIVILEGES: Mapping[str, _Privileges] = MappingProxyType(
    {
        ADMIN: (*_RECORDING, ("INSERT, UPDATE, DELETE", _PRESENT), ("INSERT", ("shreddings",))),
        AUDITOR: _RECORDING,
        APP: _RECORDING,
    }
)
_LONGEST = 63
"""Bytes of a name; PostgreSQL cuts off what is longer, and may then mean another role."""
_NOBODY = {"public", "none"}
"""What stands for every role, or for none, even within quotes."""

_SCRIPT = """\
-- What the database role of a member with the role '{role}' needs in the schema {schema}: this, and nothing more.
-- The owner of the schema runs it, as often as need be.
BEGIN;
REVOKE ALL ON SCHEMA {schema} FROM PUBLIC, {name} CASCADE;
REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM PUBLIC, {name} CASCADE;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA {schema} FROM PUBLIC, {name} CASCADE;
REVOKE ALL ON ALL ROUTINES IN SCHEMA {schema} FROM PUBLIC, {name} CASCADE;
GRANT USAGE ON SCHEMA {schema} TO {name};
{grants}
COMMIT;
"""
_MAINTAIN = """\
-- Shredding rewrites the tables that hold keys. Before PostgreSQL 17 only their owner may do that:
-- then it stays pending after each change until the owner runs any command.
DO {tag}
BEGIN
    IF current_setting('server_version_num')::int >= 170000 THEN
        {grant}
    END IF;
END
{tag};"""


def statements(schema: str, role: str, name: str) -> str:
    """Return the SQL by which the owner of a schema lets a database role work as a member of a role does, and no more.

    ``InvalidValue`` for a role that there is not, and for what cannot be the name of a database role.
    """
    if role not in _PRIVILEGES:
        raise InvalidValue(f"there is no role {role!r}", f"it is one of: {', '.join(_PRIVILEGES)}")
    space, whom = f'"{schema}"', _quoted(name)  # a schema's name was checked: it has no character that means anything
    lines = [_grant(privileges, space, tables, whom) for privileges, tables in _PRIVILEGES[role]]
    if role == ADMIN:
        grant = _grant("MAINTAIN", space, REWRITTEN, whom)
        lines.append(_MAINTAIN.format(tag=_tag(grant), grant=grant))
    return _SCRIPT.format(role=role, schema=space, name=whom, grants="\n".join(lines))


def _grant(privileges: str, space: str, tables: Sequence[str], whom: str) -> str:
    named = f"TABLE {', '.join(f'{space}.{table}' for table in tables)}" if tables else f"ALL TABLES IN SCHEMA {space}"
    return f"GRANT {privileges} ON {named} TO {whom};"


def _quoted(name: str) -> str:
    """Return the name of a database role as an identifier; ``InvalidValue`` for what can be none."""
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        size = 0
    if not 1 <= size <= _LONGEST or "\0" in name:
        raise InvalidValue(
            f"the name of a database role has 1 to {_LONGEST} bytes of UTF-8, and none of them is zero",
            "name a role that the server has",
        )
    if name in _NOBODY:
        raise InvalidValue(f"{name!r} is not the name of a database role", "name a role that the server has")
    return '"{}"'.format(name.replace('"', '""'))


def _tag(text: str) -> str:
    """Return a mark that may stand around a text, because the text does not hold it."""
    return next(tag for number in count() if (tag := f"$since{17 + number}$") not in text)
