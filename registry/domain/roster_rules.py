"""How events change the roster, and what its rules refuse."""

from collections.abc import Mapping

from msgspec import structs

from registry.domain.roster import (
    ADMIN,
    KINDS,
    POLICIES,
    Application,
    Member,
    Roster,
    application_audience,
)
from registry.domain.roster_events import (
    ApplicationRegistered,
    ApplicationRemoved,
    ApplicationRenamed,
    PolicyChanged,
    RosterEvent,
    RosterFounded,
)
from registry.errors import AlreadyExists, InvalidValue, NotFound
from registry.values import ApplicationId


def evolve(roster: Roster, event: RosterEvent) -> Roster:
    """Return the roster after the event. It trusts the event: signature, author and chain are checked before."""
    generations = dict(roster.generations)
    for generation in event.generations:
        generations[generation.audience] = (*generations.get(generation.audience, ()), generation)
    roster = structs.replace(
        roster,
        version=event.originator_version,
        generations=generations,
        grants=roster.grants + event.grants,
    )
    match event:
        case RosterFounded():
            founders = {f.member: Member(f.member, ADMIN, f.keys) for f in event.statement.founders}
            return structs.replace(roster, members=founders)
        case ApplicationRegistered():
            return _with_application(roster, Application(event.application, event.kind, event.label))
        case ApplicationRenamed():
            return _with_application(roster, structs.replace(roster.applications[event.application], label=event.label))
        case ApplicationRemoved():
            return _without_application(roster, event.application)
        case PolicyChanged():
            return structs.replace(roster, policies={**roster.policies, event.policy: event.value})
    return roster


def _with_application(roster: Roster, application: Application) -> Roster:
    return structs.replace(roster, applications={**roster.applications, application.id: application})


def _without_application(roster: Roster, application: ApplicationId) -> Roster:
    audience = application_audience(application)
    return structs.replace(
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
