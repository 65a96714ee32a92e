"""Writing a folder of evidence, in one pass over the log and with little memory: whole, or not at all."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from registry.domain.roster import Member, Roster
from registry.errors import AlreadyExists, IntegrityError, Unusable
from registry.evidence import layout
from registry.evidence.layout import Manifest
from registry.log import checkpoint
from registry.log.merkle import leaf_hash
from registry.log.tiles import CHECKPOINT_PATH, WIDTH, Tile, Tiling, tile_at
from registry.store import roster_chain
from registry.store.rows import LoggedCommit, LoggedEvent
from registry.store.topics import ROSTER_TOPICS
from registry.values import MemberId

Opening = Callable[[LoggedEvent], bytes | None]
"""Gives the event key of an event that is to be disclosed, ``None`` for any other."""
_LENGTH_OF_ENTRY = 2


def check_vacant(path: Path) -> None:
    """Raise ``AlreadyExists`` if something stands where the evidence is to be."""
    if os.path.lexists(path):
        raise AlreadyExists(f"there is something at {path} already", "evidence is written to a folder of its own")


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give a folder to fill; it takes its place when it is whole, and nothing is left of it where that fails."""
    check_vacant(path)
    try:
        partial = Path(tempfile.mkdtemp(prefix=".evidence-", suffix=".new", dir=path.parent))
    except OSError as error:
        raise _unwritable(path, error) from None
    try:
        yield partial
        _sync(partial)
        check_vacant(path)
        partial.rename(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise _unwritable(path, error) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _unwritable(path: Path, error: OSError) -> Unusable:
    return Unusable(f"the evidence cannot be written to {path}: {error.strerror}", "nothing was left there")


def _sync(folder: Path) -> None:
    # All files first and in one go: the file system then writes most of them together.
    for inner, _, names in os.walk(folder, topdown=False):
        for name in names:
            with (Path(inner) / name).open("rb") as file:
                os.fsync(file.fileno())
        _sync_folder(Path(inner))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _Files:
    """Makes files under a folder, each once, readable for their owner alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made = {folder}

    def create(self, path: str) -> BinaryIO:
        place = self._folder / path
        self._make(place.parent)
        return os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb")

    def _make(self, folder: Path) -> None:
        if folder not in self._made:
            self._make(folder.parent)
            folder.mkdir(mode=0o700)
            self._made.add(folder)

    def put(self, path: str, data: bytes) -> None:
        with self.create(path) as file:
            file.write(data)


class _Bundles:
    """Writes things one after the other into files of 256, each opened when it is needed and closed when it is full."""

    def __init__(self, files: _Files, path: Callable[[int], str], head: bytes) -> None:
        self._files = files
        self._path = path
        self._head = head
        self._count = 0
        self._file: BinaryIO | None = None

    def add(self, data: bytes) -> None:
        if self._file is None:
            self._file = self._files.create(self._path(self._count // WIDTH))
            self._file.write(self._head)
        self._file.write(data)
        self._count += 1
        if self._count % WIDTH == 0:
            self.close()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


class Writer:
    """Writes the evidence of a log that ends with a commit into an empty folder."""

    def __init__(self, folder: Path, registry: bytes, head: LoggedCommit) -> None:
        self._registry = registry
        self._head = head
        self._files = _Files(folder)
        self._tiling = Tiling()
        self._roster = Roster()
        self._openings = 0
        size, commits = head.size, head.number + 1
        self._entries = _Bundles(self._files, lambda index: tile_at(None, index, size).path(), b"")
        self._states = self._bundles(layout.STATES, size)
        self._commits = self._bundles(layout.COMMITS, commits)

    def _bundles(self, kind: str, count: int) -> _Bundles:
        return _Bundles(self._files, lambda index: layout.bundle_path(kind, index, count), layout.magic(kind))

    def write(self, commits: Iterable[LoggedCommit], events: Iterator[LoggedEvent], opening: Opening) -> Manifest:
        """Write the commits and their events, and return the manifest. What the log holds is not checked here."""
        with ExitStack() as stack:
            for bundles in (self._entries, self._states, self._commits):
                stack.callback(bundles.close)
            roster, openings = (stack.enter_context(self._started(kind)) for kind in (layout.ROSTER, layout.OPENINGS))
            size, note = 0, b""
            for made in commits:
                members = self._roster.members
                for logged in islice(events, made.size - size):
                    self._event(logged, roster)
                    self._opening(logged.position, opening(logged), openings)
                size = made.size
                note = self._note(made, members or self._roster.members)
                self._commits.add(layout.framed(note))
        for tile, data in self._tiling.rest():
            self._tile(tile, data)
        self._files.put(CHECKPOINT_PATH, note)
        manifest = Manifest(
            registry=self._registry.hex(),
            size=self._head.size,
            commits=self._head.number + 1,
            roster=self._roster.version,
            openings=self._openings,
        )
        self._files.put(layout.MANIFEST, manifest.encode())
        return manifest

    def _started(self, kind: str) -> BinaryIO:
        file = self._files.create(kind)
        file.write(layout.magic(kind))
        return file

    def _event(self, logged: LoggedEvent, roster: BinaryIO) -> None:
        entry = logged.leaf(self._registry).data()
        self._entries.add(len(entry).to_bytes(_LENGTH_OF_ENTRY, "big") + entry)
        # Evidence that had to carry whatever a member signs for could be denied by any of them.
        state = logged.stored.state
        self._states.add(layout.framed(state if len(state) <= layout.LONGEST_STATE else layout.LEFT_OUT))
        for tile, data in self._tiling.add(leaf_hash(entry)):
            self._tile(tile, data)
        if logged.stored.topic in ROSTER_TOPICS:
            # Signatures are checked by whoever verifies the folder; here it is needed for the members' public keys.
            self._roster = roster_chain.follow(self._registry, self._roster, [logged.stored], signed=False)
            roster.write(logged.position.to_bytes(layout.POSITION, "big"))

    def _opening(self, position: int, key: bytes | None, openings: BinaryIO) -> None:
        if key is not None:
            openings.write(position.to_bytes(layout.POSITION, "big") + key)
            self._openings += 1

    def _tile(self, tile: Tile, data: bytes) -> None:
        self._files.put(tile.path(), data)

    def _note(self, made: LoggedCommit, members: Mapping[MemberId, Member]) -> bytes:
        if made.author not in members:
            raise IntegrityError(
                f"the author of commit {made.number} was no member at that moment", "'verify' says more"
            )
        public = members[made.author].keys.signing
        return checkpoint.restored(made.checkpoint(self._registry), made.author, public, made.signature).encode()
