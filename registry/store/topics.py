"""The closed list of topics. A topic in the database never names code to import, whatever it says."""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from registry.domain import roster_events
from registry.domain.events import Event
from registry.errors import IntegrityError

ROSTER_TOPICS: Mapping[str, type[Event]] = MappingProxyType(
    {
        kind.TOPIC: kind
        for kind in (
            roster_events.RosterFounded,
            roster_events.ApplicationRegistered,
            roster_events.ApplicationRenamed,
            roster_events.ApplicationRemoved,
            roster_events.PolicyChanged,
            roster_events.MemberAdmitted,
            roster_events.MemberRoleChanged,
            roster_events.MemberRenewed,
            roster_events.MemberRemoved,
            roster_events.AudienceRotated,
            roster_events.ProblemAcknowledged,
            roster_events.RollbackAccepted,
            roster_events.StoreMoved,
        )
    }
)


@cache
def topics() -> Mapping[str, type[Event]]:
    """Return the class of every stored topic."""
    # Many classes, and no command that only reads needs them.
    from registry.domain import evidence_events, token_events  # noqa: PLC0415

    kinds: tuple[type[Event], ...] = (
        token_events.TokenCreated,
        token_events.TokenCredentialsChanged,
        token_events.TokenProviderChanged,
        token_events.TokenDescribed,
        token_events.TokenRenamed,
        token_events.TokenEncryptionChanged,
        token_events.TokenExpirySet,
        token_events.TokenTested,
        token_events.TokenDeleted,
        token_events.TokenDisclosed,
        evidence_events.EvidenceExported,
    )
    return MappingProxyType({**ROSTER_TOPICS, **{kind.TOPIC: kind for kind in kinds}})


def event_class(topic: str) -> type[Event]:
    """Return the class of a stored topic; ``IntegrityError`` for one this version does not know."""
    try:
        return ROSTER_TOPICS.get(topic) or topics()[topic]
    except KeyError:
        raise IntegrityError(f"there is no kind of event {topic!r}", "a newer version may have written it") from None
