"""The use cases of auditors: reading the history, and what was known of a token at a moment of it."""

import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from msgspec import Struct

from registry.domain.events import Event
from registry.domain.token import Token
from registry.domain.token_events import TokenCreated, TokenDeleted, TokenEvent, TokenRenamed
from registry.errors import IntegrityError, NotFound
from registry.service.ledger import Ledger
from registry.service.shown import shown
from registry.store.rows import LoggedEvent
from registry.store.topics import ROSTER_TOPICS, topics
from registry.values import ApplicationId, TokenId, fold, rfc3339
from registry.views.changes import Changes, next_state
from registry.views.current import TokenView
from registry.views.directory import Directory, directory
from registry.views.history import HistoryEntry, HistoryFilter, bearers, told
from registry.views.names import NAMING_TOPICS, Names

_ID = re.compile(r"[0-9a-f]{32}\Z")


class HistoryQuery(Struct, frozen=True, kw_only=True):
    """Which part of the history is wanted; what is ``None`` does not matter."""

    token: str | None = None
    """A token's name or id; a name means every token that ever bore it in the scope, deleted ones too."""
    app: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    actor: str | None = None
    event: str | None = None
    """A topic, or the beginning of topics, ending in a dot."""
    last: int | None = None
    as_of: datetime | None = None
    """The history as it was known then: later events are left out, and later names of applications are not used."""


class Reading:
    """The history as it is when the reading begins, or as it was at a moment before.

    It is read page by page, and not in one transaction of the store: that would keep what was replaced meanwhile in
    the store's files for as long as an export takes.
    """

    def __init__(self, ledger: Ledger, as_of: datetime | None = None) -> None:
        self._ledger = ledger
        self._as_of = as_of
        self.opened: Callable[[LoggedEvent], Event] = ledger.opened
        ledger.require_reader()
        self.size = ledger.head.size
        self.lenient = bool(ledger.roster.acknowledged)
        """Whether admins know of events that do not follow from what was before."""
        self.directory = ledger.directory() if as_of is None else self._former_directory()

    def events(self, start: int = 0, topics: Sequence[str] = ()) -> Iterator[LoggedEvent]:
        """Yield the events from a position on, or of those only the ones with these topics.

        At their end they are known to be the log's, and all of them: else it is an ``IntegrityError``. That is why the
        others are read too, and what came after the moment: what the store leaves out is noticed nowhere else.
        """
        start = min(max(start, 0), self.size)  # SQLite takes no number without bounds
        as_of, wanted = self._as_of, frozenset(topics)
        return (
            logged
            for logged in self._ledger.events(start)
            if (as_of is None or logged.at <= as_of) and (not wanted or logged.stored.topic in wanted)
        )

    def _former_directory(self) -> Directory:
        return directory(map(self.opened, self.events(topics=tuple(ROSTER_TOPICS))))

    def wanted(self, query: HistoryQuery) -> HistoryFilter:
        """Return what a query asks for; ``NotFound`` for a token, application or member there never was."""
        return HistoryFilter(
            tokens=self._asked_tokens(query),
            actor=self.directory.find_member(query.actor) if query.actor else None,
            since=query.since,
            until=query.until,
            event=query.event,
        )

    def _asked_tokens(self, query: HistoryQuery) -> set[TokenId] | None:
        names = self.directory
        if query.token is None:
            if query.app is None:
                return None
            scopes = set(names.find_former(query.app)) or {names.find_application(query.app)}
            return bearers(self.events(topics=NAMING_TOPICS), self.opened, None, scopes)
        if _ID.match(query.token) and self._has_stream(query.token):
            return {TokenId(query.token)}
        scope = {None} if query.app is None else set(names.find_former(query.app))
        found = bearers(self.events(topics=NAMING_TOPICS), self.opened, query.token, scope)
        if not found:
            hint = "'history' without a name shows everything"
            raise NotFound(f"no token was ever called {query.token!r} there", hint)
        return found

    def _has_stream(self, stream: str) -> bool:
        # It counts them all: who stopped at the first would not notice that a store leaves the stream out.
        return sum(logged.stored.originator_id == stream for logged in self.events()) > 0


def history(ledger: Ledger, query: HistoryQuery | None = None, *, diff: bool = False) -> Iterator[HistoryEntry]:
    """Return what happened, oldest first; ``NotFound`` for a token, application or member there never was."""
    query = query or HistoryQuery()
    reading = Reading(ledger, query.as_of)
    wanted = reading.wanted(query)
    changes = Changes(lenient=reading.lenient) if diff else None
    names = Names(reading.directory, partial=reading.lenient)
    events = told(reading.events(), reading.opened, names, wanted, changes)
    found = (one.entry for one in events)
    return found if query.last is None else iter(deque(found, maxlen=query.last))


def token_as_of(ledger: Ledger, name: str, app: str | None, as_of: datetime) -> TokenView:
    """Return what was known of a token at a moment, by the name it bore then; ``NotFound`` if there was none."""
    reading = Reading(ledger, as_of)
    found = _bearer(reading, name, _scope(reading.directory, app, as_of))
    if found is None:
        where = "in this application" if app else "among the global ones"
        raise NotFound(f"there was no token {name!r} {where} at {rfc3339(as_of)}", "'history' shows when there was one")
    return shown(ledger, _folded(reading, *found), reading.directory)


def _scope(names: Directory, app: str | None, as_of: datetime) -> ApplicationId | None:
    try:
        return None if app is None else names.find_application(app)
    except NotFound:
        hint = "'history --event application.' shows when there was one"
        raise NotFound(f"there was no application {app!r} at {rfc3339(as_of)}", hint) from None


def _bearer(reading: Reading, name: str, scope: ApplicationId | None) -> tuple[TokenId, int] | None:
    """Return the token that bears the name where the reading ends, and the position at which its history begins."""
    folded = fold(name)
    scoped: dict[str, int] = {}
    bearer = None
    for logged in reading.events(topics=(*NAMING_TOPICS, TokenDeleted.TOPIC)):
        event = reading.opened(logged)
        if isinstance(event, TokenCreated) and event.application == scope:
            scoped[event.originator_id] = logged.position
        if event.originator_id not in scoped:
            continue
        if isinstance(event, TokenCreated | TokenRenamed) and fold(event.name) == folded:
            bearer = event.originator_id
        elif bearer == event.originator_id:
            bearer = None  # it was deleted, or has another name
    return None if bearer is None else (TokenId(bearer), scoped[bearer])


def _folded(reading: Reading, token_id: TokenId, start: int) -> Token:
    token = None
    of_tokens = tuple(topic for topic, kind in topics().items() if issubclass(kind, TokenEvent))
    for logged in reading.events(start, of_tokens):
        if logged.stored.originator_id == token_id:
            event = reading.opened(logged)
            if isinstance(event, TokenEvent):
                token = next_state(token, event, lenient=reading.lenient)
    if token is None:
        raise IntegrityError(f"the history of the token {token_id} has lost its beginning")
    return token
