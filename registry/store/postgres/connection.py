"""Connections to a PostgreSQL server, and what their errors mean."""

from select import select
from typing import Any

import psycopg
from psycopg import errors
from psycopg.pq.abc import PGconn, PGresult

from registry.errors import RegistryError, StoreBusy, StoreMissing, StoreUnreadable
from registry.store.postgres.schema import REWRITTEN

_PREPARE_AFTER = 3
_LOOK = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_LOCKED = "500ms"
_SILENCE = 2.0
"""Seconds for which a running app waits to hear whether anything has changed."""
_BUSY = (
    errors.LockNotAvailable,
    errors.DeadlockDetected,
    errors.SerializationFailure,
    errors.QueryCanceled,  # by the server's own time-out
    errors.TooManyConnections,
)
_MISSING = (errors.UndefinedTable, errors.InvalidSchemaName, errors.InvalidCatalogName)

_ENDED = (
    psycopg.InterfaceError,
    errors.AdminShutdown,
    errors.CrashShutdown,
    errors.CannotConnectNow,
    errors.DatabaseDropped,
    errors.IdleSessionTimeout,
    errors.IdleInTransactionSessionTimeout,
    errors.TransactionTimeout,
)

Connection = psycopg.Connection[tuple[Any, ...]]


def connect(conninfo: str, place: object, *, prepares: bool = True) -> Connection:
    """Return a connection in which every statement stands for itself; ``Unusable`` says what stands in the way.

    Unless it ``prepares``, no statement is kept by the server: behind some poolers the next one is of another session.
    """
    try:
        connection = psycopg.connect(
            conninfo, autocommit=True, client_encoding="utf8", prepare_threshold=_PREPARE_AFTER if prepares else None
        )
        if connection.info.parameter_status("standard_conforming_strings") != "on":
            connection.execute("SET standard_conforming_strings = on")  # else bytes are not what they were
    except psycopg.Error as error:
        raise unusable(place, error) from None
    return connection


def is_lost(error: psycopg.Error) -> bool:
    """Return whether the connection is gone, so that nobody knows how far the server had come."""
    return isinstance(error, _ENDED) or (isinstance(error, psycopg.OperationalError) and error.sqlstate is None)


def unusable(place: object, error: Exception) -> RegistryError:
    """Return what an error of the server means to the user. Its text is not repeated: it may hold a password or a row.

    What the server itself calls the error is public: five characters, and a name for them.
    """
    if isinstance(error, _BUSY):
        return StoreBusy(f"the server of {place} did not answer in time: {_named(error)}", "try again")
    if isinstance(error, _MISSING):
        return StoreMissing(f"there is no registry at {place}", "'init' founds one, 'join' makes one known")
    if isinstance(error, errors.DiskFull | errors.OutOfMemory):
        return StoreUnreadable("there is no room left on the server of the store", "nothing was changed")
    if isinstance(error, errors.ReadOnlySqlTransaction):
        return StoreUnreadable(
            f"the server of {place} takes no changes now", "it is a standby, or was made read-only: name the primary"
        )
    if isinstance(error, errors.InsufficientPrivilege):
        return StoreUnreadable(
            f"the role that you connect to {place} with may not do this", "'store sql' prints what it must be granted"
        )
    if isinstance(error, errors.DuplicatePreparedStatement | errors.InvalidSqlStatementName):
        return StoreUnreadable(
            f"a pooler before the server of {place} changes sessions under way", "add prepare=no to the URL"
        )
    if isinstance(error, errors.InvalidPassword | errors.InvalidAuthorizationSpecification):
        return StoreUnreadable(f"the server of {place} does not let you in", "check user and password")
    if isinstance(error, psycopg.Error) and is_lost(error):
        return StoreUnreadable(f"the server of {place} cannot be reached: {_reason(error)}", "check that it is there")
    return StoreUnreadable(f"the store at {place} cannot be used: {_named(error)}", "'verify' may say more")


def _named(error: Exception) -> str:
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in type(error).__name__).strip(" _")
    state = error.sqlstate if isinstance(error, psycopg.Error) else None
    return f"{words} ({state})" if state else words


_REASONS = {
    "password authentication failed": "it does not accept the password",
    "no password supplied": "it asks for a password, which PGPASSFILE can give",
    "does not match host name": "its certificate is for another name",
    "root certificate file": "there is no file of authorities where sslrootcert says",
    "certificate": "its certificate is not one that this machine trusts",
    "SSL": "there is no TLS as it was asked for",
    "could not translate host name": "its name is not known",
    "Name or service not known": "its name is not known",
    "timeout": "it does not answer",
    "refused": "nothing listens there",
    "No such file": "nothing listens there",
    "starting up": "it is starting",
    "shutting down": "it is shutting down",
    "does not exist": "there is no such user or database",
    "too many": "it has no connection left",
}


def _reason(error: Exception) -> str:
    """Return why, in words of our own."""
    text = str(error)
    return next((said for part, said in _REASONS.items() if part in text), "the connection was lost")


def begin_look(connection: Connection, schema: str) -> str:
    """Return the statements that begin a look at one moment of a store.

    When a standby replays that a table was written anew, rows are gone for a moment that began before, unless the table
    was locked before that began. Who waits for the lock has no moment yet, which the replay could be waiting for.
    """
    if connection.info.parameter_status("in_hot_standby") != "on":
        return _LOOK
    tables = ", ".join(f'"{schema}".{table}' for table in REWRITTEN)
    return f"{_LOOK}; SET LOCAL lock_timeout = '{_LOCKED}'; LOCK TABLE {tables} IN ACCESS SHARE MODE"


def answer(connection: PGconn) -> PGresult:
    """Return the one result of what was asked; a server that is silent for too long has lost its connection."""
    connection.flush()
    while connection.is_busy():
        if not select([connection.socket], [], [], _SILENCE)[0]:
            connection.finish()
            msg = "the server does not answer"
            raise psycopg.OperationalError(msg)
        connection.consume_input()
    found = connection.get_result()
    if found is None:
        msg = "the server has no answer"
        raise psycopg.OperationalError(msg)
    while connection.get_result() is not None:
        pass
    return found
