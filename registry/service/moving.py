"""Moving a registry: an admin commits in which instance of its store it goes on, and no other takes commits then."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager

from registry.domain.roster import ADMIN
from registry.domain.roster_events import StoreMoved
from registry.errors import Conflict, InvalidValue, OutcomeUnknown, RegistryError, StoreMissing
from registry.service.ledger import Ledger
from registry.service.registry import PassphrasePrompt, open_registry
from registry.service.surroundings import Surroundings
from registry.settings import Settings
from registry.store.place import Place
from registry.store.store import Store

Settling = Callable[[], AbstractContextManager[None]]
_AS_IT_WAS = "the registry could not be moved, and goes on here"
_LEFT = "the store stays as the one that was moved away from: look at the other place, then 'store reopen' goes on here"


@contextmanager
def left(
    made: Store,
    *,
    target: Place,
    settings: Settings,
    reason: str | None,
    passphrase: PassphrasePrompt | None,
    surroundings: Surroundings | None,
) -> Iterator[Settling]:
    """Leave a store for the one that is being made; if that is not in its place in the end, come back.

    The one that is made is put in place within what this gives: nobody may have come back meanwhile.
    """
    with open_registry(settings, passphrase=passphrase, surroundings=surroundings) as source:
        ledger, instance, settling = source._ledger, made.instance(), False  # noqa: SLF001 - both are this registry

        @contextmanager
        def still() -> Iterator[None]:
            nonlocal settling
            with ledger.turn(anywhere=True):
                if ledger.roster.home != instance:
                    raise Conflict("somebody had the registry go on here meanwhile", "move it again")
                settling = True
                yield

        _commit(ledger, instance, target.url, reason)
        try:
            yield still
        except OutcomeUnknown:
            raise  # where it goes on is for an admin to find out
        except BaseException as error:
            back = not (settling and _may_be_there(target, instance)) and _came_back(ledger, instance)
            if isinstance(error, RegistryError) and not back:
                raise type(error)(str(error), _LEFT, error.detail) from None
            raise


def reopen(ledger: Ledger, reason: str | None = None) -> None:
    """Commit that the registry goes on in this store, from which it was moved; ``InvalidValue`` if it was not."""
    ledger.require(ADMIN)
    if not ledger.is_away():
        raise InvalidValue("the registry was not moved away from here", "there is nothing to be done")
    _commit(ledger, ledger.store.instance(), ledger.store.place.url, reason, anywhere=True)


def _commit(ledger: Ledger, instance: str, place: str, reason: str | None, *, anywhere: bool = False) -> None:
    with ledger.turn(reason, anywhere=anywhere) as turn:
        event = StoreMoved(**ledger.roster_facts(turn), instance=instance, place=place)
        ledger.commit(turn, [event])


def _may_be_there(target: Place, instance: str) -> bool:
    """Return whether an instance came to be in its place, or nobody can tell."""
    try:
        with closing(target.open_raw()) as found:
            return found.instance() == instance
    except StoreMissing:
        return False
    except RegistryError:
        return target.files is None  # a server may be away; a file of ours would be read


def _came_back(ledger: Ledger, instance: str) -> bool:
    """Have the registry go on where it was, unless somebody did that already; return whether it does."""
    try:
        ledger.require(ADMIN)
        if ledger.roster.home == instance:
            reopen(ledger, _AS_IT_WAS)
    except RegistryError:
        return False
    return True
