"""The log in one pass over its rows, fast: leaves, nodes, roots, signatures, roles, times, the roster's place in it.

It says of a piece of the log that all is well, or that something is not; what, is for ``diagnosis`` to find out.

Each piece begins with the nodes that are stored for the tree before it. They are not believed: whoever puts the pieces
together compares them with those that the piece before has led to.
"""

import hashlib
import struct
from binascii import b2a_base64
from collections.abc import Iterator
from datetime import UTC, datetime

from cryptography.exceptions import InvalidSignature
from msgspec import Struct

from registry.domain.roster import ADMIN, Member
from registry.domain.roster_rules import may_commit
from registry.errors import RegistryError
from registry.log import labels, merkle
from registry.log.checkpoint import origin
from registry.sealing.labels import joined
from registry.store.raw import RawStore, Row
from registry.store.topics import ROSTER_TOPICS
from registry.verify.spans import Edge, Span
from registry.verify.timeline import Signers, Timeline

_sha256 = hashlib.sha256
_length = struct.Struct(">I").pack
_number = struct.Struct(">Q").pack
_EIGHT, _HASH = _length(8), _length(32)
_ID_LENGTH = 32
_LONGEST_TOPIC = 1_000
_SEEN = (RegistryError, AttributeError, TypeError, ValueError, ArithmeticError, LookupError, struct.error)
"""What columns of another type, or values that no column has, end in."""


class Walked(Struct, frozen=True):
    """A piece of the log: what it began with, and what it led to; ``None`` if anything in it is not right."""

    before: Edge | None = None
    after: Edge | None = None


class _Odd(Exception):
    pass


