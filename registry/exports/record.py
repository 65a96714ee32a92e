"""What is exported of one event: what the history shows of it, and where it lies in the log."""

from typing import Any

from msgspec import Struct

from registry.views.history import HistoryEntry
from registry.views.subjects import Subject


class Record(Struct, frozen=True, kw_only=True):
    """One event. ``origin``, the entry's position and ``leaf_hash`` are what a proof that it is in the log begins with.

    ``event_id`` is unique among all registries, and the same in every export.
    """

    entry: HistoryEntry
    event_id: str
    commit: int
    actor_id: str
    subject: Subject
    origin: str
    leaf_hash: str
    """In standard base64."""

    def document(self) -> dict[str, Any]:
        """Return it as a JSON object: that of the history, with ids and its place in the log."""
        document = self.entry.document()
        document["event_id"] = self.event_id
        document["commit"] = self.commit
        document["actor_id"] = self.actor_id
        document["log"] = self.log()
        return document

    def log(self) -> dict[str, Any]:
        """Return the place in the log as a JSON object."""
        return {"origin": self.origin, "index": self.entry.position, "leaf_hash": self.leaf_hash}
