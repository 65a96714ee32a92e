"""What a commit adds to the log and to the present, worked out inside its transaction: the same for every store.

Nothing that is read from the store is believed. The tree grows on subtrees that the author has verified, and the units
of the present that change must belong to the root of before: otherwise the author would sign what somebody else put
there.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from msgspec import structs

from registry.errors import Conflict
from registry.log import merkle, present
from registry.log.leaf import Leaf, state_hash
from registry.sealing import roster_record
from registry.sealing.roster_record import RosterRecord
from registry.store.rows import Commit, LoggedCommit, Stored, Written
from registry.store.topics import ROSTER_TOPICS
from registry.values import rfc3339


class LogReader(Protocol):
    """What a store gives from inside the transaction of a commit."""

    def end(self) -> tuple[int | None, int]:
        """Return the number of the newest commit, and behind which position the events end."""

    def units(self, numbers: Iterable[int]) -> Mapping[int, bytes]:
        """Return the stored units of the present; those that are not there are left out."""


def placed(commit: Commit, stored_events: Sequence[Stored]) -> Commit:
    """Return the commit, with the position in each row at which its events put it; others stay where they were."""
    positions = {event.originator_id: position for position, event in enumerate(stored_events, commit.start)}
    rows = [structs.replace(row, position=positions.get(row.token, row.position)) for row in commit.rows]
    return structs.replace(commit, rows=rows) if rows else commit


def assemble(commit: Commit, stored_events: Sequence[Stored], reader: LogReader) -> Written:
    """Return what the commit adds, its signed checkpoint included; ``Conflict`` if it is not the next one."""
    before = commit.parent
    if reader.end() != (before.number if before else None, commit.start):
        raise Conflict("somebody else committed meanwhile", "try again")
    growth = _growth(commit, stored_events)
    change = _change(commit, reader)
    length, head = _roster(commit, stored_events)
    unsigned = LoggedCommit(
        number=commit.number,
        author=commit.author,
        at=commit.at,
        size=growth.size,
        root=growth.root,
        present=change.root,
        roster_length=length,
        roster_head=head,
        shredded=_shredded(commit),
        signature=b"",
    )
    signature = commit.sign(unsigned.checkpoint(commit.registry).text().encode())
    nodes = {merkle.node_number(*place): node for place, node in growth.nodes.items()}
    return Written(structs.replace(unsigned, signature=signature), nodes, change.units)


def _growth(commit: Commit, stored_events: Sequence[Stored]) -> merkle.Growth:
    def node(level: int, index: int) -> bytes:
        return commit.frontier[level, index]

    at = rfc3339(commit.at)
    leaves = (
        Leaf(
            commit.registry,
            position,
            commit.number,
            commit.author,
            at,
            event.originator_id,
            event.originator_version,
            event.topic,
            state_hash(event.state),
        ).hashed()
        for position, event in enumerate(stored_events, commit.start)
    )
    return merkle.append(node, commit.start, leaves)


def _change(commit: Commit, reader: LogReader) -> present.Change:
    before = commit.parent.present if commit.parent else present.EMPTY_ROOT
    # A name that one row of this commit gives up may be taken by another, so they are all given up first.
    known = frozenset(row.name_tag for row in commit.replaced.values())
    changes: dict[bytes, bytes | None] = dict.fromkeys(known)
    changes |= {row.name_tag: row.digest(commit.registry) for row in commit.rows}
    if not changes:
        return present.Change(before, {})
    units = {**commit.nodes, **reader.units(present.units_of(changes) - commit.nodes.keys())}
    return present.change(before, units.get, changes, known)


def _roster(commit: Commit, stored_events: Sequence[Stored]) -> tuple[int, bytes]:
    length, head = (commit.parent.roster_length, commit.parent.roster_head) if commit.parent else (0, bytes(32))
    for event in stored_events:
        if event.topic in ROSTER_TOPICS:
            record, length = RosterRecord.parse(event.state), event.originator_version
            head = roster_record.link(commit.registry, length, event.topic, record.core, record.sealed)
    return length, head


def _shredded(commit: Commit) -> int:
    due = commit.parent is not None and commit.parent.shred_due and not commit.shredded
    if due and commit.parent is not None:
        return commit.parent.shredded
    return commit.number if commit.shred else commit.number + 1
