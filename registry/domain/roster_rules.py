"""How events change the roster, and what its rules refuse."""

from collections.abc import Iterable, Mapping

from msgspec import structs

from registry.domain.roster import (
    ADMIN,
    APP,
    AUDIT,
    AUDITOR,
    FINGERPRINT,
    GLOBAL,
    KINDS,
    POLICIES,
    ROLES,
    Application,
    Generation,
    Member,
    MemberKeys,
    Rollback,
    Roster,
    application_audience,
)
from registry.domain.roster_events import (
    ApplicationRegistered,
    ApplicationRemoved,
    ApplicationRenamed,
    MemberAdmitted,
    MemberRemoved,
    MemberRenewed,
    MemberRoleChanged,
    PolicyChanged,
    ProblemAcknowledged,
    RollbackAccepted,
    RosterEvent,
    RosterFounded,
    StoreMoved,
)
from registry.errors import AlreadyExists, InvalidValue, NotFound, NotPermitted
from registry.values import ApplicationId, MemberId, is_instance

_OWN_TOPICS = {AUDITOR: ("evidence.exported",), APP: ("token.disclosed",)}
# Characters that are hard to tell apart in many typefaces; names that differ in nothing else imitate each other.
_LOOK_ALIKE = str.maketrans("01i_.", "oll--")


def evolve(roster: Roster, event: RosterEvent) -> Roster:
    """Return the roster after the event; ``InvalidValue`` or ``NotFound`` if it cannot follow.

    It trusts signature, author and chain, which are checked before.
    """
    match event:
        case RosterFounded():
            founders = {f.member: Member(f.member, ADMIN, f.keys) for f in event.statement.founders}
            roster = structs.replace(roster, members=founders)
        case ApplicationRegistered():
            if event.application in roster.applications:
                raise InvalidValue("an application is registered once")
            application = Application(event.application, check_kind(event.kind), event.label)
            roster = structs.replace(roster, applications={**roster.applications, application.id: application})
        case ApplicationRenamed():
            roster = _relabelled(roster, {event.application: event.label})
        case ApplicationRemoved():
            roster = _without_application(roster, roster.application(event.application))
        case MemberAdmitted():
            admitted = Member(event.member, event.role, event.keys, event.application)
            if event.member in roster.members:
                raise InvalidValue("a member is admitted once")
            check_keys_free(roster, admitted)
            roster = _with_member(roster, admitted)
        case MemberRoleChanged():
            member = roster.member(event.member)
            roster = _with_member(roster, Member(member.id, event.role, member.keys, event.application))
        case MemberRenewed():
            roster = _renewed(roster, roster.member(event.member), event.keys)
        case MemberRemoved():
            roster = _without_members(roster, [roster.member(event.member)])
        case PolicyChanged():
            check_policy(event.policy, event.value)
            roster = structs.replace(roster, policies={**roster.policies, event.policy: event.value})
        case ProblemAcknowledged() | RollbackAccepted() | StoreMoved():
            roster = _with_log(roster, event)
    return _with_keys(_relabelled(roster, event.labels), event)


def may_commit(member: Member, topic: str, stream: str) -> bool:
    """Return whether the member's role allows it to commit such an event in that stream.

    Admins may commit everything. What others write stands in streams of their own.
    """
    return member.role == ADMIN or (topic in _OWN_TOPICS.get(member.role, ()) and stream == member.id)


def _with_log(roster: Roster, event: ProblemAcknowledged | RollbackAccepted | StoreMoved) -> Roster:
    if isinstance(event, StoreMoved):
        return structs.replace(roster, home=check_instance(event.instance))
    if isinstance(event, ProblemAcknowledged):
        return structs.replace(roster, acknowledged=roster.acknowledged | {(event.position, event.kind)})
    if not event.kept.commit < event.lost.commit:
        raise InvalidValue("a rollback gives up what came after what it keeps")
    accepted = Rollback(event.kept, event.lost, event.by, roster.member(event.by).keys.signing, event.at)
    return structs.replace(roster, rollbacks=(*roster.rollbacks, accepted))


def _with_keys(roster: Roster, event: RosterEvent) -> Roster:
    generations = dict(roster.generations)
    for generation in event.generations:
        _check_generation(roster, generation)
        known = generations.get(generation.audience, ())
        if generation.number != (known[-1].number + 1 if known else 1):
            raise InvalidValue(f"generation {generation.number} of {generation.audience} cannot come next")
        generations[generation.audience] = (*known, generation)
    newest = {audience: made[-1].number for audience, made in generations.items()}
    entitled: dict[MemberId, list[str]] = {}
    for grant in event.grants:
        if grant.member not in entitled:
            entitled[grant.member] = roster.audiences_of(roster.member(grant.member))
        if grant.audience not in entitled[grant.member] or newest.get(grant.audience) != grant.number:
            raise InvalidValue(
                f"a member is granted generation {grant.number} of {grant.audience}, which is not its due"
            )
    return structs.replace(
        roster, version=event.originator_version, generations=generations, grants=roster.grants + event.grants
    )


