"""The closed list of topics. A topic in the database never names code to import, whatever it says."""

from collections.abc import Mapping
from types import MappingProxyType

from registry.domain import events, roster
from registry.domain.events import Event
from registry.errors import IntegrityError

_KINDS: tuple[type[Event], ...] = (
    events.TokenCreated,
    events.TokenCredentialsChanged,
    events.TokenProviderChanged,
    events.TokenDescribed,
    events.TokenRenamed,
    events.TokenEncryptionChanged,
    events.TokenExpirySet,
    events.TokenTested,
    events.TokenDeleted,
    events.TokenDisclosed,
    roster.RosterFounded,
    roster.ApplicationRegistered,
    roster.ApplicationRenamed,
    roster.ApplicationRemoved,
    roster.PolicyChanged,
)

TOPICS: Mapping[str, type[Event]] = MappingProxyType({kind.TOPIC: kind for kind in _KINDS})


def event_class(topic: str) -> type[Event]:
    """Return the class of a stored topic; ``IntegrityError`` for one this version does not know."""
    try:
        return TOPICS[topic]
    except KeyError:
        raise IntegrityError(f"there is no kind of event {topic!r}", "a newer version may have written it") from None
