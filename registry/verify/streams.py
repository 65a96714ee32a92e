"""The events stream by stream: their versions, their contents, who acted and when, and what they lead to."""

import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from operator import lt
from typing import Any

from msgspec import structs

from registry.domain.token_events import TokenDisclosed
from registry.errors import IntegrityError, RegistryError
from registry.log import problems
from registry.sealing.roster_record import RosterRecord
from registry.store.raw import RawStore, Row
from registry.store.rows import LARGEST_STATE
from registry.store.topics import ROSTER_TOPICS
from registry.verify import decoding
from registry.verify.decoding import Record
from registry.verify.findings import End, Found, Known, Looked, Part, Range
from registry.verify.holdings import Holdings
from registry.verify.keys import Keys
from registry.verify.replay import CREATED, DELETED, Fact, Outcome, replay
from registry.verify.timeline import Timeline
from registry.verify.unsealing import ADDRESSED

_DISCLOSED = "token.disclosed"
_OWN = frozenset({_DISCLOSED, "evidence.exported"})
_ID = re.compile(r"[0-9a-f]{32}\Z")
_FAULTY = (RegistryError, ValueError, TypeError, AttributeError, LookupError, struct.error)
_FOUNDED = "roster.founded"
_UNKEYED = "it was sealed without the key that its author must have"
_TOO_LARGE = "it is larger than any event may be"
_REMEMBERED = 50_000
_CHUNK = 500
_Commit = tuple[str | None, datetime | None]


