"""Copying a registry to another place, backing it up into a file, and putting a backup in place."""

from collections.abc import Callable
from contextlib import closing
from functools import cache, partial
from pathlib import Path

from msgspec import structs

from registry.errors import AlreadyExists, Conflict, IntegrityError
from registry.pins import Pin, Pins
from registry.service.moving import left
from registry.service.places import place_of
from registry.service.recalling import pin_of, recall
from registry.service.registry import PassphrasePrompt, known_pin, open_identity
from registry.service.surroundings import Surroundings
from registry.service.transferring import Copied, Examiner, Transfer
from registry.settings import Setting, Settings, load_settings
from registry.store import roster_chain
from registry.store.backup_file import BackupFile
from registry.store.place import Place
from registry.store.rows import Stored, typed
from registry.store.store import Store
from registry.verify.verifier import Progress

_MOVE_AWAY = "move what is there away first: the file and all that lies beside it, or the schema"


class Restored(Copied, frozen=True):
    """A backup that was put in place."""

    seen: int | None
    """The newest commit that this machine has seen there; ``None`` if it does not know the registry there."""


def copy_store(
    settings: Settings | None = None,
    *,
    to: str,
    move: bool = False,
    reason: str | None = None,
    passphrase: PassphrasePrompt | None = None,
    surroundings: Surroundings | None = None,
    progress: Progress | None = None,
) -> Copied:
    """Copy the registry of the settings to the place of a URL, which may be of another kind; this machine knows both.

    With ``move`` an admin first commits that the registry goes on in the copy alone, for a ``reason`` if there is one;
    if nothing comes to be in that place, it is committed that it goes on where it was.
    ``AlreadyExists`` if a registry is there, ``IntegrityError`` if anything is wrong with the source that no admin has
    acknowledged, ``NotPermitted`` for apps. ``progress`` is called with how much is done, and of how much.
    """
    settings, passphrase = settings or load_settings(), cache(passphrase) if passphrase else None
    source, target = place_of(settings), place_of(structs.replace(settings, url=Setting(to, "option")))
    pins = Pins(Path(settings.state.value))
    pin = known_pin(pins, source)
    target.check_vacant()
    examiner = _examiner(settings, pin.registry_id, passphrase, surroundings, pin)

    def knowing(made: Store) -> Callable[[], None]:
        there = _pin_of(made, pin, pins.get(target.url), target)
        return lambda: pins.put(there)

    leaving = partial(
        left, target=target, settings=settings, reason=reason, passphrase=passphrase, surroundings=surroundings
    )
    return Transfer(source, target, examiner, progress, same=False, leaving=leaving if move else None).run(knowing)


def back_up_store(
    settings: Settings | None = None,
    *,
    to: Path,
    with_keys: bool = True,
    passphrase: PassphrasePrompt | None = None,
    surroundings: Surroundings | None = None,
    progress: Progress | None = None,
) -> Copied:
    """Write the registry of the settings, as it is at one moment, into a new file; nobody is kept from writing.

    Without keys the file holds the history and nothing that could ever open a credential. It raises what
    ``copy_store`` does.
    """
    settings = settings or load_settings()
    source, target = place_of(settings), BackupFile(to)
    pin = known_pin(Pins(Path(settings.state.value)), source)
    target.check_vacant()
    examiner = _examiner(settings, pin.registry_id, passphrase, surroundings, pin)
    return Transfer(source, target, examiner, progress, with_keys=with_keys).run(_nothing)


def restore_store(
    settings: Settings | None = None,
    *,
    file: Path,
    with_keys: bool = True,
    passphrase: PassphrasePrompt | None = None,
    surroundings: Surroundings | None = None,
    progress: Progress | None = None,
) -> Restored:
    """Put a backup in the place that the settings name, where nothing may be; no pin is moved or removed for it.

    So a machine that has seen more than the backup holds refuses it until an admin accepts that. A backup that was made
    without keys is taken only as that. ``Conflict`` if this machine knows the place as another registry's; otherwise it
    raises what ``copy_store`` does.
    """
    settings = settings or load_settings()
    source, target = BackupFile(file), place_of(settings)
    source.check_there()
    try:
        target.check_vacant()
    except AlreadyExists as error:
        raise AlreadyExists(str(error), _MOVE_AWAY) from None
    registry, pin = _registry_in(source), Pins(Path(settings.state.value)).get(target.url)
    _check_same(pin, registry, target)
    examiner = _examiner(settings, registry, passphrase, surroundings)
    copied = Transfer(source, target, examiner, progress).run(_nothing, keyless=not with_keys)
    return Restored(**structs.asdict(copied), seen=pin.commit if pin else None)


def _examiner(
    settings: Settings,
    registry: bytes,
    passphrase: PassphrasePrompt | None,
    surroundings: Surroundings | None,
    pin: Pin | None = None,
) -> Examiner:
    now = (surroundings or Surroundings()).clock()
    return Examiner(registry, open_identity(settings, passphrase), now, pin)


def _nothing(_made: Store) -> Callable[[], None]:
    return lambda: None


def _pin_of(made: Store, pin: Pin, known: Pin | None, place: Place) -> Pin:
    """Return the pin of a copy, which goes on from all that this machine has seen of its source and of its place."""
    _check_same(known, pin.registry_id, place)
    with made.snapshot():
        log, _ = recall(made, pin)
        if known is not None:
            recall(made, known)
    accepted = pin.accepted | (known.accepted if known else frozenset())
    return pin_of(place.url, log).knowing(accepted)


def _check_same(known: Pin | None, registry: bytes, place: Place) -> None:
    if known is not None and known.registry_id != registry:
        raise Conflict(
            f"this machine knows the store at {place} as the registry {known.registry_id.hex()}",
            "if that one is gone for good, remove its pin by hand",
        )


def _registry_in(backup: BackupFile) -> bytes:
    """Return the id of the registry that a backup says it is of: what this machine knows is compared with that."""
    with closing(backup.open_raw()) as store:
        try:
            _, _, *first = next(iter(store.event(0))) if "stored_events" in store.readable else ()
            return roster_chain.founded_by(typed(Stored, first, "stored_events"))
        except (IntegrityError, StopIteration, ValueError):
            raise IntegrityError(f"{backup} does not begin with the founding of a registry") from None
