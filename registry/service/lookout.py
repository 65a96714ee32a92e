"""Looking out for changes: whether anything has been committed since, and how far the log goes now."""

from registry.service.ledger import Ledger

STEP = 0.025
"""Seconds between two looks; one takes some microseconds."""


class Lookout:
    """A ledger with a connection of its own, which follows a store that others write to, and the file in its place."""

    def __init__(self, ledger: Ledger, *, remembers: bool = False) -> None:
        self._ledger = ledger.twin(remembers=remembers)
        self._version = 0

    def changed(self) -> bool:
        """Return whether anything may have been committed since the log was last followed."""
        store = self._ledger.store
        return not store.in_place() or not (store.quiet() or store.version() == self._version)

    def wait(self, seconds: float) -> None:
        """Wait for so long, or until there may be something new."""
        self._ledger.store.wait(seconds)

    def followed(self) -> Ledger:
        """Return the ledger, having verified all that was committed meanwhile."""
        if not self._ledger.store.in_place():
            # Another file may lie there now, a backup for one; it must go on from what was verified of this one.
            self._ledger, former = self._ledger.moved(), self._ledger
            former.close()
        version = self._ledger.store.version()  # before: what comes while the log is followed shows at the next look
        self._ledger.refresh()
        self._version = version
        return self._ledger

    def close(self) -> None:
        """Let go of the store."""
        self._ledger.close()
