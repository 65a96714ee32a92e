"""Backups: a store in one file, with nothing beside it, that is written once."""

import os
from collections.abc import Callable
from pathlib import Path

from registry.errors import AlreadyExists, InvalidValue, StoreMissing, StoreUnreadable
from registry.store.copying import Progress
from registry.store.raw import RawStore
from registry.store.sqlite import SQLitePlace, SQLiteStore
from registry.store.sqlite_raw import SQLiteRawStore
from registry.store.store import Store


class BackupFile(SQLitePlace):
    """A file that a backup is written to, or restored from."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.expanduser().absolute())

    def check_vacant(self) -> None:
        """Raise ``AlreadyExists`` if there is a file of the name, ``InvalidValue`` if there is no folder for it."""
        if os.path.lexists(self._path):
            raise self._taken()
        if not self._path.parent.is_dir():  # a disk that is not there is not to be taken for a new folder
            raise InvalidValue(f"there is no folder {self._path.parent} for the backup", "make it, or name another")

    def check_there(self) -> None:
        """Raise ``StoreMissing`` unless there is a file."""
        if not self._path.is_file():
            raise StoreMissing(f"there is no backup at {self._path}", "'store backup' makes one")

    def _taken(self) -> AlreadyExists:
        return AlreadyExists(f"there is a file {self._path} already", "it is never overwritten: name another")

    def fill(self, store: Store, source: RawStore, progress: Progress | None = None) -> bool:
        """Copy the pages of another file, all of one moment; return whether the source is a file.

        The caller holds a snapshot of the source, and nobody is kept from writing there.
        """
        if not (isinstance(store, SQLiteStore) and isinstance(source, SQLiteRawStore)):
            return False
        store.take_pages(source, progress)
        return True

    def settle(self, store: Store, pin: Callable[[], None]) -> None:
        """Give the file its name, whole and flushed; ``AlreadyExists`` if another has come meanwhile."""
        assert isinstance(store, SQLiteStore)  # noqa: S101 - as ``create`` made it
        store.finish()
        pin()
        try:
            os.link(store.path, self._path)
            folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except FileExistsError:
            raise self._taken() from None
        except OSError as error:
            raise StoreUnreadable(f"no backup can be made at {self._path}: {error.strerror}") from None
