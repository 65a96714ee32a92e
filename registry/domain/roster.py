"""The roster: who belongs to the registry, in which role, with which keys, and what rules hold.

Its facts form one stream. What must be trusted before anything can be opened (ids, public keys, roles, audiences,
grants, policies) is stored in the clear and signed; the fields marked ``sealed`` are stored sealed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar

from registry.domain.events import Event
from registry.errors import AlreadyExists, InvalidValue, NotFound
from registry.values import ApplicationId, MemberId

ADMIN = "admin"
AUDITOR = "auditor"
APP = "app"

AUDIT = "audit"
GLOBAL = "global"
FINGERPRINT = "fingerprint"

PROCESS = "process"
FORM = "form"
KINDS = (PROCESS, FORM)

POLICIES: Mapping[str, tuple[str, ...]] = {"allow-plaintext": ("no", "yes")}
"""Every policy with its values, the default first."""


def application_audience(application: ApplicationId) -> str:
    """Return the name of the audience that may open an application's credentials."""
    return f"application:{application}"


def scope_audience(application: ApplicationId | None) -> str:
    """Return the name of the audience that may open the credentials of a scope; ``None`` is the global one."""
    return GLOBAL if application is None else application_audience(application)


def sealed() -> Any:  # noqa: ANN401 - dataclasses.field is typed the same way
    """Mark a field of a roster event as sealed under ``audit`` instead of clear."""
    return field(default="", metadata={"sealed": True})


@dataclass(frozen=True, slots=True)
class MemberKeys:
    """A member's public keys, 32 bytes each: Ed25519 to sign, X25519 to be given keys."""

    signing: bytes
    sealing: bytes


@dataclass(frozen=True, slots=True)
class Generation:
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


@dataclass(frozen=True, slots=True)
class Grant:
    """The key of one generation of an audience, sealed to one member."""

    audience: str
    number: int
    member: MemberId
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Founder:
    """A founding admin, as the founding statement names it."""

    member: MemberId
    keys: MemberKeys


@dataclass(frozen=True, slots=True)
class FoundingStatement:
    """What the registry's id is the hash of; it contains no id of the registry itself."""

    version: int
    nonce: bytes
    at: datetime
    founders: tuple[Founder, ...]


