"""Use cases of members: admit, change a role, renew keys, remove, list; and the keys of audiences."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct, structs

from registry.domain import roster_rules as rules
from registry.domain.events import Event
from registry.domain.roster import ADMIN, AUDIT, FINGERPRINT, GLOBAL, Member, scope_audience
from registry.domain.roster_events import (
    AudienceRotated,
    MemberAdmitted,
    MemberRemoved,
    MemberRenewed,
    MemberRoleChanged,
    RosterEvent,
)
from registry.errors import NotFound, NotPermitted
from registry.invitation import Invitation
from registry.log.checkpoint import member_key
from registry.sealing import grants
from registry.sealing.identity import PublicIdentity
from registry.sealing.public_keys import check_keys
from registry.service.ledger import Ledger, Turn
from registry.service.rotation import Progress, Rotation, after_audiences, exposed, rotate
from registry.values import ApplicationId, MemberId, parse_member_name


class MemberView(Struct, frozen=True):
    """A member as people and programs are shown it."""

    id: str
    name: str
    role: str
    application: str | None
    public_key: str
    """The line that its owner's ``identity show`` prints, with the name that counts here."""
    vkey: str
    """The key by which its checkpoints are verified, as every tool that knows C2SP signed notes reads it."""
    admitted_at: datetime
    admitted_by: str


class Departure(Struct, frozen=True):
    """What follows from a member's losing keys: ``exposed`` names the tokens that it could have opened."""

    member: str
    changed: bool
    exposed: tuple[tuple[str, str | None], ...]
    """Name and application of each token whose credentials should be changed at the provider."""


class KeyView(Struct, frozen=True):
    """An audience's present key, as far as anybody may know it."""

    audience: str
    application: str | None
    generation: int
    made_at: datetime
    holders: int


