"""The present: an authenticated map from a scoped name's tag to the digest of its current row.

It is a Merkle tree of fixed depth over SHA-256 of the tags: three levels of nodes with sixteen children each, and at
its feet buckets of what fell together. What is stored is one *unit* per node and bucket, under a number::

    0          the topmost node                unit n has the children 16 n + 1 ... 16 n + 16
    1 ...      nodes of the second and the third level
    273 ...    buckets: 4,096 of them

    place of a tag   the first twelve bits of SHA-256(label || tag): four bits for each level's choice
    bucket           tag (32) || digest (32) for each of its tags, ascending by tag
    node             bitmap of the children that are not empty (2, lowest bit first) || their hashes (32 each)
    hash of either   SHA-256(label || unit number (4) || bytes); both labels stand behind their length
    root             the hash of unit 0

An empty node or bucket is not stored: its parent's bitmap says that it is empty. So one state of the map has one form
and one root, whatever order it came about in. The store is not trusted: each unit that is read must have the hash its
parent holds, up to a root which the caller trusts, also when the map is changed: else a forged unit beside the change
would be signed with it.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from itertools import count, pairwise
from operator import lt

from msgspec import Struct

from registry.errors import IntegrityError, InvalidValue
from registry.log import labels
from registry.sealing.labels import joined

TAG_LENGTH = 32
DIGEST_LENGTH = 32
UNITS = 4_369
"""How many units there can be."""

UnitGetter = Callable[[int], object]
"""Gives what is stored of a unit, or ``None`` if it is not there; nothing is believed of it."""
UnitReader = Callable[[Sequence[int]], Mapping[int, object]]
"""Gives what is stored of units, all in one go, without those that are not there."""

_WIDTH = 16
_BITMAP = 2
_HASH = 32
_ENTRY = TAG_LENGTH + DIGEST_LENGTH
_FIRST_BUCKET = 273
_PLACE = joined(labels.PRESENT_PLACE)
_NODE = joined(labels.PRESENT_NODE)
_BUCKET = joined(labels.PRESENT_BUCKET)

_sha256 = hashlib.sha256


def unit_hash(unit: int, data: bytes) -> bytes:
    """Return the hash of a node or bucket, bound to its place in the tree."""
    label = _BUCKET if unit >= _FIRST_BUCKET else _NODE
    return _sha256(label + unit.to_bytes(4, "big") + data).digest()


EMPTY_ROOT = unit_hash(0, bytes(_BITMAP))
"""The root of the map without rows."""


def place_of(tag: bytes) -> int:
    """Return which bucket a tag falls into."""
    return int.from_bytes(_sha256(_PLACE + tag).digest()[:2], "big") >> 4


def row_digest(
    *,
    registry: bytes,
    token: str,
    application: str | None,
    name_tag: bytes,
    version: int,
    revision: int,
    box_revision: int,
    position: int,
    card: bytes,
    box: bytes,
    plain: bytes | None,
    fingerprints: bytes,
    wrapped: bytes | None,
) -> bytes:
    """Return the digest of a current row: of every column, each behind its length; ``IntegrityError`` for no row's.

    The wrapped data key, which lies in a table apart, is part of it.
    """
    try:
        return _sha256(
            joined(
                labels.ROW,
                registry,
                token.encode(),
                b"" if application is None else b"\x01" + application.encode(),
                name_tag,
                *(number.to_bytes(8, "big") for number in (version, revision, box_revision, position)),
                card,
                box,
                b"" if plain is None else b"\x01" + plain,
                fingerprints,
                b"" if wrapped is None else b"\x01" + wrapped,
            )
        ).digest()
    except (AttributeError, OverflowError, TypeError, UnicodeError):  # SQLite holds any type in any column
        raise IntegrityError("no token's row has such columns") from None


def units_of(tags: Iterable[bytes]) -> set[int]:
    """Return the units that checking or changing these tags can read, so that a store gives them in one go."""
    units = set()
    for tag in tags:
        unit = _FIRST_BUCKET + place_of(tag)
        while unit not in units:
            units.add(unit)
            if not unit:
                break
            unit = (unit - 1) // _WIDTH
    return units


def _authentic(get: UnitGetter, unit: int, expected: bytes) -> bytes:
    data = get(unit)
    if data is None:
        raise IntegrityError(f"unit {unit} of the present is missing")
    if not isinstance(data, bytes) or unit_hash(unit, data) != expected:
        raise IntegrityError(f"unit {unit} of the present was changed")
    return data


def _malformed(unit: int) -> IntegrityError:
    # Its hash is right: the member who signed the root made it so.
    return IntegrityError(f"unit {unit} of the present is in no known format")


def _start(unit: int, data: bytes, number: int) -> int | None:
    # Where the hash of a child begins in its parent; None if that child is empty.
    bitmap = int.from_bytes(data[:_BITMAP], "big")
    if len(data) != _BITMAP + _HASH * bitmap.bit_count() or not bitmap:
        raise _malformed(unit)
    return _BITMAP + _HASH * (bitmap & ((1 << number) - 1)).bit_count() if bitmap >> number & 1 else None


def _tags(unit: int, data: bytes) -> list[bytes]:
    tags = [data[start : start + TAG_LENGTH] for start in range(0, len(data), _ENTRY)]
    if not data or len(data) % _ENTRY or not all(map(lt, tags, tags[1:])):
        raise _malformed(unit)
    return tags


def _entries(unit: int, data: bytes) -> dict[bytes, bytes]:
    tags = _tags(unit, data)
    return {tag: data[end - DIGEST_LENGTH : end] for tag, end in zip(tags, count(_ENTRY, _ENTRY), strict=False)}


def _path(tag: bytes) -> tuple[int, int, int, int]:
    if len(tag) != TAG_LENGTH:
        raise InvalidValue("that is not the tag of a name")
    place = place_of(tag)
    return 0, 1 + (place >> 8), 1 + _WIDTH + (place >> 4), _FIRST_BUCKET + place


class Known:
    """One state of the map, as far as its nodes were read and checked against its root: that is done but once.

    There are 273 nodes of at most 514 bytes, so all of them are kept; buckets are not.
    """

    __slots__ = ("nodes", "root")

    def __init__(self, root: bytes) -> None:
        self.root = root
        self.nodes: dict[int, bytes] = {}

    def go_on(self, root: bytes, units: Mapping[int, bytes | None]) -> None:
        """Go on to the state that a ``change`` of this one came to."""
        nodes = dict(self.nodes)
        for unit, data in units.items():
            if data is None:
                nodes.pop(unit, None)
            elif unit < _FIRST_BUCKET:
                nodes[unit] = data
        # The root is last: whatever interrupts this, it never stands beside the nodes of another.
        self.nodes = nodes
        self.root = root

    def lookup(self, read: UnitReader, tag: bytes) -> bytes | None:
        """Return the digest of the tag's current row, or ``None`` if there is none; ``IntegrityError`` if units lie."""
        path, expected = _path(tag), self.root
        if expected == EMPTY_ROOT:
            return None
        get = read([unit for unit in path if unit not in self.nodes]).get
        for unit, below in pairwise(path):
            data = self.nodes.get(unit)
            if data is None:
                data = self.nodes[unit] = _authentic(get, unit, expected)
            start = _start(unit, data, (below - 1) % _WIDTH)
            if start is None:
                return None
            expected = data[start : start + _HASH]
        data = _authentic(get, path[-1], expected)
        entry = bisect_left(_tags(path[-1], data), tag) * _ENTRY
        return data[entry + TAG_LENGTH : entry + _ENTRY] if data[entry : entry + TAG_LENGTH] == tag else None

    def check(self, read: UnitReader, tag: bytes, digest: bytes | None) -> None:
        """Raise ``IntegrityError`` unless this is the digest of the tag's current row: ``None`` says there is none."""
        found = self.lookup(read, tag)
        if found == digest:
            return
        if found is None:
            raise IntegrityError("the row belongs to no current token")
        if digest is None:
            raise IntegrityError("the row of a current token is missing")
        raise IntegrityError("the row is not the token's current one")


