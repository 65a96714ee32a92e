"""The names of members and applications, past ones too: read from the roster's sealed contents."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from msgspec import Struct

from registry.domain.events import Event
from registry.domain.roster_events import (
    ApplicationRegistered,
    ApplicationRemoved,
    ApplicationRenamed,
    MemberAdmitted,
    MemberRemoved,
    MemberRenewed,
    MemberRoleChanged,
    RosterEvent,
    RosterFounded,
)
from registry.errors import NotFound
from registry.values import ApplicationId, MemberId, fold


class Directory(Struct, frozen=True):
    """Who and what the ids stand for; ``applications`` holds those there are, ``former`` the names of all ever."""

    members: dict[MemberId, str]
    applications: dict[ApplicationId, str]
    former: dict[ApplicationId, str]
    admissions: dict[MemberId, tuple[datetime, MemberId]]
    """When each member was admitted, and by whom."""
    generations: dict[tuple[str, int], datetime]
    """When each generation of an audience was made."""
    exposures: dict[str, tuple[int, ...]]
    """Tokens that a former holder of their keys could have opened, with the revisions that brought what it could."""

    def member(self, member: MemberId) -> str:
        """Return a member's name, its id where the name is unknown."""
        return self.members.get(member, member)

    def application(self, application: ApplicationId | None) -> str | None:
        """Return an application's last name, ``None`` for none."""
        return None if application is None else self.former.get(application, application)

    def find_application(self, name: str) -> ApplicationId:
        """Return the id of the application of that name, in whatever case; ``NotFound`` if there is none."""
        folded = fold(name)
        for application, known in self.applications.items():
            if fold(known) == folded:
                return application
        raise NotFound(f"there is no application {name!r}", "'app list' shows them, 'app add' makes one")

    def find_former(self, name: str) -> list[ApplicationId]:
        """Return the ids of all applications, removed ones too, whose last name this is."""
        folded = fold(name)
        return [application for application, known in self.former.items() if fold(known) == folded]

    def find_member(self, name: str) -> MemberId:
        """Return the id of the member of that name; ``NotFound`` if there never was one."""
        for member, known in self.members.items():
            if name in (known, member):
                return member
        raise NotFound(f"there is no member {name!r}", "'member list' shows them")


def directory(events: Iterable[Event]) -> Directory:
    """Return what the roster's events say of names, times and exposures; each of them repeats the name it is about."""
    known = Directory({}, {}, {}, {}, {}, {})
    for event in events:
        if isinstance(event, RosterEvent):
            _follow(known, event)
    return known


def _follow(known: Directory, event: RosterEvent) -> None:
    for generation in event.generations:
        known.generations[generation.audience, generation.number] = event.at
    match event:
        case RosterFounded():
            for founder in event.statement.founders:
                known.members[founder.member] = event.names[founder.member]
                known.admissions[founder.member] = (event.at, event.by)
        case MemberAdmitted():
            known.members[event.member] = event.name
            known.admissions[event.member] = (event.at, event.by)
        case ApplicationRegistered() | ApplicationRenamed():
            known.applications[event.application] = known.former[event.application] = event.name
        case ApplicationRemoved():
            known.applications.pop(event.application, None)
            known.former.setdefault(event.application, event.name)
            _expose(known, event.exposed)
        case MemberRemoved() | MemberRoleChanged():
            known.members.setdefault(event.member, event.name)
            _expose(known, event.exposed)
        case MemberRenewed():
            known.members.setdefault(event.member, event.name)


def _expose(known: Directory, exposed: Mapping[str, int]) -> None:
    for token, revision in exposed.items():
        known.exposures[token] = (*known.exposures.get(token, ()), revision)
