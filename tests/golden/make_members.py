"""Write ``members.json``: test vectors of members' formats, made from fixed keys.

::

    python -m tests.golden.make_members

Grants and sealed parts come out different in every run, because HPKE and the envelopes take fresh randomness: for them
the vector is what opens. So the file is written once, and a new one means a new version of a format.
"""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

from registry import Identity, Invitation
from registry.domain.roster import AUDIT, FINGERPRINT, GLOBAL, Member, Roster
from registry.domain.roster_events import (
    AudienceRotated,
    Founder,
    FoundingStatement,
    MemberAdmitted,
    MemberRemoved,
    RosterEvent,
    RosterFounded,
)
from registry.domain.roster_rules import evolve
from registry.invitation import checkpoint_hash
from registry.log.checkpoint import Checkpoint
from registry.sealing import grants, roster_record
from registry.sealing.grants import AudienceKey
from registry.sealing.keyring import Keyring
from registry.store import roster_chain
from registry.store.contents import Contents
from registry.store.rows import Stored
from registry.values import MemberId

PLACE = Path(__file__).with_name("members.json")
NOON = datetime(2027, 1, 31, 12, 0, tzinfo=UTC)


def fixed(what: str) -> bytes:
    """Return 32 bytes that everybody can make again."""
    return hashlib.sha256(what.encode()).digest()


def identity(name: str) -> Identity:
    """Return a member's identity, whose private keys are the hashes of ``NAME signs`` and ``NAME opens``."""
    return Identity(name, fixed(f"{name} signs"), fixed(f"{name} opens"))


def member_id(name: str) -> MemberId:
    """Return a member's id."""
    return MemberId(fixed(name)[:16].hex())


class Chain:
    """A roster that grows, event by event, by one admin's hand."""

    def __init__(self) -> None:
        self.author = identity("ada")
        self.founder = Member(member_id("ada"), "admin", self.author.public.keys)
        founders = (Founder(self.founder.id, self.founder.keys),)
        self.statement = FoundingStatement(1, fixed("nonce"), NOON, founders)
        self.registry = roster_record.registry_id(msgspec.json.encode(self.statement))
        self.roster = Roster(head=self.registry)
        self.keys: dict[str, AudienceKey] = {}
        self.events: list[dict[str, Any]] = []

    def rotated(self, *audiences: str, members: list[Member]) -> dict[str, Any]:
        """Return the next generation of audiences, granted to those of the members who are entitled."""
        made = [grants.new_generation(self.registry, audience, self.keys.get(audience)) for audience in audiences]
        self.keys |= {key.audience: key for _, key in made}
        return {
            "generations": tuple(generation for generation, _ in made),
            "grants": tuple(
                grants.grant(self.registry, key, member)
                for _, key in made
                for member in members
                if key.audience in self.roster.audiences_of(member)
            ),
        }

    def facts(self) -> dict[str, Any]:
        """Return what every event has."""
        return {
            "originator_id": roster_record.stream_id(self.registry),
            "originator_version": self.roster.version + 1,
            "by": self.founder.id,
            "at": NOON + timedelta(minutes=self.roster.version),
            "host": "host",
            "client": "golden/1",
            "previous": self.roster.head,
        }

    def add(self, event: RosterEvent) -> None:
        """Seal, sign and keep the next event."""
        after = structs.replace(evolve(self.roster, event), head=b"")
        keyring = Keyring(self.registry, self.author, self.founder.id, after)
        stored = Contents(self.registry, self.author, keyring).stored(event)
        start = self.roster if self.roster.version else Roster()
        self.roster = roster_chain.follow(self.registry, start, [stored])
        self.events.append({"topic": stored.topic, "state": stored.state.hex(), "link": self.roster.head.hex()})


def chain() -> Chain:
    """Return a roster of four events: founded, an auditor admitted, keys rotated, the auditor removed."""
    made, bob = Chain(), Member(member_id("bob"), "auditor", identity("bob").public.keys)
    alone, names = [made.founder], {made.founder.id: "ada"}
    first = made.rotated(AUDIT, GLOBAL, FINGERPRINT, members=alone)
    made.add(RosterFounded(**made.facts(), **first, statement=made.statement, names=names))
    given = grants.grant(made.registry, made.keys[AUDIT], bob)
    admitted = {"member": bob.id, "role": bob.role, "keys": bob.keys, "name": "bob"}
    made.add(MemberAdmitted(**made.facts(), **admitted, grants=(given,)))
    made.add(AudienceRotated(**made.facts(), **made.rotated(AUDIT, GLOBAL, members=[*alone, bob])))
    made.add(MemberRemoved(**made.facts(), **made.rotated(AUDIT, members=alone), member=bob.id, name="bob"))
    return made


def stored_events(document: dict[str, Any]) -> list[Stored]:
    """Return the stored events of the roster in the vectors."""
    stream = document["registry_id"][:32]
    return [
        Stored(stream, version, event["topic"], bytes.fromhex(event["state"]))
        for version, event in enumerate(document["roster"], 1)
    ]


def invitation(registry: bytes, head: bytes) -> dict[str, Any]:
    """Return an invitation to the registry, and what it says beside the roster's end."""
    point = Checkpoint(
        registry=registry,
        size=17,
        root=fixed("root"),
        commit=11,
        present=fixed("present"),
        roster_length=4,
        roster_head=head,
        shredded=12,
    ).text()
    text = Invitation(registry, 17, checkpoint_hash(point), 4, head).text()
    return {"size": 17, "checkpoint": point, "roster_version": 4, "text": text}


def main() -> None:
    """Write the file."""
    made, bob = chain(), identity("bob")
    granted = next(g for g in made.roster.grants if g.member == member_id("bob") and g.number == 1)
    key = made.roster.generations[AUDIT][0]
    opened = grants.open_grant(made.registry, bob.sealing_private, granted, key)
    document = {
        "registry_id": made.registry.hex(),
        "founding_statement": msgspec.json.encode(made.statement).decode(),
        "public_line": bob.public.line(),
        "invitation": invitation(made.registry, made.roster.head),
        "grant": {
            "audience": granted.audience,
            "generation": granted.number,
            "member": granted.member,
            "sealed": granted.sealed.hex(),
            "private_key": bob.sealing_private.hex(),
            "key": opened.key.hex(),
            "commitment": key.commitment.hex(),
            "public": (key.public or b"").hex(),
        },
        "roster": made.events,
    }
    PLACE.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
