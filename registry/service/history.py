"""The use case of auditors: reading the history."""

import re
from collections import deque
from collections.abc import Iterator
from datetime import datetime

from msgspec import Struct

from registry.errors import NotFound
from registry.service.ledger import Ledger
from registry.values import TokenId
from registry.views.history import NAMING_TOPICS, HistoryEntry, HistoryFilter, bearers, entries

_ID = re.compile(r"[0-9a-f]{32}\Z")


class HistoryQuery(Struct, frozen=True, kw_only=True):
    """Which part of the history is wanted; what is ``None`` does not matter."""

    token: str | None = None
    """A token's name or id; a name means every token that ever bore it in the scope, deleted ones too."""
    app: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    actor: str | None = None
    event: str | None = None
    """A topic, or the beginning of topics, ending in a dot."""
    last: int | None = None


def history(ledger: Ledger, query: HistoryQuery | None = None) -> Iterator[HistoryEntry]:
    """Return what happened, oldest first; ``NotFound`` for a token, application or member there never was."""
    query = query or HistoryQuery()
    ledger.require_reader()
    names = ledger.directory()
    wanted = HistoryFilter(
        tokens=_asked_tokens(ledger, query),
        actor=names.find_member(query.actor) if query.actor else None,
        since=query.since,
        until=query.until,
        event=query.event,
    )
    found = entries(ledger.store.events(), ledger.opened, names, wanted)
    return found if query.last is None else iter(deque(found, maxlen=query.last))


def _asked_tokens(ledger: Ledger, query: HistoryQuery) -> set[TokenId] | None:
    log = ledger.store.events(topics=NAMING_TOPICS)
    names = ledger.directory()
    if query.token is None:
        if query.app is None:
            return None
        scopes = set(names.find_former(query.app)) or {names.find_application(query.app)}
        return bearers(log, ledger.opened, None, scopes)
    if _ID.match(query.token) and ledger.store.stream_version(query.token):
        return {TokenId(query.token)}
    scope = {None} if query.app is None else set(names.find_former(query.app))
    found = bearers(log, ledger.opened, query.token, scope)
    if not found:
        raise NotFound(f"no token was ever called {query.token!r} there", "'history' without a name shows everything")
    return found
