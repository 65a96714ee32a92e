"""Founding a registry: its first commit, made in a store of its own and put in place when it is whole."""

from collections.abc import Sequence

from msgspec import Struct, structs

from registry.domain.events import Context
from registry.domain.roster import ADMIN, AUDIT, FINGERPRINT, GLOBAL, Member, Roster
from registry.domain.roster_events import Founder, FoundingStatement, RosterFounded
from registry.domain.roster_rules import evolve
from registry.pins import Pins
from registry.sealing import aead, grants, roster_record
from registry.sealing.grants import AudienceKey
from registry.sealing.identity import Identity
from registry.sealing.keyring import Keyring
from registry.service.recalling import pin_of
from registry.service.surroundings import Surroundings
from registry.store import codec
from registry.store.contents import Contents
from registry.store.following import Follower
from registry.store.place import Place
from registry.store.roster_chain import FOUNDING_VERSION
from registry.store.rows import Commit
from registry.store.store import Store
from registry.values import MemberId

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


def init_store(place: Place, pins: Pins, founded: Founded, identity: Identity) -> None:
    """Write the founding into a new store; ``AlreadyExists`` where one is. Killed half-way, it leaves no registry."""
    place.check_vacant()
    store = place.create()
    try:
        log = _first_commit(store, founded, identity)
        place.settle(store, lambda: pins.put(pin_of(place.url, log)))
    finally:
        store.discard()


def _first_commit(store: Store, founded: Founded, identity: Identity) -> Follower:
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
