"""What is wrong with a commit, once it is certain which of its events and leaves are the ones committed."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from itertools import product

from msgspec import Struct

from registry.domain.roster import ADMIN, Member
from registry.domain.roster_rules import may_commit
from registry.domain.token_events import TokenDisclosed
from registry.errors import IntegrityError
from registry.log import problems
from registry.log.leaf import Leaf, state_hash
from registry.log.problems import Problem
from registry.store.raw import Row
from registry.store.topics import ROSTER_TOPICS
from registry.values import MemberId, rfc3339
from registry.verify.cases import Case, moment
from registry.verify.spans import Edge
from registry.verify.timeline import Timeline

CHANGED = "the event is not the one committed"
_SEVERAL = 3
"""How many events of a commit are asked for its time."""


class Said(Struct, frozen=True):
    """What an event's contents say of its commit, as far as there is a key for them."""

    at: datetime | None = None
    shut: bool = False
    """Whether they do not open although the key is there: then the event is not the one that was sealed."""


SaidBy = Callable[[Row], Said]


class Findings(Struct):
    """What a closer look at the log came to so far."""

    problems: list[Problem] = []
    damaged: set[int] = set()
    """Positions whose event is missing, or not the one committed."""
    doubtful: set[int] = set()
    """Positions of events that are wrong in another way."""
    commits: dict[int, tuple[str | None, str | None]] = {}
    """Author and time of commits whose columns are wrong, as they were committed; ``None`` for what nobody knows."""
    uncertain: tuple[int, int] | None = None
    """From which position to which an event is not the one committed, of which nobody can say where exactly."""
    unsigned: int = 0
    """How many commits could not be checked, because the roster could not be followed that far."""
    misplaced: list[Problem] = []
    """Commits that name another roster than there seems to be at their place."""

    def wrong(self, position: int, kind: str, message: str) -> None:
        """Add a problem."""
        self.problems.append(Problem(position, kind, message))


class Looked(Struct, frozen=True):
    """A commit with what is stored of its events and of its leaves."""

    case: Case
    events: Mapping[int, list[Row]]
    leaves: Callable[[int], bytes | None]

    def rows(self) -> Iterator[Row]:
        """Yield the events that stand alone at their position."""
        for position in sorted(self.events):
            if self.case.start <= position < self.case.end and len(self.events[position]) == 1:
                yield self.events[position][0]


