"""Who or what an event is about, for those who keep the history of many systems."""

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
    RosterFounded,
)
from registry.domain.token_events import TokenDisclosed, TokenEvent
from registry.views.details import audience_name
from registry.views.names import Names


class Subject(Struct, frozen=True):
    """A kind of thing, its id, and its name where it has one. The registry's own id stands for all of it."""

    kind: str
    id: str
    name: str | None = None


def subject(event: Event, names: Names, registry: str) -> Subject:
    """Return what the event is about; of a kind of event that is not named here, the first word of its topic."""
    match event:
        case TokenEvent():
            return Subject("token", event.originator_id, _token_name(event.originator_id, names))
        case TokenDisclosed():
            return Subject("token", event.token, _token_name(event.token, names))
        case ApplicationRegistered() | ApplicationRenamed() | ApplicationRemoved():
            return Subject("application", event.application, event.name)
        case MemberAdmitted() | MemberRoleChanged() | MemberRenewed() | MemberRemoved():
            return Subject("member", event.member, event.name)
        case PolicyChanged():
            return Subject("policy", event.policy, event.policy)
        case AudienceRotated():
            audiences = [made.audience for made in event.generations]
            shown = [audience_name(audience, names.directory) for audience in audiences]
            return Subject("audience", ",".join(audiences), ", ".join(shown))
        case RosterFounded():
            return Subject("registry", registry)
    return Subject(event.TOPIC.partition(".")[0], registry)


def _token_name(token: str, names: Names) -> str | None:
    return names.tokens[token][0] if token in names.tokens else None
