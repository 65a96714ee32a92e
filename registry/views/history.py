"""The history as auditors read it: one entry for each event, in the order of the log, with names for ids."""

from collections.abc import Callable, Collection, Container, Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

from msgspec import Struct

from registry.domain.events import Event
from registry.domain.roster_events import ApplicationRegistered, ApplicationRemoved, ApplicationRenamed
from registry.domain.token_events import TokenCreated, TokenDisclosed, TokenEvent, TokenRenamed
from registry.store.rows import LoggedEvent
from registry.values import ApplicationId, MemberId, TokenId, fold, rfc3339
from registry.views.changes import Changes, FieldChange
from registry.views.details import detail
from registry.views.names import NAMING_TOPICS, Names

Opened = Callable[[LoggedEvent], Event]


class HistoryEntry(Struct, frozen=True, kw_only=True):
    """One event of the history. ``at`` is the commit's time, ``detail`` what else the event says, never a secret."""

    position: int
    at: datetime
    actor: str
    event: str
    token_id: str | None
    token: str | None
    application: str | None
    revision: int | None
    changed: tuple[str, ...]
    reason: str | None
    host: str
    client: str
    detail: dict[str, Any] = {}
    diff: tuple[FieldChange, ...] | None = None
    """What each field was and is, where that was asked for."""

    def document(self) -> dict[str, Any]:
        """Return it as the JSON object that ``history`` promises."""
        document = {
            "position": self.position,
            "at": rfc3339(self.at),
            "actor": self.actor,
            "event": self.event,
            "token_id": self.token_id,
            "token": self.token,
            "application": self.application,
            "revision": self.revision,
            "changed": list(self.changed),
            "reason": self.reason,
            "host": self.host,
            "client": self.client,
            "detail": self.detail,
        }
        if self.diff is not None:
            document["diff"] = [change.document() for change in self.diff]
        return document


class HistoryFilter(Struct, frozen=True, kw_only=True):
    """Which entries are wanted; what is ``None`` does not matter."""

    tokens: Collection[TokenId] | None = None
    actor: MemberId | None = None
    since: datetime | None = None
    until: datetime | None = None
    event: str | None = None
    """A topic, or the beginning of topics, ending in a dot."""

    def wants(self, logged: LoggedEvent) -> bool:
        """Return whether the event is wanted, as far as can be said without opening it."""
        topic = logged.stored.topic
        if self.event and not (topic.startswith(self.event) if self.event.endswith(".") else topic == self.event):
            return False
        return not ((self.since and logged.at < self.since) or (self.until and logged.at > self.until))

    def is_by(self, event: Event) -> bool:
        """Return whether the event is by the member asked for, as its sealed contents say."""
        return self.actor is None or event.by == self.actor

    def may_concern(self, logged: LoggedEvent) -> bool:
        """Return whether the event may be about one of the tokens, as far as can be said without opening it."""
        stored = logged.stored
        return self.tokens is None or stored.originator_id in self.tokens or stored.topic == TokenDisclosed.TOPIC

    def concerns(self, event: Event) -> bool:
        """Return whether the event is about one of the tokens."""
        # A disregarded disclosure names no token that could be believed; it stands in its member's stream.
        if self.tokens is None:
            return True
        return event.token in self.tokens if isinstance(event, TokenDisclosed) else event.originator_id in self.tokens


class Told(NamedTuple):
    """An event of the history, as it lies in the log, opened, and as it is shown."""

    logged: LoggedEvent
    event: Event
    entry: HistoryEntry


def told(
    log: Iterable[LoggedEvent],
    opened: Opened,
    names: Names,
    wanted: HistoryFilter,
    changes: Changes | None = None,
) -> Iterator[Told]:
    """Yield the wanted events of a log that goes on where ``names`` stand.

    Memory grows with the tokens, not the events. With ``changes``, which begin where the log does, the entries say
    what each field was and is; then every event of a wanted token is opened, else only what is shown or names one.
    """
    followed = frozenset(NAMING_TOPICS) if changes is None else changes.topics
    for logged in log:
        wants = wanted.wants(logged)
        if not (wants or logged.stored.topic in followed) or not wanted.may_concern(logged):
            continue
        event = opened(logged)
        names.follow(event)
        diff = None if changes is None else changes.follow(event)
        if wants and wanted.is_by(event) and wanted.concerns(event):
            yield Told(logged, event, _entry(logged, event, names, diff))


def _entry(logged: LoggedEvent, event: Event, names: Names, diff: tuple[FieldChange, ...] | None) -> HistoryEntry:
    token_id, revision, application = None, None, None
    if isinstance(event, TokenEvent):
        token_id, revision = event.originator_id, event.revision
    elif isinstance(event, TokenDisclosed):
        token_id, revision = event.token, event.revision
    elif isinstance(event, ApplicationRegistered | ApplicationRenamed | ApplicationRemoved):
        application = event.name
    token, scope = names.tokens.get(token_id or "", (None, None))
    return HistoryEntry(
        position=logged.position,
        at=logged.at,
        actor=names.directory.member(event.by),
        event=logged.stored.topic,
        token_id=token_id,
        token=token,
        application=names.directory.application(scope) or application,
        revision=revision,
        changed=event.changed,
        reason=event.reason,
        host=event.host,
        client=event.client,
        detail=detail(event, names),
        diff=diff,
    )


def bearers(
    log: Iterable[LoggedEvent],
    opened: Opened,
    name: str | None,
    scopes: Container[ApplicationId | None],
) -> set[TokenId]:
    """Return the ids of all tokens that ever bore the name, or any where it is ``None``, in one of the scopes."""
    folded = None if name is None else fold(name)
    applications: dict[str, ApplicationId | None] = {}
    found: set[TokenId] = set()
    for logged in log:
        event = opened(logged)
        if isinstance(event, TokenCreated):
            applications[event.originator_id] = event.application
        bears = isinstance(event, TokenCreated | TokenRenamed) and folded in (None, fold(event.name))
        if bears and applications.get(event.originator_id) in scopes:
            found.add(TokenId(event.originator_id))
    return found
