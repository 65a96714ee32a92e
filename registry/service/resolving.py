"""Resolving tokens for running apps: thousands of times a second, and never with what is out of date.

Opened credentials stay in memory. Before every answer the store is asked whether anything has changed, and the path
whether it still leads to the same file; both together take a few microseconds. Only after a change are the new commits
followed, and each token that is asked for again compared with the present: a row that was put back to an older state,
or hidden so that a global token of the same name would answer, is noticed there.
"""

import os
import weakref
from collections.abc import Callable
from typing import Any

from registry.domain.token_events import TokenDisclosed
from registry.errors import NotPermitted, RegistryError, Unusable
from registry.service.disclosing import Asked, Disclosing, Resolved, disclosed
from registry.service.ledger import Ledger
from registry.service.recording import Recorder
from registry.store.forking import ForkLocks
from registry.store.rows import TokenRow
from registry.values import TokenId

_Key = tuple[str, str | None, bool, str | None]
_MOST = 10_000
"""How many questions, and how many first uses, are remembered at most: each process may have a name of its own."""


class _Answer:
    """What was resolved, and by which row."""

    __slots__ = ("resolved", "row")

    def __init__(self, row: TokenRow, resolved: Resolved) -> None:
        self.row = row
        self.resolved = resolved


class Resolver:
    """Answers from memory as long as nothing changes. It may be used by any number of threads, and after a fork."""

    def __init__(self, ledger: Ledger) -> None:
        self._parent = ledger
        self._lock = _ANSWERING.lock()
        self._closed = False
        self._abandoned: list[Any] = []
        self._begin()
        _resolvers.add(self)

    def _begin(self) -> None:
        self._ledger: Ledger | None = None
        self._unchanged: Callable[[], bool] = bool
        self._as_of = 0
        """As of which change of the store the answers are right; 0 for none."""
        self._current: dict[_Key, Resolved] = {}
        self._opened: dict[TokenId, _Answer] = {}
        self._every = False
        self._noted: dict[tuple[TokenId, str | None], int] = {}
        self._uses: tuple[Ledger, Disclosing] | None = None
        self._recorder = Recorder(lambda: (self._ledger or self._parent).twin())  # noqa: PLW0108 - whichever there is by then

    def begin_anew(self) -> None:
        """Go on in a child after a fork, with connections of its own."""
        # To close them would be to use them: they are kept, unused, until the process ends.
        self._abandoned.append((self._ledger, self._recorder))
        self._recorder.abandon()
        self._parent.store.forked()
        self._begin()

    def resolve(self, name: str, app: str | None, only_global: bool, process: str | None) -> Resolved:  # noqa: FBT001 - the hot path
        """Return a token's values as they are now; see ``Registry.resolve``."""
        key = (name, app, only_global, process)
        with self._lock:
            if self._unchanged():
                answer = self._current.get(key)
                if answer is not None:
                    if self._every:
                        self._note_again(key, answer)
                    return answer
            return self._renewed(key)

    def at_hand(
        self,
        name: str,
        app: str | None,
        only_global: bool,  # noqa: FBT001 - as above
        process: str | None,
        *,
        use: bool,
    ) -> Resolved | None:
        """Return the answer if it can be given without waiting, or else ``None``: then it must be asked.

        A store that lies elsewhere is asked only to compare: that is one round trip, and the store bounds it.

        ``use`` says that it is to be used, and not only to be compared: where each use is recorded, that may take long.
        """
        if not self._lock.acquire(blocking=False):
            return None
        try:
            ledger = self._ledger
            if ledger is None or (use and (self._every or not ledger.store.answers_at_once)) or not self._unchanged():
                return None
            return self._current.get((name, app, only_global, process))
        finally:
            self._lock.release()

    def _renewed(self, key: _Key) -> Resolved:
        if self._closed:
            raise Unusable("this registry was closed", "open it anew")
        former = self._ledger
        lost = former is not None and not former.store.in_place()
        try:
            return self._looked(key)
        except Unusable:
            # Where the connection was lost within the look, another one answers from its beginning. Where none could
            # be had just now, that is the answer: nobody waits for it twice.
            if self._ledger is None or (lost and self._ledger is former):
                raise
            if self._ledger.store.in_place() and not self._ledger.store.gave_way():
                raise
        return self._looked(key)

    def _looked(self, key: _Key) -> Resolved:
        ledger = self._in_place()
        asked = _asked(key)
        # One look at the store for all: following the log, finding the row, and knowing as of when both are right.
        with ledger.glance():
            self._go_on(ledger)
            ledger.check_home()
            answer = self._asked_anew(ledger, asked)
        self._note(ledger, answer, asked)
        if len(self._current) >= _MOST:
            self._current.clear()
        self._current[key] = answer.resolved
        return answer.resolved

    def _note_again(self, key: _Key, resolved: Resolved) -> None:
        if self._ledger is not None:
            self._note(self._ledger, self._opened[resolved.token_id], _asked(key))

    def _in_place(self) -> Ledger:
        """Return the ledger of the file that lies at the store's path now."""
        ledger = self._ledger
        if ledger is None:
            ledger = self._ledger = self._parent.twin()
        elif not ledger.store.in_place():
            # It must go on from what was verified of the file that lay there before.
            self._ledger, former = ledger.moved(), ledger
            former.close()
            ledger, self._as_of = self._ledger, 0
            self._noted.clear()  # what was recorded in the other file may have been given up with it
        return ledger

    def _go_on(self, ledger: Ledger) -> None:
        """Go on to what the log was just followed to: what was answered before is to be checked."""
        if self._as_of != ledger.followed:
            self._current.clear()
            self._every = ledger.roster.policy("record-resolves") == "every"
            self._as_of, self._unchanged = ledger.followed, ledger.store.unchanged_since(ledger.followed)

    def _asked_anew(self, ledger: Ledger, asked: Asked) -> _Answer:
        disclosing = self._disclosing(ledger)
        row = disclosing.meant(asked).row
        former = self._opened.get(row.token)
        if former is not None and former.row == row:
            return former
        answer = self._opened[row.token] = _Answer(row, disclosing.opened(row))
        return answer

    def _disclosing(self, ledger: Ledger) -> Disclosing:
        if self._uses is None or self._uses[0] is not ledger:
            self._uses = (ledger, Disclosing(ledger))
        return self._uses[1]

    def _note(self, ledger: Ledger, answer: _Answer, asked: Asked) -> None:
        policy = ledger.roster.policy("record-resolves")
        user = (answer.row.token, asked.process)
        if policy == "off" or (policy == "first" and self._noted.get(user) == answer.row.revision):
            return
        event = disclosed(ledger.context(), answer.row, asked, "resolve")
        if ledger.roster.policy("fail-closed") == "always":
            self._record_first(event)
        else:
            self._recorder.note(event)
        if len(self._noted) >= _MOST:
            self._noted.clear()
        self._noted[user] = answer.row.revision

    def _record_first(self, event: TokenDisclosed) -> None:
        try:
            self._recorder.commit(event)
        except RegistryError as error:
            raise NotPermitted(
                f"the use of the token cannot be recorded, and this registry demands it: {error}", error.hint
            ) from None

    def close(self) -> None:
        """Write what is to be recorded, and let go of the store; from then on there are no answers."""
        with self._lock:
            self._closed = True
            self._recorder.close()
            if self._ledger is not None:
                self._ledger.close()
                self._ledger, self._unchanged, self._as_of = None, bool, 0


_ANSWERING = ForkLocks()
"""Held by whoever asks one of the resolvers. They call SQLite meanwhile, so these locks are of the later ones."""
_resolvers: "weakref.WeakSet[Resolver]" = weakref.WeakSet()


def _begin_anew() -> None:
    # SQLite's connections must not be used on the other side of a fork.
    for resolver in list(_resolvers):
        resolver.begin_anew()


os.register_at_fork(after_in_child=_begin_anew)


def _asked(key: _Key) -> Asked:
    return Asked(name=key[0], app=key[1], only_global=key[2], process=key[3])
