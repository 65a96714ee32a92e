"""The history that a verified folder discloses, read event by event."""

import hashlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from registry.domain.events import Event
from registry.errors import IntegrityError
from registry.evidence import layout
from registry.evidence.folder import Folder
from registry.evidence.opening import opened_event
from registry.log.leaf import Leaf, state_hash
from registry.log.tiles import WIDTH
from registry.sealing.labels import joined
from registry.store.rows import LoggedEvent, Stored, moment
from registry.values import MemberId
from registry.views.directory import Directory
from registry.views.history import HistoryEntry, HistoryFilter, told
from registry.views.names import Names


class Disclosure:
    """A running hash over what is disclosed: each event's entry, which names its state, and its opening."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, entry: bytes, key: bytes) -> None:
        """Go on with the next event."""
        self._hash.update(joined(entry, key))

    def digest(self) -> bytes:
        """Return the hash so far."""
        return self._hash.digest()


def disclosed(folder: Path, registry: bytes, size: int, names: Directory, digest: bytes) -> Iterator[HistoryEntry]:
    """Yield what the disclosed events say; ``IntegrityError`` at the end unless they are those that were verified."""
    with Folder(folder) as source:
        reading = _Reading(source, registry, size)
        known = Names(names, partial=True)
        yield from (one.entry for one in told(reading.events(), reading.opened, known, HistoryFilter()))
        if reading.disclosure.digest() != digest:
            raise IntegrityError(f"the folder {folder} was changed while it was read")


class _Reading:
    """Reads the disclosed events in order; of the others, only those that share a file with one."""

    def __init__(self, source: Folder, registry: bytes, size: int) -> None:
        self.disclosure = Disclosure()
        self._source = source
        self._registry = registry
        self._size = size
        self._key = b""

    def events(self) -> Iterator[LoggedEvent]:
        loaded, behind = -1, 0
        entries_of: list[bytes] = []
        states: Iterator[bytes] = iter(())
        for position, key in self._source.records(layout.OPENINGS, layout.OPENING):
            if position >= self._size:
                raise IntegrityError("an opening is of no event", "the folder was changed while it was read")
            index = position // WIDTH
            if index != loaded:
                loaded, entries_of = index, self._source.bundle(index, self._size)
                states = self._source.framed(layout.STATES, self._size, layout.LONGEST_STATE, position)
                behind = index * WIDTH
            state = next(islice(states, position - behind, None), b"")
            behind = position + 1
            self._key = key
            self.disclosure.add(entries_of[position % WIDTH], key)
            yield self._logged(entries_of[position % WIDTH], state)

    def _logged(self, entry: bytes, state: bytes) -> LoggedEvent:
        leaf = Leaf.parse(entry)
        if leaf.state_hash != state_hash(state):
            raise IntegrityError(f"the state at position {leaf.position} was changed while the folder was read")
        stored = Stored(leaf.originator_id, leaf.version, leaf.topic, state)
        return LoggedEvent(leaf.position, leaf.commit, MemberId(leaf.author), moment(leaf.at, "entries"), stored)

    def opened(self, logged: LoggedEvent) -> Event:
        return opened_event(self._registry, logged.stored, self._key)
