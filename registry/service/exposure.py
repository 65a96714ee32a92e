"""Which tokens somebody could have opened who may not any more, and whose secrets are still, or again, the same."""

from collections.abc import Iterator, Mapping

from registry.domain.token_events import TokenCreated, TokenCredentialsChanged
from registry.errors import IntegrityError
from registry.log import problems
from registry.service.ledger import Ledger
from registry.store.proven import ProvenLog
from registry.store.rows import LoggedEvent, TokenRow

_BRINGING = frozenset({TokenCreated.TOPIC, TokenCredentialsChanged.TOPIC})


def is_exposed(ledger: Ledger, row: TokenRow) -> bool:
    """Return whether the token has all the secrets that were exposed: one that is new makes the others useless.

    The caller looks at one moment, of which the row was proven.
    """
    revisions = ledger.directory().exposures.get(row.token, ())
    if not revisions or row.box_revision in revisions:
        return bool(revisions)
    known = _fingerprints(ledger, row)
    present = known.get(row.box_revision, {}).items()
    exposed = [known[revision].items() for revision in revisions if known.get(revision)]
    return any(secrets <= present for secrets in exposed)


def _fingerprints(ledger: Ledger, row: TokenRow) -> dict[int, Mapping[str, str]]:
    """Return the fingerprints of the token's secrets, by the revision that brought them."""
    events = [ledger.opened(logged) for logged in _stream(ledger, row) if logged.stored.topic in _BRINGING]
    return {
        event.revision: event.credentials.fingerprints
        for event in events
        if isinstance(event, TokenCreated | TokenCredentialsChanged)
    }


def _stream(ledger: Ledger, row: TokenRow) -> Iterator[LoggedEvent]:
    """Yield the events that a token's row follows, each proven; ``IntegrityError`` at the end if one was left out.

    How many there must be the row says: one that the store hides would make an exposed token look safe.
    """
    log = ProvenLog(ledger.store, ledger.registry, ledger.head)
    known = ledger.roster.acknowledged
    damaged = {position for position, kind in known if kind == problems.EVENT}
    expected, lacking = 1, 0
    for logged in ledger.store.events_of(row.token, (), ledger.head.size):
        if logged.position in damaged:
            continue  # its leaf cannot be made any more, and what it says counts for nothing
        version = log.check(logged).stored.originator_version
        if (logged.position, problems.VERSION) not in known:
            lacking += version - expected
        expected = version + 1
        yield logged
    lacking += max(0, row.version + 1 - expected)
    if lacking > len(damaged):
        raise IntegrityError(f"events of the token {row.token} are missing", "'verify' says which")
