"""Commits to fill a store with."""

import hashlib
from datetime import UTC, datetime, timedelta

from registry.domain.events import Context
from registry.domain.roster import Roster
from registry.domain.roster_events import PolicyChanged
from registry.domain.token_events import TokenCreated, TokenTested
from registry.log import merkle
from registry.store import roster_chain
from registry.store.rows import Commit, TokenRow
from registry.values import ApplicationId, TokenId
from tests.domain.facts import sealed

NOON = datetime(2027, 1, 31, 12, 0, tzinfo=UTC)
PAYROLL = ApplicationId("c" * 32)


def token_id(number):
    """Return the id of a token."""
    return TokenId(f"{number:032x}")


def tag(name):
    """Return the tag of a name."""
    return hashlib.sha256(str(name).encode()).digest()


def row(number, *, name=None, version=1, application=None, plain=None, fingerprints=b"", wrapped=b"k", position=0):
    """Return a current row, under the tag of its number unless it has a name."""
    return TokenRow(
        token=token_id(number),
        application=application,
        name_tag=tag(number if name is None else name),
        version=version,
        revision=1,
        box_revision=1,
        position=position,
        card=b"card %d" % number,
        box=b"box %d" % number,
        plain=plain,
        fingerprints=fingerprints,
        wrapped=wrapped,
    )


def frontier(store, made):
    """Return the complete subtrees of the log with a commit, as they are stored."""
    places = merkle.complete_subtrees(made.size if made else 0)
    nodes = store.nodes(merkle.node_number(*place) for place in places)
    return {place: nodes[number] for place in places if (number := merkle.node_number(*place)) in nodes}


class Writer:
    """A member who commits to a store."""

    def __init__(self, store, contents, member, registry, identity):
        """Begin at the store's present end."""
        self.store, self.contents, self.member = store, contents, member
        self.registry, self.identity = registry, identity

    def next(self, **wished):
        """Return the next commit, with what is wished; it knows the rows that it replaces or drops."""
        parent = wished.pop("parent", self.store.head())
        number = parent.number + 1 if parent else 0
        facts = {
            "registry": self.registry,
            "parent": parent,
            "author": self.member,
            "at": NOON + timedelta(seconds=number),
            "sign": self.identity.sign,
            "frontier": frontier(self.store, parent),
        }
        return Commit(**(facts | {"replaced": self.replaced(wished)} | wished))

    def replaced(self, wished):
        """Return the rows that what is wished replaces or drops, by their tokens."""
        if "replaced" in wished:
            return wished["replaced"]
        changed = [*(row.token for row in wished.get("rows", ())), *wished.get("dropped", ())]
        return {before.token: before for before in map(self.store.row, changed) if before}

    def put(self, events, **wished):
        """Commit the events."""
        return self.store.put(self.contents, events, self.next(**wished))

    def context(self):
        """Return who acts."""
        return Context(self.member, NOON, "desk", "tests/1")

    def created(self, number, name="Zoom"):
        """Return the first event of a token."""
        common = {"by": self.member, "at": NOON, "host": "desk", "client": "tests/1"}
        return TokenCreated(
            originator_id=token_id(number),
            originator_version=1,
            revision=1,
            name=name,
            provider="zoom",
            credentials=sealed(),
            **common,
        )

    def tested(self, number, version):
        """Return a later event of a token."""
        common = {"by": self.member, "at": NOON, "host": "desk", "client": "tests/1"}
        return TokenTested(
            originator_id=token_id(number), originator_version=version, revision=1, outcome="accepted", **common
        )


def facts(writer, version):
    """Return what an event of the roster has that follows what stands in the store."""
    stream, roster = writer.registry[:16].hex(), Roster()
    for stored in writer.store.stream(stream):
        roster = roster_chain.follow(writer.registry, roster, [stored])
    place = {"originator_id": stream, "originator_version": version, "previous": roster.head}
    return place | {"by": writer.member, "at": NOON, "host": "desk", "client": "tests/1"}


def policy(writer, version, **changes):
    """Return a change of the roster, by alice unless told otherwise."""
    return PolicyChanged(**(facts(writer, version) | {"policy": "allow-plaintext", "value": "yes"} | changes))