@dataclass(frozen=True, kw_only=True)
class RosterEvent(Event):
    """A fact of the roster; ``previous`` is the hash of the one before it, so that their order is signed too."""

    previous: bytes
    generations: tuple[Generation, ...] = ()
    grants: tuple[Grant, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RosterFounded(RosterEvent):
    """The registry was founded."""

    TOPIC: ClassVar[str] = "roster.founded"
    statement: FoundingStatement
    names: Mapping[str, str] = field(default_factory=dict, metadata={"sealed": True})


@dataclass(frozen=True, kw_only=True)
class ApplicationRegistered(RosterEvent):
    """An application may have tokens of its own. ``label`` is its name, sealed under its own audience."""

    TOPIC: ClassVar[str] = "application.registered"
    application: ApplicationId
    kind: str
    label: bytes
    name: str = sealed()


@dataclass(frozen=True, kw_only=True)
class ApplicationRenamed(RosterEvent):
    """An application has another name; its tokens stay its own."""

    TOPIC: ClassVar[str] = "application.renamed"
    application: ApplicationId
    label: bytes
    name: str = sealed()


@dataclass(frozen=True, kw_only=True)
class ApplicationRemoved(RosterEvent):
    """An application is gone; its tokens are deleted in the same commit."""

    TOPIC: ClassVar[str] = "application.removed"
    application: ApplicationId
    name: str = sealed()


@dataclass(frozen=True, kw_only=True)
class PolicyChanged(RosterEvent):
    """A rule of the whole registry has another value."""

    TOPIC: ClassVar[str] = "policy.changed"
    policy: str
    value: str


@dataclass(frozen=True, slots=True)
class Member:
    """A person or a running app with an identity of its own."""

    id: MemberId
    role: str
    keys: MemberKeys
    application: ApplicationId | None = None


@dataclass(frozen=True, slots=True)
class Application:
    """An application that may have tokens of its own."""

    id: ApplicationId
    kind: str
    label: bytes


@dataclass(frozen=True, slots=True)
class Roster:
    """The roster after some of its facts: everything that can be known of it without opening anything."""

    version: int = 0
    members: Mapping[MemberId, Member] = field(default_factory=dict)
    applications: Mapping[ApplicationId, Application] = field(default_factory=dict)
    generations: Mapping[str, tuple[Generation, ...]] = field(default_factory=dict)
    grants: tuple[Grant, ...] = ()
    policies: Mapping[str, str] = field(default_factory=dict)
    head: bytes = b""
    """The hash of the last fact; it is set by whoever checked the chain."""

    def policy(self, name: str) -> str:
        """Return the value in force."""
        return self.policies.get(name, POLICIES[name][0])

    def current(self, audience: str) -> Generation:
        """Return the newest generation of an audience."""
        return self.generations[audience][-1]

    def admins(self) -> list[Member]:
        """Return the admins, in the order of their admission."""
        return [member for member in self.members.values() if member.role == ADMIN]

    def application(self, application: ApplicationId) -> Application:
        """Return the application; ``NotFound`` if it is unknown or removed."""
        try:
            return self.applications[application]
        except KeyError:
            raise NotFound("there is no such application", "'app list' shows them") from None


def evolve(roster: Roster, event: RosterEvent) -> Roster:
    """Return the roster after the event. It trusts the event: signature, author and chain are checked before."""
    generations = dict(roster.generations)
    for generation in event.generations:
        generations[generation.audience] = (*generations.get(generation.audience, ()), generation)
    roster = replace(
        roster,
        version=event.originator_version,
        generations=generations,
        grants=roster.grants + event.grants,
    )
    match event:
        case RosterFounded():
            founders = {f.member: Member(f.member, ADMIN, f.keys) for f in event.statement.founders}
            return replace(roster, members=founders)
        case ApplicationRegistered():
            return _with_application(roster, Application(event.application, event.kind, event.label))
        case ApplicationRenamed():
            return _with_application(roster, replace(roster.applications[event.application], label=event.label))
        case ApplicationRemoved():
            return _without_application(roster, event.application)
        case PolicyChanged():
            return replace(roster, policies={**roster.policies, event.policy: event.value})
    return roster


def _with_application(roster: Roster, application: Application) -> Roster:
    return replace(roster, applications={**roster.applications, application.id: application})


def _without_application(roster: Roster, application: ApplicationId) -> Roster:
    audience = application_audience(application)
    return replace(
        roster,
        applications={key: value for key, value in roster.applications.items() if key != application},
        generations={key: value for key, value in roster.generations.items() if key != audience},
        grants=tuple(grant for grant in roster.grants if grant.audience != audience),
    )


def check_kind(kind: str) -> str:
    """Return the kind of application, or raise ``InvalidValue``."""
    if kind not in KINDS:
        raise InvalidValue(f"an application is {' or '.join(KINDS)}-based, not {kind!r}", "--kind process|form")
    return kind


def check_policy(policy: str, value: str) -> None:
    """Raise ``NotFound`` for an unknown policy, ``InvalidValue`` for a value it cannot have."""
    if policy not in POLICIES:
        raise NotFound(f"there is no policy {policy!r}", f"the policies are: {', '.join(POLICIES)}")
    if value not in POLICIES[policy]:
        raise InvalidValue(f"the policy {policy} cannot be {value!r}", f"it is one of: {', '.join(POLICIES[policy])}")


def check_name_free(names: Mapping[ApplicationId, str], folded: str, but: ApplicationId | None = None) -> None:
    """Raise ``AlreadyExists`` if another application has the folded name; ``names`` maps ids to folded names."""
    if any(name == folded and application != but for application, name in names.items()):
        raise AlreadyExists("an application of that name exists already", "names that differ only in case are the same")