class Change(Struct, frozen=True):
    """What changing the map came to: its root, and the units that are different; ``None`` for those to be deleted."""

    root: bytes
    units: dict[int, bytes | None]


def change(
    root: bytes, get: UnitGetter, changes: Mapping[bytes, bytes | None], known: Container[bytes] = frozenset()
) -> Change:
    """Return the map after these tags have these digests, or no row where the digest is ``None``.

    The ``known`` tags have rows before, and no other of them has: so nothing is overwritten or dropped by mistake.
    Every unit that is read is checked against the root of before; ``IntegrityError`` if one of this does not hold.
    """
    for tag, digest in changes.items():
        if len(tag) != TAG_LENGTH or (digest is not None and len(digest) != DIGEST_LENGTH):
            raise InvalidValue("that is not the tag or digest of a row")
    if not changes:
        return Change(root, {})
    units: dict[int, bytes | None] = {}
    placed = [(place_of(tag), tag, digest) for tag, digest in changes.items()]
    top = _change_node(_Changing(get, units, known), 0, 8, None if root == EMPTY_ROOT else root, placed)
    return Change(EMPTY_ROOT if top is None else top, units)


_Placed = list[tuple[int, bytes, bytes | None]]


class _Changing(Struct, frozen=True):
    get: UnitGetter
    units: dict[int, bytes | None]
    known: Container[bytes]

    def settle(self, unit: int, before: bytes | None, after: bytes | None, expected: bytes | None) -> bytes | None:
        # The hash the unit has now, or None if it is empty.
        if before == after:
            return expected
        self.units[unit] = after
        return None if after is None else unit_hash(unit, after)


