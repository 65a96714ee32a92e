"""The facts of the roster, which form one stream.

What must be trusted before anything can be opened (ids, public keys, roles, audiences, grants, policies) is stored in
the clear and signed; the fields in ``SEALED`` are stored sealed.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

from msgspec import Struct

from registry.domain.events import Event
from registry.domain.roster import Generation, Grant, MemberKeys
from registry.values import ApplicationId, MemberId


class Founder(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A founding admin, as the founding statement names it."""

    member: MemberId
    keys: MemberKeys


class FoundingStatement(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What the registry's id is the hash of; it contains no id of the registry itself."""

    version: int
    nonce: bytes
    at: datetime
    founders: tuple[Founder, ...]


class RosterEvent(Event, frozen=True, kw_only=True):
    """A fact of the roster; ``previous`` is the hash of the one before it, so that their order is signed too."""

    SEALED: ClassVar[frozenset[str]] = frozenset({"host", "client", "reason", "changed"})
    """The fields that are stored sealed; all others stand in the clear."""
    previous: bytes
    generations: tuple[Generation, ...] = ()
    grants: tuple[Grant, ...] = ()


class RosterFounded(RosterEvent, frozen=True, kw_only=True):
    """The registry was founded."""

    TOPIC: ClassVar[str] = "roster.founded"
    SEALED: ClassVar[frozenset[str]] = RosterEvent.SEALED | {"names"}
    statement: FoundingStatement
    names: Mapping[str, str] = {}


class ApplicationRegistered(RosterEvent, frozen=True, kw_only=True):
    """An application may have tokens of its own. ``label`` is its name, sealed under its own audience."""

    TOPIC: ClassVar[str] = "application.registered"
    SEALED: ClassVar[frozenset[str]] = RosterEvent.SEALED | {"name"}
    application: ApplicationId
    kind: str
    label: bytes
    name: str = ""


class ApplicationRenamed(RosterEvent, frozen=True, kw_only=True):
    """An application has another name; its tokens stay its own."""

    TOPIC: ClassVar[str] = "application.renamed"
    SEALED: ClassVar[frozenset[str]] = RosterEvent.SEALED | {"name"}
    application: ApplicationId
    label: bytes
    name: str = ""


class ApplicationRemoved(RosterEvent, frozen=True, kw_only=True):
    """An application is gone; its tokens are deleted in the same commit."""

    TOPIC: ClassVar[str] = "application.removed"
    SEALED: ClassVar[frozenset[str]] = RosterEvent.SEALED | {"name"}
    application: ApplicationId
    name: str = ""


class PolicyChanged(RosterEvent, frozen=True, kw_only=True):
    """A rule of the whole registry has another value."""

    TOPIC: ClassVar[str] = "policy.changed"
    policy: str
    value: str
