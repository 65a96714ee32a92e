"""An event that an admin has acknowledged as bad: that it is there is shown, and what it says counts for nothing."""

from typing import ClassVar

from registry.domain.events import Event
from registry.log import problems

VOIDED = frozenset(
    {
        problems.ROLE,
        problems.CONTENTS,
        problems.ACTOR,
        problems.VERSION,
        problems.REPLAY,
        problems.EVENT,
    }
)
"""The kinds of problems whose acknowledgement says that an event is not to be believed."""


class Disregarded(Event, frozen=True, kw_only=True):
    """Stands in the place of such an event; author and time are those of its commit."""

    TOPIC: ClassVar[str] = "log.disregarded"
    topic: str
    kinds: tuple[str, ...]