class Streams:
    """Looks at streams with the keys of one member, at the events from one position on and before another."""

    def __init__(
        self, store: RawStore, timeline: Timeline, keys: Keys, holdings: Holdings | None, span: tuple[int, int]
    ) -> None:
        self._store = store
        self._timeline = timeline
        self._opener, self._complete = keys.opener, keys.complete
        self._holdings = holdings
        self._start, self._end = span
        self._members = timeline.ever()
        self._decoders = decoding.decoders()
        self.known = Known()
        self._commits: dict[int, _Commit] = {}

    def look(self, what: Range | Part) -> Looked:
        """Return what there is to say of some streams."""
        found = Found()
        if isinstance(what, Part):
            pages = self._store.versions(what.originator, what.first, what.before, (self._start, self._end))
            for originator, events in _by_stream(pages):
                self._stream(originator, events, what.first - 1, found)
        else:
            for originator, events in _by_stream(self._store.streams(what.low, what.high, self._start, self._end)):
                self._stream(originator, events, self._version_before(originator), found)
            if self._holdings is not None:
                self._holdings.look(what, self.known, found)
        return found.looked()

    def pass_by(self, what: Range | Part) -> Looked:
        """Return what there is to say where the streams cannot be read."""
        found = Found()
        found.unread = True
        if isinstance(what, Range) and self._holdings is not None:
            self._holdings.look(what, self.known, found, blind=True)
        return found.looked()

    def _version_before(self, originator: object) -> int:
        newest = self._store.newest_of(originator, self._start) if self._start else None
        return newest[1] if newest else 0

    def _stream(self, originator: Any, events: Sequence[Row], before: int, found: Found) -> None:  # noqa: ANN401 - as stored
        found.seen += len(events)
        if self.known.damaged:
            events = [event for event in events if not self.known.is_damaged(event[4])]
        if not _are_next(events, before + 1):
            # Of what has no position or version in the log, the log has told.
            events = [event for event in events if type(event[1]) is type(event[4]) is int]
        if not isinstance(originator, str) or not _ID.match(originator):
            for event in events:
                found.wrong(event[4], problems.CONTENTS, "it stands in the stream of something that has no id")
        elif events:
            gaps = self._versions(events, before, found)
            facts = self._facts(originator, events, found)
            if self._is_own(originator, facts):
                self._check_own(originator, facts, found)
            else:
                found.ends[originator] = self._ended(originator, facts, gaps, found)

    def _is_own(self, originator: str, facts: Sequence[Fact]) -> bool:
        """Return whether a stream is a member's or the roster's, and no token's."""
        if originator in self._members or originator == self._timeline.stream:
            return True
        # Where the roster cannot be followed, there are members that nobody knows of.
        return self._timeline.broken is not None and all(fact.topic in _OWN for fact in facts)

    def _versions(self, events: Sequence[Row], version: int, found: Found) -> bool:
        """Check that the versions follow each other; return whether damaged events may have stood between them."""
        last, gaps = self._start - 1, False
        if _are_next(events, version + 1):
            return False
        for _, following, _, _, position, _ in events:
            if following != version + 1:
                lacking = following - version - 1 if isinstance(following, int) else 0
                if 0 < lacking <= self.known.damaged_between(last, position):
                    gaps = True
                else:
                    found.wrong(position, problems.VERSION, f"it has version {following} where {version + 1} follows")
            elif position <= last:
                found.wrong(position, problems.VERSION, f"it stands before version {version}, which it follows")
            version, last = following if isinstance(following, int) else version + 1, max(last, position)
        return gaps

    def _facts(self, originator: str, events: Sequence[Row], found: Found) -> list[Fact]:
        facts: list[Fact] = []
        keep, opener, doubtful, decoders = facts.append, self._opener, self.known.doubtful, self._decoders
        complete, place, commits = self._complete, opener.place(originator) if opener else b"", self._commits
        for (
            _,
            version,
            topic,
            state,
            position,
            number,
        ) in events:
            record, doubt = None, position in doubtful
            try:
                if len(state) > LARGEST_STATE:
                    raise IntegrityError(_TOO_LARGE)
                decoder = decoders.get(topic)
                if decoder is None:
                    record = self._roster_record(place, version, topic, state)
                elif opener is not None and (complete or opener.knows(state)):
                    if state[:1] == ADDRESSED and topic != _DISCLOSED:
                        raise IntegrityError(_UNKEYED)
                    record = decoding.decoded(decoder, opener.open(place, version, topic, state))
                if record is not None:
                    author, at = commits.get(number) or self._commit(number, events)
                    if record.by != author or record.at != at:
                        doubt |= self._check_commit(record, position, number, (author, at, topic), found)
                    if topic in _DEMANDING:
                        doubt |= self._check_rules(record, topic, position, found)
            except _FAULTY as error:
                record, doubt = None, True
                why = str(error) if isinstance(error, RegistryError) else "its columns are not those of an event"
                found.wrong(position, problems.CONTENTS, why)
            keep(Fact(topic, record, version, position, number, doubt))
        return facts

    def _commit(self, number: int, events: Sequence[Row]) -> _Commit:
        """Return author and time of a commit, and remember those of all the commits of a stream's events."""
        commits = self._commits
        if len(commits) > _REMEMBERED:
            commits.clear()
        lacking = {event[5] for event in events if event[5] not in commits and isinstance(event[5], int)}
        for chunk in _chunks(sorted({*lacking, number})):
            commits.update(dict.fromkeys(chunk, (None, None)))
            for found, (author, at) in self._store.authors(chunk).items():
                commits[found] = author, _moment(at)
        for found, (author, at) in self.known.commits.items():
            commits[found] = author, _moment(at)
        return commits[number]

    def _roster_record(self, place: bytes, version: int, topic: str, state: bytes) -> Record:
        """Return what a roster event says in the clear, after a look at what it says sealed."""
        if topic not in ROSTER_TOPICS:
            raise IntegrityError(f"there is no kind of event {topic!r}")
        core = decoding.roster_core(topic, state)
        sealed = RosterRecord.parse(state).sealed
        if self._opener is not None and (self._complete or self._opener.knows(sealed)):
            if sealed[:1] == ADDRESSED:
                raise IntegrityError(_UNKEYED)
            told = decoding.roster_sealed(topic, self._opener.open(place, version, topic, sealed))
            if topic == _FOUNDED and told.names.keys() != {founder.member for founder in core.statement.founders}:
                raise IntegrityError("it names other members than it founds the registry with")
        return core

    def _check_commit(
        self, record: Record, position: int, number: int, told: tuple[str | None, datetime | None, str], found: Found
    ) -> bool:
        """Check who the event says acted, and when; return whether one of both is wrong."""
        author, at, topic = told
        if author is not None and record.by != author:
            found.wrong(position, problems.ACTOR, "it names another member than the one who signed for it")
        elif at is not None and record.at > at:
            found.wrong(position, problems.TIME, "it says a later time than its commit has")
        # A disclosure is committed after it was made, with others; all else is committed as it happens.
        elif (
            topic != TokenDisclosed.TOPIC
            and at is not None
            and record.at < at
            and number
            and self._commit(number - 1, ())[1] not in (None, at)
        ):
            found.wrong(position, problems.TIME, "its commit is later than it says, and than the commit before")
        else:
            return False
        return True

    def _check_rules(self, record: Record, topic: str, position: int, found: Found) -> bool:
        """Check what the roster of the moment must allow; return whether it does not."""
        timeline = self._timeline
        length = timeline.length(position)
        if timeline.broken is not None and length >= len(timeline.rosters) - 1:
            return False
        roster = timeline.rosters[length]
        wrong = None
        if topic != _EXPIRY and not record.encrypted and roster.policy("allow-plaintext") != "yes":
            wrong = "it makes a token readable, which the policy of that moment forbade"
        application = getattr(record, "application", None)
        if application is not None and application not in roster.applications:
            wrong = "it makes a token of an application that there was not"
        if wrong:
            found.wrong(position, problems.REPLAY, wrong)
        return wrong is not None

    def _check_own(self, originator: str, facts: Iterable[Fact], found: Found) -> None:
        """Check the events in the stream of a member, or of the roster."""
        roster = originator == self._timeline.stream
        for fact in facts:
            if roster or fact.topic in ROSTER_TOPICS:
                continue  # whether that stands where it must is known from the log already
            if fact.topic not in _OWN:
                if fact.record is not None or self._opener is None:
                    found.wrong(fact.position, problems.REPLAY, "it stands in a member's stream, and is about a token")
            elif fact.record is not None:
                if fact.record.by != originator and not fact.doubtful:
                    found.wrong(fact.position, problems.REPLAY, "it stands in the stream of another member")
                if fact.topic == _DISCLOSED and not fact.doubtful:
                    told = fact.record
                    found.disclosures.append((fact.position, told.token, told.revision, told.application))

    def _ended(self, originator: str, facts: Sequence[Fact], gaps: bool, found: Found) -> End:  # noqa: FBT001 - one of what is known
        """Return how a token's stream ends."""
        last = facts[-1]
        topics = {fact.topic for fact in facts}
        outcome = self._replayed(originator, facts, gaps, found)
        if outcome is None:
            loose = gaps or any(fact.doubtful for fact in facts)
            alive = DELETED not in topics and (CREATED in topics or loose)
            if not self._start:
                self._check_topics(facts, loose, found)
            return End(alive, last.version, last.position, None, loose)
        living = [state for state in outcome.states if not state.deleted]
        loose = gaps or not outcome.states or 0 < len(living) < len(outcome.states)
        alive = bool(living) if outcome.states else DELETED not in topics
        found.loose += loose
        return End(alive, last.version, last.position, structs.replace(outcome, states=living), loose)

    def _replayed(self, originator: str, facts: Sequence[Fact], gaps: bool, found: Found) -> Outcome | None:  # noqa: FBT001 - as above
        if self._opener is None or self._start:
            return None
        if gaps:
            found.starts[originator] = None
            return Outcome(())
        outcome = replay(originator, facts)
        for position, complaint in outcome.complaints:
            found.wrong(position, problems.REPLAY, complaint)
        found.starts[originator] = None
        if outcome.certain and outcome.states:
            state = outcome.states[0]
            found.starts[originator] = (state.application, state.starts, state.deleted)
        return outcome

    def _check_topics(self, facts: Sequence[Fact], loose: bool, found: Found) -> None:  # noqa: FBT001 - as above
        """Check what can be seen without opening anything: a token begins by being made, and ends by being deleted."""
        there = loose
        for fact in facts:
            if (fact.topic == CREATED) == there and not loose and not fact.doubtful:
                found.wrong(fact.position, problems.REPLAY, "it cannot follow what happened to the token before")
            there = there or fact.topic == CREATED
        deleted = [fact.topic == DELETED for fact in facts]
        for fact, gone in zip(facts[1:], deleted, strict=False):
            if gone and not fact.doubtful:
                found.wrong(fact.position, problems.REPLAY, "it cannot follow what happened to the token before")


_EXPIRY = "token.expiry_set"
_DEMANDING = frozenset({CREATED, "token.encryption_changed"})


def _moment(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _are_next(events: Sequence[Row], version: int) -> bool:
    """Return whether the versions of events follow each other, and their positions with them."""
    positions = [event[4] for event in events]
    if [event[1] for event in events] != list(range(version, version + len(events))):
        return False
    return set(map(type, positions)) == {int} and (len(events) == 1 or all(map(lt, positions, positions[1:])))


def _chunks(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(numbers), _CHUNK):
        yield numbers[start : start + _CHUNK]


def _by_stream(pages: Iterable[list[Row]]) -> Iterator[tuple[Any, list[Row]]]:
    """Yield the events of each stream, from pages of events in the order of their streams."""
    stream, events = None, list[Row]()
    for page in pages:
        for event in page:
            if event[0] != stream:
                if events:
                    yield stream, events
                stream, events = event[0], []
            events.append(event)
    if events:
        yield stream, events
