"""Watching: every commit in order and without a gap, each verified before it is told, from any position on."""

import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

from registry.domain.roster import APP
from registry.domain.token_events import TokenCreated, TokenDeleted, TokenEvent
from registry.errors import Conflict, InvalidValue
from registry.service.closing import Closing
from registry.service.ledger import Ledger
from registry.service.lookout import STEP, Lookout
from registry.service.telling import entries
from registry.store.proven import ProvenLog
from registry.store.rows import LoggedEvent
from registry.store.topics import topics
from registry.values import ApplicationId, TokenId
from registry.views.commits import CommitChange, TokenChange


class Changes(Closing, Iterator[CommitChange]):
    """The commits behind a position, each as soon as it is made. Any thread may ask for the next one.

    ``timeout`` ends it when nothing was committed for so many seconds; with 0 it yields what is there. ``stop`` is
    asked every few hundredths of a second, and ends it by returning true.
    """

    def __init__(
        self, ledger: Ledger, after: int | None, timeout: float | None, stop: Callable[[], bool] | None
    ) -> None:
        self._timeout = timeout
        self._stop = stop
        self._closed = False
        self._lock = threading.Lock()
        self._own = _Own()
        self._lookout = Lookout(ledger, remembers=True)
        try:
            self._next = self._begun(after)
        except BaseException:
            self._lookout.close()
            raise
        self._steps = self._follow()

    def _begun(self, after: int | None) -> int:
        """Return the position that comes first; what an app member must know of this moment is kept."""
        ledger = self._lookout.followed()
        with ledger.glance():
            self._size = ledger.head.size
            last = self._size - 1
            if after is not None and not -1 <= after <= last:
                raise InvalidValue(
                    f"there is no position {after}: the history ends at {last}", "-1 is before the first event"
                )
            self._rollbacks = len(ledger.roster.rollbacks)
            if ledger.member.role == APP:
                self._own.look(ledger)
        return (last if after is None else after) + 1

    def __next__(self) -> CommitChange:
        with self._lock:
            try:
                return next(self._steps)
            except BaseException:  # there is no next one any more
                self._lookout.close()
                raise

    def close(self) -> None:
        """End it, also for a thread that is waiting for the next commit, and let go of the store."""
        self._closed = True
        with self._lock:
            self._steps.close()
            self._lookout.close()

    def _ended(self) -> bool:
        return self._closed or (self._stop is not None and self._stop())

    def _follow(self) -> Generator[CommitChange, None, None]:
        while self._come():
            ledger = self._followed()
            # What is read later than it was verified must still be what was verified.
            log = ProvenLog(ledger.store, ledger.registry, ledger.head)
            for events in log.commits(self._next):
                if self._ended():
                    return
                seen = self._own.told(ledger, events) if ledger.member.role == APP else entries(ledger, log, events)
                first, last = events[0], events[-1]
                self._next = last.position + 1
                yield CommitChange(first.commit, first.position, last.position, first.at, seen)
            ledger.remember()

    def _come(self) -> bool:
        """Wait for something new; return whether there may be some, and false when it is to end."""
        patience = None if self._timeout is None else time.monotonic() + self._timeout
        while not self._ended():
            if self._lookout.changed():
                self._followed()
            if self._size > self._next:
                return True
            left = STEP if patience is None else min(STEP, patience - time.monotonic())
            if left <= 0:
                return False
            self._lookout.wait(left)
        return False

    def _followed(self) -> Ledger:
        ledger = self._lookout.followed()
        for accepted in ledger.roster.rollbacks[self._rollbacks :]:
            if accepted.kept.size < self._next:
                raise Conflict(
                    f"an admin gave up the history behind position {accepted.kept.size - 1}; you have seen more of it",
                    f"what holds now begins behind {accepted.kept.size - 1}",
                )
        self._rollbacks, self._size = len(ledger.roster.rollbacks), ledger.head.size
        return ledger


class _Own:
    """Which tokens concern an app member: those that it may use.

    The rows say whose a token is. A deleted one has none any more: its id is known if it was there when the watching
    began or came later. Of one that was deleted before, nobody can tell, so its end is told, and nothing else of it.
    """

    def __init__(self) -> None:
        self._application: ApplicationId | None = None
        self._tokens: set[str] = set()
        self._unknown: set[str] = set()
        self._as_of = -1
        self._there: tuple[bytes, Mapping[str, ApplicationId | None]] = b"", {}
        """The root of a present, and the applications of all tokens in it."""
        self._topics = {topic for topic, kind in topics().items() if issubclass(kind, TokenEvent)}

    def told(self, ledger: Ledger, events: Sequence[LoggedEvent]) -> tuple[TokenChange, ...]:
        """Return what an app member is told of a commit's events."""
        if self._as_of < 0 or self._application != ledger.member.application:
            with ledger.glance():
                self.look(ledger)
        told_events = []
        for logged in events:
            topic, token = logged.stored.topic, logged.stored.originator_id
            if topic in self._topics and self._concerns(ledger, logged):
                told_events.append(TokenChange(logged.position, topic, TokenId(token)))
        return tuple(told_events)

    def look(self, ledger: Ledger) -> None:
        """Note whose tokens there are at this moment; the caller looks at one."""
        self._application, self._as_of = ledger.member.application, ledger.head.size
        self._tokens = {row.token for row in ledger.rows.all() if self._is_own(row.application)}

    def _all(self, ledger: Ledger) -> Mapping[str, ApplicationId | None]:
        """Return the tokens that there are, of which none was hidden: where a row is missing, they say that it is gone.

        An app cannot open a token's name, by which the present could be asked for this one alone. So all rows are read,
        once for each state that they are in.
        """
        root, there = self._there
        if root != ledger.head.present:
            there = {row.token: row.application for row in ledger.rows.all()}
            self._there = ledger.head.present, there
        return there

    def _is_own(self, application: ApplicationId | None) -> bool:
        return application is None or application == self._application

    def _concerns(self, ledger: Ledger, logged: LoggedEvent) -> bool:
        topic, token = logged.stored.topic, logged.stored.originator_id
        if topic == TokenCreated.TOPIC and logged.position >= self._as_of:
            with ledger.glance():
                row = ledger.rows.by_id(TokenId(token))
                there = {token: row.application} if row is not None else self._all(ledger)
            if token not in there:
                self._unknown.add(token)
            elif self._is_own(there[token]):
                self._tokens.add(token)
        if topic != TokenDeleted.TOPIC:
            return token in self._tokens
        concerns = token in self._tokens or token in self._unknown or logged.position < self._as_of
        self._tokens.discard(token)
        self._unknown.discard(token)
        return concerns
