"""What tests of the service share: a registry with something in it, and a hand in its database."""

import sqlite3
from contextlib import closing

from registry import NewToken, Secret, TokenEdit

CANARY = "canary-Qx8vJ2"
OLD = "old-secret-Hw3z"


def fields(secret="SECRET-1", key="KEY-1", **more):
    """Return the fields of a Zoom account."""
    values = {"api_key": key, "api_secret": secret} | more
    return {name: Secret(value) for name, value in values.items()}


def token(name="Zoom", **wished):
    """Return the wish for a new token."""
    return NewToken(**({"name": name, "provider": "zoom", "fields": fields()} | wished))


def edit(**wished):
    """Return the wish for a change."""
    return TokenEdit(**({"fields": {}} | wished))


def fill(registry):
    """Put two global tokens, an application with one, and some history into the registry."""
    registry.tokens.add(token("Zoom", description="the first", fields=fields(OLD)))
    registry.tokens.add(token("Zoom Two", fields=fields("SECRET-2", "KEY-2")))
    registry.applications.register("Payroll", "process")
    registry.tokens.add(token("Zoom", application="Payroll", fields=fields("SECRET-3", "KEY-3")))
    registry.tokens.edit("Zoom", edit(fields=fields(CANARY), description="the second"), reason="rotation")
    registry.tokens.reveal("Zoom", "api_secret")


def tamper(path, *statements, parameters=()):
    """Run SQL on the database as its administrator would: the triggers that stand in the way are dropped first."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement, parameters)
        for _, sql in triggers:
            connection.execute(sql)


def query(path, statement, parameters=()):
    """Return what a stranger reads from the database."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement, parameters).fetchall()
