"""The server's queue for the turn to write, and what one does while standing in it.

The turn is the lock of the table ``turns``, held by a transaction. The connection that will hold it asks for the lock
and is silent until it comes. Meanwhile another one looks at what the others commit, so that little of that is left for
one's own turn, in which all of them wait. It is made for who has to wait for some time, and for nobody else.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from selectors import EVENT_READ, DefaultSelector
from typing import TYPE_CHECKING

import psycopg
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult

from registry.errors import Unusable
from registry.store.postgres.connection import Connection, answer, is_lost

if TYPE_CHECKING:
    from registry.store.postgres.place import PostgresPlace

_FIRST = 0.05
"""Seconds for which one stands there before looking, where nobody knows how long it will take."""
_SHORT = 0.01
"""No look is worth it that would come sooner: what is new by then is as soon verified in one's turn."""
_SHARE = 0.8
"""At which part of the time that is likely left one looks, and again: each look costs questions, so there are few."""
_SPARE = 10.0
"""Seconds for which the other connection is kept by who has no need of it any more."""
_LATE = 2.0
"""Seconds after which a server is not believed to be waiting for anybody any more."""
_NEWEST = "SELECT pg_catalog.encode(signature, 'hex') FROM {commits} ORDER BY number DESC LIMIT 1"


class Queue:
    """One's place in the queue of a store, whenever one takes it."""

    def __init__(self, place: "PostgresPlace", schema: str) -> None:
        self._place = place
        self._turn = f'LOCK TABLE "{schema}".turns IN EXCLUSIVE MODE; ' + _NEWEST.format(commits=f'"{schema}".commits')
        self._waited = _FIRST / _SHARE
        """How long it took the last time."""
        self._looked = 0.0
        self.other: Connection | None = None
        """The connection by which one looks, from the first time on."""

    def close(self) -> None:
        """Close the other connection."""
        if self.other is not None:
            self.other.close()
            self.other = None

    def stand(self, connection: Connection, seconds: float, look: Callable[[Connection], None] | None) -> bytes | None:
        """Wait until the connection holds the turn, and return the newest checkpoint's signature then, if there is one.

        ``look`` is called with the other connection now and then. What it raises ends the waiting, but for what only
        says that nothing can be seen: that will be seen in one's turn, or not.
        """
        start = time.monotonic()
        begin = f"BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = {max(1, round(seconds * 1000))}; "
        try:
            connection.pgconn.send_query((begin + self._turn).encode())
            connection.pgconn.flush()
            found = self._granted(connection.pgconn, start, seconds, look)
        except BaseException as error:
            _leave(connection, lost=isinstance(error, psycopg.Error) and is_lost(error))
            raise
        self._waited = time.monotonic() - start
        if start > self._looked + _SPARE:
            self.close()
        return bytes.fromhex((found.get_value(0, 0) or b"").decode()) if found.ntuples else None

    def _granted(
        self, connection: PGconn, start: float, seconds: float, look: Callable[[Connection], None] | None
    ) -> PGresult:
        results: list[PGresult] = []
        step = max(_SHORT, self._waited * _SHARE)
        while not _answered(connection, step, results):
            passed = time.monotonic() - start
            if passed > seconds + _LATE:
                msg = "the server does not answer"
                raise psycopg.OperationalError(msg)
            if look is not None and not self._look(look):
                look = None
            left = self._waited - (time.monotonic() - start)
            step = max(_SHORT, left * _SHARE) if left > 0 else _FIRST
        for found in results:
            if found.status not in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
                raise psycopg.errors.error_from_result(found)
        return results[-1]

    def _look(self, look: Callable[[Connection], None]) -> bool:
        """Look by the other connection, and return whether that could be done."""
        try:
            if self.other is None or self.other.closed:
                self.other = self._place.connect()
            self._looked = time.monotonic()
            look(self.other)
        except Unusable:
            return False
        return True


def _answered(connection: PGconn, seconds: float, results: list[PGresult]) -> bool:
    """Wait for so long for the last of the answers, and return whether it is there."""
    until = time.monotonic() + seconds
    with DefaultSelector() as selector:
        selector.register(connection.socket, EVENT_READ)
        while True:
            while connection.is_busy():
                left = until - time.monotonic()
                if left <= 0 or not selector.select(left):
                    return False
                connection.consume_input()
            found = connection.get_result()
            if found is None:
                return True
            results.append(found)


def _leave(connection: Connection, *, lost: bool) -> None:
    """Have the server forget that one stands there; it would give the turn to a connection that is gone."""
    if lost:
        connection.close()
    elif connection.pgconn.transaction_status == TransactionStatus.ACTIVE:
        with suppress(psycopg.Error):
            connection.cancel_safe(timeout=_LATE)
            answer(connection.pgconn)
