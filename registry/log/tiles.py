"""The layout of C2SP tlog-tiles (https://c2sp.org/tlog-tiles@v0.1.0): where a log's parts lie as plain files.

::

    checkpoint                            the newest signed checkpoint
    tile/<L>/<N>[.p/<W>]                  256 hashes (W of them): nodes of level 8 L of the tree, from 256 N on
    tile/entries/<N>[.p/<W>]              256 entries (W of them), each behind its length in two bytes

N is written in groups of three digits, all but the last behind an ``x``: 1234067 is ``x001/x234/067``.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

from msgspec import Struct

from registry.errors import IntegrityError, InvalidValue
from registry.log.leaf import LONGEST_LEAF
from registry.log.merkle import HASH_LENGTH, NodeGetter, complete_levels, root_of

CHECKPOINT_PATH = "checkpoint"
WIDTH = 256
_LEVELS = 8
"""How many levels of the tree lie between one level of tiles and the next."""
_ENTRIES = "entries"
_HIGHEST = 7
"""2**63 leaves have no tile above this level."""
_PATH = re.compile(r"tile/(entries|[0-7])/(.*)", re.DOTALL)
_NUMBERED = re.compile(r"((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?\Z")
_CACHED_TILES = 64


def numbered_path(index: int, width: int = WIDTH) -> str:
    """Return ``<N>[.p/<W>]``: the end of the path of a file that holds so many of the log's things, from 256 N on."""
    groups = [f"{index % 1000:03d}"]
    rest = index // 1000
    while rest:
        groups.insert(0, f"x{rest % 1000:03d}")
        rest //= 1000
    return "/".join(groups) + ("" if width == WIDTH else f".p/{width}")


def parse_numbered(path: str) -> tuple[int, int]:
    """Return number and width of such a path; ``InvalidValue`` unless it is written as ``numbered_path`` writes it."""
    match = _NUMBERED.match(path)
    if match is not None:
        found = int(match[1].replace("/", "").replace("x", "")), int(match[2] or WIDTH)
        if numbered_path(*found) == path and found[1] <= WIDTH:
            return found
    raise InvalidValue(f"{path!r} is not the path of a numbered file")


class Tile(Struct, frozen=True):
    """One file of the layout: hashes of a level of tiles, or entries where ``level`` is ``None``."""

    level: int | None
    index: int
    width: int = WIDTH

    def path(self) -> str:
        """Return where it lies, relative to the log's folder."""
        folder = _ENTRIES if self.level is None else self.level
        return f"tile/{folder}/{numbered_path(self.index, self.width)}"

    @classmethod
    def parse(cls, path: str) -> "Tile":
        """Return which tile lies at a path; ``InvalidValue`` unless it is written exactly as ``path`` writes it."""
        match = _PATH.match(path)
        if match is None:
            raise InvalidValue(f"{path!r} is not the path of a tile")
        return cls(None if match[1] == _ENTRIES else int(match[1]), *parse_numbered(match[2]))


def tiles_of(size: int) -> Iterator[Tile]:
    """Give every tile and entry bundle of a log of that size: the full ones, and the partial one that ends a level."""
    levels: list[int | None] = [None, *range(_HIGHEST + 1)]
    for level in levels:
        count = _nodes(level, size)
        yield from (Tile(level, index) for index in range(count // WIDTH))
        if count % WIDTH:
            yield Tile(level, count // WIDTH, count % WIDTH)


def tile_at(level: int | None, index: int, size: int) -> Tile:
    """Return the tile as it is in a log of that size; ``InvalidValue`` if there is none."""
    width = min(WIDTH, _nodes(level, size) - index * WIDTH)
    if width <= 0 or index < 0:
        raise InvalidValue(f"a log of {size} entries has no such tile")
    return Tile(level, index, width)


def _nodes(level: int | None, size: int) -> int:
    return size >> (_LEVELS * (level or 0))


class Tiling:
    """Makes the tiles of hashes while a log's leaf hashes come, and keeps no more than one unfinished tile a level."""

    def __init__(self) -> None:
        self._levels: list[tuple[int, list[bytes]]] = [(0, []) for _ in range(_HIGHEST + 1)]

    def add(self, hashed: bytes) -> Iterator[tuple[Tile, bytes]]:
        """Append a leaf hash and give each tile that it completes, with its bytes."""
        for level, (index, hashes) in enumerate(self._levels):
            hashes.append(hashed)
            if len(hashes) < WIDTH:
                return
            yield Tile(level, index), b"".join(hashes)
            self._levels[level] = index + 1, []
            hashed = root_of(hashes)

    def rest(self) -> Iterator[tuple[Tile, bytes]]:
        """Give the partial tile that ends each level of the log as it is now."""
        for level, (index, hashes) in enumerate(self._levels):
            if hashes:
                yield Tile(level, index, len(hashes)), b"".join(hashes)


def tile_data(tile: Tile, get: NodeGetter) -> bytes:
    """Return a tile's bytes from the tree's stored nodes."""
    if tile.level is None:
        raise InvalidValue("an entry bundle is not made of hashes")
    first = tile.index * WIDTH
    return b"".join(get(_LEVELS * tile.level, index) for index in range(first, first + tile.width))


def read_tile(tile: Tile, data: bytes) -> list[bytes]:
    """Return a tile's hashes; ``IntegrityError`` unless there are as many as its path says."""
    if len(data) != tile.width * HASH_LENGTH:
        raise IntegrityError(f"the tile {tile.path()} does not hold {tile.width} hashes")
    return [data[place : place + HASH_LENGTH] for place in range(0, len(data), HASH_LENGTH)]


def bundle_data(entries: Sequence[bytes]) -> bytes:
    """Return the bytes of an entry bundle; ``InvalidValue`` if there are too many entries, or one is too long."""
    if not 0 < len(entries) <= WIDTH or any(len(entry) > LONGEST_LEAF for entry in entries):
        raise InvalidValue("such entries make no entry bundle")
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def read_bundle(tile: Tile, data: bytes) -> list[bytes]:
    """Return a bundle's entries; ``IntegrityError`` unless there are as many as its path says, and nothing else."""
    entries: list[bytes] = []
    place = 0
    while place < len(data) and len(entries) < tile.width:
        start = place + 2
        end = start + int.from_bytes(data[place:start], "big")
        entries.append(data[start:end])
        place = end
    if place != len(data) or len(entries) != tile.width:
        raise IntegrityError(f"the entry bundle {tile.path()} does not hold {tile.width} entries")
    return entries


def node_getter(read: Callable[[Tile], bytes], size: int) -> NodeGetter:
    """Return what gives the nodes of a log of that size from its tiles, so that proofs are made as from a store."""

    @lru_cache(maxsize=_CACHED_TILES)
    def hashes(level: int, index: int) -> list[bytes]:
        tile = tile_at(level, index, size)
        return read_tile(tile, read(tile))

    def get(level: int, index: int) -> bytes:
        tile_level, above = divmod(level, _LEVELS)
        first = index << above
        found = hashes(tile_level, first // WIDTH)[first % WIDTH :][: 1 << above]
        if len(found) != 1 << above:
            raise InvalidValue(f"a log of {size} entries has no such node")
        return complete_levels(found)[above][0]

    return get