def _check_generation(roster: Roster, generation: Generation) -> None:
    audience, known = generation.audience, map(application_audience, roster.applications)
    if audience not in (AUDIT, GLOBAL, FINGERPRINT) and audience not in known:
        raise InvalidValue(f"there is no audience {audience}")
    if audience == FINGERPRINT and roster.generations.get(audience):
        raise InvalidValue("the fingerprint key is never rotated")
    # Credential audiences hand no former key on: whoever comes later has no business with what was replaced.
    public, former = audience == AUDIT, audience == AUDIT and generation.number > 1
    if (generation.public is not None, generation.previous is not None) != (public, former):
        raise InvalidValue(f"generation {generation.number} of {audience} tells too much or too little of its key")


def check_rotated(before: Roster, after: Roster, event: RosterEvent) -> None:
    """Raise ``InvalidValue`` if a member lost keys that it goes on knowing, because they were not made anew."""
    made = {generation.audience for generation in event.generations}
    for member in before.members.values():
        now = after.members.get(member.id)
        if now != member:
            kept = after.audiences_of(now) if now and now.keys == member.keys else []
            lost = set(before.audiences_of(member)).difference(kept, made, {FINGERPRINT})
            for audience in sorted(lost & after.generations.keys()):
                raise InvalidValue(f"a member lost the key of {audience}, which was not rotated")


def _renewed(roster: Roster, member: Member, keys: MemberKeys) -> Roster:
    renewed = structs.replace(member, keys=keys)
    check_keys_free(roster, renewed)
    spent = {**roster.spent, member.keys.signing: member.id, member.keys.sealing: member.id}
    # What was granted to its former keys does not open with the new ones.
    grants = tuple(grant for grant in roster.grants if grant.member != member.id)
    return _with_member(structs.replace(roster, spent=spent, grants=grants), renewed)


def _relabelled(roster: Roster, labels: Mapping[str, bytes]) -> Roster:
    if not labels:
        return roster
    applications = dict(roster.applications)
    for key, label in labels.items():
        application = roster.application(ApplicationId(key))
        applications[application.id] = structs.replace(application, label=label)
    return structs.replace(roster, applications=applications)


def _with_member(roster: Roster, member: Member) -> Roster:
    check_role(roster, member.role, member.application)
    if member.id in roster.former:
        raise InvalidValue("a member that was removed comes back")
    roster = structs.replace(roster, members={**roster.members, member.id: member})
    return _with_an_admin(roster)


def _without_members(roster: Roster, gone: Iterable[Member]) -> Roster:
    former = {member.id: member for member in gone}
    return _with_an_admin(
        structs.replace(
            roster,
            members={key: member for key, member in roster.members.items() if key not in former},
            former={**roster.former, **former},
        )
    )


def _with_an_admin(roster: Roster) -> Roster:
    if not roster.admins():
        raise NotPermitted("a registry always keeps one admin", "make another member an admin before")
    return roster


def _without_application(roster: Roster, application: Application) -> Roster:
    audience = application_audience(application.id)
    roster = _without_members(roster, app_members(roster, application.id))
    return structs.replace(
        roster,
        applications={key: value for key, value in roster.applications.items() if key != application.id},
        generations={key: value for key, value in roster.generations.items() if key != audience},
        grants=tuple(grant for grant in roster.grants if grant.audience != audience),
    )


def app_members(roster: Roster, application: ApplicationId) -> list[Member]:
    """Return the app members of an application."""
    return [member for member in roster.members.values() if member.application == application]


def check_role(roster: Roster, role: str, application: ApplicationId | None) -> None:
    """Raise ``InvalidValue`` unless the role exists and comes with an application just if it is ``app``."""
    if role not in ROLES:
        raise InvalidValue(f"there is no role {role!r}", f"the roles are: {', '.join(ROLES)}")
    if (role == APP) != (application is not None):
        raise InvalidValue("an app member belongs to one application, and no other member does", "--role app --app APP")
    if application is not None:
        roster.application(application)


def check_keys_free(roster: Roster, member: Member) -> None:
    """Raise ``AlreadyExists`` if one of the member's keys is or was another's, or its own before."""
    spent = {member.keys.signing, member.keys.sealing} & roster.spent.keys()
    for known in (*roster.members.values(), *roster.former.values()):
        if spent or known.keys.signing == member.keys.signing or known.keys.sealing == member.keys.sealing:
            raise AlreadyExists("these keys belong to a member already, or did", "'identity new' makes fresh ones")


def check_member_name_free(names: Mapping[MemberId, str], name: str) -> None:
    """Raise ``AlreadyExists`` if a member, or one that was removed, has the name or one that looks like it."""
    for known in names.values():
        if _skeleton(known) == _skeleton(name):
            raise AlreadyExists(
                f"the name {name!r} is that of the member {known!r}, or looks like it",
                "names are never used again, so that the history stays clear",
            )


def _skeleton(name: str) -> str:
    return name.lower().translate(_LOOK_ALIKE).replace("rn", "m").replace("vv", "w")


def check_kind(kind: str) -> str:
    """Return the kind of application, or raise ``InvalidValue``."""
    if kind not in KINDS:
        raise InvalidValue(f"an application is {' or '.join(KINDS)}-based, not {kind!r}", "--kind process|form")
    return kind


def check_instance(instance: str) -> str:
    """Return the id of an instance of the store, or nothing where none is meant, or raise ``InvalidValue``."""
    if instance and not is_instance(instance):
        raise InvalidValue("the id of an instance of the store is 32 hexadecimal digits")
    return instance


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
