"""The current rows against the present that the newest commit's author vouched for.

The stored units are believed as far as their hashes lead down from its root. Where they do, they say of each row
whether it is the one committed; where they do not, the rows themselves may still make up the root, and then the units
are what is wrong.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec import Struct

from registry.errors import IntegrityError
from registry.log import present, problems
from registry.log.problems import Problem
from registry.verify.findings import NO_DIGEST, Suspect
from registry.verify.rows import CurrentRow

_WIDTH, _BITMAP, _HASH = 16, 2, 32
_SOME_TAG = bytes(present.TAG_LENGTH)
_ENTRY = present.TAG_LENGTH + present.DIGEST_LENGTH
_NAMED = 3


class Units(Struct, frozen=True):
    """What the stored units of the present say, as far as they are to be believed."""

    digests: Mapping[bytes, bytes]
    """By tag, of the buckets that can be believed."""
    wrong: frozenset[int]
    """Units that are missing, too many, or not what their parent's hash is over."""
    below: frozenset[int]
    """Of these, the ones below which nothing can be believed."""

    def say(self, tag: bytes, digest: bytes) -> bool | None:
        """Return whether the row of a tag has this digest; ``None`` if nobody can know."""
        unit = max(present.units_of([tag]))
        while self.below:
            if unit in self.below:
                return None
            if not unit:
                break
            unit = (unit - 1) // _WIDTH
        return self.digests.get(tag) == digest


_NOTHING = Units({}, frozenset(), frozenset({0}))
"""What is said where nothing is believed."""


def believed(root: bytes, stored: Mapping[int, object]) -> Units:
    """Return what stored units say that lead down from a root."""
    digests: dict[bytes, bytes] = {}
    below, seen = set[int](), set[int]()
    first = max(present.units_of([_SOME_TAG])) - present.place_of(_SOME_TAG)
    pending = [] if root == present.EMPTY_ROOT else [(0, root)]
    while pending:
        unit, expected = pending.pop()
        seen.add(unit)
        data = stored.get(unit)
        if not isinstance(data, bytes) or present.unit_hash(unit, data) != expected:
            below.add(unit)
        elif unit >= first:
            digests |= {data[i : i + 32]: data[i + 32 : i + _ENTRY] for i in range(0, len(data), _ENTRY)}
        else:
            pending += _children(unit, data)
    unread = (unit for unit in stored if unit not in seen and not _is_below(unit, below))
    return Units(digests, frozenset({*below, *unread}), frozenset(below))


def _children(unit: int, data: bytes) -> Iterator[tuple[int, bytes]]:
    bitmap, start = int.from_bytes(data[:_BITMAP], "big"), _BITMAP
    for number in range(_WIDTH):
        if bitmap >> number & 1:
            yield _WIDTH * unit + 1 + number, data[start : start + _HASH]
            start += _HASH


def _is_below(unit: int, above: set[int]) -> bool:
    while unit > 0:
        unit = (unit - 1) // _WIDTH
        if unit in above:
            return True
    return False


