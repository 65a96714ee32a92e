"""What tests of the service share: a registry with something in it, and a hand in its database."""

from pathlib import Path

from registry import NewToken, Secret, TokenEdit
from registry.service.places import place_of
from tests.holders import SQLiteHolder, holder_of

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


def _holder(where):
    """Return whoever holds the store of these settings, or the file at this path."""
    return SQLiteHolder(where) if isinstance(where, Path) else holder_of(place_of(where))


def tamper(where, *statements, parameters=()):
    """Run SQL on the database as its administrator would: no trigger stands in the way."""
    _holder(where).all([(statement, parameters) for statement in statements])


def query(where, statement, parameters=()):
    """Return what a stranger reads from the database."""
    return _holder(where).sql(statement, parameters)
