"""Where a store lies: what a machine remembers it by, and how it is made, opened and read there."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

from registry.store.raw import RawStore
from registry.store.store import Store


class Place(ABC):
    """Where one store lies, or is to lie. As a text, it is what a person is told of it."""

    files: Path | None = None
    """The store's file, where it is one of this machine's."""

    @property
    @abstractmethod
    def url(self) -> str:
        """What a machine remembers the store by. It holds no secret."""

    @abstractmethod
    def open(self) -> Store:
        """Open the store; ``StoreMissing`` or ``StoreUnreadable`` where there is none of ours."""

    def open_to_read(self) -> Store:
        """Open the store for those who mostly read: what they read may come from a replica, if the place has one."""
        return self.open()

    @abstractmethod
    def raw(self, *, lenient: bool = True) -> RawStore:
        """Return a connection that believes nothing. ``lenient`` reads texts that are none, and is slower."""

    @abstractmethod
    def open_raw(self) -> RawStore:
        """Return such a connection; ``StoreMissing`` or ``StoreUnreadable`` where there is nothing to be read."""

    @abstractmethod
    def check_vacant(self) -> None:
        """Raise ``AlreadyExists`` if a registry is here."""

    @abstractmethod
    def create(self) -> Store:
        """Make an empty store beside this place, to be put in place when it is whole; else ``discard`` it."""

    @abstractmethod
    def beside(self, store: Store) -> "Place":
        """Return where a store lies that was made for this place, as long as it was not put in place."""

    @abstractmethod
    def settle(self, store: Store, pin: Callable[[], None]) -> None:
        """Put a store in place that was made for it, and close it; ``AlreadyExists`` if another has come meanwhile.

        ``pin`` is called while nobody else can settle here: of two foundings, the one that comes too late leaves none.
        """

    @abstractmethod
    def grants(self, role: str, name: str) -> str:
        """Return the SQL that grants a database role what members of a role need; ``InvalidValue`` if there is none."""
