"""Use cases of policies: what holds for the whole registry."""

from registry.domain.roster import POLICIES
from registry.domain.roster_events import PolicyChanged
from registry.domain.roster_rules import check_policy
from registry.service.ledger import Ledger


class Policies:
    """The policies of a registry, as its member may use them."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def list(self) -> dict[str, str]:
        """Return every policy with the value in force."""
        return {name: self._ledger.roster.policy(name) for name in POLICIES}

    def set(self, policy: str, value: str, *, reason: str | None = None) -> bool:
        """Set a policy; return whether that changed anything."""
        ledger = self._ledger
        ledger.require_admin()
        check_policy(policy, value)
        with ledger.turn(reason) as turn:
            if ledger.roster.policy(policy) == value:
                return False
            event = PolicyChanged(**ledger.roster_facts(turn), changed=(policy,), policy=policy, value=value)
            ledger.commit(turn, [event])
        return True
