"""Use cases of those who ask who uses a token: before it is removed or changed, and to find those that nobody uses."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from registry.service.ledger import Ledger
from registry.values import TokenId
from registry.views.usage import Usage, usages, used_since


def usage(ledger: Ledger, name: str, app: str | None = None) -> Sequence[Usage]:
    """Return who uses a token, who used it last first; ``NotFound`` if there is none of that name in the scope."""
    ledger.require_reader()
    with ledger.glance():
        token = ledger.find(name, ledger.scope(app))[1].id
    return _usages(ledger, {token}).get(token, ())


def usage_of_application(ledger: Ledger, name: str) -> Mapping[str, Sequence[Usage]]:
    """Return who uses each token of an application, by the tokens' names; those that nobody uses are left out."""
    ledger.require_reader()
    with ledger.glance():
        application = ledger.directory().find_application(name)
        named = {row.token: ledger.token(row).name for row in ledger.rows.of(application)}
    found = _usages(ledger, set(named)) if named else {}
    return {name: found[token] for token, name in sorted(named.items(), key=lambda pair: pair[1]) if token in found}


def _usages(ledger: Ledger, tokens: set[TokenId]) -> Mapping[TokenId, Sequence[Usage]]:
    return usages(ledger.events(), ledger.opened, tokens, ledger.directory(), ledger.roster.members)


def tokens_used_since(ledger: Ledger, since: datetime) -> set[TokenId]:
    """Return the tokens that are recorded to have been used at or after a moment."""
    return used_since(ledger.events(), ledger.opened, since)
