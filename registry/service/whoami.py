"""Who the caller is."""

from msgspec import Struct

from registry.domain.roster import APP
from registry.service.ledger import Ledger
from registry.values import ApplicationId


class Whoami(Struct, frozen=True):
    """A member as it sees itself. ``may_open`` names the audiences whose keys it holds."""

    member: str
    role: str
    application: str | None
    registry_id: str
    store: str
    may_open: tuple[str, ...]


def whoami(ledger: Ledger) -> Whoami:
    """Return who the ledger's member is; an app member knows its name from its own identity file only."""
    member = ledger.member
    return Whoami(
        member=ledger.identity.name if member.role == APP else ledger.directory().member(member.id),
        role=member.role,
        application=ledger.own_application(),
        registry_id=ledger.registry.hex(),
        store=str(ledger.store.place),
        may_open=tuple(
            _named(ledger, audience)
            for audience in ledger.roster.audiences_of(member)
            if ledger.keyring.holds(audience)
        ),
    )


def _named(ledger: Ledger, audience: str) -> str:
    kind, _, application = audience.partition(":")
    if not application:
        return kind
    return f"{kind}:{ledger.own_application() or ledger.directory().application(ApplicationId(application))}"
