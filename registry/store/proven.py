"""Parts of a log whose head was verified: each event that is read is proven to be in it, wherever the reading begins.

What is read from the beginning to the end is proven by the root alone (``verified_events``). Who watches a log, or goes
on where it stopped, reads a part, and must not be shown another history than the one that was verified.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Protocol

from registry.errors import IntegrityError
from registry.log import merkle
from registry.log.checkpoint import Checkpoint
from registry.store.rows import LoggedCommit, LoggedEvent

_BATCH = 500
_HINT = "'verify' says which"


class PartSource(Protocol):
    """What gives parts of the history, and the nodes of its tree."""

    def events(self, start: int = 0, topics: Sequence[str] = (), end: int | None = None) -> Iterator[LoggedEvent]:
        """Yield the events from a position on, and before another, in their order."""

    def nodes(self, numbers: Iterable[int]) -> dict[int, bytes]:
        """Return nodes of the tree by their numbers."""


class ProvenLog:
    """Reads a store's log as it was at a verified commit."""

    def __init__(self, store: PartSource, registry: bytes, head: LoggedCommit) -> None:
        self._store = store
        self.registry = registry
        self._head = head
        self._nodes: dict[int, bytes] = {}

    def _node(self, level: int, index: int) -> bytes:
        number = merkle.node_number(level, index)
        if number not in self._nodes:
            self._nodes |= self._store.nodes([number])
        try:
            return self._nodes[number]
        except KeyError:
            raise IntegrityError(f"the node {number} of the log is missing", _HINT) from None

    def _load(self, position: int, size: int) -> None:
        """Read all nodes that prove an event with one question instead of one for each."""
        numbers: set[int] = set()

        def note(level: int, index: int) -> bytes:
            numbers.add(merkle.node_number(level, index))
            return b""

        merkle.inclusion_proof(note, position, size)
        self._nodes |= self._store.nodes(numbers - self._nodes.keys())

    def commits(self, start: int) -> Iterator[list[LoggedEvent]]:
        """Yield the events from a position on, those of one commit together; ``IntegrityError`` before any is wrong.

        Where the position lies within a commit, the rest of that commit comes first.
        """
        batch: list[list[LoggedEvent]] = []
        reached = start
        for _, events in groupby(self._store.events(start, end=self._head.size), key=lambda logged: logged.commit):
            batch.append(list(events))
            reached += len(batch[-1])
            if reached - start >= _BATCH and len(batch) > 1:
                self._check(start, batch)
                # Of the last one it is not proven yet that no more of it follows.
                yield from batch[:-1]
                batch = batch[-1:]
                start, self._nodes = reached - len(batch[0]), {}
        if reached != self._head.size:
            raise IntegrityError(f"events behind position {reached - 1} are missing", _HINT)
        if batch:
            self._check(start, batch)
            yield from batch

    def _check(self, start: int, batch: Iterable[list[LoggedEvent]]) -> None:
        hashes = (logged.leaf(self.registry).hashed() for commit in batch for logged in commit)
        # The subtrees that it grows from are not checked by themselves: others would not lead to the verified root.
        growth = merkle.append(self._node, start, hashes)
        onward = merkle.consistency_proof(self._node, growth.size, self._head.size)
        try:
            merkle.verify_consistency(growth.size, self._head.size, onward, growth.root, self._head.root)
        except IntegrityError:
            raise IntegrityError(
                f"an event at position {start} or behind it is not the one committed, or nodes of the log were changed",
                _HINT,
            ) from None

    def end_of(self, point: Checkpoint) -> LoggedEvent | None:
        """Return the last event of the commit that a checkpoint is of; ``None`` if the log does not go through it.

        Number, author and time of the commit are that event's: unlike the commit's row, it is proven to be in the log.
        """
        if not 0 < point.size <= self._head.size:
            return None
        root = merkle.root_at(self._node, point.size)
        onward = merkle.consistency_proof(self._node, point.size, self._head.size)
        try:
            merkle.verify_consistency(point.size, self._head.size, onward, root, self._head.root)
        except IntegrityError:
            raise IntegrityError("nodes of the log were changed", _HINT) from None
        if root != point.root:
            return None
        # The one behind it tells that the commit ends there.
        around = list(self._store.events(point.size - 1, end=min(point.size + 1, self._head.size)))
        numbers = [(logged.position, self.check(logged).commit) for logged in around]
        wished = [(point.size - 1, point.commit), (point.size, point.commit + 1)][: self._head.size - point.size + 1]
        return around[0] if numbers == wished else None

    def check(self, logged: LoggedEvent) -> LoggedEvent:
        """Return an event that was read by itself; ``IntegrityError`` unless it is the one at its position."""
        hashed, size = logged.leaf(self.registry).hashed(), self._head.size
        if logged.position >= size:
            raise IntegrityError(f"the event at position {logged.position} is no part of the log", _HINT)
        self._load(logged.position, size)
        proof = merkle.inclusion_proof(self._node, logged.position, size)
        try:
            merkle.verify_inclusion(hashed, logged.position, size, proof, self._head.root)
        except IntegrityError:
            raise IntegrityError(
                f"the event at position {logged.position} is not the one committed, or nodes of the log were changed",
                _HINT,
            ) from None
        return logged
