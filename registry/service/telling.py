"""Telling readers of the history what is in one commit, without having read what came before it."""

from collections.abc import Collection, Sequence

from registry.domain.events import Event
from registry.domain.roster_events import ApplicationRemoved, MemberRemoved, MemberRoleChanged
from registry.domain.token_events import TokenCreated, TokenDisclosed, TokenEvent
from registry.service.ledger import Ledger
from registry.store.proven import ProvenLog
from registry.store.rows import LoggedEvent
from registry.views.history import HistoryEntry, HistoryFilter, told
from registry.views.names import NAMING_TOPICS, Names


def entries(ledger: Ledger, log: ProvenLog, events: Sequence[LoggedEvent]) -> tuple[HistoryEntry, ...]:
    """Return the entries of a commit's events, with the names that tokens had then."""
    first = events[0].position
    opened = {logged.position: ledger.opened(logged) for logged in events}
    naming = [
        log.check(logged)
        for token in sorted(_mentioned(opened.values()))
        for logged in ledger.store.events_of(token, NAMING_TOPICS, first)
    ]
    opened |= {logged.position: ledger.opened(logged) for logged in naming}
    sequence = [*naming, *events]
    found = told(
        sequence,
        lambda logged: opened[logged.position],
        Names(ledger.directory(), partial=bool(ledger.roster.acknowledged)),
        HistoryFilter(),
    )
    return tuple(one.entry for one in found if one.logged.position >= first)


def _mentioned(events: Collection[Event]) -> set[str]:
    """Return the tokens whose names the events do not say themselves."""
    tokens: set[str] = set()
    for event in events:
        if isinstance(event, TokenEvent):
            tokens.add(event.originator_id)
        elif isinstance(event, TokenDisclosed):
            tokens.add(event.token)
        elif isinstance(event, MemberRemoved | MemberRoleChanged | ApplicationRemoved):
            tokens |= event.exposed.keys()
    return tokens - {event.originator_id for event in events if isinstance(event, TokenCreated)}
