"""What every fact has in common: who, when, from where, why; and its place in a stream.

``TOPIC`` is the stored name of a fact and never changes. A field without a default stands in every event ever stored;
new fields come with a default, so that old events keep their meaning.
"""

from datetime import datetime
from typing import ClassVar

from msgspec import Struct

from registry.values import MemberId


class Context(Struct, frozen=True):
    """Who acts, when, from where and why: the same for every event of a commit."""

    by: MemberId
    at: datetime
    host: str
    client: str
    reason: str | None = None


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A fact: something a member did, at a moment, from a place, in one stream of the registry."""

    TOPIC: ClassVar[str]
    originator_id: str
    originator_version: int
    by: MemberId
    at: datetime
    host: str
    client: str
    reason: str | None = None
    changed: tuple[str, ...] = ()
    """The names of what changed; for credentials, of their fields."""
