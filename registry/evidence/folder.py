"""Reading a folder of evidence: hostile until proven, so no link is followed and nothing is read without bound."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from registry.errors import IntegrityError, InvalidValue, Unusable
from registry.evidence import layout
from registry.evidence.layout import Manifest
from registry.log.leaf import LONGEST_LEAF
from registry.log.note import LARGEST_NOTE
from registry.log.tiles import CHECKPOINT_PATH, WIDTH, Tile, parse_numbered, read_bundle, tile_at

_BUNDLE = WIDTH * (2 + LONGEST_LEAF)
_TILE = WIDTH * 32
_FOLDERS = {"tile", layout.COMMITS, layout.STATES}
_DEEPEST = 12
"""No file of a log that can be written down lies in more folders."""
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe must not hold the reader up


class Folder:
    """A folder of evidence, open for reading. Whatever is wrong with what lies in it is an ``IntegrityError``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.ENOTDIR}:
                raise InvalidValue(f"there is no folder {path}", "'evidence export' makes one") from None
            raise _unreadable(str(path), error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._root)

    @contextmanager
    def file(self, path: str, kind: str | None = None) -> Iterator[BinaryIO]:
        """Open a regular file at one of the layout's paths, behind its first line where it is of a ``kind`` of ours.

        What is raised while it is read names it.
        """
        with os.fdopen(self._descriptor(path), "rb") as file:
            try:
                if kind is not None and file.read(len(layout.magic(kind))) != layout.magic(kind):
                    raise IntegrityError("it does not begin as such a file does")
                yield file
            except OSError as error:
                raise _unreadable(path, error) from None
            except IntegrityError as error:
                raise IntegrityError(f"{path}: {error}", error.hint) from None

    def _descriptor(self, path: str) -> int:
        *folders, name = path.split("/")
        inner = self._root
        try:
            for folder in folders:
                above, inner = inner, os.open(folder, _FOLDER_FLAGS, dir_fd=inner)
                if above != self._root:
                    os.close(above)
            descriptor = os.open(name, _FILE_FLAGS, dir_fd=inner)
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO}:
                what = "is missing" if error.errno == errno.ENOENT else "is no file of its own"
                raise IntegrityError(f"{path} {what}") from None
            raise _unreadable(path, error) from None
        finally:
            if inner != self._root:
                os.close(inner)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise IntegrityError(f"{path} is no file of its own")
        return descriptor

    def read(self, path: str, most: int) -> bytes:
        """Return a file's bytes; ``IntegrityError`` if there are more of them than ``most``."""
        with self.file(path) as file:
            # Room is made for what is asked for, so no more is asked for than there is.
            data = file.read(min(os.fstat(file.fileno()).st_size, most) + 1)
        if len(data) > most:
            raise IntegrityError(f"{path} is larger than any such file")
        return data

    def manifest(self) -> Manifest:
        """Return the manifest."""
        return Manifest.parse(self.read(layout.MANIFEST, layout.LARGEST_MANIFEST))

    def checkpoint(self) -> bytes:
        """Return the newest checkpoint."""
        return self.read(CHECKPOINT_PATH, LARGEST_NOTE)

    def tile(self, tile: Tile) -> bytes:
        """Return the bytes of a tile of hashes."""
        return self.read(tile.path(), _TILE)

    def bundle(self, index: int, size: int) -> list[bytes]:
        """Return the entries of one bundle of a log of that size."""
        tile = tile_at(None, index, size)
        return read_bundle(tile, self.read(tile.path(), _BUNDLE))

    def entries(self, size: int) -> Iterator[bytes]:
        """Give every entry of a log of that size, in order."""
        for index in range(-(-size // WIDTH)):
            yield from self.bundle(index, size)

    def framed(self, kind: str, count: int, longest: int, start: int = 0) -> Iterator[bytes]:
        """Give the ``count`` commits or states in order, from the bundle on that holds the one at ``start``."""
        for index in range(start // WIDTH, -(-count // WIDTH)):
            path = layout.bundle_path(kind, index, count)
            with self.file(path, kind) as file:
                left = min(WIDTH, count - index * WIDTH)
                for data in layout.frames(file, longest):
                    if not left:
                        raise IntegrityError("it holds more than its name says")
                    left -= 1
                    yield data
                if left:
                    raise IntegrityError("it holds less than its name says")

    def records(self, kind: str, length: int) -> Iterator[tuple[int, bytes]]:
        """Give the position and what follows it of each record of that length, in order."""
        with self.file(kind, kind) as file:
            last = -1
            while record := file.read(length):
                position = int.from_bytes(record[: layout.POSITION], "big")
                if len(record) < length or position <= last:
                    raise IntegrityError("it is cut off, or out of order")
                last = position
                yield position, record[layout.POSITION :]

    def strangers(self, manifest: Manifest) -> Iterator[str]:
        """Give what lies in the folder and belongs to no evidence, in words; foreign folders are not read."""
        known = {layout.MANIFEST, CHECKPOINT_PATH, layout.ROSTER, layout.OPENINGS}
        waiting = [""]
        while waiting:
            folder = waiting.pop()
            found = False
            for path, is_folder, is_file in self._listed(folder):
                found = True
                if is_folder and path.split("/")[0] in _FOLDERS and path.count("/") < _DEEPEST:
                    waiting.append(path)
                elif not is_file:
                    yield f"{path!r} is neither a file nor a folder that belongs here"
                elif path not in known and not _belongs(path, manifest):
                    yield f"{path!r} belongs to no evidence of {manifest.size} events"
            if not found:
                yield f"the folder {folder!r} is empty"

    def _listed(self, folder: str) -> Iterator[tuple[str, bool, bool]]:
        descriptor = self._root
        try:
            for part in folder.split("/") if folder else ():
                above, descriptor = descriptor, os.open(part, _FOLDER_FLAGS, dir_fd=descriptor)
                if above != self._root:
                    os.close(above)
            with os.scandir(descriptor) as found:
                for entry in found:
                    mode = entry.stat(follow_symlinks=False).st_mode
                    path = f"{folder}/{entry.name}" if folder else entry.name
                    yield path, stat.S_ISDIR(mode), stat.S_ISREG(mode)
        except OSError as error:
            raise _unreadable(folder or ".", error) from None
        finally:
            if descriptor != self._root:
                with suppress(OSError):
                    os.close(descriptor)


def _belongs(path: str, manifest: Manifest) -> bool:
    kind, _, rest = path.partition("/")
    counts = {layout.COMMITS: manifest.commits, layout.STATES: manifest.size}
    try:
        if kind == "tile":
            tile = Tile.parse(path)
            return tile == tile_at(tile.level, tile.index, manifest.size)
        index, _ = parse_numbered(rest)
        return index * WIDTH < counts[kind] and layout.bundle_path(kind, index, counts[kind]) == path
    except (InvalidValue, KeyError):
        return False


def _unreadable(path: str, error: OSError) -> Unusable:
    return Unusable(f"the evidence cannot be read: {path}: {error.strerror}")
