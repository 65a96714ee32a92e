"""The Merkle tree of RFC 6962: growing it, and making and checking proofs as RFC 9162 says.

What is stored of a tree are its complete subtrees alone, by (level, index): node ``(level, index)`` covers the leaves
from ``index << level`` up to ``(index + 1) << level``, and level 0 holds the leaf hashes. Such a node never changes
once it is there, whatever is appended. Every other node lies on the tree's right edge and is made from them when it
is needed, so that appending a leaf, a root and a proof each cost O(log n).
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from registry.errors import IntegrityError, InvalidValue

HASH_LENGTH = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()
"""The root of the tree without leaves, RFC 6962 section 2.1."""

NodeGetter = Callable[[int, int], bytes]
"""Gives the stored node of a level and index; it may raise what it likes for one that is not there."""

_sha256 = hashlib.sha256


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf, RFC 6962 section 2.1: the prefix tells leaves from nodes."""
    return _sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node, RFC 6962 section 2.1."""
    return _sha256(b"\x01" + left + right).digest()


def node_number(level: int, index: int) -> int:
    """Return the place of a complete subtree in the order in which they come into being, from 0.

    Stored under it, nodes are only ever appended, and those of any tree are the first ``nodes_in`` of them. It is the
    storage order of Go's checksum database (``golang.org/x/mod/sumdb/tlog``).
    """
    number = level
    index = (index + 1 << level) - 1  # its last leaf
    while index:
        number += index
        index >>= 1
    return number


def nodes_in(size: int) -> int:
    """Return how many complete subtrees, leaves included, a tree of that size has."""
    return 2 * size - size.bit_count()


class Growth(Struct, frozen=True):
    """What appending leaves came to: the new size and root, and the nodes to be stored, leaf hashes among them."""

    size: int
    root: bytes
    nodes: dict[tuple[int, int], bytes]


def append(get: NodeGetter, size: int, leaf_hashes: Iterable[bytes]) -> Growth:
    """Return the tree of ``size`` leaves grown by more: it reads its popcount(size) largest complete subtrees."""
    frontier = [(level, get(level, index)) for level, index in complete_subtrees(size)]
    nodes: dict[tuple[int, int], bytes] = {}
    for hashed in leaf_hashes:
        level, index, node = 0, size, hashed
        nodes[0, index] = node
        while index & 1:  # the frontier then ends with its left sibling
            node = _sha256(b"\x01" + frontier.pop()[1] + node).digest()
            level, index = level + 1, index >> 1
            nodes[level, index] = node
        frontier.append((level, node))
        size += 1
    return Growth(size, _folded([node for _, node in frontier]), nodes)


class Frontier:
    """A tree that grows and keeps nothing but its complete subtrees: O(log n) memory for any number of leaves."""

    __slots__ = ("_subtrees", "size")

    def __init__(self, size: int = 0, subtrees: Iterable[bytes] = ()) -> None:
        self.size = size
        self._subtrees = list(subtrees)

    def copy(self) -> "Frontier":
        """Return the same tree, to be grown by itself."""
        return Frontier(self.size, self._subtrees)

    def nodes(self) -> dict[tuple[int, int], bytes]:
        """Return the complete subtrees by level and index, from left to right."""
        return dict(zip(complete_subtrees(self.size), self._subtrees, strict=True))

    def add(self, hashed: bytes) -> None:
        """Append a leaf hash."""
        index = self.size
        while index & 1:
            hashed = _sha256(b"\x01" + self._subtrees.pop() + hashed).digest()
            index >>= 1
        self._subtrees.append(hashed)
        self.size += 1

    def root(self) -> bytes:
        """Return the root over the leaves so far."""
        return _folded(self._subtrees)


def complete_subtrees(size: int) -> list[tuple[int, int]]:
    """Return level and index of the complete subtrees that make up the tree of that size, from left to right."""
    if size < 0:
        raise InvalidValue("a tree cannot have fewer than no leaves")
    return _covering(0, size)


def _covering(start: int, end: int) -> list[tuple[int, int]]:
    # The leaves from start to end, where start is a multiple of the largest power of two up to end - start.
    found = []
    while start < end:
        level = (end - start).bit_length() - 1
        found.append((level, start >> level))
        start += 1 << level
    return found


def _folded(subtrees: Sequence[bytes]) -> bytes:
    if not subtrees:
        return EMPTY_ROOT
    root = subtrees[-1]
    for left in reversed(subtrees[:-1]):
        root = node_hash(left, root)
    return root


def _range_root(get: NodeGetter, start: int, end: int) -> bytes:
    return _folded([get(level, index) for level, index in _covering(start, end)])


def root_at(get: NodeGetter, size: int) -> bytes:
    """Return the root the tree had at a size, from the nodes of that or any larger tree."""
    return _folded([get(level, index) for level, index in complete_subtrees(size)])


def complete_levels(leaf_hashes: Sequence[bytes]) -> list[list[bytes]]:
    """Return every complete subtree of a tree, level by level: what a store must hold, made without ``append``."""
    levels = [list(leaf_hashes)]
    while len(levels[-1]) > 1:
        pairs = iter(levels[-1])
        levels.append([_sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=False)])
    return levels


def root_of(leaf_hashes: Sequence[bytes]) -> bytes:
    """Return the root over all leaf hashes, straight from the definition; an odd last node moves up as it is."""
    nodes = list(leaf_hashes)
    while len(nodes) > 1:
        odd = [nodes[-1]] if len(nodes) & 1 else []
        pairs = iter(nodes)
        nodes = [_sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=False)] + odd
    return nodes[0] if nodes else EMPTY_ROOT


def _split(start: int, end: int) -> int:
    # Where RFC 6962 divides these leaves: behind the largest power of two that is smaller than their number.
    return start + (1 << ((end - start - 1).bit_length() - 1))


def inclusion_proof(get: NodeGetter, index: int, size: int) -> list[bytes]:
    """Return the proof that leaf ``index`` is in the tree of that size, RFC 9162 section 2.1.3.1."""
    if not 0 <= index < size:
        raise InvalidValue(f"there is no leaf {index} in a tree of {size}")
    start, end = 0, size
    siblings = []
    while end - start > 1:
        middle = _split(start, end)
        if index < middle:
            siblings.append((middle, end))
            end = middle
        else:
            siblings.append((start, middle))
            start = middle
    return [_range_root(get, *sibling) for sibling in reversed(siblings)]


def consistency_proof(get: NodeGetter, old_size: int, size: int) -> list[bytes]:
    """Return the proof that the tree of ``old_size`` is the beginning of that of ``size``, RFC 9162 section 2.1.4.1."""
    if not 0 < old_size <= size:
        raise InvalidValue(f"no proof leads from a tree of {old_size} leaves to one of {size}")
    start, end = 0, size
    parts = []
    while end != old_size:
        middle = _split(start, end)
        if old_size <= middle:
            parts.append((middle, end))
            end = middle
        else:
            parts.append((start, middle))
            start = middle
    if start:  # else what is left is the old tree itself, whose root the verifier has
        parts.append((start, end))
    return [_range_root(get, *part) for part in reversed(parts)]


def verify_inclusion(hashed: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Raise ``IntegrityError`` unless the proof shows the leaf hash at ``index`` of the tree, RFC 9162 2.1.3.2."""
    if not 0 <= index < size:
        raise IntegrityError(f"the inclusion proof is for leaf {index} of a tree of {size}, which has no such leaf")
    _check_hashes("inclusion", [hashed, *proof])
    first, second, node = index, size - 1, hashed
    for sibling in proof:
        if second == 0:
            raise IntegrityError("the inclusion proof is longer than the tree is high")
        if first & 1 or first == second:
            node = node_hash(sibling, node)
            while not first & 1 and first:
                first, second = first >> 1, second >> 1
        else:
            node = node_hash(node, sibling)
        first, second = first >> 1, second >> 1
    if second:
        raise IntegrityError("the inclusion proof is shorter than the tree is high")
    if node != root:
        raise IntegrityError(f"leaf {index} is not in the tree of {size} leaves: the proof leads to another root")


