"""Joining: a machine learns which registry a store must be, from its invitation and not from the store."""

from pathlib import Path

from msgspec import Struct

from registry.domain.roster import Roster
from registry.errors import Conflict, IntegrityError, InvalidValue
from registry.invitation import Invitation, checkpoint_hash
from registry.pins import Pin, Pins
from registry.sealing import roster_record
from registry.service.keeping import move
from registry.service.ledger import Ledger
from registry.service.places import place_of
from registry.service.recalling import other_history, pin_of, same
from registry.service.registry import PassphrasePrompt, open_identity
from registry.service.surroundings import Surroundings
from registry.service.whoami import Whoami, whoami
from registry.settings import Settings, remember_url
from registry.store import roster_chain
from registry.store.following import Follower, check_signed
from registry.store.proven import ProvenLog
from registry.store.rows import LoggedCommit
from registry.store.store import Store

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
    registry = invitation.registry_id if invitation else parse_registry_id(registry_id or "")
    place, pins = place_of(settings), Pins(Path(settings.state.value))
    url = place.url
    known = pins.get(url)
    if known is not None and known.registry_id != registry:
        raise Conflict(
            f"this machine knows the store at {place} as the registry {known.registry_id.hex()}",
            "if that one is gone for good, remove its pin by hand",
        )
    pin, around = known or Pin(url, registry), surroundings or Surroundings()
    identity = open_identity(settings, passphrase)
    store = place.open()
    try:
        with store.snapshot():
            log = _told(store, registry, invitation)
            log.advance(store)
            others = pins.of_registry(registry)
            for other in others:
                _check_seen(store, log, other)
        # A machine whose identity is no member pins nothing: what it was told may be wrong altogether.
        ledger = Ledger(store, pin, identity, around, pins if known else None, log=None if known else log)
        accepted = frozenset[bytes]().union(*(other.accepted for other in others))
        move(pins, known, pin_of(url, ledger.log).knowing(accepted), store)
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


def _told(store: Store, registry: bytes, told: Invitation | None) -> Follower:
    """Return the log as far as the invitation tells it, from where it is followed on."""
    events = store.stream(roster_record.stream_id(registry))
    if not events:
        raise IntegrityError("the store holds another registry than the one told", "ask for the registry's id again")
    if told is None:
        return Follower(registry)
    roster = roster_chain.follow(registry, Roster(), events[: told.roster_version])
    made, size = store.commit_of_size(told.size), store.size()
    if roster.version < told.roster_version or size < told.size:
        raise IntegrityError(
            f"the store holds {size} events and {roster.version} of its roster; the invitation names {told.size} and"
            f" {told.roster_version}",
            "it is an older copy of the registry",
        )
    if roster.head != told.roster_head:
        raise IntegrityError(
            f"roster event {roster.version} is not the one that the invitation names", "the store was exchanged"
        )
    if made is None or not _is_named(store, registry, made, told):
        raise IntegrityError(
            f"the log of {told.size} events is not the one that the invitation names", "the store was exchanged"
        )
    check_signed(registry, made, roster.members)
    return Follower(registry, made, roster, events[: told.roster_version])


def _is_named(store: Store, registry: bytes, made: LoggedCommit, told: Invitation) -> bool:
    # The checkpoint holds the root, and thereby number, author and time, but not in words: an event of it says them.
    point = made.checkpoint(registry)
    named = checkpoint_hash(point.text()) == told.checkpoint
    of_roster = (point.roster_length, point.roster_head) == (told.roster_version, told.roster_head)
    return named and of_roster and _holds(ProvenLog(store, registry, made), made)


def _holds(log: ProvenLog, made: LoggedCommit) -> bool:
    """Return whether a commit's last event, proven to be in a log, says the same of its author and time as its row."""
    end = log.end_of(made.checkpoint(log.registry))
    return end is not None and (end.author, end.at) == (made.author, made.at)


def _check_seen(store: Store, log: Follower, other: Pin) -> None:
    """Raise ``IntegrityError`` unless the log goes on from what this machine has seen of the registry elsewhere."""
    if other.seen is None:
        return
    made, head = store.commit(other.commit), log.head
    proven = ProvenLog(store, log.registry, head) if head is not None and other.commit <= head.number else None
    if proven is None or made is None or not same(made, other.seen) or not _holds(proven, made):
        error = other_history(store, other)
        raise IntegrityError(f"{error}, in {other.url}", "it is an older copy, or another one", error.detail)