class Walker:
    """Walks over pieces of one log."""

    def __init__(self, store: RawStore, timeline: Timeline, latest: datetime) -> None:
        self._store = store
        self._latest = latest
        self._timeline = timeline
        self._signers = Signers()
        self._leaf = b"\x00" + joined(labels.LEAF, timeline.registry) + _EIGHT
        self._roster_places = frozenset(timeline.positions)
        self._topics: dict[str, bytes] = {}
        self._last = "", datetime.min.replace(tzinfo=UTC)
        """The time of the commit that was walked over last, as a text and as what it says."""
        self._origin = origin(timeline.registry)

    def walk(self, span: Span) -> Walked:
        """Return what the piece began with and led to."""
        try:
            return self._walk(span)
        except (_Odd, InvalidSignature, *_SEEN):
            return Walked()

    def _walk(self, span: Span) -> Walked:
        rows = self._store.commits(max(0, span.first - 1), span.last)
        before = edge = self._edge(rows.pop(0) if span.first else None, span.start)
        if len(rows) != span.last - span.first + 1:
            raise _Odd
        commits, stack, position = iter(rows), list(before.frontier), span.start
        row, member, start = self._next(commits, edge, position)
        for page in self._store.events(span.start, span.end):
            first, made, done = position, list[bytes](), 0
            while done < len(page):
                if position == row[3]:
                    edge = self._commit(row, start, edge, member, stack)
                    row, member, start = self._next(commits, edge, position)
                taken = page[done : done + row[3] - position]
                self._leaves(row, taken, position, member, (stack, made))
                position, done = position + len(taken), done + len(taken)
            if made != self._store.node_hashes(merkle.nodes_in(first), merkle.nodes_in(position)):
                raise _Odd
        if position != span.end or position != row[3] or next(commits, None) is not None:
            raise _Odd
        return Walked(before, self._commit(row, start, edge, member, stack))

    def _next(self, commits: Iterator[Row], edge: Edge, position: int) -> tuple[Row, Member, int]:
        row = next(commits, None)
        if row is None or row[3] <= position:
            raise _Odd
        return row, self._author(row, edge), position

    def _edge(self, row: Row | None, size: int) -> Edge:
        if row is None:
            return Edge()
        numbers = [merkle.node_number(*place) for place in merkle.complete_subtrees(size)]
        frontier = tuple(self._store.node(number) for number in numbers)
        return Edge(frontier, at=row[2], present=row[5], roster_length=row[6], shredded=row[8])

    def _author(self, row: Row, before: Edge) -> Member:
        length = self._timeline.length(row[3])
        members = self._timeline.members(before.roster_length, length)
        if members is None or row[1] not in members:
            raise _Odd
        return members[row[1]]

    def _leaves(
        self, row: Row, events: list[Row], position: int, member: Member, grown: tuple[list[bytes], list[bytes]]
    ) -> None:
        """Grow the tree by events of a commit: the stack becomes its complete subtrees, the nodes made are added."""
        stack, made = grown
        number, author, at = row[0], row[1].encode(), row[2].encode()
        head, middle = self._leaf, _EIGHT + _number(number) + joined(author, at) + _length(_ID_LENGTH)
        stream, topics, free, keep = self._timeline.stream, self._topics, member.role == ADMIN, made.append
        for found, of_commit, originator, version, topic, state in events:
            if found != position or of_commit != number or len(originator) != _ID_LENGTH:
                raise _Odd
            if originator == stream or topic in ROSTER_TOPICS:
                self._check_roster(originator, topic, position)
            if not (free or may_commit(member, topic, originator)):
                raise _Odd
            kind = topics.get(topic) or self._topic(topic)
            place = head + _number(position) + middle + originator.encode() + _EIGHT + _number(version) + kind
            node = _sha256(place + _sha256(state).digest()).digest()
            keep(node)
            index = position
            while index & 1:
                node = _sha256(b"\x01" + stack.pop() + node).digest()
                keep(node)
                index >>= 1
            stack.append(node)
            position += 1

    def _topic(self, topic: str) -> bytes:
        if len(topic) > _LONGEST_TOPIC:
            raise _Odd
        encoded = self._topics[topic] = joined(topic.encode()) + _HASH
        return encoded

    def _check_roster(self, originator: str, topic: str, position: int) -> None:
        if originator != self._timeline.stream or topic not in ROSTER_TOPICS or position not in self._roster_places:
            raise _Odd

    def _commit(self, row: Row, start: int, before: Edge, member: Member, stack: list[bytes]) -> Edge:
        number, _, at, size, root, present, roster_length, roster_head, shredded, signature = row
        timeline, length = self._timeline, self._timeline.length(size)
        moment, (text, last) = datetime.fromisoformat(at), self._last
        # As ``rfc3339`` writes it: what ends in Z is of UTC, and nothing else is left of it but this.
        if f"{moment.isoformat()[:-6]}Z" != at or moment > self._latest:
            raise _Odd
        if before.at and moment < (last if text == before.at else datetime.fromisoformat(before.at)):
            raise _Odd
        self._last = at, moment
        if (roster_length, roster_head) != (length, timeline.rosters[length].head):
            raise _Odd
        if length != before.roster_length and length - timeline.length(start) > 1:
            raise _Odd
        if not before.shredded <= shredded <= number + 1:
            raise _Odd
        if member.role != ADMIN and present != before.present:
            raise _Odd
        if folded(stack) != root:
            raise _Odd
        key = self._signers.key(member.keys.signing)
        if key is None:
            raise _Odd
        key.verify(signature, signed_text(self._origin, row).encode())
        return Edge(tuple(stack), at, present, roster_length, shredded)


def folded(subtrees: list[bytes]) -> bytes:
    """Return the root of a tree that has at least one complete subtree, given all of them from left to right."""
    root = subtrees[-1]
    for left in subtrees[-2::-1]:
        root = _sha256(b"\x01" + left + root).digest()
    return root


def signed_text(origin_line: str, row: Row) -> str:
    """Return the text that the author of a commit signed, given its columns."""
    number, _, _, size, root, present, roster_length, roster_head, shredded, _ = row
    return (
        f"{origin_line}\n{size}\n{b2a_base64(root).decode()}commit {number}\npresent {b2a_base64(present).decode()}"
        f"roster-length {roster_length}\nroster-head {b2a_base64(roster_head).decode()}shredded {shredded}\n"
    )
