"""Connections to an SQLite file, and what their errors mean."""

import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

from registry.errors import RegistryError, StoreBusy, StoreUnreadable

PRAGMAS = (
    "synchronous = FULL",
    "secure_delete = ON",
    "temp_store = MEMORY",
    "trusted_schema = OFF",
    "cell_size_check = ON",
)
"""What the registry's promises rest on: every connection has them."""
BUSY_TIMEOUT = 2
"""Seconds that SQLite itself waits for a lock."""


def file_url(path: Path) -> str:
    """Return the URL under which SQLite opens an existing file, and never makes one."""
    return f"file:{quote(os.fsencode(path))}?mode=rw"


def connect(path: Path) -> sqlite3.Connection:
    """Return a connection to an existing file; ``Unusable`` says what stands in the way."""
    try:
        connection = sqlite3.connect(
            file_url(path), uri=True, isolation_level=None, check_same_thread=False, timeout=BUSY_TIMEOUT
        )
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
    except sqlite3.Error as error:
        raise unusable(path, error) from None
    return connection


def unusable(path: Path, error: Exception) -> RegistryError:
    """Return what an error of SQLite means to the user; its text holds no value of any row."""
    text = str(error)
    if "locked" in text or "busy" in text:
        return StoreBusy("other programs hold the store", "try again")
    if "full" in text:
        return StoreUnreadable("there is no room left on the disk of the store", "nothing was changed")
    if "readonly" in text or "read-only" in text or "unable to open" in text or "I/O" in text:
        return StoreUnreadable(f"the store {path} cannot be used: {text}", "check its folder's permissions and disk")
    return StoreUnreadable(f"the store {path} is damaged: {text}", "restore it from a backup")
