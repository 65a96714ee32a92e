"""Who uses tokens, as far as it is recorded: read from the history once, in memory that grows with the users alone."""

from collections.abc import Callable, Container, Iterable, Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct

from registry.domain.events import Event
from registry.domain.roster_events import MemberAdmitted, MemberRoleChanged
from registry.domain.token_events import TokenCreated, TokenDisclosed
from registry.store.rows import LoggedEvent
from registry.values import ApplicationId, MemberId, TokenId, rfc3339
from registry.views.directory import Directory

EXPORT = "export"
"""The purpose of a disclosure that is no use of the token: a copy was made of it, among others."""
_APPLICATIONS = (MemberAdmitted.TOPIC, MemberRoleChanged.TOPIC)


class Usage(Struct, frozen=True, kw_only=True):
    """What is recorded of one user of a token: one member, for one process, on one host. Times are those of commits."""

    member: str
    present: bool
    """Whether it is a member still."""
    application: str | None
    """The application that the member belonged to, under its last name."""
    process: str | None
    host: str
    purposes: tuple[str, ...]
    uses: int
    first_use: datetime
    last_use: datetime
    revision: int
    """The token's revision at the last use."""

    def document(self) -> dict[str, Any]:
        """Return it as the JSON object that ``usage`` promises."""
        return {
            "member": self.member,
            "present": self.present,
            "application": self.application,
            "process": self.process,
            "host": self.host,
            "purposes": list(self.purposes),
            "uses": self.uses,
            "first_use": rfc3339(self.first_use),
            "last_use": rfc3339(self.last_use),
            "revision": self.revision,
        }


class _User(Struct, frozen=True):
    """Who uses a token, by ids."""

    token: TokenId
    member: MemberId
    application: ApplicationId | None
    process: str | None
    host: str


class _Uses(Struct):
    """What has been read of one user so far."""

    first: datetime
    last: datetime
    purposes: set[str]
    count: int = 0
    revision: int = 0


def usages(
    log: Iterable[LoggedEvent],
    opened: Callable[[LoggedEvent], Event],
    tokens: Container[TokenId],
    names: Directory,
    present: Container[MemberId],
) -> Mapping[TokenId, list[Usage]]:
    """Return the users of each of the tokens, who used it last first; ``present`` are the members of now."""
    applications: dict[MemberId, ApplicationId | None] = {}
    known: dict[_User, _Uses] = {}
    begun = False
    for logged in log:
        topic = logged.stored.topic
        if topic in _APPLICATIONS:
            event = opened(logged)
            if isinstance(event, MemberAdmitted | MemberRoleChanged):
                applications[event.member] = event.application
        elif topic == TokenCreated.TOPIC:
            begun = begun or logged.stored.originator_id in tokens
        elif topic == TokenDisclosed.TOPIC and begun:  # opening is what takes long, and what came before is not theirs
            event = opened(logged)
            if isinstance(event, TokenDisclosed) and event.token in tokens:
                user = _User(event.token, event.by, applications.get(event.by), event.process, event.host)
                _count(known.setdefault(user, _Uses(logged.at, logged.at, set())), logged.at, event)
    found: dict[TokenId, list[Usage]] = {}
    for user, uses in sorted(known.items(), key=lambda pair: pair[1].last, reverse=True):
        found.setdefault(user.token, []).append(_usage(user, uses, names, present))
    return found


def _count(uses: _Uses, at: datetime, event: TokenDisclosed) -> None:
    uses.count += 1
    uses.last, uses.revision = at, event.revision
    uses.purposes.add(event.purpose)


def _usage(user: _User, uses: _Uses, names: Directory, present: Container[MemberId]) -> Usage:
    return Usage(
        member=names.member(user.member),
        present=user.member in present,
        application=names.application(user.application),
        process=user.process,
        host=user.host,
        purposes=tuple(sorted(uses.purposes)),
        uses=uses.count,
        first_use=uses.first,
        last_use=uses.last,
        revision=uses.revision,
    )


def used_since(log: Iterable[LoggedEvent], opened: Callable[[LoggedEvent], Event], since: datetime) -> set[TokenId]:
    """Return the tokens that are recorded to have been used at or after a moment; an export is no use."""
    found = set()
    for logged in log:
        if logged.stored.topic == TokenDisclosed.TOPIC and logged.at >= since:
            event = opened(logged)
            if isinstance(event, TokenDisclosed) and event.purpose != EXPORT:
                found.add(event.token)
    return found
