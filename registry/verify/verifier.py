"""The whole verification of one store, by one member."""

import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from itertools import pairwise

from registry.errors import RegistryError, StoreUnreadable
from registry.log import checkpoint, problems
from registry.log.checkpoint import Checkpoint
from registry.log.note import Note
from registry.log.problems import Problem
from registry.sealing.identity import Identity
from registry.store.place import Place
from registry.store.raw import RawStore, Row
from registry.store.topics import ROSTER_TOPICS
from registry.values import CLOCK_SKEW
from registry.verify import decoding
from registry.verify.crew import Crew, Worker, workers_for
from registry.verify.current import Present
from registry.verify.diagnosis import Diagnosis
from registry.verify.disclosures import Disclosures
from registry.verify.findings import Known, Looked, Part, Range, Suspect
from registry.verify.holdings import Holdings
from registry.verify.judging import Findings, Said
from registry.verify.keys import keys_of
from registry.verify.log import frontier_of, joined, known_of
from registry.verify.report import Outcome, Report
from registry.verify.rows import RowChecker
from registry.verify.spans import Edge, Span, spans
from registry.verify.streams import Streams
from registry.verify.taking import Moment, take
from registry.verify.walking import Walked, Walker

Progress = Callable[[int, int], None]
Task = Span | Range | Part | Known

_WORTH_FORKING = 3_000
_COSTLIER = 20
"""How many events a signature takes as long as."""
_STREAMED = 2_000
_MOST_BEHIND = 1_000_000
_PREFIX = 16**4
_HASH = 32


