"""Acknowledging that something is wrong in the log: it is still reported, and stops nobody any more."""

from collections.abc import Callable
from pathlib import Path

from registry.domain.roster import ADMIN
from registry.domain.roster_events import ProblemAcknowledged
from registry.errors import InvalidValue, NotFound
from registry.log.problems import ACKNOWLEDGEABLE, KINDS, TIME
from registry.pins import Pins
from registry.service.ledger import Ledger
from registry.service.places import place_of
from registry.service.registry import PassphrasePrompt, known_pin, open_identity
from registry.service.surroundings import Surroundings
from registry.service.verifying import verify_registry
from registry.settings import Settings, load_settings
from registry.values import Secret, parse_reason


def acknowledge_problem(
    settings: Settings | None,
    position: int,
    kind: str,
    *,
    reason: str,
    passphrase: PassphrasePrompt | None = None,
    surroundings: Surroundings | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> bool:
    """Commit that a problem which verification finds is known; return whether it was not known before.

    Every other problem stays what it was. ``NotFound`` if there is no such problem, ``InvalidValue`` for a kind that
    there is not or without a reason, ``NotPermitted`` for anybody but an admin.
    """
    if kind not in KINDS:
        raise InvalidValue(f"there is no kind of problem {kind!r}", f"there are: {', '.join(KINDS)}")
    if kind not in ACKNOWLEDGEABLE:
        hint = f"what an author signed can be: {', '.join(one for one in KINDS if one in ACKNOWLEDGEABLE)}"
        raise InvalidValue(f"a problem of the kind {kind} is the store's, to be mended and not acknowledged", hint)
    if parse_reason(reason) is None:
        raise InvalidValue("a problem is acknowledged for a reason", "--reason says how it came about")
    settings = settings or load_settings()
    asked = _once(passphrase)
    ledger = _tolerant(settings, asked, surroundings or Surroundings())
    try:
        ledger.require(ADMIN)
        found = verify_registry(settings, passphrase=asked, surroundings=surroundings, progress=progress)
        if not any((problem.position, problem.kind) == (position, kind) for problem in found.problems):
            raise NotFound(
                f"there is no problem of the kind {kind} at position {position}", "'verify' lists those there are"
            )
        with ledger.turn(reason, late=kind == TIME, anywhere=True) as turn:
            if (position, kind) in ledger.roster.acknowledged:
                return False
            facts = ledger.roster_facts(turn) | {"changed": (kind,)}
            ledger.commit(turn, [ProblemAcknowledged(**facts, position=position, kind=kind)])
        return True
    finally:
        ledger.close()


def _tolerant(settings: Settings, passphrase: PassphrasePrompt | None, surroundings: Surroundings) -> Ledger:
    """Open the registry although commits broke rules. No pin moves: others than this problem may still be unknown."""
    place = place_of(settings)
    pin = known_pin(Pins(Path(settings.state.value)), place)
    store = place.open()
    try:
        return Ledger(store, pin, open_identity(settings, passphrase), surroundings, None, tolerant=True)
    except BaseException:
        store.close()
        raise


def _once(passphrase: PassphrasePrompt | None) -> PassphrasePrompt | None:
    """Return a question that is asked once: the identity is opened for verifying, and for committing."""
    if passphrase is None:
        return None
    known: list[Secret] = []

    def ask() -> Secret:
        if not known:
            known.append(passphrase())
        return known[0]

    return ask
