"""The names of members and applications, past ones too: read from the roster's sealed contents."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from registry.domain.events import Event
from registry.domain.roster_events import (
    ApplicationRegistered,
    ApplicationRemoved,
    ApplicationRenamed,
    RosterFounded,
)
from registry.errors import NotFound
from registry.values import ApplicationId, MemberId, fold


class Directory(Struct, frozen=True):
    """Who and what the ids stand for; ``applications`` holds those there are, ``former`` the names of all ever."""

    members: Mapping[MemberId, str]
    applications: Mapping[ApplicationId, str]
    former: Mapping[ApplicationId, str]

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
        raise NotFound(f"there is no member {name!r}")


def directory(events: Iterable[Event]) -> Directory:
    """Return the names that the roster's events give."""
    members: dict[MemberId, str] = {}
    applications: dict[ApplicationId, str] = {}
    former: dict[ApplicationId, str] = {}
    for event in events:
        match event:
            case RosterFounded():
                members.update({MemberId(member): name for member, name in event.names.items()})
            case ApplicationRegistered() | ApplicationRenamed():
                applications[event.application] = former[event.application] = event.name
            case ApplicationRemoved():
                applications.pop(event.application, None)
    return Directory(members, applications, former)
