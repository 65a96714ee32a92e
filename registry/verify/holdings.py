"""What is held of tokens beside their events, against what these lead to: current rows and data keys."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from registry.log import problems
from registry.verify.findings import NO_DIGEST, End, Found, Known, Range, Snapshot, Suspect
from registry.verify.replay import State
from registry.verify.rows import CurrentRow, Fault, RowChecker

_MALFORMED_KEY = Fault(problems.DATA_KEY, "its data key is none")
_MALFORMED = Fault(problems.ROW, "its columns are not those of a row")


class Holdings:
    """Looks at what one moment's snapshot holds. ``whole`` says that all events of the tokens are looked at."""

    def __init__(self, registry: bytes, snapshot: Snapshot, checker: RowChecker, size: int, *, whole: bool) -> None:
        self._registry = registry
        self._snapshot = snapshot
        self._checker = checker
        self._size = size
        self._whole = whole

    def look(self, where: Range, known: Known, found: Found, *, blind: bool = False) -> None:
        """Say what is wrong with what is held of the tokens in a range, whose events have been looked at.

        They have not been if ``blind``: then nobody knows which tokens there must be.
        """
        whole = self._whole and not blind
        tokens = self._snapshot.tokens
        low = 0 if where.low is None else bisect_right(tokens, where.low)
        high = len(tokens) if where.high is None else bisect_left(tokens, where.high)
        for token in tokens[low:high]:
            self._token(token, found.ends.pop(token, None), known, found, whole=whole)
        for token, end in found.ends.items():
            if end.alive and whole:
                self._missing(token, end, known, found)

    def _token(self, token: str, end: End | None, known: Known, found: Found, *, whole: bool) -> None:
        row, wrapped = self._snapshot.rows.get(token), self._snapshot.wrapped.get(token)
        position, end = end.position if end else self._size, self._behind(row, end, known)
        # Without all events, or where one that is damaged can have made or ended the token, the row says it is there.
        sure = whole and not (end.loose if end else known.damaged)
        there = end is not None and end.alive if sure else row is not None
        if row is not None:
            found.digests.append(self._row(row, position, end, found, extra=not there))
        elif end is not None and end.alive:
            found.suspects.append(Suspect(token, position, missing=True, loose=end.loose))
        if there and wrapped is None:
            found.wrong(position, problems.DATA_KEY, f"the data key of the token {token} is missing")
        elif wrapped is not None and not there and (sure or not whole):
            found.wrong(position, problems.DATA_KEY, f"there is a data key of {token}, which is no token")

    def _behind(self, row: CurrentRow | None, end: End | None, known: Known) -> End | None:
        """Return the end of a stream; loose where damaged events can have stood behind it."""
        if end is None or end.loose:
            return end
        if row is None:
            lacking = 1 if end.alive else 0
        else:
            lacking = row.version - end.version if isinstance(row.version, int) else 0
        if 0 < lacking <= known.damaged_between(end.position, self._size + known.behind):
            return End(end.alive, end.version, end.position, None, loose=True)
        return end

    def _row(self, row: CurrentRow, position: int, end: End | None, found: Found, *, extra: bool) -> bytes:
        """Check a row, and return its tag and digest."""
        digest = row.digest(self._registry)
        if digest is None:
            sound = row.wrapped is None or isinstance(row.wrapped, bytes)
            found.suspects.append(Suspect(row.token, position, _MALFORMED if sound else _MALFORMED_KEY))
            return NO_DIGEST
        fault = None
        if not extra:
            fault = self._fault(row, end, found)
        if fault or extra:
            loose = end is not None and end.loose
            found.suspects.append(Suspect(row.token, position, fault, extra=extra, loose=loose))
        tag: bytes = row.name_tag
        return tag + digest

    def _fault(self, row: CurrentRow, end: End | None, found: Found) -> Fault | None:
        if end is None or end.loose:
            return self._checker.fault(row, None, ())
        states: Sequence[State] = end.outcome.states if end.outcome else ()
        fault = self._checker.fault(row, (end.version, end.position), states)
        if fault and end.outcome and not end.outcome.certain:
            # One of its events is wrong, and known to be. What the row followed from it, the present must vouch for.
            found.loose += 1
            return self._checker.fault(row, None, ())
        return fault

    def _missing(self, token: str, end: End, known: Known, found: Found) -> None:
        """Say of a token of which nothing is there what is missing."""
        loose = end.loose or known.damaged_between(end.position, self._size + known.behind) > 0
        found.suspects.append(Suspect(token, end.position, missing=True, loose=loose))
        if not loose:
            found.wrong(end.position, problems.DATA_KEY, f"the data key of the token {token} is missing")
