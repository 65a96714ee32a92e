"""What members do with the history itself."""

from datetime import datetime
from typing import ClassVar

from registry.domain.events import Event
from registry.values import TokenId


class EvidenceExported(Event, frozen=True, kw_only=True):
    """Events were disclosed to outsiders, one by one; the stream is the disclosing member's own."""

    TOPIC: ClassVar[str] = "evidence.exported"
    size: int
    """How many events the log had: the evidence proves all of them, and opens the chosen ones."""
    openings: int
    """How many events were chosen."""
    tokens: tuple[TokenId, ...] = ()
    """The tokens whose events were asked for; empty for no matter which."""
    since: datetime | None = None
    until: datetime | None = None
