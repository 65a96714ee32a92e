"""Writing a table anew, so that its files hold nothing that was overwritten or deleted."""

import re
import time
from collections.abc import Callable

from psycopg import errors

from registry.store.postgres.connection import Connection

_WAIT = 2.0
_STEP = 0.05


def write_anew(connection: Connection, schema: str, table: str) -> int | None:
    """Write a table anew; return how many dead rows somebody may still look at, ``None`` if it could not be."""
    told: list[int] = []

    def hear(notice: errors.Diagnostic) -> None:
        # "1 dead row versions cannot be removed yet", in whatever language; a table that is skipped has no detail.
        if number := re.match(r"\D*(\d+)", notice.message_detail or ""):
            told.append(int(number[1]))
        elif notice.severity_nonlocalized == "WARNING" and notice.sqlstate != errors.LockNotAvailable.sqlstate:
            told.append(1)  # it is not permitted: nobody need wait

    connection.add_notice_handler(hear)
    try:
        connection.execute(f'VACUUM (FULL, VERBOSE, SKIP_LOCKED) "{schema}".{table}'.encode())
    finally:
        connection.remove_notice_handler(hear)
    return told[0] if told else None


def rewritten(anew: Callable[[], int | None], *, wait: bool) -> bool:
    """Have a table written anew, trying for a while if others read it; return whether nothing is left that was."""
    until = time.monotonic() + (_WAIT if wait else 0)
    while True:
        kept = anew()
        if kept is not None or time.monotonic() > until:
            return kept == 0
        time.sleep(_STEP)