def _change_node(work: _Changing, unit: int, shift: int, expected: bytes | None, placed: _Placed) -> bytes | None:
    before = None if expected is None else _authentic(work.get, unit, expected)
    by_child: dict[int, _Placed] = {}
    for one in placed:
        by_child.setdefault(one[0] >> shift & 15, []).append(one)
    if before is not None and len(by_child) == 1:
        # Of most commits, which change one row, this is all: one hash takes the place of another.
        ((number, below),) = by_child.items()
        start = _start(unit, before, number)
        if start is not None:
            end = start + _HASH
            hashed = _change_child(work, _WIDTH * unit + 1 + number, shift, before[start:end], below)
            if hashed is not None:
                return work.settle(unit, before, before[:start] + hashed + before[end:], expected)
            by_child = {number: []}
    children: list[bytes | None] = [None] * _WIDTH if before is None else _children(unit, before)
    for number, below in by_child.items():
        child = _WIDTH * unit + 1 + number
        children[number] = _change_child(work, child, shift, children[number], below) if below else None
    return work.settle(unit, before, _node(children), expected)


def _change_child(work: _Changing, unit: int, shift: int, expected: bytes | None, placed: _Placed) -> bytes | None:
    if shift:
        return _change_node(work, unit, shift - 4, expected, placed)
    return _change_bucket(work, unit, expected, placed)


def _change_bucket(work: _Changing, unit: int, expected: bytes | None, placed: _Placed) -> bytes | None:
    before = None if expected is None else _authentic(work.get, unit, expected)
    entries = {} if before is None else _entries(unit, before)
    for _, tag, digest in placed:
        if (tag in entries) != (tag in work.known):
            raise IntegrityError("a row is not there that should be, or one that should not")
        if digest is None:
            entries.pop(tag, None)
        else:
            entries[tag] = digest
    return work.settle(unit, before, _bucket(entries), expected)


def _children(unit: int, data: bytes) -> list[bytes | None]:
    bitmap = int.from_bytes(data[:_BITMAP], "big")
    if len(data) != _BITMAP + _HASH * bitmap.bit_count() or not bitmap:
        raise _malformed(unit)
    children: list[bytes | None] = []
    start = _BITMAP
    for number in range(_WIDTH):
        if bitmap >> number & 1:
            children.append(data[start : start + _HASH])
            start += _HASH
        else:
            children.append(None)
    return children


def _node(children: Sequence[bytes | None]) -> bytes | None:
    bitmap = sum(1 << number for number, child in enumerate(children) if child is not None)
    return bitmap.to_bytes(_BITMAP, "big") + b"".join(filter(None, children)) if bitmap else None


def _bucket(entries: Mapping[bytes, bytes]) -> bytes | None:
    return b"".join(tag + entries[tag] for tag in sorted(entries)) or None


def recompute(rows: Iterable[tuple[bytes, bytes]]) -> Change:
    """Return the whole map over the tags and digests of all rows: every unit a store of it must hold, and no other.

    It shares with ``change`` only what a hash is, so that neither's mistakes are repeated by the other.
    """
    units: dict[int, bytes | None] = {}
    first, below = _FIRST_BUCKET, _buckets(rows)
    while True:
        hashes: dict[int, list[tuple[int, bytes]]] = {}
        for place in sorted(below):
            units[first + place] = below[place]
            hashes.setdefault(place >> 4, []).append((place & 15, unit_hash(first + place, below[place])))
        if not first:
            return Change(hashes[0][0][1] if hashes else EMPTY_ROOT, units)
        below = {}
        for place, children in hashes.items():
            bitmap = sum(1 << number for number, _ in children)
            below[place] = bitmap.to_bytes(_BITMAP, "big") + b"".join(hashed for _, hashed in children)
        first = (first - 1) // _WIDTH


def _buckets(rows: Iterable[tuple[bytes, bytes]]) -> dict[int, bytes]:
    buckets: dict[int, list[bytes]] = {}
    last = None
    for tag, digest in sorted(rows):
        if len(tag) != TAG_LENGTH or len(digest) != DIGEST_LENGTH:
            raise IntegrityError("a current row has a tag that is none")
        if tag == last:
            raise IntegrityError("two current rows have one name")
        last = tag
        buckets.setdefault(place_of(tag), []).append(tag + digest)
    return {place: b"".join(entries) for place, entries in buckets.items()}
