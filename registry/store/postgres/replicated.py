"""A store that is read from a replica and written at its primary, by a connection to each.

A replica is as little trusted as any database, and it lags: what it shows is taken only if it holds all that was seen
before. For that it is waited for a little, then the primary answers, and goes on to do so for some seconds.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from registry.domain.events import Event
from registry.errors import Unusable
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
_AWAY = 5.0
"""Seconds for which a replica is not asked that could not answer, or not in time."""
_ASK_EVERY = 0.2
"""Seconds between two questions of those who wait: a replica tells nobody of commits."""
_REACHES = "SELECT COUNT(*) FROM commits WHERE number = ?"


class ReplicatedStore(Store):
    """A registry's store by two connections, each made when it is first needed."""

    answers_at_once = False

    def __init__(self, place: "PostgresPlace", replica: "PostgresPlace") -> None:
        self.place = self._at = place
        self._near = replica
        self._replica: PostgresStore | None = None
        self._primary: PostgresStore | None = None
        self._chosen: PostgresStore | None = None
        """Who answers within a snapshot or a turn."""
        self._least = -1
        """The commit that must be there."""
        self._away_until = 0.0
        self._closed = False
        self.schema_version = self._answering().schema_version

    def expect(self, commit: int) -> None:
        """Answer from now on only from where a commit is that was seen."""
        self._least = commit

    def again(self) -> "ReplicatedStore":
        """Open the same store once more."""
        return self.anew()

    def anew(self) -> "ReplicatedStore":
        """Open what lies in this one's place now."""
        store = ReplicatedStore(self._at, self._near)
        store.expect(self._least)
        return store

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
        """Give the primary: it shows what is there now."""
        with self._writing().as_of_now() as store:
            yield store

    def discard(self) -> None:
        """Close the connections: none is made by this."""
        self.close()

    # Who answers

    def _writing(self) -> PostgresStore:
        if self._primary is None:
            self._check_open()
            self._primary = self._at.open()
        return self._primary

    def _answering(self) -> PostgresStore:
        """Return the replica, or the primary where that could not answer lately."""
        if time.monotonic() < self._away_until:
            return self._writing()
        if self._replica is None:
            self._check_open()
            try:
                self._replica = self._near.open()
            except Unusable:
                self._leave()
                return self._writing()
        return self._replica

    def _asked(self, ask: Callable[[PostgresStore], T]) -> T:
        """Return what the replica answers, or the primary where it cannot."""
        while (store := self._chosen or self._answering()) is self._replica and store is not self._chosen:
            try:
                return ask(store)
            except Unusable:
                self._leave()
        return ask(store)

    def _check_open(self) -> None:
        if self._closed:
            raise Unusable("this registry was closed", "open it anew")

    def _leave(self) -> None:
        self._away_until = time.monotonic() + _AWAY

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read one moment of the replica that holds what was seen, or of the primary."""
        if self._chosen is not None:
            with self._chosen.snapshot():
                yield
            return
        with ExitStack() as look:
            self._begin(look)
            yield

    def _begin(self, look: ExitStack) -> None:
        """Begin a look at whoever can answer; it ends with what was entered."""
        until = time.monotonic() + _LAG
        while (store := self._answering()) is self._replica:
            try:
                if self._begun(look, store):
                    return
            except Unusable:
                self._leave()
            if time.monotonic() > until:
                self._leave()
            else:
                time.sleep(_STEP)
        look.enter_context(self._choosing(store))
        look.enter_context(store.snapshot())

    def _begun(self, look: ExitStack, replica: PostgresStore) -> bool:
        """Begin a look at the replica, if it holds what was seen."""
        with ExitStack() as tried:
            tried.enter_context(self._choosing(replica))
            tried.enter_context(replica.snapshot())
            if self._least >= 0 and not replica._rows(_REACHES, (self._least,))[0][0]:  # noqa: SLF001 - it is part of this
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
        return self._asked(PostgresStore.version)

    def unchanged_since(self, version: int) -> Callable[[], bool]:
        """Return what asks the one who answers whether its newest checkpoint is still that of a ``version``.

        A replica that does not hold yet what was seen shows another one, so that it is looked at closer.
        """
        asking: dict[PostgresStore, Callable[[], bool]] = {}

        def unchanged() -> bool:
            store = self._primary if time.monotonic() < self._away_until else self._replica
            if store is None:
                return False
            if store not in asking:
                asking[store] = store.unchanged_since(version)
            return asking[store]()

        return unchanged

    def wait(self, seconds: float) -> None:
        """Wait for so long at most, and never long: whoever waits asks the replica now and then."""
        time.sleep(min(seconds, _ASK_EVERY))

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

        That they do not is no commit, by which a replica that lags could be noticed: one's own turn is known here.
        """
        if self._chosen is None and self._primary is not None:
            return self._primary.shred_pending(newest)
        return self._asked(lambda store: store.shred_pending(newest))

    def forget(self, *, wait: bool = True) -> bool:
        """Have the primary's files forget what was overwritten; return whether nothing held it up."""
        return self._writing().forget(wait=wait)
