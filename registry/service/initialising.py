"""Making a registry where the settings say."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from registry.domain.roster_rules import check_member_name_free
from registry.errors import AlreadyExists, OutcomeUnknown
from registry.pins import Pins
from registry.sealing.identity import Identity
from registry.service import founding
from registry.service.places import place_of
from registry.service.registry import PassphrasePrompt, open_identity
from registry.service.surroundings import Surroundings
from registry.settings import Settings, load_settings
from registry.values import MemberId, Secret, parse_member_name

RECOVERY = "recovery"
"""The name of the second founding admin."""


class Initialised(Struct, frozen=True):
    """A registry that was founded just now."""

    registry_id: str
    member: str
    identity: Path
    identity_created: bool
    store: str
    """Where it lies."""


def init_registry(
    settings: Settings | None = None,
    *,
    name: str,
    new_passphrase: PassphrasePrompt | None = None,
    recovery: Path | None = None,
    recovery_passphrase: PassphrasePrompt | None = None,
    passphrase: PassphrasePrompt | None = None,
    surroundings: Surroundings | None = None,
) -> Initialised:
    """Found a registry where the settings say, with the member of that name as its first admin.

    An existing identity is used; otherwise one is made, under ``new_passphrase`` if that is given. ``recovery`` is
    where the identity of a second founding admin is written, to be kept offline. Raises ``AlreadyExists`` where a
    registry is.
    """
    name = parse_member_name(name)
    settings = settings or load_settings()
    around = surroundings or Surroundings()
    store, place = place_of(settings), Path(settings.identity.value)
    store.check_vacant()
    if recovery is not None:
        _check_recovery(recovery, place, name)
    created = not place.exists()
    # Whoever is asked may still walk away: nothing is written before.
    locks = new_passphrase() if created and new_passphrase else None
    recovery_locks = recovery_passphrase() if recovery is not None and recovery_passphrase else None
    second = Identity.generate(RECOVERY)
    with _recovery_file(second, recovery, recovery_locks):
        if created:
            identity = Identity.generate(name)
            identity.save(place, locks)
        else:
            identity = open_identity(settings, passphrase)
        founders = [(identity, name), *([(second, RECOVERY)] if recovery is not None else [])]
        founded = founding.found(founders, around)
        founding.init_store(store, Pins(Path(settings.state.value)), founded, identity)
    return Initialised(founded.registry.hex(), name, place, created, str(store))


def _check_recovery(recovery: Path, identity: Path, name: str) -> None:
    check_member_name_free({MemberId(RECOVERY): RECOVERY}, name)
    if recovery.is_symlink() or recovery.exists() or recovery.absolute() == identity:
        raise AlreadyExists(f"the recovery identity cannot be written to {recovery}", "name a new file of its own")


@contextmanager
def _recovery_file(identity: Identity, path: Path | None, passphrase: Secret | None) -> Iterator[None]:
    """Write the recovery identity, and take it away again if no registry comes of it: it would open nothing."""
    if path is None:
        yield
        return
    identity.save(path, passphrase)
    try:
        yield
    except OutcomeUnknown:
        raise  # there may be a registry that it opens
    except BaseException:
        path.unlink(missing_ok=True)
        raise
