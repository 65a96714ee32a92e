"""Joining parts and separating uses: two inputs are never the same bytes."""

from hypothesis import example, given, strategies as st

from registry.log import labels as log_labels
from registry.sealing import labels

parts = st.lists(st.binary(max_size=6), max_size=4)


@given(parts, parts)
@example([b"ab", b"c"], [b"a", b"bc"])
@example([b"", b""], [b""])
@example([b"\x00\x00\x00\x00"], [b"", b""])
def test_two_lists_of_parts_never_join_to_the_same_bytes(one, other):
    """Joining is injective: the bytes tell where each part ends."""
    assert (labels.joined(*one) == labels.joined(*other)) == (one == other)


@given(parts, parts)
def test_joined_parts_tell_no_beginning_from_a_whole(one, more):
    """A longer list begins with the bytes of the shorter, so a reader of a known count reads the same parts."""
    whole = labels.joined(*one, *more)
    read, rest = [], whole
    for _ in range(len(one) + len(more)):
        end = 4 + int.from_bytes(rest[:4], "big")
        read.append(rest[4:end])
        rest = rest[end:]
    assert (read, rest) == ([*one, *more], b"")


def test_every_use_has_a_label_of_its_own():
    """No two labels are equal, those of the log included, and none is the beginning of another by its length prefix."""
    named = {name: value for one in (labels, log_labels) for name, value in vars(one).items() if name.isupper()}
    assert len(set(named.values())) == len(named) > 10
    assert all(value.startswith(b"token-registry/v1/") for value in named.values())
