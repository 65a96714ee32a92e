"""What is wrong in a piece of the log that ``walking`` stumbled over, as exactly as it can be known.

It is slow and takes nothing for granted. It goes on from piece to piece until the tree is certain again.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime

from msgspec import structs

from registry.errors import StoreUnreadable
from registry.log import merkle, problems
from registry.log.problems import EVENT, NODE, Problem
from registry.store.raw import RawStore, Row
from registry.verify.cases import Case, Signatures, cases_of, place
from registry.verify.guesses import LEAF_MISSING, MISSING, Guess, Tree, leaf_guesses
from registry.verify.judging import CHANGED, Findings, Judge, Looked, SaidBy, leaf_of
from registry.verify.spans import Edge, Span
from registry.verify.timeline import Signers, Timeline

_HASH = 32
_LAST = 2**63
_FARTHEST = 1_000_000
"""Over how many missing events in a row the tree is still worked out from its stored leaves."""


class Diagnosis:
    """Looks closely at pieces of a log, one after the other, from where it is known to be right."""

    def __init__(
        self,
        store: RawStore,
        timeline: Timeline,
        said_by: SaidBy,
        known: tuple[Edge, int],
        findings: Findings,
        *,
        latest: datetime,
    ) -> None:
        edge, position = known
        self._store = store
        self._timeline = timeline
        self._found = findings
        self._judge = Judge(timeline, said_by, edge, findings, latest)
        self._signatures = Signatures(timeline, Signers())
        self._nodes: dict[int, bytes] = {}
        self._tree = Tree(position, edge.frontier, self._stored)
        self._pending: list[Looked] = []
        self._lost: list[Problem] = []
        """Events of which neither a row nor a leaf is there."""
        self._failed: list[Case] = []
        """Signed commits whose root the tree did not have."""
        self._certain = position
        """Up to where a root that was signed is over the tree."""

    @property
    def edge(self) -> Edge | None:
        """What is known behind the last piece; ``None`` while that is not certain."""
        frontier = self._tree.settled
        if self._pending or self._failed or frontier is None or not self._judge.trusted:
            return None
        return structs.replace(self._judge.before, frontier=frontier)

    def look(self, span: Span) -> None:
        """Look at one piece."""
        events = self._events(span)
        self._load(span)
        numbers = {position: there[0][1] for position, there in events.items() if len(there) == 1}
        cases = self._cases(span, numbers)
        place(cases, span.start, span.end, numbers)
        if not cases:
            self._grow(Case(-1, None), span.start, span.end, events)
        nodes = self._nodes
        for case in cases:
            self._grow(case, case.start, case.end, events)
            self._pending.append(Looked(case, events, lambda at: nodes.get(merkle.node_number(0, at))))
            self._settle(case)

    def finish(self) -> None:
        """Decide what nothing else has decided, at the end of the log."""
        if self._failed:
            self._found.uncertain = self._certain, self._tree.size
            self._failed = []
        self._conclude(self._tree.give_in())

    def _cases(self, span: Span, numbers: Mapping[int, object]) -> list[Case]:
        rows = self._commits(span.first, span.last)
        cases = cases_of(rows, span.first, span.last)
        by_number = {row[0]: row for row in rows}
        firsts = {number: position for position, number in sorted(numbers.items(), reverse=True)}
        before, start = self._judge.before.roster_length, span.start
        for case in cases:
            if case.number in by_number:
                self._signatures.check(case, by_number[case.number], before, start)
                self._found.unsigned += case.made is not None and case.signed is None
            if case.made is not None and case.signed is not False:
                before, start = case.made.roster_length, case.made.size
            elif (following := firsts.get(case.number + case.count)) is not None:
                # What this one says cannot be relied on, but who may sign the next may have changed with it.
                before, start = self._timeline.length(following), following
        return cases

    def _commits(self, first: int, last: int) -> list[Row]:
        try:
            return self._store.commits(first, last) if first <= last else []
        except StoreUnreadable:
            rows = []
            for number in range(first, min(last + 1, first + _FARTHEST)):
                with suppress(StoreUnreadable):
                    rows += self._store.commits(number, number)
            return rows

    def _events(self, span: Span) -> dict[int, list[Row]]:
        events: dict[int, list[Row]] = {}
        try:
            for page in self._store.events(span.start, span.end):
                for row in page:
                    events.setdefault(row[0], []).append(row)
        except StoreUnreadable:
            events = {}
            for position in range(span.start, min(span.end, span.start + _FARTHEST)):
                with suppress(StoreUnreadable):
                    if there := self._store.event(position):
                        events[position] = there
        return {position: rows for position, rows in events.items() if type(position) is int}

    def _load(self, span: Span) -> None:
        self._nodes = {}
        with suppress(StoreUnreadable):
            for page in self._store.nodes(merkle.nodes_in(span.start), merkle.nodes_in(span.end)):
                self._nodes |= {n: node for n, node in page if isinstance(node, bytes) and len(node) == _HASH}

    def _stored(self, level: int, index: int) -> bytes | None:
        return self._nodes.get(merkle.node_number(level, index))

    # The tree

    def _grow(self, case: Case, start: int, end: int, events: Mapping[int, list[Row]]) -> None:
        position = start
        while position < end:
            there, stored = events.get(position, []), self._stored(0, position)
            if not there and stored is None and end - position > _FARTHEST:
                following = min((later for later in events if position < later < end), default=end)
                if following - position > _FARTHEST:
                    self._skip(position, following)
                    position = following
                    continue
            self._tree.add(self._guesses(case, position, there, stored))
            position += 1

    def _skip(self, position: int, end: int) -> None:
        self._lost.append(Problem(position, EVENT, f"{end - position} events are missing"))
        self._tree.skip(end, [self._at(merkle.node_number(*place)) for place in merkle.complete_subtrees(end)])

    def _at(self, number: int) -> bytes | None:
        with suppress(StoreUnreadable):
            node = self._store.node(number)
            return node if isinstance(node, bytes) else None
        return None

    def _guesses(self, case: Case, position: int, there: list[Row], stored: bytes | None) -> list[Guess]:
        if not there:
            if stored is None:
                self._lost += [Problem(position, EVENT, MISSING), Problem(position, NODE, LEAF_MISSING)]
            return leaf_guesses(position, None, stored, MISSING)
        if len(there) > 1:
            self._lost.append(Problem(position, EVENT, "there are several events at this position"))
            return [] if stored is None else [Guess(stored)]
        author, at = self._author(case, there[0][1])
        if leaf_of(self._timeline.registry, there[0], "", "") is None:
            return leaf_guesses(position, None, stored, CHANGED)
        if author is None or at is None:  # what leaf the event makes cannot be known
            return [] if stored is None else [Guess(stored)]
        return leaf_guesses(position, leaf_of(self._timeline.registry, there[0], author, at), stored, CHANGED)

    def _author(self, case: Case, number: object) -> tuple[str | None, str | None]:
        """Return author and time of the commit that an event says it belongs to."""
        if number == case.number or case.count > 1:
            return case.author, case.at
        if not isinstance(number, int) or not 0 <= number < _LAST:
            return "", ""
        rows = self._commits(number, number)
        texts = rows[0][1:3] if rows else ("", "")
        return (texts[0], texts[1]) if all(isinstance(text, str) for text in texts) else (None, None)

    def _settle(self, case: Case) -> None:
        if case.made is None or case.signed is False:
            return
        found = self._tree.settle(case.made.root)
        if found is not None:
            damaged = [problem.position for problem in (*found, *self._lost) if problem.kind == EVENT]
            for failed in self._failed:
                if not any(self._certain <= position < failed.end for position in damaged):
                    failed.fault = failed.fault or (problems.COMMIT, f"commit {failed.number} has another root")
            self._certain, self._failed = case.end, []
            self._conclude(found)
        elif case.signed and not self._tree.lacking:
            self._failed.append(case)

    def _conclude(self, found: Sequence[Problem]) -> None:
        wrong = [*found, *self._lost]
        events = {problem.position: problem for problem in wrong if problem.kind == EVENT}
        self._found.problems += [problem for problem in wrong if problem.kind != EVENT]
        for looked in self._pending:
            positions = range(looked.case.start, looked.case.end)
            own = {at: events.pop(at) for at in sorted(events) if at in positions}
            self._judge.conclude(looked, own)
        for position, problem in events.items():
            self._found.problems.append(problem)
            self._found.damaged.add(position)
        self._pending, self._lost = [], []
