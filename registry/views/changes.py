"""What each event made of what was there before: the fields that changed, from what to what.

Values that are secret are in no event. Of them, only the verdict is told that the author of the event gave by their
fingerprints: whether a value is new, the same as before, or was used before by this token.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from registry.domain.events import Event
from registry.domain.roster import ADMIN, POLICIES
from registry.domain.roster_events import (
    ApplicationRegistered,
    ApplicationRemoved,
    ApplicationRenamed,
    MemberAdmitted,
    MemberRemoved,
    MemberRoleChanged,
    PolicyChanged,
    RosterEvent,
    RosterFounded,
)
from registry.domain.token import Token
from registry.domain.token_events import TokenCreated, TokenCredentialsChanged, TokenDeleted, TokenEvent, TokenTested
from registry.domain.token_rules import evolve
from registry.errors import Conflict, IntegrityError
from registry.store.topics import topics
from registry.values import rfc3339

Value = str | bool | None
VERDICTS = ("new", "same", "used before")
"""What the author of an event can have found out about the value of a secret field."""


class FieldChange(Struct, frozen=True, kw_only=True):
    """What became of one field. ``before`` and ``after`` are ``None`` where there is no value, or a secret one.

    ``verdict`` is that of a secret field: ``set`` where it had no value, ``new``, ``same`` or ``used before``,
    ``unset`` where it has none any more, ``unknown`` where the event does not say.
    """

    field: str
    secret: bool = False
    before: Value = None
    after: Value = None
    verdict: str | None = None

    def document(self) -> dict[str, Any]:
        """Return it as an element of the JSON array ``diff``."""
        if self.secret:
            return {"field": self.field, "secret": True, "verdict": self.verdict}
        return {"field": self.field, "secret": False, "from": self.before, "to": self.after}


def next_state(before: Token | None, event: TokenEvent, *, lenient: bool = False) -> Token | None:
    """Return the token after the event; ``IntegrityError`` if it is not the one that follows.

    Where admins know of events that do not follow, the reading is ``lenient``: these change nothing.
    """
    expected = before.version + 1 if before else 1
    try:
        if event.originator_version == expected or lenient:
            return evolve(before, event)
    except Conflict:
        pass  # it has begun with something else than its creation, or goes on behind its end
    if lenient:
        return before
    raise IntegrityError(f"the history of the token {event.originator_id} has no event {expected} that fits there")


class Changes:
    """What is known of each token, application, member and policy at the point that a reading has reached.

    A ``lenient`` reading goes on behind events that do not follow.
    """

    def __init__(self, *, lenient: bool = False) -> None:
        self._lenient = lenient
        self.topics = frozenset(topic for topic, kind in topics().items() if issubclass(kind, TokenEvent | RosterEvent))
        """The kinds of events that must be followed from the beginning."""
        self._tokens: dict[str, tuple[Token, dict[str, Value]]] = {}
        self._roster: dict[tuple[str, str], dict[str, Value]] = {}

    def follow(self, event: Event) -> tuple[FieldChange, ...]:
        """Go on behind an event and return what it changed."""
        if isinstance(event, TokenEvent):
            return self._follow_token(event)
        return tuple(self._follow_roster(event))

    def _follow_token(self, event: TokenEvent) -> tuple[FieldChange, ...]:
        before, facts = self._tokens.get(event.originator_id, (None, {}))
        after = next_state(before, event, lenient=self._lenient)
        if after is None or isinstance(event, TokenDeleted):
            self._tokens.pop(event.originator_id, None)  # nothing follows, and millions may come and go
            return ()
        if isinstance(event, TokenTested):
            self._tokens[event.originator_id] = (after, facts)
            return ()
        changed = _facts(after)
        self._tokens[event.originator_id] = (after, changed)
        changes = [*_plain_changes(facts, changed)]
        if isinstance(event, TokenCreated | TokenCredentialsChanged):
            changes += _plain_changes(before.public if before else {}, after.public)
            changes += _secret_changes(before, event)
        return tuple(changes)

    def _follow_roster(self, event: Event) -> Iterable[FieldChange]:
        match event:
            case RosterFounded():
                for founder in event.statement.founders:
                    self._roster["member", founder.member] = {"role": ADMIN}
            case ApplicationRegistered():
                return self._become("application", event.application, {"name": event.name, "kind": event.kind})
            case ApplicationRenamed():
                return self._become("application", event.application, {"name": event.name})
            case PolicyChanged():
                default = POLICIES.get(event.policy, (None,))[0]
                self._roster.setdefault(("policy", event.policy), {event.policy: default})
                return self._become("policy", event.policy, {event.policy: event.value})
            case MemberAdmitted() | MemberRoleChanged():
                application = self._roster.get(("application", event.application or ""), {}).get("name")
                return self._become("member", event.member, {"role": event.role, "application": application})
            case ApplicationRemoved():
                self._roster.pop(("application", event.application), None)
            case MemberRemoved():
                self._roster.pop(("member", event.member), None)
        return ()

    def _become(self, kind: str, name: str, facts: dict[str, Value]) -> Iterable[FieldChange]:
        before = self._roster.get((kind, name), {})
        self._roster[kind, name] = before | facts
        return _plain_changes(before, before | facts)


def _facts(token: Token) -> dict[str, Value]:
    return {
        "name": token.name,
        "provider": token.provider,
        "description": token.description,
        "encrypted": token.encrypted,
        "expires_at": rfc3339(token.expires_at) if token.expires_at else None,
    }


def _plain_changes(before: Mapping[str, Value], after: Mapping[str, Value]) -> Iterator[FieldChange]:
    for name in [*after, *(name for name in before if name not in after)]:
        was, now = before.get(name), after.get(name)
        if was != now and not (name not in before and now == ""):
            yield FieldChange(field=name, before=was, after=now)


def _secret_changes(before: Token | None, event: TokenCreated | TokenCredentialsChanged) -> Iterator[FieldChange]:
    former = before.secret if before else ()
    for name in event.credentials.secret:
        said = event.credentials.verdicts.get(name)
        verdict = said if said in VERDICTS else "unknown"
        if name not in former and verdict != "used before":
            verdict = "set"
        yield FieldChange(field=name, secret=True, verdict=verdict)
    for name in former:
        if name not in event.credentials.secret:
            yield FieldChange(field=name, secret=True, verdict="unset")
