"""One moment of a store: its newest commit, where its log ends, and all that does not stay as it is."""

from collections.abc import Callable
from typing import TypeVar

from msgspec import Struct

from registry.errors import StoreUnreadable
from registry.log import merkle, problems
from registry.log.problems import Problem
from registry.sealing import roster_record
from registry.store.raw import RawStore, Row
from registry.verify.cases import Case, Signatures
from registry.verify.findings import Snapshot
from registry.verify.rows import CurrentRow
from registry.verify.timeline import Signers, Timeline, follow

T = TypeVar("T")


class Moment(Struct):
    """What is read in one transaction."""

    schema: list[str]
    newest: Row | None
    signed: bool | None
    """Whether the newest commit's author signed it; ``None`` if that cannot be known."""
    commits: int
    events: int
    """How many rows there are of each, whatever their numbers and positions."""
    end: int
    """Where the log ends."""
    behind: int
    """How many events stand behind it."""
    timeline: Timeline
    complete: bool
    """Whether the roster was followed to its end, so that the keys that it names are those in force."""
    snapshot: Snapshot
    units: dict[int, object]
    problems: list[Problem]
    unread: list[str]
    """Tables that could not be read."""


def take(store: RawStore, registry: bytes) -> Moment:
    """Read one moment of a store; ``StoreUnreadable`` if it is of a schema that this program does not know."""
    with store.snapshot():
        return _Taking(store, registry).moment()


class _Taking:
    def __init__(self, store: RawStore, registry: bytes) -> None:
        self._store = store
        self._registry = registry
        self._problems: list[Problem] = []
        self._unread: list[str] = []

    def moment(self) -> Moment:
        store = self._store
        schema = store.differences()
        newest = self._read("commits", store.newest, None)
        last = self._read("stored_events", store.last_position, -1)
        timeline, signed, end = self._end(newest, last)
        behind, first = self._read("stored_events", lambda: store.behind(end), (0, end))
        if behind:
            what = "1 event stands" if behind == 1 else f"{behind} events stand"
            self._wrong(first, problems.UNSIGNED, f"{what} behind the last commit")
        self._strays(end, max(last + 1, end) if behind else end)
        snapshot = self._snapshot(end)
        commits = self._read("commits", lambda: store.count("commits"), 0)
        events = self._read("stored_events", lambda: store.count("stored_events"), 0)
        told = self._rows("present_units")
        units: dict[int, object] = {unit: data for unit, data in told if isinstance(unit, int)}
        if len(units) != len(told):
            self._wrong(end, problems.PRESENT, "there are units of the present that have no number, or the same")
        return Moment(
            schema=schema,
            newest=newest,
            signed=signed,
            commits=commits,
            events=events,
            end=end,
            behind=behind,
            timeline=timeline,
            complete=timeline.broken is None and not behind and not _is_longer(newest, timeline),
            snapshot=snapshot,
            units=units,
            problems=self._problems,
            unread=sorted(set(self._unread)),
        )

    def _wrong(self, position: int, kind: str, message: str) -> None:
        self._problems.append(Problem(position, kind, message))

    def _read(self, table: str, read: Callable[[], T], otherwise: T) -> T:
        """Return what is read of a table; what cannot be read is named, and something else returned."""
        try:
            if table in self._store.readable:
                return read()
        except StoreUnreadable:
            pass
        self._unread.append(table)
        return otherwise

    def _rows(self, table: str) -> list[Row]:
        return self._read(table, lambda: list(self._store.table(table)), list[Row]())

    def _end(self, newest: Row | None, last: int) -> tuple[Timeline, bool | None, int]:
        """Return the roster, whether the newest commit is signed, and where the log ends."""
        if newest is None:
            return self._follow(last + 1), None, 0
        claimed = newest[3] if isinstance(newest[3], int) else None
        before = self._read("commits", lambda: self._store.commits(newest[0] - 1, newest[0] - 1), list[Row]())
        length = before[0][6] if before and isinstance(before[0][6], int) and before[0][6] >= 0 else 0
        start = before[0][3] if before and isinstance(before[0][3], int) else 0
        # An older commit's row can stand there under a newer number: then the log does not end where that one did.
        plausible = claimed is not None and max(0, start) < claimed <= last + 1
        timeline = self._follow(claimed if claimed is not None and plausible else last + 1)
        case = Case(newest[0], newest)
        Signatures(timeline, Signers()).check(case, newest, length, start)
        if claimed is not None and (case.signed or (case.signed is None and (plausible or self._has_nodes(claimed)))):
            return timeline, case.signed, claimed
        # Its size is not what its author signed. The tree tells it, or else its events say that they are its own.
        end = self._size_of_tree() or self._read("stored_events", lambda: self._store.end_of(newest[0]), 0)
        return self._follow(end), case.signed, end

    def _has_nodes(self, size: int) -> bool:
        """Return whether the tree has as many nodes as one of that size, so that its events are what is missing."""
        return size > 0 and self._size_of_tree() == size

    def _size_of_tree(self) -> int:
        """Return the size of the tree by the number of its nodes, 0 if no tree has so many."""
        nodes = self._read("log_nodes", self._store.last_node, -1) + 1
        return next((size for size in range(nodes // 2, nodes // 2 + 65) if merkle.nodes_in(size) == nodes), 0)

    def _follow(self, size: int) -> Timeline:
        stream = roster_record.stream_id(self._registry)
        events = self._read("stored_events", lambda: self._store.stream(stream, size), list[Row]())
        return follow(self._registry, events, size)

    def _strays(self, end: int, furthest: int) -> None:
        store, nodes = self._store, merkle.nodes_in
        for table, count, kind, what in (
            ("stored_events", store.strays, problems.EVENT, "events have a position that is none"),
            ("log_nodes", store.stray_nodes, problems.NODE, "nodes of the tree have a number that is none"),
            ("commits", store.stray_commits, problems.COMMIT, "commits have a number that is none"),
        ):
            if number := self._read(table, count, 0):
                self._wrong(end, kind, f"{what}: {number}")
        # Nodes of events that nobody signed for are said with these.
        if (extra := self._read("log_nodes", store.last_node, -1) + 1 - nodes(furthest)) > 0:
            self._wrong(
                end, problems.NODE, f"the tree has nodes too many, of numbers up to {nodes(furthest) + extra - 1}"
            )

    def _snapshot(self, end: int) -> Snapshot:
        wrapped: dict[object, object] = dict(self._rows("data_keys"))
        rows: dict[str, CurrentRow] = {}
        nameless = 0
        for row in self._rows("tokens"):
            if isinstance(row[0], str):
                rows[row[0]] = CurrentRow.of(row, wrapped.get(row[0]))
            else:
                nameless += 1
        for kind, number in (
            (problems.ROW, nameless),
            (problems.DATA_KEY, sum(not isinstance(token, str) for token in wrapped)),
        ):
            if number:
                self._wrong(end, kind, f"of no token at all: {number}")
        keys = {token: key for token, key in wrapped.items() if isinstance(token, str)}
        return Snapshot(sorted({*rows, *keys}), rows, keys)


def _is_longer(newest: Row | None, timeline: Timeline) -> bool:
    return newest is not None and isinstance(newest[6], int) and newest[6] >= len(timeline.rosters)