class Verifier:
    """Verifies one store. ``since`` is a checkpoint that is known to be right: only what came after is verified."""

    def __init__(
        self,
        place: Place,
        registry: bytes,
        identity: Identity,
        *,
        since: Note | None = None,
        now: datetime,
        workers: int | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._place = place
        self._registry = registry
        self._identity = identity
        self._since = since
        self._latest = now + CLOCK_SKEW
        self._workers = workers
        self._progress = progress
        self._done = self._total = self._start = 0
        self._known = Known()

    def run(self, also: Callable[[RawStore, Moment], Sequence[Problem]]) -> Outcome | str:
        """Return what is wrong with the store, or why nothing in it can be read.

        ``also`` says what else is wrong with its log.
        """
        with closing(self._place.open_raw()) as store:
            if (why := store.illegible()) is not None:
                return why
            self._moment = moment = take(store, self._registry)
            self._report = Report(moment)
            self._report.problems += also(store, moment)
            self._keys = keys_of(self._registry, self._identity, moment.timeline.last, complete=moment.complete)
            edge, first, self._start = self._begin(store)
            pieces = list(spans(self._outline(store), first, self._start, moment.end))
        self._total = 2 * (moment.end - self._start)
        work = moment.end - self._start + (_COSTLIER * (pieces[-1].last - first) if pieces else 0)
        workers = workers_for(self._workers, len(pieces)) if work > _WORTH_FORKING else 1
        # No connection is open while processes are forked: its locks would not be theirs.
        with Crew(self._prepared, workers) as crew, closing(self._place.open_raw()) as store:
            self._verify_log(crew, store, pieces, edge)
            self._verify_streams(crew, store)
            self._report.add_damage(store)
        return self._report.outcome(self._keys, partial=self._start > 0)

    def _outline(self, store: RawStore) -> list[tuple[int, object]]:
        newest = self._moment.newest
        try:
            return list(store.outline(newest[0])) if newest is not None else []
        except StoreUnreadable:
            self._moment.unread.append("commits")
            return []

    def _begin(self, store: RawStore) -> tuple[Edge, int, int]:
        """Return what is known to be right, and the number and position from which on to verify."""
        timeline = self._moment.timeline
        if self._since is None:
            return Edge(), 0, 0
        told = Checkpoint.parse(self._since.text)
        length = min(told.roster_length, len(timeline.rosters) - 1)
        keys = {member.id: member.keys.signing for member in timeline.rosters[length].members.values()}
        since = checkpoint.verify(self._since, self._registry, keys).checkpoint
        if not self._goes_on(store, since, timeline.rosters[length].head):
            what = "the log is not the one that the checkpoint given is of, so that all of it was verified"
            self._report.wrong(self._moment.end, problems.PIN, what)
            return Edge(), 0, 0
        made = store.commits(since.commit, since.commit)
        at = made[0][2] if made and isinstance(made[0][2], str) else ""
        frontier = frontier_of(store, since.size, since.root) or ()
        return Edge(frontier, at, since.present, since.roster_length, since.shredded), since.commit + 1, since.size

    def _goes_on(self, store: RawStore, since: Checkpoint, head: bytes) -> bool:
        sizes = {row[3] for row in store.commits(since.commit, since.commit)}
        here = since.size <= self._moment.end and since.roster_head == head and sizes in ({since.size}, set())
        return here and frontier_of(store, since.size, since.root) is not None

    # In each process

    @contextmanager
    def _prepared(self) -> Iterator[Worker[Task, Walked | Looked | None]]:
        moment = self._moment
        store = self._place.raw(lenient=False)
        walker, streams = Walker(store, moment.timeline, self._latest), self._streams(store)

        def work(task: Task) -> Walked | Looked | None:
            if isinstance(task, Span):
                return walker.walk(task)
            if isinstance(task, Known):
                streams.known = task
                return None
            with suppress(StoreUnreadable):
                return streams.look(task)
            # There may be a text in it that is no text, or the file itself may be damaged.
            with closing(self._place.raw()) as other, suppress(StoreUnreadable):
                lenient = self._streams(other)
                lenient.known = streams.known
                return lenient.look(task)
            return streams.pass_by(task)

        with closing(store):
            yield work

    def _streams(self, store: RawStore) -> Streams:
        moment, unread = self._moment, set(self._moment.unread)
        whole = self._start == 0 and not {"stored_events", "commits"} & unread
        checker = RowChecker(self._keys)
        holdings = Holdings(self._registry, moment.snapshot, checker, moment.end, whole=whole)
        span = self._start, moment.end
        return Streams(store, moment.timeline, self._keys, holdings if self._report.readable else None, span)

    # In this process

    def _advance(self, done: int) -> None:
        self._done += done
        if self._progress is not None:
            self._progress(self._done, self._total)

    def _verify_log(
        self, crew: "Crew[Task, Walked | Looked | None]", store: RawStore, pieces: list[Span], edge: Edge
    ) -> None:
        walked: dict[Span, Walked] = {}
        for piece, result in crew.do(pieces):
            if isinstance(piece, Span) and isinstance(result, Walked):
                walked[piece] = result
                self._advance(piece.end - piece.start)

        def closer(known: Edge, position: int, found: Findings) -> Diagnosis:
            timeline = self._moment.timeline
            return Diagnosis(store, timeline, self._said_by, (known, position), found, latest=self._latest)

        found = joined(pieces, walked.__getitem__, edge, closer)
        self._report.add_log(found)
        moment = self._moment
        behind = range(moment.end, moment.end + min(moment.behind, _MOST_BEHIND))
        self._known = known_of(found, behind)
        crew.tell(self._known)

    def _said_by(self, row: Row) -> Said:
        _, _, originator, version, topic, state = row
        opener = self._keys.opener
        try:
            if topic in ROSTER_TOPICS:
                return Said(decoding.roster_core(topic, state).at)
            if opener is None or not (self._keys.complete or opener.knows(state)):
                return Said()
            contents = opener.open(opener.place(originator), version, topic, state)
            return Said(decoding.decoded(decoding.decoders()[topic], contents).at)
        except (RegistryError, ValueError, TypeError, AttributeError, LookupError, struct.error):
            return Said(shut=True)

    def _verify_streams(self, crew: "Crew[Task, Walked | Looked | None]", store: RawStore) -> None:
        moment, report = self._moment, self._report
        ranges = list(self._ranges())
        digests: dict[Range, bytes] = {}
        suspects: list[Suspect] = []
        seen = 0
        disclosures = Disclosures(self._known, whole=self._start == 0)
        # Disclosures can only be checked when all tokens are known.
        for tasks in (ranges, self._parts(store)):
            for task, looked in crew.do(tasks):
                if isinstance(looked, Looked):
                    seen += looked.seen
                    suspects += looked.suspects
                    report.add(looked)
                    disclosures.learn(looked)
                    if isinstance(task, Range):
                        digests[task] = looked.digests
                    report.problems += disclosures.check(looked)
                    self._advance(looked.seen)
        report.check_seen(seen, moment.end - self._start)
        if report.readable:
            self._verify_present(store, b"".join(digests[one] for one in ranges), suspects)

    def _verify_present(self, store: RawStore, digests: bytes, suspects: Sequence[Suspect]) -> None:
        moment = self._moment
        snapshot, newest = moment.snapshot, moment.newest
        rows = [snapshot.rows[token] for token in snapshot.tokens if token in snapshot.rows]

        def position_of(token: str) -> int:
            with suppress(StoreUnreadable):
                found = store.newest_of(token, moment.end)
                return moment.end if found is None else found[0]
            return moment.end

        root = newest[5] if newest is not None and moment.signed is not False else None
        present = Present(
            root if isinstance(root, bytes) and len(root) == _HASH else None,
            None if "present_units" in moment.unread else moment.units,
            size=moment.end,
            opened=self._keys.opener is not None and self._start == 0,
            position_of=position_of,
        )
        compare = self._report.comparable
        self._report.problems += present.problems(rows, digests, suspects, compare=compare)

    def _specials(self) -> list[str]:
        return sorted({*self._moment.timeline.ever(), self._moment.timeline.stream})

    def _ranges(self) -> Iterator[Range]:
        """Yield ranges of ids that leave out the streams of members, which can be long, and the roster's."""
        number = min(_PREFIX, max(1, min(self._moment.end - self._start, self._moment.events) // _STREAMED))
        cuts: list[str | None] = [f"{step * _PREFIX // number:04x}" for step in range(1, number)]
        for low, high in pairwise([None, *sorted([*filter(None, cuts), *self._specials()]), None]):
            yield Range(low, high)

    def _parts(self, store: RawStore) -> Iterator[Part]:
        end = self._moment.end
        for originator in self._specials():
            first = 1
            with suppress(StoreUnreadable):
                newest = store.newest_of(originator, self._start) if self._start else None
                first = (newest[1] if newest else 0) + 1
                while (following := store.later_version(originator, first - 1, _STREAMED + 1, end)) is not None:
                    yield Part(originator, first, following)
                    first = following
            yield Part(originator, first, None)
