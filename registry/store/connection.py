"""Connections to an SQLite file, and what their errors mean."""

import fcntl
import os
import sqlite3
from collections.abc import Sized
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

from registry.errors import RegistryError, StoreBusy, StoreMissing, StoreUnreadable
from registry.store.forking import WITHIN_SQLITE

PRAGMAS = (
    "synchronous = FULL",
    "secure_delete = ON",
    "temp_store = MEMORY",
    "trusted_schema = OFF",
    "cell_size_check = ON",
)
"""What the registry's promises rest on: every connection has them."""
_SHARED = (0x40000002, 510)
_IN_USE = (128, 1)
"""Where every user of a database locks its file, and the index of its write-ahead log: part of SQLite's file format."""
_SMALLEST = 512
"""Bytes of the smallest page, and so of the smallest database."""
BUSY_TIMEOUT = 2
"""Seconds that SQLite itself waits for a lock."""


def file_url(path: Path) -> str:
    """Return the URL under which SQLite opens an existing file, and never makes one."""
    return f"file:{quote(os.fsencode(path))}?mode=rw"


def header_of(path: Path) -> tuple[int, int] | None:
    """Return the application id and the schema version in a database's file, which is left as it is; else ``None``.

    SQLite reads them, although they are a few bytes: a file that this process itself closes takes all locks with it
    that SQLite holds on the same file elsewhere in this process (POSIX has it so). Another program that ends would then
    think that it is the last, and take the write-ahead log away: what is open here would go on in files that are gone.
    """
    if _look(path).st_size < _SMALLEST:
        return None
    try:
        # Nothing is locked, recovered or turned to another mode for whoever says that it never changes.
        return _header(path, "mode=ro&immutable=1")
    except sqlite3.DatabaseError as error:
        if "not a database" in str(error):
            return None
    try:
        # It did change: others move their commits into the file meanwhile. A reader that takes its lock sees it whole.
        return _header(path, "mode=ro")
    except sqlite3.Error as error:
        raise unusable(path, error) from None


def _header(path: Path, mode: str) -> tuple[int, int]:
    url = f"file:{quote(os.fsencode(path))}?{mode}"
    with WITHIN_SQLITE.lock(), closing(sqlite3.connect(url, uri=True)) as connection:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT * 1000}")
        ((application,),) = connection.execute("PRAGMA application_id").fetchall()
        ((version,),) = connection.execute("PRAGMA user_version").fetchall()
    return application % 2**32, version % 2**32


def file_of(path: Path) -> tuple[int, int]:
    """Return which file a path leads to: its device and its inode."""
    found = _look(path)
    return found.st_dev, found.st_ino


def _look(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except FileNotFoundError:
        raise StoreMissing(f"there is no registry at {path}", "'init' founds one, 'join' makes one known") from None
    except OSError as error:
        raise StoreUnreadable(f"the store {path} cannot be read: {error.strerror}") from None


def lock_again(path: Path, file: tuple[int, int]) -> None:
    """Take, in a child after a fork, the locks that SQLite believes to hold since before; they last as long as it.

    POSIX gives a child none of its parent's locks, but SQLite keeps count of them by file, and takes none for a new
    connection where it has counted one. Without them the parent's end would look like that of the last user of the
    store. The files stay open: closing one would give up its lock (see ``header_of``).
    """
    for name, start, length in ((path, *_SHARED), (path.with_name(f"{path.name}-shm"), *_IN_USE)):
        with suppress(OSError, StoreMissing, StoreUnreadable):
            descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
            if name != path or file_of(path) == file:
                fcntl.lockf(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB, length, start)


def placeholders(values: Sized) -> str:
    """Return as many question marks as there are values."""
    return ",".join("?" * len(values))


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
    text = str(error).partition(" with text ")[0]  # what follows is a value that is no UTF-8
    if "closed database" in text:
        return StoreUnreadable("this registry was closed", "open it anew")
    if "locked" in text or "busy" in text:
        return StoreBusy("other programs hold the store", "try again")
    if "full" in text:
        return StoreUnreadable(f"there is no room left on the disk of {path.parent}", "nothing was changed")
    if "readonly" in text or "read-only" in text or "unable to open" in text or "I/O" in text:
        return StoreUnreadable(f"the store {path} cannot be used: {text}", "check its folder's permissions and disk")
    return StoreUnreadable(f"the store {path} is damaged: {text}", "restore it from a backup")
