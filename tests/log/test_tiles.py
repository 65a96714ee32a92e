"""The C2SP tiled layout: where files lie, and that a log can be read from them."""

import pytest
from hypothesis import given, strategies as st

from registry.errors import IntegrityError, InvalidValue
from registry.log import merkle, tiles
from registry.log.tiles import Tile

LEAVES = [merkle.leaf_hash(b"%d" % number) for number in range(70_000)]
LEVELS = merkle.complete_levels(LEAVES)
SIZES = [1, 2, 255, 256, 257, 511, 512, 1000, 65_535, 65_536, 65_537, 65_792, 70_000]


def get(level, index):
    """Return a stored node of the tree."""
    return LEVELS[level][index]


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0), "tile/0/000"),
        (Tile(0, 0, 1), "tile/0/000.p/1"),
        (Tile(3, 1_234_067), "tile/3/x001/x234/067"),
        (Tile(0, 999), "tile/0/999"),
        (Tile(0, 1000), "tile/0/x001/000"),
        (Tile(None, 273, 112), "tile/entries/273.p/112"),
        (Tile(None, 1_000_000), "tile/entries/x001/x000/000"),
    ],
)
def test_paths_are_those_of_the_specification(tile, path):
    """A tile's number stands in groups of three digits, all but the last behind an x; a partial one's width follows."""
    assert tile.path() == path
    assert Tile.parse(path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "",
        "checkpoint",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/x000/001",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/999",
        "tile/0/000.p",
        "tile/8/000",
        "tile/00/000",
        "tile/-1/000",
        "tile/data/000",
        "tile/0/001/000",
        "tile/0/x001",
        "tile/0/../000",
        "/tile/0/000",
        "tile/0/000\n",
        "tile/0/٠٠٠",
    ],
)
def test_other_paths_are_refused(path):
    """A path that no tile has is refused, whatever number it might be meant to hold."""
    with pytest.raises(InvalidValue):
        Tile.parse(path)


@given(st.none() | st.integers(0, 7), st.integers(0, 2**56), st.integers(1, 256))
def test_every_path_is_read_back(level, index, width):
    """A path says its tile again."""
    tile = Tile(level, index, width)
    assert Tile.parse(tile.path()) == tile


def test_the_example_of_the_specification():
    """A log of 70,000 entries has the full and partial tiles that the specification works out."""
    found = list(tiles.tiles_of(70_000))
    assert [tile for tile in found if tile.width < 256] == [
        Tile(None, 273, 112),
        Tile(0, 273, 112),
        Tile(1, 1, 17),
        Tile(2, 0, 1),
    ]
    assert len(found) == 2 * 274 + 2 + 1
    assert list(tiles.tiles_of(0)) == []


@pytest.mark.parametrize("size", SIZES)
def test_a_log_can_be_read_from_its_tiles(size):
    """Roots and proofs made from the tiles alone are those made from the stored nodes."""
    files = {t.path(): tiles.tile_data(t, get) for t in tiles.tiles_of(size) if t.level is not None}
    from_tiles = tiles.node_getter(lambda tile: files[tile.path()], size)
    assert merkle.root_at(from_tiles, size) == merkle.root_at(get, size)
    for index in {0, size // 2, size // 3, size - 1}:
        assert merkle.inclusion_proof(from_tiles, index, size) == merkle.inclusion_proof(get, index, size)
        old = index + 1
        assert merkle.consistency_proof(from_tiles, old, size) == merkle.consistency_proof(get, old, size)
    assert b"".join(files[t.path()] for t in tiles.tiles_of(size) if t.level == 0) == b"".join(LEAVES[:size])


@pytest.mark.parametrize("size", SIZES)
def test_tiles_are_made_while_leaves_come(size):
    """Made leaf by leaf, the tiles are those made from the stored nodes, and no other."""
    tiling = tiles.Tiling()
    made = dict(found for hashed in LEAVES[:size] for found in tiling.add(hashed)) | dict(tiling.rest())
    assert made == {t: tiles.tile_data(t, get) for t in tiles.tiles_of(size) if t.level is not None}


def test_a_node_that_the_log_has_not_is_refused():
    """Nodes right of the log's end are not made up."""
    files = {t.path(): tiles.tile_data(t, get) for t in tiles.tiles_of(300) if t.level is not None}
    from_tiles = tiles.node_getter(lambda tile: files[tile.path()], 300)
    for level, index in ((0, 300), (0, 600), (3, 37), (8, 1), (16, 0), (70, 0), (0, -1)):
        with pytest.raises(InvalidValue):
            from_tiles(level, index)


@pytest.mark.parametrize("length", [0, 31, 32 * 254, 32 * 255 - 1, 32 * 255 + 1, 32 * 256])
def test_a_tile_holds_as_many_hashes_as_its_path_says(length):
    """A tile of another length is refused."""
    with pytest.raises(IntegrityError):
        tiles.read_tile(Tile(0, 0, 255), bytes(length))


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=20))
def test_entries_are_read_back_and_nothing_else(entries):
    """A bundle gives back its entries; cut, extended or under another width it is refused."""
    data = tiles.bundle_data(entries)
    tile = Tile(None, 0, len(entries))
    assert tiles.read_bundle(tile, data) == entries
    for wrong in (data[:-1], data + b"\0", data + b"\0\0"):
        with pytest.raises(IntegrityError):
            tiles.read_bundle(tile, wrong)
    with pytest.raises(IntegrityError):
        tiles.read_bundle(Tile(None, 0, len(entries) + 1), data)


@pytest.mark.parametrize("entries", [[], [b""] * 257, [bytes(65_536)]])
def test_what_fits_in_no_bundle_is_refused(entries):
    """A bundle holds 1 to 256 entries of at most 65,535 bytes."""
    with pytest.raises(InvalidValue):
        tiles.bundle_data(entries)
    assert tiles.read_bundle(Tile(None, 0, 1), tiles.bundle_data([bytes(65_535)])) == [bytes(65_535)]


def test_bundles_hold_no_hashes():
    """An entry bundle is not made from the tree's nodes."""
    with pytest.raises(InvalidValue):
        tiles.tile_data(Tile(None, 0, 1), get)
