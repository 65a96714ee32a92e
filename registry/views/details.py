"""What an event says beside who, when, where and why: never a secret, and ids only where there is no name."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

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
    RosterFounded,
)
from registry.domain.token_events import (
    TokenCreated,
    TokenCredentialsChanged,
    TokenDeleted,
    TokenDescribed,
    TokenDisclosed,
    TokenEncryptionChanged,
    TokenExpirySet,
    TokenProviderChanged,
    TokenRenamed,
    TokenTested,
)
from registry.values import ApplicationId, rfc3339
from registry.views.directory import Directory
from registry.views.disregarded import Disregarded
from registry.views.names import Names

_COMMON = frozenset(RosterEvent.__struct_fields__)


def detail(event: Event, names: Names) -> dict[str, Any]:
    """Return what the event says, as a JSON object."""
    return _roster_detail(event, names) if isinstance(event, RosterEvent) else _token_detail(event)


def _token_detail(event: Event) -> dict[str, Any]:
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
        case TokenDeleted():
            return {}
        case Disregarded():
            return {"problem": event.problem}
    return _plain(event)


def _roster_detail(event: RosterEvent, names: Names) -> dict[str, Any]:
    match event:
        case ApplicationRegistered():
            return {"kind": event.kind}
        case ApplicationRemoved():
            return {"exposed": _tokens(event.exposed, names)}
        case PolicyChanged():
            return {"policy": event.policy, "value": event.value}
        case MemberAdmitted():
            application = names.directory.application(event.application)
            return {"member": event.name, "role": event.role, "application": application}
        case MemberRoleChanged():
            application = names.directory.application(event.application)
            exposed = _tokens(event.exposed, names)
            return {"member": event.name, "role": event.role, "application": application, "exposed": exposed}
        case MemberRenewed():
            return {"member": event.name}
        case MemberRemoved():
            return {"member": event.name, "exposed": _tokens(event.exposed, names)}
        case AudienceRotated():
            return {"audiences": [audience_name(made.audience, names.directory) for made in event.generations]}
        case RosterFounded() | ApplicationRenamed():
            return {}
    return _plain(event)


def _tokens(exposed: Iterable[str], names: Names) -> list[dict[str, str | None]]:
    """Return the tokens by the names they had at that point of the history."""
    found = [names.tokens.get(token, (token, None)) for token in exposed]
    named = [(names.directory.application(application), name) for name, application in found]
    return [
        {"name": name, "application": app} for app, name in sorted(named, key=lambda pair: (pair[0] or "", pair[1]))
    ]


def audience_name(audience: str, names: Directory) -> str:
    """Return an audience by the name of its application, where it has one."""
    kind, _, application = audience.partition(":")
    return f"{kind}:{names.application(ApplicationId(application))}" if application else kind


def _plain(event: Event) -> dict[str, Any]:
    """Return the facts of a kind of event that is not named above: its own texts, numbers and times."""
    own = [name for name in event.__struct_fields__ if name not in _COMMON]
    facts = {name: getattr(event, name) for name in own}
    return {
        name: rfc3339(value) if isinstance(value, datetime) else value
        for name, value in facts.items()
        if value is None or isinstance(value, str | int | datetime)
    }
