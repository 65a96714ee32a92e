"""A forger's tools: evidence taken apart, changed, and put together again so that it looks like one."""

import hashlib
import json
import shutil
from dataclasses import dataclass, field

from registry.evidence import layout
from registry.evidence.folder import Folder
from registry.log import merkle
from registry.log.checkpoint import Checkpoint
from registry.log.leaf import Leaf
from registry.log.note import parse
from registry.log.tiles import CHECKPOINT_PATH, WIDTH, Tile, Tiling, bundle_data
from registry.store.rows import Stored
from registry.store.topics import ROSTER_TOPICS


@dataclass
class Pieces:
    """What a folder of evidence holds."""

    registry: str
    entries: list[bytes]
    states: list[bytes]
    notes: list[bytes]
    openings: dict[int, bytes]
    roster: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, folder):
        """Take a folder apart."""
        with Folder(folder) as source:
            manifest = source.manifest()
            return cls(
                manifest.registry,
                list(source.entries(manifest.size)),
                list(source.framed(layout.STATES, manifest.size, layout.LONGEST_STATE)),
                list(source.framed(layout.COMMITS, manifest.commits, layout.LONGEST_NOTE)),
                dict(source.records(layout.OPENINGS, layout.OPENING)),
                [position for position, _ in source.records(layout.ROSTER, layout.POSITION)],
            )

    def leaf(self, position):
        """Return what an entry says."""
        return Leaf.parse(self.entries[position])

    def stored(self, position):
        """Return the event as a store holds it."""
        leaf = self.leaf(position)
        return Stored(leaf.originator_id, leaf.version, leaf.topic, self.states[position])

    def first_of(self, topic):
        """Return the position of the first event of a topic."""
        return next(n for n in range(len(self.entries)) if self.leaf(n).topic == topic)

    def sizes(self):
        """Return how many events there are with each commit."""
        return [Checkpoint.parse(parse(signed).text).size for signed in self.notes]

    def cut(self, commits):
        """Keep the first commits alone."""
        size = self.sizes()[commits - 1]
        self.notes, self.entries, self.states = self.notes[:commits], self.entries[:size], self.states[:size]
        self.openings = {position: key for position, key in self.openings.items() if position < size}

    def put(self, folder, *, roster=None):
        """Put everything together in the place of a folder: tiles, roster and manifest fit what there is."""
        shutil.rmtree(folder, ignore_errors=True)
        size, count = len(self.entries), len(self.notes)
        tiling = Tiling()
        for entry in self.entries:
            for tile, data in tiling.add(merkle.leaf_hash(entry)):
                _write(folder / tile.path(), data)
        for tile, data in tiling.rest():
            _write(folder / tile.path(), data)
        for start in range(0, size, WIDTH):
            part = self.entries[start : start + WIDTH]
            _write(folder / Tile(None, start // WIDTH, len(part)).path(), bundle_data(part))
        _bundles(folder, layout.STATES, self.states)
        _bundles(folder, layout.COMMITS, self.notes)
        _write(folder / CHECKPOINT_PATH, self.notes[-1])
        roster = self._roster() if roster is None else roster
        positions = b"".join(position.to_bytes(8, "big") for position in roster)
        _write(folder / layout.ROSTER, layout.magic(layout.ROSTER) + positions)
        keys = b"".join(position.to_bytes(8, "big") + key for position, key in sorted(self.openings.items()))
        _write(folder / layout.OPENINGS, layout.magic(layout.OPENINGS) + keys)
        manifest = {"format": "token-registry evidence", "version": 1, "registry": self.registry, "size": size}
        manifest |= {"commits": count, "roster": len(roster), "openings": len(self.openings)}
        _write(folder / layout.MANIFEST, f"{json.dumps(manifest, indent=2)}\n".encode())
        return folder

    def _roster(self):
        found = []
        for position, entry in enumerate(self.entries):
            if any(topic.encode() in entry for topic in ROSTER_TOPICS):
                found.append(position)
        return found


def relabelled(entry, **parts):
    """Return an entry that says something else in some of its parts."""
    leaf = Leaf.parse(entry)
    return Leaf(**{name: parts.get(name, getattr(leaf, name)) for name in Leaf.__struct_fields__}).data()


def hashed(state):
    """Return the hash by which an entry names a state."""
    return hashlib.sha256(state).digest()


def _bundles(folder, kind, parts):
    for start in range(0, len(parts), WIDTH):
        part = parts[start : start + WIDTH]
        data = layout.magic(kind) + b"".join(map(layout.framed, part))
        _write(folder / layout.bundle_path(kind, start // WIDTH, len(parts)), data)


def _write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
