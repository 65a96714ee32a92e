"""Commits as they are told to those who watch: with their contents to those who may read them, else without."""

from datetime import datetime
from typing import Any

from msgspec import Struct

from registry.values import TokenId, rfc3339
from registry.views.history import HistoryEntry


class TokenChange(Struct, frozen=True):
    """That something happened to a token: what an app member can know of it. ``event`` is the topic."""

    position: int
    event: str
    token_id: TokenId

    def document(self) -> dict[str, Any]:
        """Return it as the JSON object that ``watch`` promises to app members."""
        return {"position": self.position, "event": self.event, "token_id": self.token_id}


class CommitChange(Struct, frozen=True):
    """One commit: its number, the positions of its first and last event, its time, and what the reader may know.

    ``events`` are history entries for admins and auditors; for app members token changes, those of their tokens alone.
    """

    commit: int
    first: int
    last: int
    at: datetime
    events: tuple[HistoryEntry, ...] | tuple[TokenChange, ...]

    def document(self) -> dict[str, Any]:
        """Return it as the JSON object that ``watch`` promises."""
        return {
            "commit": self.commit,
            "first": self.first,
            "last": self.last,
            "at": rfc3339(self.at),
            "events": [event.document() for event in self.events],
        }