def verify_consistency(old_size: int, size: int, proof: Sequence[bytes], old_root: bytes, root: bytes) -> None:
    """Raise ``IntegrityError`` unless the proof shows one tree to begin with the other, RFC 9162 section 2.1.4.2.

    A tree of no leaves begins every tree: such a proof says nothing, and none is accepted.
    """
    if not 0 < old_size <= size:
        raise IntegrityError(f"nothing can show that a tree of {old_size} leaves begins one of {size}")
    if old_size == size:
        if proof:
            raise IntegrityError("the consistency proof of two trees of one size must be empty")
        if old_root != root:
            raise IntegrityError(f"there are two trees of {size} leaves: their roots differ")
        return
    if not proof:
        raise IntegrityError("the consistency proof is empty")
    _check_hashes("consistency", proof)
    _walk_consistency(old_size, size, proof, old_root, root)


def _walk_consistency(old_size: int, size: int, proof: Sequence[bytes], old_root: bytes, root: bytes) -> None:
    # A whole subtree's root is not repeated in the proof: the verifier has it.
    path = list(proof) if old_size & (old_size - 1) else [old_root, *proof]
    first, second = old_size - 1, size - 1
    while first & 1:
        first, second = first >> 1, second >> 1
    old_node = node = path[0]
    for sibling in path[1:]:
        if second == 0:
            raise IntegrityError("the consistency proof is longer than the tree is high")
        if first & 1 or first == second:
            old_node, node = node_hash(sibling, old_node), node_hash(sibling, node)
            while not first & 1 and first:
                first, second = first >> 1, second >> 1
        else:
            node = node_hash(node, sibling)
        first, second = first >> 1, second >> 1
    if second:
        raise IntegrityError("the consistency proof is shorter than the tree is high")
    if old_node != old_root:
        raise IntegrityError(f"the consistency proof leads to another tree of {old_size} leaves")
    if node != root:
        raise IntegrityError(f"the consistency proof leads to another tree of {size} leaves")


def _check_hashes(kind: str, hashes: Iterable[bytes]) -> None:
    if any(len(hashed) != HASH_LENGTH for hashed in hashes):
        raise IntegrityError(f"the {kind} proof holds something that is no hash")
