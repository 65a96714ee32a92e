"""Joining: a machine learns which registry a store must be, from its invitation and not from the store."""

from pathlib import Path

from msgspec import Struct

from registry.domain.roster import Roster
from registry.errors import Conflict, IntegrityError, InvalidValue
from registry.invitation import Invitation
from registry.pins import Pin, Pins
from registry.sealing import roster_record
from registry.service.ledger import Ledger
from registry.service.registry import PassphrasePrompt, open_identity, store_url
from registry.service.surroundings import Surroundings
from registry.service.whoami import Whoami, whoami
from registry.settings import Settings, remember_url
from registry.store import roster_chain
from registry.store.sqlite import SQLiteStore

_ID_LENGTH = 64


class Joined(Struct, frozen=True):
    """What a machine knows after joining."""

    member: Whoami
    on_trust: bool
    """Whether the newest history is taken on trust, because nothing but the registry's id was told."""
    url_remembered: bool
    """Whether the configuration names the store from now on."""


def join(
    settings: Settings,
    *,
    invitation: Invitation | None = None,
    registry_id: str | None = None,
    passphrase: PassphrasePrompt | None = None,
    surroundings: Surroundings | None = None,
) -> Joined:
    """Pin the registry in the store that the settings name, if it is the one that was told.

    ``IntegrityError`` if its founding statement has another hash, or if it lacks what the invitation names;
    ``Conflict`` if this machine already knows the store as another registry.
    """
    told = invitation or Invitation(parse_registry_id(registry_id or ""), 0, 0, b"")
    path = settings.store_path()
    pins = Pins(Path(settings.state.value))
    known = pins.get(store_url(path))
    if known is not None and known.registry_id != told.registry_id:
        raise Conflict(
            f"this machine knows the store at {path} as the registry {known.registry_id.hex()}",
            "if that one is gone for good, remove its pin by hand",
        )
    identity = open_identity(settings, passphrase)
    store = SQLiteStore.open(path)
    try:
        pin = _checked(store, store_url(path), told)
        for other in pins.of_registry(told.registry_id):
            if (pin.size, pin.roster_version) < (other.size, other.roster_version):
                raise IntegrityError(
                    f"the store holds {pin.size} events; this machine has seen {other.size} of this registry",
                    f"it is an older copy of {other.url}",
                )
        ledger = Ledger(store, known or pin, identity, surroundings or Surroundings(), pins.advance)
        pins.advance(pin)
        return Joined(whoami(ledger), invitation is None, remember_url(settings))
    finally:
        store.close()


def parse_registry_id(text: str) -> bytes:
    """Return the id of its 64 hexadecimal digits; ``InvalidValue`` for anything else."""
    try:
        told = bytes.fromhex(text)
    except ValueError:
        told = b""
    if told.hex() == text.lower() and len(text) == _ID_LENGTH:
        return told
    raise InvalidValue("a registry's id has 64 hexadecimal digits", "'init' and 'whoami' print it")


def _checked(store: SQLiteStore, url: str, told: Invitation) -> Pin:
    """Return the pin of the store, which has all that was told."""
    registry = told.registry_id
    events = store.stream(roster_record.stream_id(registry))
    if not events:
        raise IntegrityError("the store holds another registry than the one told", "ask for the registry's id again")
    seen = roster_chain.follow(registry, Roster(), events[: told.roster_version])
    head = store.head()
    size = head.size if head else 0
    if seen.version < told.roster_version or size < told.size:
        raise IntegrityError(
            f"the store holds {size} events and {seen.version} of its roster; the invitation names {told.size} and"
            f" {told.roster_version}",
            "it is an older copy of the registry",
        )
    if told.roster_version and seen.head != told.roster_head:
        raise IntegrityError(
            f"roster event {seen.version} is not the one that the invitation names", "the store was exchanged"
        )
    roster = roster_chain.follow(registry, seen, events[told.roster_version :])
    return Pin(url, registry, size, roster.version, roster.head, roster.digest)
