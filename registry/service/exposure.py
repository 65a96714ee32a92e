"""Which tokens somebody could have opened who may not any more, and whose secrets are still, or again, the same."""

from collections.abc import Mapping

from registry.domain.token_events import TokenCreated, TokenCredentialsChanged
from registry.service.ledger import Ledger
from registry.store.rows import TokenRow


def is_exposed(ledger: Ledger, row: TokenRow) -> bool:
    """Return whether the token has all the secrets that were exposed: one that is new makes the others useless."""
    revisions = ledger.directory().exposures.get(row.token, ())
    if not revisions or row.box_revision in revisions:
        return bool(revisions)
    known = _fingerprints(ledger, row)
    present = known.get(row.box_revision, {}).items()
    exposed = [known[revision].items() for revision in revisions if known.get(revision)]
    return any(secrets <= present for secrets in exposed)


def _fingerprints(ledger: Ledger, row: TokenRow) -> dict[int, Mapping[str, str]]:
    """Return the fingerprints of the token's secrets, by the revision that brought them."""
    events = map(ledger.contents.event, ledger.store.stream(row.token))
    return {
        event.revision: event.credentials.fingerprints
        for event in events
        if isinstance(event, TokenCreated | TokenCredentialsChanged)
    }
