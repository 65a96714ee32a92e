"""An event that its author could not do, or that nobody can read: that it is there is shown, and nothing else of it."""

from typing import ClassVar, Self

from registry.domain.events import Event
from registry.store.rows import LoggedEvent


class Disregarded(Event, frozen=True, kw_only=True):
    """Stands in the place of such an event; author and time are those of its commit."""

    TOPIC: ClassVar[str] = "log.disregarded"
    topic: str
    problem: str
    """The kind of problem that it has."""

    @classmethod
    def of(cls, logged: LoggedEvent, problem: str) -> Self:
        """Return what stands in the place of an event of the log."""
        stored = logged.stored
        return cls(
            originator_id=stored.originator_id,
            originator_version=stored.originator_version,
            by=logged.author,
            at=logged.at,
            host="",
            client="",
            topic=stored.topic,
            problem=problem,
        )
