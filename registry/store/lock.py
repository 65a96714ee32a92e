"""The queue of writers: a lock file beside the store, held for the length of a commit.

SQLite's own busy handler lets a newcomer overtake those who sleep; the kernel's file lock wakes up whoever asks
first after it is free, and the short steps below keep everyone's chance the same.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from registry.errors import StoreBusy, StoreUnreadable

_STEP = 0.005
_MEANWHILE = 0.05
"""Seconds between two looks at what the others commit: more would take the processor from whoever has its turn."""


@contextmanager
def queued(path: Path, wait: float, meanwhile: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the lock file; ``StoreBusy`` if it stays taken for ``wait`` seconds.

    ``meanwhile`` is called now and then while others hold it: what is done there need not be done in one's turn.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise StoreUnreadable(f"the lock file {path} cannot be written: {error.strerror}") from None
    _open.add(descriptor)
    try:
        start = now = time.monotonic()
        called = start
        while not _taken(descriptor):
            if now > start + wait:
                raise StoreBusy(f"other writers held the store for {wait:g} seconds", "try again")
            if meanwhile is not None and now > called + _MEANWHILE:
                meanwhile()
                called = time.monotonic()
            else:
                time.sleep(_STEP)
            now = time.monotonic()
        yield
    finally:
        if descriptor in _open:
            _open.remove(descriptor)
            os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


_open: set[int] = set()


def _leave_to_parent() -> None:
    """Close what was inherited: the lock is held as long as any process has the file open from before a fork."""
    for descriptor in _open:
        os.close(descriptor)
    _open.clear()


os.register_at_fork(after_in_child=_leave_to_parent)
