"""Recording what running apps resolve, without letting them wait: facts are gathered, and committed by a thread.

What is not committed yet is lost with a process that is killed, and with a store that cannot be written until the
process ends: closing and the end of the process wait until it is written.
"""

import atexit
import threading
import weakref
from collections import deque
from collections.abc import Callable, Sequence

from msgspec import structs

from registry.domain.roster import ADMIN, APP
from registry.domain.token_events import TokenDisclosed
from registry.errors import RegistryError
from registry.service.ledger import Ledger

_GATHER = 0.2
"""Seconds for which facts are gathered before they are committed together."""
_RETRY = 2.0
"""Seconds after which a commit that failed is tried again."""
_BATCH = 1_000
_MOST = 100_000
"""How many facts wait at most; a process that cannot write for so long loses the oldest."""


class Recorder:
    """Commits disclosures from a thread of its own, in the order in which they came."""

    def __init__(self, twin: Callable[[], Ledger]) -> None:
        self._twin = twin
        self._ledger: Ledger | None = None
        self._waiting: deque[TokenDisclosed] = deque(maxlen=_MOST)
        self._wake = threading.Event()
        self._flushing = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        self.failure: RegistryError | None = None
        """Why the newest facts could not be committed; ``None`` if they were."""
        _recorders.add(self)

    def note(self, event: TokenDisclosed) -> None:
        """Keep a fact for the next commit; it returns at once."""
        self._waiting.append(event)
        if self._closed or not self._is_at_work():
            self.flush()  # when the process ends there is no thread any more to which it could be left
        else:
            self._wake.set()

    def _is_at_work(self) -> bool:
        """Return whether there is a thread that commits what waits; it is started if need be."""
        if self._thread is None or not self._thread.is_alive():
            thread = threading.Thread(target=self._work, name="token-registry-recorder", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the interpreter is at its end, or has as many threads as it may have
                return False
            self._thread = thread
        return True

    def _work(self) -> None:
        while not self._closed:
            self._wake.wait()
            self._wake.clear()
            if self._closed:
                return
            threading.Event().wait(_GATHER)
            if not self.flush() and not self._closed:
                threading.Event().wait(_RETRY)
                self._wake.set()

    def commit(self, event: TokenDisclosed) -> None:
        """Commit a fact before it returns; where that fails it raises why, and the fact is forgotten."""
        with self._flushing:
            self._commit([event])

    def flush(self) -> bool:
        """Commit what waits; return whether all of it was. It raises nothing: ``failure`` says why."""
        with self._flushing:
            try:
                while self._waiting:
                    batch = [self._waiting[number] for number in range(min(_BATCH, len(self._waiting)))]
                    self._commit(batch)
                    for event in batch:
                        if self._waiting and self._waiting[0] is event:  # or there came too many meanwhile
                            self._waiting.popleft()
            except RegistryError as error:
                self.failure = error
                return False
            self.failure = None
            return True

    def _commit(self, batch: Sequence[TokenDisclosed]) -> None:
        ledger = self._ledger = self._ledger or self._twin()
        try:
            with ledger.turn(roles=(ADMIN, APP)) as turn:
                stream, version = ledger.member.id, ledger.next_version(ledger.member.id)
                latest = turn.at
                placed = [
                    structs.replace(
                        event, originator_id=stream, originator_version=version + number, at=min(event.at, latest)
                    )
                    for number, event in enumerate(batch)
                ]
                ledger.commit(turn, placed)
        except RegistryError:
            # Whatever it was, the next try begins with a fresh look at the store.
            self._let_go()
            raise

    def _let_go(self) -> None:
        ledger, self._ledger = self._ledger, None
        if ledger is not None:
            ledger.close()

    def abandon(self) -> None:
        """Leave all of it to the process that this one was forked from: there it waits as well, and is committed."""
        self._closed = True

    def close(self) -> None:
        """Commit what waits and end the thread."""
        if not self._closed:
            self._closed = True
            self._wake.set()
            self.flush()
            with self._flushing:
                self._let_go()


_recorders: "weakref.WeakSet[Recorder]" = weakref.WeakSet()


@atexit.register
def _close() -> None:
    """Write what those have noted that nobody closed."""
    for recorder in list(_recorders):
        recorder.close()
