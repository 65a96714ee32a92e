"""Following the log of a folder, commit by commit, with everything that is said of it twice compared."""

from collections.abc import Callable, Iterator, Mapping

from msgspec import structs

from registry.domain.roster import Member
from registry.errors import IntegrityError, RegistryError, Unusable
from registry.evidence import layout
from registry.evidence.contents import ContentsCheck
from registry.evidence.findings import FOLDER, Findings
from registry.evidence.folder import Folder
from registry.evidence.layout import Manifest
from registry.evidence.opening import json_object
from registry.log import checkpoint, note, problems
from registry.log.checkpoint import Checkpoint
from registry.log.leaf import Leaf, state_hash
from registry.log.merkle import leaf_hash
from registry.log.tiles import WIDTH, Tile, Tiling
from registry.sealing.roster_record import RosterRecord
from registry.store.following import Follower
from registry.store.rows import CommitColumns, LoggedCommit, LoggedEvent, Stored, moment, typed
from registry.store.topics import ROSTER_TOPICS
from registry.values import MemberId

Seen = Callable[[LoggedCommit, Mapping[MemberId, Member]], None]
"""Is told each commit that was verified, with the members of its moment."""
_ENTRIES = "entries"


class _OneCommit:
    """A log of which one commit can be seen: what a follower is given to take its next step."""

    def __init__(self, made: LoggedCommit, events: list[LoggedEvent]) -> None:
        self._made = made
        self._events = events

    def head(self) -> LoggedCommit:
        return self._made

    def size(self) -> int:
        return self._made.size

    def commits(self, after: int = -1) -> Iterator[LoggedCommit]:
        return iter([self._made] if self._made.number > after else [])

    def events(self, start: int = 0) -> Iterator[LoggedEvent]:
        return (logged for logged in self._events if logged.position >= start)

    def nodes(self, numbers: list[int]) -> dict[int, bytes]:  # noqa: ARG002 - the form of a store
        return {}  # whoever begins with the founding has them all


class _Light(LoggedEvent, frozen=True):
    """An event of which only the leaf is left: that is all that following needs of it."""

    kept: Leaf

    def leaf(self, registry: bytes) -> Leaf:  # noqa: ARG002 - the form of every event
        return self.kept


def _light(logged: LoggedEvent, leaf: Leaf) -> _Light:
    stored = structs.replace(logged.stored, state=b"")
    return _Light(logged.position, logged.commit, logged.author, logged.at, stored, leaf)


class _Records:
    """The records of a file, taken in step with the events; what is wrong with the file is told once and ends it."""

    def __init__(self, source: Folder, kind: str, length: int, findings: Findings) -> None:
        self._records = source.records(kind, length)
        self._kind = kind
        self._findings = findings
        self.count = 0
        self._next = self._following()

    def _following(self) -> tuple[int, bytes] | None:
        try:
            return next(self._records, None)
        except IntegrityError as error:
            self._findings.folder(str(error))
            return None

    def take(self, position: int) -> bytes | None:
        """Return what is recorded of the event at a position, ``None`` if nothing is."""
        if self._next is None or self._next[0] != position:
            return None
        record = self._next[1]
        self.count += 1
        self._next = self._following()
        return record

    def end(self, count: int) -> None:
        """Add a problem unless all were taken, as many as the manifest says."""
        if self._next is not None or self.count != count:
            message = f"{self._kind} holds other than the {count} records that the manifest and the log speak of"
            self._findings.folder(message)