class Members:
    """The members of a registry and the keys they are given, as its member may manage them."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def list(self) -> list[MemberView]:
        """Return the members, in the order of their admission."""
        ledger = self._ledger
        ledger.require_reader()
        names = ledger.directory()
        return [
            MemberView(
                id=member.id,
                name=names.member(member.id),
                role=member.role,
                application=names.application(member.application),
                public_key=PublicIdentity(names.member(member.id), member.keys).line(),
                vkey=member_key(ledger.registry, member.id, member.keys.signing).text(),
                admitted_at=names.admissions[member.id][0],
                admitted_by=names.member(names.admissions[member.id][1]),
            )
            for member in ledger.roster.members.values()
        ]

    def show(self, name: str) -> MemberView:
        """Return a member; ``NotFound`` if there is none of that name now."""
        self._ledger.require_reader()
        member = self._ledger.directory().find_member(name)
        found = [view for view in self.list() if view.id == member]
        if not found:
            raise NotFound(f"the member {name!r} was removed", "'member list' shows those there are")
        return found[0]

    def check_other(self, name: str) -> MemberView:
        """Return the member that would be changed; raise what every change of it would, before anybody is asked."""
        self._ledger.require_admin()
        view = self.show(name)
        self._other(name)
        return view

    def add(
        self, name: str, role: str, public: PublicIdentity, *, app: str | None = None, reason: str | None = None
    ) -> Invitation:
        """Admit a member and return its invitation; the name that counts is the one given here."""
        ledger = self._ledger
        ledger.check_role(ADMIN)
        parse_member_name(name)
        check_keys(public.keys)  # else every reader would refuse the roster that has them
        with ledger.turn(reason, roster=True) as turn:
            application = ledger.scope(app)
            rules.check_role(ledger.roster, role, application)
            rules.check_member_name_free(ledger.directory().members, name)
            member = Member(MemberId(ledger.surroundings.new_id()), role, public.keys, application)
            rules.check_keys_free(ledger.roster, member)
            event = MemberAdmitted(
                **ledger.roster_facts(turn),
                changed=("name", "role"),
                grants=_grants(ledger, member, ledger.roster.audiences_of(member)),
                member=member.id,
                role=role,
                application=application,
                keys=member.keys,
                name=name,
            )
            ledger.commit(turn, [event])
        return ledger.invitation()

    def change_role(
        self,
        name: str,
        role: str,
        *,
        app: str | None = None,
        reason: str | None = None,
        progress: Progress | None = None,
    ) -> Departure:
        """Give a member another role; where that takes keys away, every audience it was in gets fresh ones."""
        ledger = self._ledger
        ledger.check_role(ADMIN)
        with ledger.turn(reason, roster=True) as turn:
            member, application = self._other(name), ledger.scope(app)
            if (member.role, member.application) == (role, application):
                return Departure(name, False, ())
            facts: dict[str, Any] = {"member": member.id, "role": role, "application": application, "name": name}
            before = set(ledger.roster.audiences_of(member))
            wish = MemberRoleChanged(**ledger.roster_facts(turn), changed=("role",), **facts)
            after = rules.evolve(ledger.roster, wish)
            now = after.audiences_of(after.members[member.id])
            if before <= set(now):
                given = _grants(ledger, member, [audience for audience in now if audience not in before])
                ledger.commit(turn, [structs.replace(wish, grants=given)])
                return Departure(name, True, ())
            lost = before - set(now)
            known = exposed(ledger, ledger.roster, lost)
            rotation = rotate(ledger, after, before, progress)
            gained = _grants(ledger, member, [a for a in now if a not in before])
            event = structs.replace(wish, exposed=known, **_joined(rotation, gained))
            self._commit(turn, event, rotation)
        return Departure(name, True, self._named(known))

    def renew(
        self, name: str, public: PublicIdentity, *, reason: str | None = None, progress: Progress | None = None
    ) -> Invitation:
        """Give a member other keys, and every audience it is in fresh ones; return its new invitation."""
        ledger = self._ledger
        ledger.check_role(ADMIN)
        check_keys(public.keys)
        with ledger.turn(reason, roster=True) as turn:
            member = self._other(name)
            renewed = Member(member.id, member.role, public.keys, member.application)
            rules.check_keys_free(ledger.roster, renewed)
            wish = MemberRenewed(
                **ledger.roster_facts(turn), changed=("keys",), member=member.id, keys=public.keys, name=name
            )
            after = rules.evolve(ledger.roster, wish)
            audiences = after.audiences_of(renewed)
            rotation = rotate(ledger, after, audiences, progress)
            untouched = set(audiences) - {generation.audience for generation in rotation.generations}
            given = _grants(ledger, renewed, [audience for audience in audiences if audience in untouched])
            self._commit(turn, structs.replace(wish, **_joined(rotation, given)), rotation)
        return ledger.invitation()

    def remove(self, name: str, *, reason: str | None = None, progress: Progress | None = None) -> Departure:
        """Remove a member; every audience it was in gets fresh keys, which it is not granted."""
        ledger = self._ledger
        ledger.check_role(ADMIN)
        with ledger.turn(reason, roster=True) as turn:
            member = self._other(name)
            wish = MemberRemoved(**ledger.roster_facts(turn), member=member.id, name=name)
            after = rules.evolve(ledger.roster, wish)
            audiences = ledger.roster.audiences_of(member)
            known = exposed(ledger, ledger.roster, set(audiences))
            rotation = rotate(ledger, after, audiences, progress)
            self._commit(turn, structs.replace(wish, exposed=known, **rotation.facts()), rotation)
        return Departure(name, True, self._named(known))

    def keys(self) -> Sequence[KeyView]:
        """Return the present key of every audience."""
        ledger = self._ledger
        ledger.require_reader()
        names, views = ledger.directory(), []
        for audience, generations in ledger.roster.generations.items():
            application = ApplicationId(audience.removeprefix("application:")) if ":" in audience else None
            views.append(
                KeyView(
                    audience=audience.partition(":")[0],
                    application=names.application(application),
                    generation=generations[-1].number,
                    made_at=names.generations[audience, generations[-1].number],
                    holders=len(ledger.roster.audience_members(audience)),
                )
            )
        return views

    def rotate(
        self, audience: str | None = None, *, reason: str | None = None, progress: Progress | None = None
    ) -> Sequence[str]:
        """Give an audience fresh keys, or all of them; return their names.

        ``audience`` is ``audit``, ``global`` or the name of an application, with ``application:`` before it or not.
        """
        ledger = self._ledger
        ledger.check_role(ADMIN)
        with ledger.turn(reason, roster=True) as turn:
            if audience is None:
                chosen = after_audiences(ledger.roster)
            elif audience in (AUDIT, GLOBAL):
                chosen = [audience]
            elif audience == FINGERPRINT:
                raise NotPermitted(
                    "the fingerprint key is never rotated", "values used before could not be recognised any more"
                )
            else:
                chosen = [scope_audience(ledger.scope(audience.removeprefix("application:")))]
            rotation = rotate(ledger, ledger.roster, chosen, progress)
            event = AudienceRotated(**ledger.roster_facts(turn), **rotation.facts())
            self._commit(turn, event, rotation)
        return [generation.audience for generation in rotation.generations]

    def _other(self, name: str) -> Member:
        ledger = self._ledger
        member = ledger.roster.member(ledger.directory().find_member(name))
        if member.id == ledger.member.id:
            # Whoever rotates a key knows the new one: nobody can take a key away from itself.
            raise NotPermitted("nobody changes its own membership", "ask another admin")
        return member

    def _named(self, exposed: Mapping[str, int]) -> tuple[tuple[str, str | None], ...]:
        found = []
        with self._ledger.glance():
            names = self._ledger.directory()
            for row in self._ledger.rows.all():
                if row.token in exposed:
                    token = self._ledger.token(row)
                    found.append((token.name, names.application(token.application)))
        return tuple(sorted(found, key=lambda pair: (pair[1] or "", pair[0])))

    def _commit(self, turn: Turn, event: RosterEvent, rotation: Rotation) -> None:
        events: list[Event] = [event]
        self._ledger.commit(
            turn, events, rows=rotation.rows, replaced=rotation.replaced, shred=True, audit=rotation.audit
        )


def _grants(ledger: Ledger, member: Member, audiences: Sequence[str]) -> tuple[Any, ...]:
    return tuple(grants.grant(ledger.registry, ledger.keyring.current(audience), member) for audience in audiences)


def _joined(rotation: Rotation, more: tuple[Any, ...]) -> dict[str, Any]:
    return rotation.facts() | {"grants": rotation.grants + more}
