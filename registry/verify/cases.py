"""Commits under examination: which of a log's commits are what their authors made, and which events belong to each."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidSignature

from registry.domain.roster import Member
from registry.errors import IntegrityError
from registry.log import problems
from registry.log.checkpoint import origin
from registry.store.raw import Row
from registry.store.rows import CommitColumns, typed
from registry.values import MemberId, rfc3339
from registry.verify.rows import is_id
from registry.verify.timeline import Signers, Timeline
from registry.verify.walking import signed_text

_NOBODY = MemberId("0" * 32)


class Case:
    """One commit that is looked at closely: what its row says, and what is wrong with it."""

    def __init__(self, number: int, row: Row | None, count: int = 1) -> None:
        self.number = number
        self.count = count
        """How many commits it stands for, where several in a row are missing."""
        self.start = self.end = 0
        """The positions of its events."""
        self.made: CommitColumns | None = None
        """Its columns, where they are of the right types; author and time stand apart."""
        self.author: str | None = row[1] if row and is_id(row[1]) else None
        self.at: str | None = row[2] if row and isinstance(row[2], str) else None
        self.fault: tuple[str, str] | None = None
        self.signed: bool | None = None
        """Whether its author signed it; ``None`` if that cannot be known."""
        if row is None:
            self.fault = problems.COMMIT, _missing(number, count)
            return
        with suppress(IntegrityError, UnicodeError):
            self.made = typed(CommitColumns, (row[0], self.author or _NOBODY, *row[3:]), "commits")
        if self.made is None or self.author is None or moment(self.at) is None:
            self.fault = problems.COMMIT, f"commit {number} is in no known format"


def _missing(number: int, count: int) -> str:
    if count == 1:
        return f"commit {number} is missing"
    return f"the commits {number} to {number + count - 1} are missing"


def cases_of(rows: Sequence[Row], first: int, last: int) -> list[Case]:
    """Return a case for each commit of a range of numbers, and one for each gap between them."""
    cases, expected = [], first
    for row in rows:
        if row[0] > expected:
            cases.append(Case(expected, None, row[0] - expected))
        cases.append(Case(row[0], row))
        expected = row[0] + 1
    if expected <= last:
        cases.append(Case(expected, None, last - expected + 1))
    return cases


class Signatures:
    """Finds out which commits their authors signed."""

    def __init__(self, timeline: Timeline, signers: Signers) -> None:
        self._timeline = timeline
        self._signers = signers
        self._origin = origin(timeline.registry)

    def check(self, case: Case, row: Row, before: int, start: int) -> None:
        """Say whether the author of a commit signed it. ``before`` is how long the roster was, by the commit before.

        If that one is not to be trusted, it was as long as the events before ``start`` say.
        """
        if case.made is None:
            return
        for length in dict.fromkeys((before, self._timeline.length(start))):
            known = self._timeline.members(length, case.made.roster_length) or {}
            author = known.get(case.made.author)
            if author is not None and self._signed(row, author):
                case.signed = True
                return
        members = self._timeline.members(before, case.made.roster_length)
        broken = self._timeline.broken
        if members is None or (broken is not None and case.made.roster_length >= broken.version):
            return
        case.signed = False
        why = self._why(case, row, members)
        case.fault = case.fault or (problems.SIGNATURE, why)

    def _why(self, case: Case, row: Row, members: Mapping[MemberId, Member]) -> str:
        other = next((member for member in members.values() if self._signed(row, member)), None)
        if other is not None:
            case.author, case.signed = other.id, True
            return f"commit {case.number} names another author than the member who signed it"
        if case.author not in members:
            return f"the author of commit {case.number} was no member at that moment"
        return f"commit {case.number} is not signed by its author"

    def _signed(self, row: Row, member: Member) -> bool:
        key = self._signers.key(member.keys.signing)
        try:
            if key is not None:
                key.verify(row[9], signed_text(self._origin, row).encode())
                return True
        except InvalidSignature:
            pass
        return False


def place(cases: Sequence[Case], start: int, end: int, numbers: Mapping[int, Any]) -> None:
    """Find out which positions belong to which commit: by the sizes that were signed, else by what the events say."""
    position, pending = start, list[Case]()
    for number, case in enumerate(cases):
        pending.append(case)
        size = case.made.size if case.made is not None and case.signed else None
        if number == len(cases) - 1 and size is None:
            size = end
        if size is not None and (size > position or len(pending) == 1) and size <= end:
            _divide(pending, position, max(size, position), numbers)
            position, pending = max(size, position), []
    if pending:
        _divide(pending, position, end, numbers)


def _divide(cases: Sequence[Case], start: int, end: int, numbers: Mapping[int, Any]) -> None:
    """Divide positions among commits in a row, of which only the last has a size that can be relied on."""
    position, last = start, cases[-1].number
    places = sorted(place for place in numbers if start <= place < end)
    for case in cases[:-1]:
        case.start, behind = position, case.number + case.count
        later = (place for place in places if place >= position and _is_among(numbers[place], behind, last))
        position = next(later, end)
        if position == end and case.made is not None and case.start < case.made.size < end:
            position = case.made.size  # no event says that it belongs to a later one
        case.end = position
    cases[-1].start, cases[-1].end = position, end


def _is_among(number: object, first: int, last: int) -> bool:
    return isinstance(number, int) and first <= number <= last


def moment(text: str | None) -> datetime | None:
    """Return the time of a text; ``None`` if it is none, or not as ``rfc3339`` writes it."""
    try:
        found = datetime.fromisoformat(text) if text else None
        return found if found is not None and rfc3339(found) == text else None
    except (ValueError, OverflowError):
        return None
