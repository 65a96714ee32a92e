"""What a leaf of the log commits to."""

import hashlib

import pytest
from hypothesis import given, strategies as st
from msgspec import structs

from registry.errors import IntegrityError
from registry.log import leaf as leaves
from registry.log.leaf import Leaf
from registry.sealing.labels import joined

LEAF = Leaf(
    registry=bytes(range(32)),
    position=3,
    commit=2,
    author="a" * 32,
    at="2026-08-16T11:55:35.332000Z",
    originator_id="b" * 32,
    version=7,
    topic="token.described",
    state_hash=leaves.state_hash(b"sealed"),
)
CHANGES = {
    "registry": bytes(32),
    "position": 4,
    "commit": 3,
    "author": "c" * 32,
    "at": "2026-08-16T11:55:35.332Z",
    "originator_id": "c" * 32,
    "version": 8,
    "topic": "token.renamed",
    "state_hash": leaves.state_hash(b"other"),
}


def test_the_format_of_a_leaf_is_fixed():
    """The data of a leaf is what ``docs/formats.md`` says, byte for byte, and its hash is that of RFC 6962."""
    parts = [b"token-registry/v1/log-leaf", bytes(range(32)), (3).to_bytes(8, "big"), (2).to_bytes(8, "big")]
    parts += [b"a" * 32, b"2026-08-16T11:55:35.332000Z", b"b" * 32, (7).to_bytes(8, "big"), b"token.described"]
    parts += [hashlib.sha256(b"sealed").digest()]
    assert LEAF.data() == b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    assert LEAF.hashed() == hashlib.sha256(b"\x00" + LEAF.data()).digest()
    assert LEAF.hashed().hex() == "c581424db3825b55099c8e34db2a4d6029e2070f52bac49c0a4af0c16d618eab"


@pytest.mark.parametrize("column", CHANGES)
def test_a_leaf_commits_to_each_column(column):
    """Whatever is changed of an event makes another leaf, the same moment written otherwise included."""
    assert structs.replace(LEAF, **{column: CHANGES[column]}).hashed() != LEAF.hashed()


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=9), st.integers(0, 2**64 - 1), st.text("ab"))
def test_a_leaf_is_read_back_from_its_data(text, number, other):
    """The data of a leaf says the leaf again."""
    leaf = structs.replace(LEAF, author=text, position=number, topic=other)
    assert Leaf.parse(leaf.data()) == leaf


def test_a_leaf_that_was_cut_or_extended_is_refused():
    """No beginning of a leaf's data is a leaf, nor is the data with anything behind it."""
    data = LEAF.data()
    for end in range(len(data)):
        with pytest.raises(IntegrityError):
            Leaf.parse(data[:end])
    for tail in (b"\x00", bytes(4), b"\x00\x00\x00\x01a"):
        with pytest.raises(IntegrityError):
            Leaf.parse(data + tail)


@given(st.binary(max_size=300), st.integers(0, 250), st.integers(1, 255))
def test_reading_a_leaf_never_fails_otherwise(data, place, change):
    """Any bytes at all are a leaf or refused as damaged; a changed leaf is never read as the same one."""
    changed = bytearray(LEAF.data())
    changed[place % len(changed)] ^= change
    for candidate in (data, bytes(changed)):
        try:
            assert Leaf.parse(candidate) != LEAF
        except IntegrityError:
            continue


@pytest.mark.parametrize(
    "columns",
    [
        {"position": -1},
        {"version": 2**64},
        {"version": "7"},
        {"author": None},
        {"topic": b"bytes"},
        {"at": "\ud800"},
        {"topic": "x" * 70_000},
    ],
)
def test_columns_that_no_event_has_are_refused(columns):
    """A tampered store may hold any type in any column: that is damage, not a crash."""
    with pytest.raises(IntegrityError):
        structs.replace(LEAF, **columns).data()


@pytest.mark.parametrize(
    ("part", "value"),
    [
        (1, bytes(31)),
        (2, bytes(7)),
        (2, bytes(9)),
        (3, b""),
        (4, b"\xff"),
        (7, bytes(9)),
        (9, bytes(31)),
        (0, b"label"),
    ],
)
def test_a_leaf_has_one_form(part, value):
    """A leaf of which a part has another length, or is no text, is refused although its parts can be told apart."""
    parts = leaves._parts(LEAF.data())
    parts[part] = value
    with pytest.raises(IntegrityError):
        Leaf.parse(joined(*parts))
