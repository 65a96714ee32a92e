"""Several connections of one process to one file: none takes away the locks of another."""

import sqlite3
import subprocess
import sys

import pytest

from registry.store.sqlite import SQLiteStore
from registry.store.sqlite_raw import open_raw

ANOTHER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute(f"PRAGMA user_version = {int(sys.argv[2])}")
connection.close()
"""


def another_writes(path, number):
    """Have another process write to the store, and end: whoever ends last takes the write-ahead log away."""
    subprocess.run([sys.executable, "-c", ANOTHER, str(path), str(number)], check=True)


@pytest.mark.parametrize(
    "meanwhile",
    [
        pytest.param(lambda store: store.again().close(), id="another connection"),
        pytest.param(lambda store: SQLiteStore.open(store.path), id="opened once more"),
        pytest.param(lambda store: open_raw(store.path).close(), id="opened to be verified"),
        pytest.param(lambda store: store.in_place(), id="looked at"),
    ],
)
def test_a_second_look_at_the_file_keeps_the_locks_of_the_first(store, writer, meanwhile):
    """Whatever this process does with the file besides, another one that ends does not think itself the last."""
    log = store.path.with_name("registry.db-wal")
    kept = meanwhile(store)
    versions = {store.version()}
    for number in (2, 3, 4):
        another_writes(store.path, number)
        assert log.exists()
        versions.add(store.version())
    assert len(versions) == 4
    with sqlite3.connect(store.path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (4,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    del kept
