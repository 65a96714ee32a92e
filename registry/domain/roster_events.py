"""The facts of the roster, which form one stream.

What must be trusted before anything can be opened (ids, public keys, roles, audiences, grants, policies) is stored in
the clear and signed; the fields in ``SEALED`` are stored sealed.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

from msgspec import Struct

from registry.domain.events import Event
from registry.domain.roster import Generation, Grant, LogPoint, MemberKeys
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
    labels: Mapping[str, bytes] = {}
    """The names of applications whose audience has a new key, each by its id, sealed anew."""


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
    """An application is gone; its tokens are deleted in the same commit, and its app members are removed by it."""

    TOPIC: ClassVar[str] = "application.removed"
    SEALED: ClassVar[frozenset[str]] = RosterEvent.SEALED | {"name", "exposed"}
    application: ApplicationId
    name: str = ""
    exposed: Mapping[str, int] = {}


class PolicyChanged(RosterEvent, frozen=True, kw_only=True):
    """A rule of the whole registry has another value."""

    TOPIC: ClassVar[str] = "policy.changed"
    policy: str
    value: str


class MemberAdmitted(RosterEvent, frozen=True, kw_only=True):
    """A person or a running app belongs to the registry from now on."""

    TOPIC: ClassVar[str] = "member.admitted"
    SEALED: ClassVar[frozenset[str]] = RosterEvent.SEALED | {"name"}
    member: MemberId
    role: str
    application: ApplicationId | None = None
    keys: MemberKeys
    name: str = ""


class MemberRoleChanged(RosterEvent, frozen=True, kw_only=True):
    """A member has another role. ``exposed`` names the tokens that it could have opened and can no longer.

    Each comes with the revision of its credentials at that moment: it stays exposed until they are changed.
    """

    TOPIC: ClassVar[str] = "member.role_changed"
    SEALED: ClassVar[frozenset[str]] = RosterEvent.SEALED | {"name", "exposed"}
    member: MemberId
    role: str
    application: ApplicationId | None = None
    name: str = ""
    exposed: Mapping[str, int] = {}


class MemberRenewed(RosterEvent, frozen=True, kw_only=True):
    """A member has other keys; whatever its former ones opened has other keys too."""

    TOPIC: ClassVar[str] = "member.renewed"
    SEALED: ClassVar[frozenset[str]] = RosterEvent.SEALED | {"name"}
    member: MemberId
    keys: MemberKeys
    name: str = ""


class MemberRemoved(RosterEvent, frozen=True, kw_only=True):
    """A member does not belong to the registry any more. ``exposed`` is as in ``MemberRoleChanged``."""

    TOPIC: ClassVar[str] = "member.removed"
    SEALED: ClassVar[frozenset[str]] = RosterEvent.SEALED | {"name", "exposed"}
    member: MemberId
    name: str = ""
    exposed: Mapping[str, int] = {}


class AudienceRotated(RosterEvent, frozen=True, kw_only=True):
    """Audiences have fresh keys, for no other reason than that the old ones were old."""

    TOPIC: ClassVar[str] = "audience.rotated"


class ProblemAcknowledged(RosterEvent, frozen=True, kw_only=True):
    """An admin knows of something wrong in the log: it is still reported, and no longer an alarm."""

    TOPIC: ClassVar[str] = "log.problem_acknowledged"
    position: int
    kind: str


class RollbackAccepted(RosterEvent, frozen=True, kw_only=True):
    """An older state of the registry was put back, and goes on from here; what came after ``kept`` is given up.

    ``lost`` is the newest of it that a machine has seen. It stands in the roster, because every machine must be able
    to read it before anything can be opened.
    """

    TOPIC: ClassVar[str] = "log.rollback_accepted"
    kept: LogPoint
    lost: LogPoint


class StoreMoved(RosterEvent, frozen=True, kw_only=True):
    """From here on the registry goes on in one instance of its store alone; no other accepts commits.

    ``instance`` is that one's id, empty where any may go on; ``place`` says where it lies.
    """

    TOPIC: ClassVar[str] = "store.moved"
    SEALED: ClassVar[frozenset[str]] = RosterEvent.SEALED | {"place"}
    instance: str
    place: str = ""