class Present:
    """Decides what is wrong with the current rows of one moment.

    ``root`` is what the newest commit vouched for, ``None`` if that is not to be believed. ``position_of`` gives where
    a token's last event stands. ``opened`` says whether cards were opened.
    """

    def __init__(
        self,
        root: bytes | None,
        stored: Mapping[int, object] | None,
        *,
        size: int,
        opened: bool,
        position_of: Callable[[str], int],
    ) -> None:
        self._root = root
        self._stored = stored
        self._size = size
        self._opened = opened
        self._position_of = position_of

    def problems(
        self, rows: Sequence[CurrentRow], digests: bytes, suspects: Sequence[Suspect], *, compare: bool
    ) -> Iterator[Problem]:
        """Yield what is wrong, given each row's tag and digest in the same order; ``compare`` with the present."""
        told = [digests[i : i + _ENTRY] for i in range(0, len(digests), _ENTRY)]
        whole = _recomputed(one for one in told if one != NO_DIGEST)
        stored = self._stored
        if not compare:
            yield from self._rows(rows, told, suspects, _NOTHING)
        elif whole is not None and NO_DIGEST not in told and whole.root == self._root:
            wrong = set() if stored is None else {*whole.units.items()} ^ {*stored.items()}
            yield from self._units(frozenset(unit for unit, _ in wrong))
            yield from self._rows(rows, told, suspects, None)
        elif self._root is None or stored is None:
            found = list(self._rows(rows, told, suspects, _NOTHING))
            if not found and stored is None:
                yield Problem(self._size, problems.ROW, "the current rows are not those that were vouched for")
            elif not found and (whole is None or whole.units != stored):
                yield Problem(self._size, problems.PRESENT, "the stored units are not those of the current rows")
            yield from found
        else:
            units = believed(self._root, stored)
            yield from self._units(units.wrong)
            yield from self._rows(rows, told, suspects, units)

    def _units(self, wrong: frozenset[int]) -> Iterator[Problem]:
        if wrong:
            named = ", ".join(map(str, sorted(wrong)[:_NAMED])) + (" and others" if len(wrong) > _NAMED else "")
            yield Problem(
                self._size, problems.PRESENT, f"units of the present are not what the rows make them: {named}"
            )

    def _rows(
        self, rows: Sequence[CurrentRow], told: Sequence[bytes], suspects: Sequence[Suspect], units: Units | None
    ) -> Iterator[Problem]:
        """Yield what is wrong with rows; without ``units`` all of them are the ones committed."""
        known = {suspect.token: suspect for suspect in suspects}
        explained = 0
        for row, one in zip(rows, told, strict=True):
            tag, digest, suspect = one[: present.TAG_LENGTH], one[present.TAG_LENGTH :], known.get(row.token)
            right = True if units is None else units.say(tag, digest)
            if one == NO_DIGEST:
                right = None
            problem = self._row(row, suspect, right=right, tagged=units is None or tag in units.digests)
            if problem is not None:
                explained += units is not None and tag not in units.digests
                yield problem
        lacking = set() if units is None else units.digests.keys() - {one[: present.TAG_LENGTH] for one in told}
        for suspect in suspects:
            if suspect.missing and (not suspect.loose or len(lacking) > explained):
                explained += 1
                yield Problem(
                    suspect.position, problems.ROW, f"the current row of the token {suspect.token} is missing"
                )
        if len(lacking) > explained:
            yield Problem(self._size, problems.ROW, f"current rows are missing: {len(lacking) - explained}")

    def _row(self, row: CurrentRow, suspect: Suspect | None, *, right: bool | None, tagged: bool) -> Problem | None:
        position = suspect.position if suspect else None
        if suspect is not None and suspect.extra:
            return None if suspect.loose and right else self._too_many(row, suspect)
        if suspect is not None and suspect.fault is not None:
            return Problem(suspect.position, suspect.fault.kind, f"the row of {row.token}: {suspect.fault.message}")
        if right is not False or row.wrapped is None:
            return None
        position = self._position_of(row.token)
        # All that its events say of it was found right, so that one thing is left that they do not say.
        if self._opened and row.plain is None and tagged:
            return Problem(position, problems.DATA_KEY, f"the data key of {row.token} is not the one committed")
        return Problem(position, problems.ROW, f"the row of {row.token} is not the one committed")

    def _too_many(self, row: CurrentRow, suspect: Suspect) -> Problem:
        return Problem(suspect.position, problems.ROW, f"there is a current row of {row.token}, which is no token")


def _recomputed(rows: Iterator[bytes]) -> present.Change | None:
    try:
        return present.recompute((one[: present.TAG_LENGTH], one[present.TAG_LENGTH :]) for one in rows)
    except IntegrityError:
        return None
