"""Checking what the disclosed events say against who signed for them, and when."""

from datetime import datetime

from registry.domain.events import Event
from registry.domain.roster_events import RosterEvent
from registry.domain.token_events import TokenDisclosed
from registry.errors import IntegrityError
from registry.evidence.disclosed import Disclosure
from registry.evidence.findings import OPENING, Findings
from registry.evidence.opening import opened_event
from registry.log import problems
from registry.store.rows import LoggedEvent
from registry.views.directory import directory
from registry.views.history import HistoryFilter, told
from registry.views.names import Names

_NOBODY = directory([])


class ContentsCheck:
    """The disclosed events, opened one by one."""

    def __init__(self, registry: bytes, findings: Findings) -> None:
        self.disclosure = Disclosure()
        self.openings = 0
        self.roster_events: list[Event] = []
        """Disclosed events of the roster: they tell names."""
        self._registry = registry
        self._findings = findings

    def take(self, logged: LoggedEvent, entry: bytes, key: bytes, previous: datetime | None) -> None:
        """Open one event of a commit behind one of the time ``previous``."""
        self.openings += 1
        self.disclosure.add(entry, key)
        try:
            event = shown_event(self._registry, logged, key)
        except IntegrityError as error:
            self._findings.add(logged.position, OPENING, f"the opening of position {logged.position}: {error}")
            return
        if event.by != logged.author:
            message = f"the event at position {logged.position} says another author than signed for it"
            self._findings.history(logged.position, problems.ACTOR, message)
        # A disclosure is committed after it was made, with others; all else is committed as it happens.
        late = not isinstance(event, TokenDisclosed) and logged.at != max(event.at, previous or event.at)
        if event.at > logged.at or late:
            message = f"the event at position {logged.position} says another time than its commit has"
            self._findings.history(logged.position, problems.TIME, message)
        if isinstance(event, RosterEvent):
            self.roster_events.append(event)


def shown_event(registry: bytes, logged: LoggedEvent, key: bytes) -> Event:
    """Return the event that an opening discloses; ``IntegrityError`` unless it opens it, to what can be shown."""
    event = opened_event(registry, logged.stored, key)
    # What an event says may be of the right types and yet be nothing to show, such as a time before all days.
    try:
        for one in told([logged], lambda _: event, Names(_NOBODY, partial=True), HistoryFilter()):
            one.entry.document()
    except (ValueError, TypeError, OverflowError):
        raise IntegrityError("its contents cannot be shown") from None
    return event
