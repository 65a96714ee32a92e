"""The rows of one store into another, of whichever kind each of them is, as they stand there."""

from collections.abc import Callable, Collection, Iterator

from registry.store.raw import COLUMNS, RawStore, Row
from registry.store.store import Store

Progress = Callable[[int, int], None]
KEYS = frozenset({"tokens", "data_keys"})
"""The tables without which nobody can open a credential: boxes, readable credentials, and the keys of boxes."""
_STEP = 1_000


def copy_rows(
    source: RawStore, target: Store, *, leave_out: Collection[str] = (), progress: Progress | None = None
) -> None:
    """Write the rows of a store into one that was made just now; the caller holds a snapshot of the source."""
    tables = [table for table in COLUMNS if table not in leave_out]
    total, done = sum(map(source.count, tables)), 0

    def counted(rows: Iterator[Row]) -> Iterator[Row]:
        nonlocal done
        for row in rows:
            done += 1
            if progress is not None and (done % _STEP == 0 or done == total):
                progress(done, total)
            yield row

    for table in tables:
        target.take(table, counted(source.table(table)))
