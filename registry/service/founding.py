"""Founding a registry: its first commit, made in a file of its own and put in place when it is whole."""

import os
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct, structs

from registry.domain.events import Context
from registry.domain.roster import ADMIN, AUDIT, FINGERPRINT, GLOBAL, Member, Roster
from registry.domain.roster_events import Founder, FoundingStatement, RosterFounded
from registry.domain.roster_rules import evolve
from registry.errors import AlreadyExists, StoreUnreadable
from registry.pins import Pin, Pins
from registry.sealing import aead, grants, roster_record
from registry.sealing.grants import AudienceKey
from registry.sealing.identity import Identity
from registry.sealing.keyring import Keyring
from registry.service.recalling import pin_of
from registry.service.surroundings import Surroundings
from registry.store import codec
from registry.store.contents import Contents
from registry.store.following import Follower
from registry.store.lock import queued
from registry.store.roster_chain import FOUNDING_VERSION
from registry.store.rows import Commit
from registry.store.sqlite import SQLiteStore
from registry.values import MemberId

_WAIT = 10.0
_AUDIENCES = (AUDIT, GLOBAL, FINGERPRINT)


class Founded(Struct, frozen=True):
    """A registry's founding: its id and the event that stands first in its roster."""

    registry: bytes
    event: RosterFounded
    audit: AudienceKey


def found(identities: Sequence[tuple[Identity, str]], around: Surroundings) -> Founded:
    """Return the founding by these identities, each with the name it is known by; the first of them signs it."""
    now = around.clock()
    founders = tuple(Founder(MemberId(around.new_id()), identity.public.keys) for identity, _ in identities)
    statement = FoundingStatement(FOUNDING_VERSION, aead.new_key(), now, founders)
    registry = roster_record.registry_id(codec.encode_value(statement))
    members = [Member(founder.member, ADMIN, founder.keys) for founder in founders]
    made = [grants.new_generation(registry, audience) for audience in _AUDIENCES]
    context = Context(founders[0].member, now, around.host, around.client)
    event = RosterFounded(
        originator_id=roster_record.stream_id(registry),
        originator_version=1,
        **structs.asdict(context),
        previous=registry,
        generations=tuple(generation for generation, _ in made),
        grants=tuple(grants.grant(registry, key, member) for _, key in made for member in members),
        statement=statement,
        names={founder.member: name for founder, (_, name) in zip(founders, identities, strict=True)},
    )
    return Founded(registry, event, made[0][1])


def check_vacant(path: Path) -> None:
    """Raise ``AlreadyExists`` if something stands where the store is to be."""
    if path.exists():
        raise AlreadyExists(f"there is a registry at {path} already", "it is never overwritten")


def init_store(path: Path, url: str, pins: Pins, founded: Founded, identity: Identity) -> None:
    """Write the founding into a new store; ``AlreadyExists`` where one is. Killed half-way, it leaves no registry."""
    check_vacant(path)
    partial = path.with_name(f"{path.name}.{os.getpid()}.new")
    store = SQLiteStore.create(partial)
    try:
        log = _first_commit(store, founded, identity)
        store.close()
        _put_in_place(partial, path, pins, pin_of(url, log))
    finally:
        store.discard()


def _put_in_place(partial: Path, path: Path, pins: Pins, pin: Pin) -> None:
    # Pin and store change together: of two foundings at once, the one that comes too late must not leave its pin.
    with queued(path.with_name(path.name + ".lock"), _WAIT):
        check_vacant(path)
        pins.put(pin)
        try:
            os.link(partial, path)
        except FileExistsError:
            raise AlreadyExists(f"there is a registry at {path} already", "it is never overwritten") from None
        except OSError as error:
            raise StoreUnreadable(f"no store can be made at {path}: {error.strerror}") from None


def _first_commit(store: SQLiteStore, founded: Founded, identity: Identity) -> Follower:
    event = founded.event
    roster = evolve(Roster(), event)
    keyring = Keyring(founded.registry, identity, event.by, structs.replace(roster, head=founded.registry))
    keyring.adopt(founded.audit)
    contents = Contents(founded.registry, identity, keyring)
    first = Commit(registry=founded.registry, parent=None, author=event.by, at=event.at, sign=identity.sign)
    store.put(contents, [event], first)
    log = Follower(founded.registry)
    log.advance(store)
    return log
