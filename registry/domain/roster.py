"""The roster: who belongs to the registry, in which role, with which keys, and what rules hold.

It is everything that must be trusted before anything can be opened, and that can be known without opening anything.
"""

from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct

from registry.errors import NotFound
from registry.values import ApplicationId, MemberId

ADMIN = "admin"
AUDITOR = "auditor"
APP = "app"
ROLES = (ADMIN, AUDITOR, APP)

AUDIT = "audit"
GLOBAL = "global"
FINGERPRINT = "fingerprint"

PROCESS = "process"
FORM = "form"
KINDS = (PROCESS, FORM)

POLICIES: Mapping[str, tuple[str, ...]] = {
    "allow-plaintext": ("no", "yes"),
    "record-resolves": ("first", "every", "off"),
    "fail-closed": ("commands", "always", "never"),
}
"""Every policy with its values, the default first."""


def application_audience(application: ApplicationId) -> str:
    """Return the name of the audience that may open an application's credentials."""
    return f"application:{application}"


def scope_audience(application: ApplicationId | None) -> str:
    """Return the name of the audience that may open the credentials of a scope; ``None`` is the global one."""
    return GLOBAL if application is None else application_audience(application)


class MemberKeys(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A member's public keys, 32 bytes each: Ed25519 to sign, X25519 to be given keys."""

    signing: bytes
    sealing: bytes


class Generation(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One generation of an audience's key: what everyone may know of it.

    ``commitment`` fixes the key, so that two members cannot be given different ones. ``public`` is, for ``audit``
    only, the X25519 key to which members without the audience's key seal. ``previous`` is, for ``audit`` only, the
    former generation's key sealed under this one.
    """

    audience: str
    number: int
    commitment: bytes
    public: bytes | None = None
    previous: bytes | None = None


class Grant(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The key of one generation of an audience, sealed to one member."""

    audience: str
    number: int
    member: MemberId
    sealed: bytes


class Member(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A person or a running app with an identity of its own."""

    id: MemberId
    role: str
    keys: MemberKeys
    application: ApplicationId | None = None


class Application(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """An application that may have tokens of its own."""

    id: ApplicationId
    kind: str
    label: bytes


class LogPoint(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A point of the log: a commit, how many events there are with it, and the root over them."""

    commit: int
    size: int
    root: bytes


class Rollback(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """An accepted rollback: what was kept, the newest that was lost, and who accepted it when, by which signing key."""

    kept: LogPoint
    lost: LogPoint
    by: MemberId
    signing: bytes
    at: datetime
    link: bytes = b""
    """The hash of the fact that accepted it, by which one acceptance is told from another; set like ``head``."""


class Roster(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The roster after some of its facts: everything that can be known of it without opening anything."""

    version: int = 0
    members: Mapping[MemberId, Member] = {}
    former: Mapping[MemberId, Member] = {}
    """Those who were removed, as they last were."""
    spent: Mapping[bytes, MemberId] = {}
    """Public keys that were renewed, and whose they were: nobody is given them again."""
    applications: Mapping[ApplicationId, Application] = {}
    generations: Mapping[str, tuple[Generation, ...]] = {}
    grants: tuple[Grant, ...] = ()
    policies: Mapping[str, str] = {}
    acknowledged: frozenset[tuple[int, str]] = frozenset()
    """Problems of the log that an admin knows of, by position and kind."""
    rollbacks: tuple[Rollback, ...] = ()
    home: str = ""
    """The id of the one instance of the store that accepts commits; empty where any does."""
    head: bytes = b""
    """The hash of the last fact; it is set by whoever checked the chain."""
    digest: bytes = b""
    """A hash over all facts as they are stored, signatures included; set likewise."""

    def policy(self, name: str) -> str:
        """Return the value in force."""
        return self.policies.get(name, POLICIES[name][0])

    def current(self, audience: str) -> Generation:
        """Return the newest generation of an audience."""
        return self.generations[audience][-1]

    def admins(self) -> list[Member]:
        """Return the admins, in the order of their admission."""
        return [member for member in self.members.values() if member.role == ADMIN]

    def audience_members(self, audience: str) -> list[Member]:
        """Return who is to hold the audience's key, in the order of their admission."""
        return [member for member in self.members.values() if audience in self.audiences_of(member)]

    def audiences_of(self, member: Member) -> list[str]:
        """Return the audiences whose keys the member is to hold, by its role."""
        if member.role == ADMIN:
            return [AUDIT, GLOBAL, FINGERPRINT, *map(application_audience, self.applications)]
        if member.role == AUDITOR:
            return [AUDIT]
        return [GLOBAL, *([application_audience(member.application)] if member.application else [])]

    def member(self, member: MemberId) -> Member:
        """Return the member; ``NotFound`` if it is unknown or removed."""
        try:
            return self.members[member]
        except KeyError:
            raise NotFound("there is no such member", "'member list' shows them") from None

    def application(self, application: ApplicationId) -> Application:
        """Return the application; ``NotFound`` if it is unknown or removed."""
        try:
            return self.applications[application]
        except KeyError:
            raise NotFound("there is no such application", "'app list' shows them") from None