class Judge:
    """Judges commits in their order, and keeps what the next one is compared with."""

    def __init__(self, timeline: Timeline, said_by: SaidBy, edge: Edge, found: Findings, latest: datetime) -> None:
        self._timeline = timeline
        self._latest = latest
        self._said_by = said_by
        self._found = found
        self.before = edge
        """What the last commit says, as far as it is to be believed."""
        self.trusted = True
        """Whether all of it is."""

    def conclude(self, looked: Looked, wrong: dict[int, Problem]) -> None:
        """Say what is wrong with a commit, given which of its events are not the ones committed."""
        case, found = looked.case, self._found
        wrong = self._blame_commit(looked, wrong)
        found.problems += wrong.values()
        found.damaged |= wrong.keys()
        if case.fault is not None:
            found.wrong(case.start, *case.fault)
            if case.fault[0] == problems.SIGNATURE and not case.signed:
                found.doubtful |= {row[0] for row in looked.rows()}
            if case.count == 1:
                # Without an event that it was committed with, nobody knows whether they are its own.
                own = any(row[1] == case.number for row in looked.rows())
                told = (case.author, case.at if moment(case.at) else None)
                found.commits[case.number] = told if own else (None, None)
        self._check_time(case)
        self._check_roster(case)
        self._check_events(looked, wrong)
        self._go_on(case)

    def _blame_commit(self, looked: Looked, wrong: dict[int, Problem]) -> dict[int, Problem]:
        """Return which events are to blame, where it may be their commit's author or time that was changed."""
        case, rows = looked.case, [row for row in looked.rows() if _is_text(row)]
        changed = {position for position, problem in wrong.items() if problem.message == CHANGED}
        if not rows or changed != {row[0] for row in rows} or case.author is None or case.at is None:
            return wrong
        said = [self._said_by(row) for row in rows[:_SEVERAL]]
        for author, at in product(self._authors(case), self._times(case, said)):
            if all(leaf_of(self._timeline.registry, row, author, at) == looked.leaves(row[0]) for row in rows):
                case.author, case.at = author, at
                what = f"commit {case.number} has another author or time than its events were committed with"
                break
        else:
            if moment(case.at) is not None and (len(rows) == 1 or _are_others(rows, said)):
                return wrong
            case.author = case.at = None
            what = f"commit {case.number} has another author or time than it had, or all its events were changed"
        case.fault = case.fault or (problems.COMMIT, what)
        return {position: problem for position, problem in wrong.items() if position not in changed}

    def _authors(self, case: Case) -> list[str]:
        return list(dict.fromkeys([str(case.author), *sorted(self._timeline.ever())]))

    def _times(self, case: Case, said: list[Said]) -> list[str]:
        told = [self.before.at, *(rfc3339(one.at) for one in said if one.at is not None)]
        return list(dict.fromkeys([str(case.at), *filter(None, told), *_canonical(case.at)]))

    def _check_time(self, case: Case) -> None:
        at, before, timeline = moment(case.at), moment(self.before.at), self._timeline
        if at is None or case.signed is False:
            return
        after = timeline.rosters[min(timeline.length(case.end), len(timeline.rosters) - 1)]
        if before is not None and at < before and (case.start - 1, problems.TIME) not in after.acknowledged:
            self._found.wrong(case.start, problems.TIME, f"commit {case.number} is older than the one before it")
        if at > self._latest:
            self._found.wrong(case.end - 1, problems.TIME, f"commit {case.number} is of a time that is not yet")

    def _check_roster(self, case: Case) -> None:
        made, timeline = case.made, self._timeline
        if made is None or case.signed is False:
            return
        if not self.before.shredded <= made.shredded <= made.number + 1:
            what = f"commit {made.number} says of shredding what cannot be"
            self._found.wrong(case.start, problems.SHREDDING, what)
        if timeline.broken is not None and made.roster_length >= timeline.broken.version:
            return
        at_hand = made.roster_length < len(timeline.rosters)
        if at_hand and timeline.rosters[made.roster_length].head != made.roster_head:
            what = f"commit {made.number} names another roster than there is"
            self._found.wrong(case.start, problems.COMMIT, what)
        elif timeline.length(case.end) != made.roster_length:
            what = f"commit {made.number} names a roster of another length than there is"
            self._found.misplaced.append(Problem(case.start, problems.COMMIT, what))

    def _check_events(self, looked: Looked, wrong: Mapping[int, Problem]) -> None:
        case, stream = looked.case, self._timeline.stream
        member, of_roster, forbidden = self._author(case), 0, 0
        for position, number, originator, _, topic, *_ in looked.rows():
            if position in wrong:
                continue
            if number != case.number and case.fault is None and case.signed:
                self._event(position, problems.EVENT, f"it says that it is of commit {number}, not {case.number}")
            if member is not None and not may_commit(member, topic, originator):
                self._found.doubtful.add(position)
                forbidden += 1
                if forbidden == 1:  # one for the commit, which is acknowledged as a whole
                    self._event(position, problems.ROLE, f"the role {member.role} does not allow {topic}")
            if (originator == stream) != (topic in ROSTER_TOPICS):
                self._event(position, problems.ROSTER, "it stands in the roster, or out of it, where it must not")
            of_roster += originator == stream
            # Where one commit ends and the next begins is only certain of those that are there and signed.
            if originator == stream and of_roster > 1 and case.made is not None and case.signed is not False:
                self._event(position, problems.ROSTER, "it is the second event of the roster in one commit")
        made = case.made
        limited = member is not None and member.role != ADMIN and self.trusted
        if member is not None and made is not None and limited and made.present != self.before.present:
            what = f"the role {member.role} does not allow commit {case.number} to change tokens"
            self._event(case.start, problems.PRESENT, what)

    def _event(self, position: int, kind: str, message: str) -> None:
        self._found.wrong(position, kind, message)
        self._found.doubtful.add(position)

    def _author(self, case: Case) -> Member | None:
        """Return the member who made the commit, if that is certain."""
        if case.made is None or not case.signed or case.author is None:
            return None
        members = self._timeline.members(self.before.roster_length, case.made.roster_length)
        return members.get(MemberId(case.author)) if members else None

    def _go_on(self, case: Case) -> None:
        made = case.made
        self.trusted = made is not None and case.signed is not False and case.at is not None
        at = case.at if moment(case.at) is not None else None
        if made is None or case.signed is False:
            length = self._timeline.length(case.end)
            self.before = Edge((), at or self.before.at, self.before.present, length, self.before.shredded)
        else:
            self.before = Edge((), at or self.before.at, made.present, made.roster_length, made.shredded)


def leaf_of(registry: bytes, row: Row, author: str, at: str) -> bytes | None:
    """Return the leaf that a stored event makes; ``None`` if its columns are not those of an event."""
    position, number, originator, version, topic, state = row
    if not isinstance(state, bytes):
        return None
    try:
        return Leaf(registry, position, number, author, at, originator, version, topic, state_hash(state)).hashed()
    except IntegrityError:
        return None


def _canonical(text: str | None) -> list[str]:
    try:
        return [rfc3339(datetime.fromisoformat(text))] if text else []
    except (ValueError, OverflowError):
        return []


def _are_others(rows: list[Row], said: list[Said]) -> bool:
    """Return whether events are not those of their commit, whatever its time was: no time that they say led to them."""
    told = zip(rows, said, strict=False)
    # A disclosure is committed later than it says, at a time that it does not know.
    return any(one.shut or (one.at is not None and row[4] != TokenDisclosed.TOPIC) for row, one in told)


def _is_text(row: Row) -> bool:
    return isinstance(row[2], str) and isinstance(row[4], str)
