"""A store that is read from a replica and written at its primary, by a connection to each.

A replica is as little trusted as any database, and it lags: what it shows is taken only if it holds all that was seen
before. For that it is waited for a little, then the primary answers, and goes on to do so for some seconds.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from registry.domain.events import Event
from registry.errors import StoreBusy, StoreUnreadable, Unusable
from registry.store.contents import Contents
from registry.store.postgres.store import PostgresStore
from registry.store.rows import Commit, LoggedCommit, Written
from registry.store.store import Store

if TYPE_CHECKING:
    from registry.store.postgres.place import PostgresPlace

T = TypeVar("T")
_LAG = 1.0
"""Seconds for which a replica is waited for that does not hold yet what was seen."""
_STEP = 0.01
_AWAY, _LONGEST_AWAY = 5.0, 60.0
"""Seconds for which a replica is not asked that was late, or could not answer; and at most, after many times."""
_ASK_EVERY = 0.2
"""Seconds between two questions of those who wait: a replica tells nobody of commits."""
_REACHES = "SELECT COUNT(*) FROM commits WHERE number = ?"


class Known:
    """What all know that go back to one opening of a store, whatever their connections.

    That is the newest commit that any of them has seen, or that is pinned; and whether the replica answers.
    """

    def __init__(self) -> None:
        self.pinned: Callable[[], int] = lambda: -1
        self.away_until = 0.0
        self.unanswered: Unusable | None = None
        self._pause = _AWAY
        self._by_thread: dict[int, int] = {}  # each has its own place, so that none undoes what another wrote

    def add(self, commit: int) -> None:
        """Remember a commit that was seen."""
        thread = threading.get_ident()
        self._by_thread[thread] = max(commit, self._by_thread.get(thread, -1))

    def commit(self) -> int:
        """Return the number of the newest commit; -1 for none."""
        return max(self.pinned(), *list(self._by_thread.values()), -1)

    def leave(self, error: Unusable | None) -> None:
        """Ask the replica no more for a while, which is twice as long each time that it is in vain."""
        self.unanswered, self.away_until = error, time.monotonic() + self._pause
        self._pause = min(2 * self._pause, _LONGEST_AWAY)

    def answered(self) -> None:
        """Forget that it was in vain before."""
        self.unanswered, self._pause = None, _AWAY


class ReplicatedStore(Store):
    """A registry's store by two connections, each made when it is first needed."""

    answers_at_once = False

    def __init__(self, place: "PostgresPlace", replica: "PostgresPlace", known: Known | None = None) -> None:
        self.place = self._at = place
        self._near = replica
        self._replica: PostgresStore | None = None
        self._primary: PostgresStore | None = None
        self._chosen: PostgresStore | None = None
        """Who answers within a snapshot or a turn."""
        self._known = known or Known()
        self._asked_at = 0.0
        self._closed = False
        self.schema_version = self._answering().schema_version

    def expect(self, commit: int) -> None:
        """Answer from now on only from where a commit is that was seen."""
        self._known.add(commit)

    def heed(self, pinned: Callable[[], int]) -> None:
        """Answer only from where the commit is that is pinned by then."""
        self._known.pinned = pinned

    def again(self) -> "ReplicatedStore":
        """Open the same store once more; what the one knows the other does."""
        return ReplicatedStore(self._at, self._near, self._known)

    def anew(self) -> "ReplicatedStore":
        """Open what lies in this one's place now."""
        return self.again()

    def forked(self) -> None:
        """Do nothing: psycopg leaves a connection alone that was made in another process."""

    def _opened(self) -> list[PostgresStore]:
        return [store for store in (self._replica, self._primary) if store is not None]

    def in_place(self) -> bool:
        """Return whether no connection was ever lost."""
        return all(store.in_place() for store in self._opened())

    def check_in_place(self) -> None:
        """Do nothing: what either of them holds is checked each time."""

    def close(self) -> None:
        """Close the connections."""
        self._closed = True
        for store in self._opened():
            store.close()

    @contextmanager
    def as_of_now(self) -> Iterator[Store]:
        """Give what shows all that was seen by now, whatever this connection still shows."""
        if self._chosen is None and not self._closed:
            yield self
            return
        store = self.anew()
        try:
            yield store
        finally:
            store.close()

    def discard(self) -> None:
        """Close the connections: none is made by this."""
        self.close()

    # Who answers

    def gave_way(self) -> bool:
        """Return whether the primary would answer now, because the replica could not."""
        return time.monotonic() < self._known.away_until

    def unanswered(self) -> str | None:
        """Return why the replica does not answer; ``None`` if it does."""
        self._answering()
        return str(self._known.unanswered) if self._known.unanswered else None

    def _writing(self) -> PostgresStore:
        if self._primary is None:
            self._check_open()
            self._primary = self._at.open()
        return self._primary

    def _answering(self) -> PostgresStore:
        """Return the replica, or the primary where that could not answer lately."""
        if self.gave_way():
            return self._writing()
        if self._replica is None:
            self._check_open()
            try:
                self._replica = self._near.open()
            except Unusable as error:
                self._known.leave(error)
                return self._writing()
        return self._replica

    def _asked(self, ask: Callable[[PostgresStore], T]) -> T:
        """Return what the replica answers, or the primary where it cannot."""
        while (store := self._chosen or self._answering()) is self._replica and store is not self._chosen:
            try:
                return ask(store)
            except Unusable as error:
                self._known.leave(error)
        return ask(store)

    def _check_open(self) -> None:
        if self._closed:
            raise Unusable("this registry was closed", "open it anew")

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read one moment of the replica that holds what was seen, or of the primary."""
        if self._chosen is not None:
            with self._chosen.snapshot():
                yield
            return
        with ExitStack() as look:
            self._begin(look)
            store = self._chosen
            try:
                yield
            except (StoreBusy, StoreUnreadable) as error:
                if store is self._replica:  # which may have ended the look, to go on itself
                    self._known.leave(error)
                raise

    def _begin(self, look: ExitStack) -> None:
        """Begin a look at whoever can answer; it ends with what was entered."""
        until = time.monotonic() + _LAG
        while (store := self._answering()) is self._replica:
            try:
                if self._begun(look, store):
                    self._known.answered()
                    return
            except Unusable as error:
                self._known.leave(error)
            else:
                if time.monotonic() > until:
                    self._known.leave(None)
                else:
                    time.sleep(_STEP)
        look.enter_context(self._choosing(store))
        look.enter_context(store.snapshot())

    def _begun(self, look: ExitStack, replica: PostgresStore) -> bool:
        """Begin a look at the replica, if it holds what was seen."""
        least = self._known.commit()
        with ExitStack() as tried:
            tried.enter_context(self._choosing(replica))
            tried.enter_context(replica.snapshot())
            if least >= 0 and not replica._rows(_REACHES, (least,))[0][0]:  # noqa: SLF001 - it is part of this
                return False
            look.push(tried.pop_all())
        return True

    @contextmanager
    def _choosing(self, store: PostgresStore) -> Iterator[PostgresStore]:
        self._chosen, before = store, self._chosen
        try:
            yield store
        finally:
            self._chosen = before

    def _rows(self, statement: str, parameters: Sequence[object] = ()) -> list[Any]:
        if self._chosen is not None:
            return self._chosen._rows(statement, parameters)  # noqa: SLF001 - as above
        with self.snapshot():
            return self._rows(statement, parameters)

    def _among(self, statement: str, values: Sequence[object]) -> list[Any]:
        if self._chosen is not None:
            return self._chosen._among(statement, values)  # noqa: SLF001 - as above
        with self.snapshot():
            return self._among(statement, values)

    def version(self) -> int:
        """Return a number that is another one as soon as the one who answers shows another commit as its newest."""
        self._asked_at = time.monotonic()
        return self._asked(PostgresStore.version)

    def unchanged_since(self, version: int) -> Callable[[], bool]:
        """Return what asks the one who answers whether its newest checkpoint is still that of a ``version``.

        Nothing is unchanged once more was seen, by whomever: the replica may not show it yet.
        """
        asking: dict[PostgresStore, Callable[[], bool]] = {}
        known, newest = self._known, self._known.commit()

        def unchanged() -> bool:
            store = self._primary if self.gave_way() else self._replica
            if store is None or known.commit() > newest:
                return False
            if store not in asking:
                asking[store] = store.unchanged_since(version)
            return asking[store]()

        return unchanged

    def quiet(self) -> bool:
        """Return whether it is too early for those who wait to ask again."""
        return time.monotonic() < self._asked_at + _ASK_EVERY

    # Writing, which the primary does

    @contextmanager
    def queued(self, meanwhile: Callable[[], None] | None = None) -> Iterator[None]:
        """Wait for one's turn to write at the primary; what is read within it is read there."""
        with self._writing().queued(meanwhile), self._choosing(self._writing()):
            yield

    def put(self, contents: Contents, events: Sequence[Event], commit: Commit) -> Written:
        """Seal the events and write their commit, whole or not at all; ``Conflict`` if it is not the next one."""
        return self._writing().put(contents, events, commit)

    def take(self, table: str, rows: Iterable[Sequence[object]]) -> None:
        """Write rows as they are into a table of the primary."""
        self._writing().take(table, rows)

    def shred_pending(self, newest: LoggedCommit | None = None) -> bool:
        """Return whether overwritten keys may still stand in the tables' files.

        That they do not is no commit, by which a replica that lags could be noticed: who has written asks the primary.
        """
        if self._chosen is None and self._primary is not None:
            return self._primary.shred_pending(newest)
        return self._asked(lambda store: store.shred_pending(newest))

    def forget(self, *, wait: bool = True) -> bool:
        """Have the primary's files forget what was overwritten; return whether nothing held it up.

        Who has not written anything and would not wait leaves that to those who write.
        """
        if self._primary is None and not wait:
            return False
        return self._writing().forget(wait=wait)
