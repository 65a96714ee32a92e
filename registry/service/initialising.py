"""Making a registry where the settings say."""

from pathlib import Path

from msgspec import Struct

from registry.pins import Pins
from registry.sealing.identity import Identity
from registry.service import founding
from registry.service.registry import PassphrasePrompt, open_identity, store_url
from registry.service.surroundings import Surroundings
from registry.settings import Settings, load_settings
from registry.values import parse_member_name

RECOVERY = "recovery"
"""The name of the second founding admin."""


class Initialised(Struct, frozen=True):
    """A registry that was founded just now."""

    registry_id: str
    member: str
    identity: Path
    identity_created: bool
    store: Path


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
    path, place = settings.store_path(), Path(settings.identity.value)
    founding.check_vacant(path)
    created = not place.exists()
    if created:
        identity = Identity.generate(name)
        identity.save(place, new_passphrase() if new_passphrase else None)
    else:
        identity = open_identity(settings, passphrase)
    founders = [(identity, name)]
    if recovery is not None:
        second = Identity.generate(RECOVERY)
        second.save(recovery, recovery_passphrase() if recovery_passphrase else None)
        founders.append((second, RECOVERY))
    founded = founding.found(founders, around)
    founding.init_store(path, store_url(path), Pins(Path(settings.state.value)), founded, identity)
    return Initialised(founded.registry.hex(), name, place, created, path)