class LogCheck:
    """The log of a folder. ``follower`` holds how far it was verified, ``contents`` what is disclosed of it."""

    def __init__(self, source: Folder, manifest: Manifest, findings: Findings, seen: Seen) -> None:
        self.registry = bytes.fromhex(manifest.registry)
        self.follower = Follower(self.registry)
        self.contents = ContentsCheck(self.registry, findings)
        self._source = source
        self._manifest = manifest
        self._findings = findings
        self._seen = seen
        self._entries = source.entries(manifest.size)
        self._states = source.framed(layout.STATES, manifest.size, layout.LONGEST_STATE)
        self._notes = source.framed(layout.COMMITS, manifest.commits, layout.LONGEST_NOTE)
        self._openings = _Records(source, layout.OPENINGS, layout.OPENING, findings)
        self._roster = _Records(source, layout.ROSTER, layout.POSITION, findings)
        self._tiling = Tiling()
        self._versions: dict[bytes, int] = {}
        self._kind = problems.COMMIT

    def run(self) -> None:
        """Follow the log to its end, or to the first thing behind which nothing can be followed."""
        note_of_head = b""
        try:
            for number in range(self._manifest.commits):
                note_of_head = self._commit(number)
            self._end(note_of_head)
        except Unusable:
            raise
        except (RegistryError, RecursionError) as error:
            message = str(error) if isinstance(error, RegistryError) else "an event says what is nested too deep"
            self._findings.add(self.follower.size, self._kind, message)
        for problem in self.follower.problems:
            self._findings.history(problem.position, problem.kind, problem.message)

    def _commit(self, number: int) -> bytes:
        self._kind = problems.COMMIT
        raw = next(self._notes)
        columns = self._columns(number, raw)
        self._kind = problems.EVENT
        events = self._events(columns)
        self._kind = problems.COMMIT
        made = LoggedCommit.of(columns, events[0].at)
        before, members = self.follower.head, self.follower.roster.members
        self.follower.advance(_OneCommit(made, events))
        members = members if before else self.follower.roster.members
        # The line of the signature names a key; whose signature it is, was checked.
        signing = members[made.author].keys.signing
        if checkpoint.restored(made.checkpoint(self.registry), made.author, signing, made.signature).encode() != raw:
            raise IntegrityError(f"the checkpoint of commit {number} is written otherwise than it was signed")
        self._seen(made, members)
        for logged in events:
            self._tell(logged)
        return raw

    def _columns(self, number: int, raw: bytes) -> CommitColumns:
        signed = note.parse(raw)
        point = Checkpoint.parse(signed.text)
        if point.registry != self.registry:
            raise IntegrityError(f"the checkpoint of commit {number} is another registry's")
        if point.commit != number or len(signed.signatures) != 1:
            raise IntegrityError(f"the checkpoint of commit {number} is missing, or signed more than once")
        if not self.follower.size < point.size <= self._manifest.size:
            raise IntegrityError(f"commit {number} ends at {point.size} events, which cannot be")
        (signature,) = signed.signatures
        author = checkpoint.member_of(self.registry, signature.name)
        parts = point.size, point.root, point.present, point.roster_length, point.roster_head, point.shredded
        return typed(CommitColumns, (number, author, *parts, signature.value), layout.COMMITS)

    def _events(self, made: CommitColumns) -> list[LoggedEvent]:
        """Return the events of a commit; ``IntegrityError`` if an entry is not of its event.

        What is disclosed of them is looked at on the way: no more of a commit is held in memory than following takes.
        """
        events: list[LoggedEvent] = []
        wrong = 0
        for position in range(self.follower.size, made.size):
            entry, state = next(self._entries), next(self._states)
            leaf = Leaf.parse(entry)
            at = events[0].at if events else moment(leaf.at, _ENTRIES)
            stored = typed(Stored, (leaf.originator_id, leaf.version, leaf.topic, state), _ENTRIES)
            logged = LoggedEvent(position, made.number, made.author, at, stored)
            fault = self._fault(logged, leaf)
            if fault is not None:
                self._findings.add(position, problems.EVENT, fault)
                wrong += 1
            for tile, data in self._tiling.add(leaf_hash(entry)):
                self._check_tile(tile, data)
            key = self._openings.take(position)
            if key is not None and fault is None:
                self.contents.take(logged, entry, key, self.follower.head.at if self.follower.head else None)
            events.append(logged if stored.topic in ROSTER_TOPICS else _light(logged, leaf))
        if wrong:
            raise IntegrityError(f"events of commit {made.number} are not the ones committed")
        return events

    def _fault(self, logged: LoggedEvent, leaf: Leaf) -> str | None:
        """Return why an entry is not that of the event, ``None`` if it is."""
        position, stored = logged.position, logged.stored
        if leaf.state_hash != state_hash(stored.state):
            if stored.state != layout.LEFT_OUT or stored.topic in ROSTER_TOPICS:
                return f"the state at position {position} is not the one that its entry names"
            message = f"the state at position {position} is left out: no event may be so large"
            self._findings.history(position, problems.CONTENTS, message)
        bare = structs.replace(logged, stored=structs.replace(stored, state=b""))  # its hash was compared above
        if structs.replace(bare.leaf(self.registry), state_hash=leaf.state_hash) != leaf:
            return f"the entry at position {position} says other than its place and its commit"
        return None

    def _check_tile(self, tile: Tile, data: bytes) -> None:
        position = tile.index * WIDTH << 8 * (tile.level or 0)
        try:
            if self._source.tile(tile) != data:
                self._findings.add(position, problems.NODE, f"{tile.path()} is not of the tree over the entries")
        except IntegrityError as error:
            self._findings.add(position, problems.NODE, str(error))

    def _tell(self, logged: LoggedEvent) -> None:
        stored, position = logged.stored, logged.position
        stream = bytes.fromhex(stored.originator_id)
        if stored.originator_version != self._versions.get(stream, 0) + 1:
            message = f"the event at position {position} has not the next version of its stream"
            self._findings.history(position, problems.VERSION, message)
        self._versions[stream] = stored.originator_version
        if (self._roster.take(position) is not None) != (stored.topic in ROSTER_TOPICS):
            self._findings.add(position, FOLDER, f"roster is wrong about the event at position {position}")
        if stored.topic in ROSTER_TOPICS:
            self._check_core(logged)

    def _check_core(self, logged: LoggedEvent) -> None:
        try:
            core = json_object(RosterRecord.parse(logged.stored.state).core)
        except IntegrityError as error:
            self._findings.history(logged.position, problems.ROSTER, f"the event at {logged.position}: {error}")
            return
        if core.get("by") != logged.author:
            message = f"the event at position {logged.position} says another author than signed for it"
            self._findings.history(logged.position, problems.ACTOR, message)

    def _end(self, note_of_head: bytes) -> None:
        size = self._manifest.size
        if self.follower.size != size or not size:
            raise IntegrityError(f"the commits end at {self.follower.size} events, the manifest says {size}")
        for tile, data in self._tiling.rest():
            self._check_tile(tile, data)
        self._kind = FOLDER
        # Whatever stands behind the last part of a file is found when it is asked for one more.
        for rest in (self._notes, self._states, self._entries):
            next(rest, None)
        self._roster.end(self._manifest.roster)
        self._openings.end(self._manifest.openings)
        if self._source.checkpoint() != note_of_head:
            raise IntegrityError("the checkpoint is not that of the last commit")
