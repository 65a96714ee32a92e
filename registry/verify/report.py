"""Putting together what was found: what follows from something else is left out, and what was not checked is said."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from registry.errors import StoreUnreadable
from registry.log import problems
from registry.log.problems import Problem
from registry.store.raw import RawStore
from registry.verify.findings import Known, Looked
from registry.verify.judging import Findings
from registry.verify.keys import Keys
from registry.verify.log import missing_together
from registry.verify.taking import Moment

_AUDIT = (
    "the contents of events, what they lead to, and the cards and fingerprints of tokens: that takes the key of the"
    " audience 'audit'"
)
_SINCE = "what came before the checkpoint given, and with it whether the events of tokens lead to their current rows"


# What is said of a table that is not there is that it is not there: the schema's problem, and no row's.
_KINDS = {"log_nodes": problems.NODE, "commits": problems.UNSIGNED, "stored_events": problems.EVENT}

_SEALED = frozenset({problems.CONTENTS, problems.ACTOR, problems.REPLAY})
"""What takes the key of the audience ``audit`` to be seen."""


class Outcome(Struct, frozen=True):
    """What a verification came to, before anybody says what of it is known already."""

    moment: Moment
    problems: Sequence[Problem]
    unchecked: Sequence[str]


class Report:
    """What was found in one moment of a store."""

    def __init__(self, moment: Moment) -> None:
        self._moment = moment
        self._found = Findings()
        self._loose = self._unread = 0
        self.problems: list[Problem] = list(moment.problems)
        self.problems += [Problem(moment.end, problems.SCHEMA, line) for line in moment.schema]

    def wrong(self, position: int, kind: str, message: str) -> None:
        """Add a problem."""
        self.problems.append(Problem(position, kind, message))

    def add_log(self, found: Findings) -> None:
        """Add what a closer look at the log found."""
        self._found = found
        self.problems += found.problems
        if not found.damaged:
            self.problems += found.misplaced
        broken, timeline = self._moment.timeline.broken, self._moment.timeline
        if broken is not None and "stored_events" not in self._moment.unread:
            last = timeline.positions[-1] if timeline.positions else -1
            known = Known(sorted(found.damaged))
            if not known.is_damaged(broken.position) and not known.damaged_between(last, broken.position):
                self.problems = [p for p in self.problems if (p.position, p.kind) != (broken.position, problems.ROLE)]
                self.wrong(broken.position, problems.ROSTER, broken.message)

    def add(self, looked: Looked) -> None:
        """Add what was found in some streams."""
        self.problems += looked.problems
        self._loose += looked.loose
        self._unread += looked.unread

    def check_seen(self, seen: int, expected: int) -> None:
        """Say so if the streams have not all the events that the log has, though none is missing."""
        unread = self._unread or "stored_events" in self._moment.unread
        if seen < expected and not self._found.damaged and not unread:
            self.wrong(self._moment.end, problems.SCHEMA, "an index of the events contradicts their table")

    def add_damage(self, store: RawStore) -> None:
        """Say what is wrong with the file itself, where something in it could not be read."""
        if self._unread or self._moment.unread:
            try:
                lines = store.damage()
            except StoreUnreadable as error:
                lines = [str(error)]
            self.problems += [
                Problem(self._moment.end, problems.SCHEMA, f"the file is damaged: {line}") for line in lines
            ]

    @property
    def readable(self) -> bool:
        """Whether the current rows can be read."""
        return not {"tokens", "data_keys"} & set(self._moment.unread)

    @property
    def comparable(self) -> bool:
        """Whether there is a commit that vouches for the current rows as they are read."""
        return self._moment.newest is not None and not self._moment.behind and self.readable

    def outcome(self, keys: Keys, *, partial: bool) -> Outcome:
        """Return what there is to say."""
        self._say_uncertain()
        if not partial:
            self._say_unfounded(keys)
        if self._moment.newest is None and "commits" not in self._moment.unread:
            self.wrong(0, problems.COMMIT, "there are no commits")
        if self._moment.complete:
            self.problems += [Problem(self._moment.end, problems.ROSTER, fault) for fault in keys.faults]
        unread = {_KINDS[table] for table in self._moment.unread if table in _KINDS}
        told = (problem for problem in self.problems if problem.kind not in unread)
        found = sorted(set(missing_together(told)))
        return Outcome(self._moment, found, tuple(self._unchecked(keys, partial=partial)))

    def _say_uncertain(self) -> None:
        """Say which event is not the one committed where the tree alone cannot: the one whose contents do not open."""
        if self._found.uncertain is None:
            return
        start, end = self._found.uncertain
        shut = [p for p in self.problems if p.kind == problems.CONTENTS and start <= p.position < end]
        for problem in shut:
            self.problems.remove(problem)
            self.wrong(problem.position, problems.EVENT, f"the event is not the one committed: {problem.message}")
        if not shut:
            self.wrong(start, problems.EVENT, "an event here or behind this position is not the one committed")

    def _say_unfounded(self, keys: Keys) -> None:
        """Say which acknowledgements are of problems that there are not: they can hide what is not there yet."""
        timeline, found = self._moment.timeline, {(problem.position, problem.kind) for problem in self.problems}
        if self._found.damaged or self._found.uncertain is not None or self._unread:
            return  # a problem can lie in what is not there to be looked at
        # What was of a time that is not yet is so no longer, some day.
        sought = problems.ACKNOWLEDGEABLE - {problems.TIME} - (_SEALED if keys.opener is None else frozenset())
        for before, after, position in zip(
            timeline.rosters[:-1], timeline.rosters[1:], timeline.positions, strict=True
        ):
            for at, kind in sorted(after.acknowledged - before.acknowledged):
                if kind in sought and (at, kind) not in found:
                    self.wrong(position, problems.REPLAY, f"it acknowledges a problem of the kind {kind} at {at}: none")

    def _unchecked(self, keys: Keys, *, partial: bool) -> Iterator[str]:
        moment, broken = self._moment, self._moment.timeline.broken
        if not keys.member:
            known = "no member of the registry" if keys.complete else "not in the roster as far as it can be followed"
            yield f"whatever takes a key: the identity is {known}"
        elif keys.opener is None:
            yield _AUDIT
        lacking = sum(1 for row in moment.snapshot.rows.values() if row.application not in keys.scopes)
        if lacking and keys.member:
            yield f"the names under which tokens lie and their data keys, where you do not hold the key: {lacking}"
        if partial:
            yield _SINCE
        for table in sorted(set(moment.unread)):
            yield f"the table {table}, which cannot be read"
        if broken is not None:
            yield f"what the events of the roster from version {broken.version} on changed"
        elif not moment.complete:
            yield "what the newest events of the roster changed"
        if self._found.unsigned:
            yield f"commits made when the roster was one that cannot be followed: {self._found.unsigned}"
        if self._found.uncertain is not None:
            yield f"the roots of commits behind position {self._found.uncertain[0]}"
        if self._unread:
            yield "the streams of events that cannot be read"
        if self._loose:
            yield f"the whole of what events lead to, where some of them are wrong: tokens {self._loose}"
        if not self.comparable:
            yield "whether the current rows are those that the newest commit vouches for"
