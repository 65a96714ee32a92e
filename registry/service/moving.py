"""Moving a registry: an admin commits in which instance of its store it goes on, and no other takes commits then."""

from collections.abc import Iterator
from contextlib import contextmanager

from registry.domain.roster_events import StoreMoved
from registry.errors import InvalidValue, OutcomeUnknown, RegistryError
from registry.service.ledger import Ledger
from registry.service.registry import PassphrasePrompt, open_registry
from registry.service.surroundings import Surroundings
from registry.settings import Settings
from registry.store.place import Place
from registry.store.store import Store

_AS_IT_WAS = "the registry could not be moved, and goes on here"


@contextmanager
def left(
    made: Store,
    *,
    target: Place,
    settings: Settings,
    reason: str | None,
    passphrase: PassphrasePrompt | None,
    surroundings: Surroundings | None,
) -> Iterator[None]:
    """Leave a store for the one that is being made; if nothing is in its place in the end, come back."""
    with open_registry(settings, passphrase=passphrase, surroundings=surroundings) as source:
        ledger = source._ledger  # noqa: SLF001 - both are this registry
        _commit(ledger, made.instance(), target.url, reason)
        try:
            yield
        except OutcomeUnknown:
            raise  # where it goes on is for an admin to find out
        except BaseException:
            _come_back(ledger, target)
            raise


def reopen(ledger: Ledger, reason: str | None = None) -> None:
    """Commit that the registry goes on in this store, from which it was moved; ``InvalidValue`` if it was not."""
    ledger.require_admin()
    if not ledger.is_away():
        raise InvalidValue("the registry was not moved away from here", "there is nothing to be done")
    _commit(ledger, ledger.store.instance(), ledger.store.place.url, reason, anywhere=True)


def _commit(ledger: Ledger, instance: str, place: str, reason: str | None, *, anywhere: bool = False) -> None:
    with ledger.turn(reason, anywhere=anywhere) as turn:
        event = StoreMoved(**ledger.roster_facts(turn), instance=instance, place=place)
        ledger.commit(turn, [event])


def _come_back(ledger: Ledger, target: Place) -> None:
    try:
        target.check_vacant()
        reopen(ledger, _AS_IT_WAS)
    except RegistryError:
        return  # whoever looks is told that it was moved, and how to go on here
