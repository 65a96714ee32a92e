"""The tree of a log in which leaves or nodes are wrong, worked out with more than one guess for each.

For a leaf there are two: the one that its event makes, and the one that is stored. For a node there are those that the
guesses below it make, and the one that is stored. Each guess carries what is wrong if it is the right one. The root
that a commit's author signed decides, as soon as one is over the leaves in question: then the guesses that lead to it
are the right ones, and what they carry is what is wrong.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import product

from msgspec import Struct

from registry.log.merkle import EMPTY_ROOT, node_hash
from registry.log.problems import EVENT, NODE, Problem

_MOST = 16
"""How many guesses are kept for one node."""
_MOST_ROOTS = 20_000
"""How many combinations of guesses are tried for one root."""

MISSING = "the event is missing"
LEAF_MISSING = "the leaf of the tree is missing"
NODE_MISSING = "a node of the tree above this leaf is missing"

Blames = tuple["Blames | Problem", ...]
StoredNode = Callable[[int, int], bytes | None]


class Guess(Struct, frozen=True):
    """A hash that a node may have, and what is wrong if it has."""

    hash: bytes
    blames: Blames = ()
    weight: int = 0
    """How much is wrong: of guesses that nothing decides between, the one with the least is taken."""

    def problems(self) -> Iterator[Problem]:
        """Yield what is wrong."""
        pending: list[Blames | Problem] = [self.blames]
        while pending:
            blame = pending.pop()
            if isinstance(blame, Problem):
                yield blame
            else:
                pending += blame


class Tree:
    """A tree that grows by guesses, from complete subtrees that are known."""

    def __init__(self, size: int, frontier: Sequence[bytes], stored: StoredNode) -> None:
        self.size = size
        self._subtrees: list[list[Guess]] = [[Guess(node)] for node in frontier]
        self._stored = stored

    @property
    def lacking(self) -> bool:
        """Whether there is a part of the tree of which nobody has any guess, so that it can have any root."""
        return not all(self._subtrees)

    @property
    def settled(self) -> tuple[bytes, ...] | None:
        """The complete subtrees, from left to right; ``None`` while there is more than one guess, or none."""
        if any(len(guesses) != 1 or guesses[0].blames for guesses in self._subtrees):
            return None
        return tuple(guesses[0].hash for guesses in self._subtrees)

    def add(self, guesses: Sequence[Guess]) -> None:
        """Append a leaf; no guesses stand for one that nobody knows."""
        node, index, level = list(guesses), self.size, 0
        while index & 1:
            node, level, index = self._parent(self._subtrees.pop(), node, level + 1, index >> 1), level + 1, index >> 1
        self._subtrees.append(node)
        self.size += 1

    def skip(self, size: int, frontier: Sequence[bytes | None]) -> None:
        """Go on behind leaves of which nothing is known, with the complete subtrees that are stored for that size."""
        self.size = size
        self._subtrees = [[] if node is None else [Guess(node)] for node in frontier]

    def _parent(self, left: list[Guess], right: list[Guess], level: int, index: int) -> list[Guess]:
        stored, first = self._stored(level, index), index << level
        made: dict[bytes, Guess] = {}
        for one, other in product(left, right):
            hashed, weight = node_hash(one.hash, other.hash), 0
            blames: Blames = (one.blames, other.blames)
            if stored != hashed:
                what = (
                    NODE_MISSING if stored is None else f"the node {index} of level {level} is not the hash of its two"
                )
                blames, weight = (*blames, Problem(first, NODE, what)), 1
            weight += one.weight + other.weight
            if not (one.blames or other.blames or weight):
                blames = ()
            if hashed not in made or made[hashed].weight > weight:
                made[hashed] = Guess(hashed, blames, weight)
        guesses = sorted(made.values(), key=lambda guess: guess.weight)[: _MOST - 1]
        if stored is not None and stored not in made:
            # Then all that is guessed on one of its sides is wrong: an event and its stored leaf alike.
            doubtful = [guesses for guesses in (left, right) if len(guesses) != 1 or guesses[0].blames]
            beneath: Blames = tuple(guess.blames for guesses in doubtful for guess in guesses)
            if not doubtful:
                beneath = (Problem(first, EVENT, _among(first, first + (1 << level))),)
            guesses.append(Guess(stored, beneath, 2 + level))
        return guesses

    def settle(self, root: bytes) -> list[Problem] | None:
        """Return what is wrong if the tree has this root now; ``None``, and nothing is decided, if it cannot have it.

        What was decided once is not told again.
        """
        for chosen in self._combinations():
            if _folded(chosen) == root:
                return self._take(chosen)
        return None

    def give_in(self) -> list[Problem]:
        """Decide for the guesses by which the least is wrong, where nothing else decides, and return what that is."""
        least = [sorted(guesses, key=_doubt)[:1] for guesses in self._subtrees]
        found = [problem for guesses in least for guess in guesses for problem in guess.problems()]
        self._subtrees = [[Guess(guess.hash) for guess in guesses] for guesses in least]
        return found

    def _combinations(self) -> Iterator[tuple[Guess, ...]]:
        number = 1
        for guesses in self._subtrees:
            number *= len(guesses)
        if number > _MOST_ROOTS:
            return iter([tuple(guesses[0] for guesses in self._subtrees)])
        return product(*self._subtrees)

    def _take(self, chosen: Sequence[Guess]) -> list[Problem]:
        self._subtrees = [[Guess(guess.hash)] for guess in chosen]
        return [problem for guess in chosen for problem in guess.problems()]


def leaf_guesses(position: int, of_event: bytes | None, stored: bytes | None, why: str) -> list[Guess]:
    """Return the guesses for a leaf: what its event makes, and what is stored; ``why`` is what is wrong without one."""
    changed = Problem(position, EVENT, why)
    if of_event is None:
        return [] if stored is None else [Guess(stored, (changed,), 1)]
    if stored is None:
        return [Guess(of_event, (Problem(position, NODE, LEAF_MISSING),), 1)]
    if of_event == stored:
        return [Guess(stored)]
    wrong = Problem(position, NODE, f"the leaf {position} of the tree is not that of its event")
    return [Guess(of_event, (wrong,), 1), Guess(stored, (changed,), 1)]


def _among(first: int, end: int) -> str:
    return f"an event from position {first} on and before {end} is not the one committed"


def _doubt(guess: Guess) -> tuple[int, bool]:
    # What leaves an event in doubt is the worse thing to overlook.
    return guess.weight, not any(problem.kind == EVENT for problem in guess.problems())


def _folded(chosen: Sequence[Guess]) -> bytes:
    if not chosen:
        return EMPTY_ROOT
    root = chosen[-1].hash
    for left in reversed(chosen[:-1]):
        root = node_hash(left.hash, root)
    return root
