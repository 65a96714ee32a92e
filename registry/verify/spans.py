"""Cutting the log into pieces that can be verified side by side: commits in a row, and the events between them."""

from collections.abc import Iterable, Iterator
from itertools import chain, pairwise

from msgspec import Struct

from registry.log import present

_EVENTS = 2_000
_COMMITS = 200


class Span(Struct, frozen=True):
    """Commits in a row, both ends included, and the positions of their events.

    It is ``regular`` if their numbers and sizes are such as commits have; where they are not, somebody looks closer.
    """

    first: int
    last: int
    start: int
    end: int
    regular: bool = True


class Edge(Struct, frozen=True):
    """What is known between two commits: the tree so far, and what the commit before says."""

    frontier: tuple[bytes, ...] = ()
    """The tree's complete subtrees, from left to right."""
    at: str = ""
    present: bytes = present.EMPTY_ROOT
    roster_length: int = 0
    shredded: int = 0


def spans(outline: Iterable[tuple[int, object]], first: int, start: int, end: int) -> Iterator[Span]:
    """Yield the pieces of the log from a commit and position on, given number and size of each commit in order.

    What is odd ends with the next commit that can be one. A size that the next commit's takes back is odd itself, so
    that one wrong number does not make all that follow look wrong; and so is the next commit's, for either may be the
    wrong one.
    """
    begin, at, odd = first, start, False
    last, size, taken_back = first - 1, start, False
    for (number, claimed), (_, following) in pairwise(chain(outline, [(0, None)])):
        grown = _between(claimed, size, end)
        takes_back, taken_back = taken_back, False
        if grown is not None:
            taken_back = (_between(following, size, end) or grown + 1) <= grown
            grown = None if taken_back or takes_back else grown
        if not odd and (grown is None or number != last + 1):
            if begin <= last:
                yield Span(begin, last, at, size)
            begin, at, odd = last + 1, size, True
        last = number
        if grown is not None:
            size = grown
            if odd or size - at >= _EVENTS or last - begin >= _COMMITS:
                yield Span(begin, last, at, size, not odd)
                begin, at, odd = last + 1, size, False
    if begin <= last or size < end:
        yield Span(begin, last, at, end, not odd and size == end)


def _between(size: object, start: int, end: int) -> int | None:
    return size if isinstance(size, int) and start < size <= end else None
