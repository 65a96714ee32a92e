"""Locks that no other thread holds while this process forks.

A child has only the thread that forked. What another one was just doing there is never finished: a lock that it held
stays locked, and so do the locks within SQLite, which nobody can reach. So whoever is at such work holds a lock of this
module, and a fork waits until it has all of them.
"""

import os
import threading
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _thread import RLock


class ForkLocks:
    """Makes such locks. Those of what is made later are taken first, as Python does with all that precedes a fork.

    So a thread may take one of the earlier while it holds one of the later, and not the other way round.
    """

    def __init__(self) -> None:
        self._forking = threading.Lock()
        self._locks: weakref.WeakSet[RLock] = weakref.WeakSet()
        self._held: list[RLock] = []
        os.register_at_fork(before=self._hold, after_in_parent=self._release, after_in_child=self._release)

    def lock(self) -> "RLock":
        """Return a new lock; during a fork there is none to be had."""
        lock = threading.RLock()
        with self._forking:
            self._locks.add(lock)
        return lock

    def _hold(self) -> None:
        self._forking.acquire()
        self._held = list(self._locks)
        for lock in self._held:
            lock.acquire()

    def _release(self) -> None:
        for lock in self._held:
            lock.release()
        self._held = []
        self._forking.release()


WITHIN_SQLITE = ForkLocks()
"""Held by whoever calls SQLite."""
