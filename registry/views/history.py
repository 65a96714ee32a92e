"""The history as auditors read it: one entry for each event, in the order of the log, with names for ids."""

from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from msgspec import Struct

from registry.domain.events import Event
from registry.domain.roster_events import (
    ApplicationRegistered,
    ApplicationRemoved,
    ApplicationRenamed,
    AudienceRotated,
    MemberAdmitted,
    MemberRemoved,
    MemberRenewed,
    MemberRoleChanged,
    PolicyChanged,
    RosterEvent,
)
from registry.domain.token_events import (
    TokenCreated,
    TokenCredentialsChanged,
    TokenDescribed,
    TokenDisclosed,
    TokenEncryptionChanged,
    TokenEvent,
    TokenExpirySet,
    TokenProviderChanged,
    TokenRenamed,
    TokenTested,
)
from registry.errors import IntegrityError
from registry.store.rows import LoggedEvent
from registry.values import ApplicationId, MemberId, TokenId, fold, rfc3339
from registry.views.directory import Directory

NAMING_TOPICS = (TokenCreated.TOPIC, TokenRenamed.TOPIC)


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

    def document(self) -> dict[str, Any]:
        """Return it as the JSON object that ``history`` promises."""
        names = (
            "position",
            "at",
            "actor",
            "event",
            "token_id",
            "token",
            "application",
            "revision",
            "changed",
            "reason",
        )
        document = {name: getattr(self, name) for name in names}
        document |= {"at": rfc3339(self.at), "changed": list(self.changed)}
        return document | {"host": self.host, "client": self.client, "detail": self.detail}


class HistoryFilter(Struct, frozen=True, kw_only=True):
    """Which entries are wanted; what is ``None`` does not matter."""

    tokens: Container[TokenId] | None = None
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


@dataclass(slots=True)
class _Names:
    """What each token was called at the point that the reading has reached."""

    names: Directory
    tokens: dict[str, tuple[str, ApplicationId | None]] = field(default_factory=dict)

    def follow(self, event: Event) -> None:
        if isinstance(event, TokenCreated):
            self.tokens[event.originator_id] = (event.name, event.application)
        elif isinstance(event, TokenRenamed):
            if event.originator_id not in self.tokens:
                raise IntegrityError(f"the history of the token {event.originator_id} has lost its beginning")
            self.tokens[event.originator_id] = (event.name, self.tokens[event.originator_id][1])


def entries(
    log: Iterable[LoggedEvent], opened: Callable[[LoggedEvent], Event], names: Directory, wanted: HistoryFilter
) -> Iterator[HistoryEntry]:
    """Yield the wanted entries of a log that begins at position 0; memory grows with the tokens, not the events."""
    known = _Names(names)
    for logged in log:
        naming = logged.stored.topic in NAMING_TOPICS
        wants = wanted.wants(logged)
        if not (wants or naming) or not wanted.may_concern(logged):
            continue
        event = opened(logged)
        known.follow(event)
        if wants and wanted.is_by(event) and _concerns(event, wanted.tokens):
            yield _entry(logged, event, known)


def _concerns(event: Event, tokens: Container[TokenId] | None) -> bool:
    if tokens is None:
        return True
    return event.token in tokens if isinstance(event, TokenDisclosed) else event.originator_id in tokens


def _entry(logged: LoggedEvent, event: Event, known: _Names) -> HistoryEntry:
    token_id, revision, application = None, None, None
    if isinstance(event, TokenEvent):
        token_id, revision = event.originator_id, event.revision
    elif isinstance(event, TokenDisclosed):
        token_id, revision = event.token, event.revision
    elif isinstance(event, ApplicationRegistered | ApplicationRenamed | ApplicationRemoved):
        application = event.name
    token, scope = known.tokens.get(token_id or "", (None, None))
    return HistoryEntry(
        position=logged.position,
        at=logged.at,
        actor=known.names.member(event.by),
        event=event.TOPIC,
        token_id=token_id,
        token=token,
        application=known.names.application(scope) or application,
        revision=revision,
        changed=event.changed,
        reason=event.reason,
        host=event.host,
        client=event.client,
        detail=_roster_detail(event, known) if isinstance(event, RosterEvent) else _detail(event),
    )


def _detail(event: Event) -> dict[str, Any]:
    match event:
        case TokenCreated():
            return {"provider": event.provider, "encrypted": event.encrypted}
        case TokenCredentialsChanged():
            return {"verdicts": dict(event.credentials.verdicts)}
        case TokenProviderChanged():
            return {"provider": event.provider}
        case TokenDescribed():
            return {"description": event.description}
        case TokenRenamed():
            return {"name": event.name}
        case TokenEncryptionChanged():
            return {"encrypted": event.encrypted}
        case TokenExpirySet():
            return {"expires_at": rfc3339(event.expires_at) if event.expires_at else None}
        case TokenTested():
            return {"outcome": event.outcome, "detail": event.detail}
        case TokenDisclosed():
            return {"purpose": event.purpose, "process": event.process}
    return {}


def _roster_detail(event: RosterEvent, known: _Names) -> dict[str, Any]:
    match event:
        case ApplicationRegistered():
            return {"kind": event.kind}
        case ApplicationRemoved():
            return {"exposed": _tokens(event.exposed, known)}
        case PolicyChanged():
            return {"policy": event.policy, "value": event.value}
        case MemberAdmitted():
            return {"member": event.name, "role": event.role, "application": known.names.application(event.application)}
        case MemberRoleChanged():
            application = known.names.application(event.application)
            exposed = _tokens(event.exposed, known)
            return {"member": event.name, "role": event.role, "application": application, "exposed": exposed}
        case MemberRenewed():
            return {"member": event.name}
        case MemberRemoved():
            return {"member": event.name, "exposed": _tokens(event.exposed, known)}
        case AudienceRotated():
            return {"audiences": [_audience(generation.audience, known) for generation in event.generations]}
    return {}


def _tokens(exposed: Iterable[str], known: _Names) -> list[dict[str, str | None]]:
    """Return the tokens by the names they had at that point of the history."""
    found = [known.tokens.get(token, (token, None)) for token in exposed]
    named = [(known.names.application(application), name) for name, application in found]
    return [
        {"name": name, "application": app} for app, name in sorted(named, key=lambda pair: (pair[0] or "", pair[1]))
    ]


def _audience(audience: str, known: _Names) -> str:
    kind, _, application = audience.partition(":")
    return f"{kind}:{known.names.application(ApplicationId(application))}" if application else kind


def bearers(
    log: Iterable[LoggedEvent],
    opened: Callable[[LoggedEvent], Event],
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
