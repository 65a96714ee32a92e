"""What the events of a token lead to, worked out once more, and whether each can follow those before it.

It is the fast twin of ``registry.domain.token_rules``: a state that changes in place, and checks that the rules need
not make, because whoever decides by them cannot break them: revisions, verdicts, the names of what changed.

Where an event is wrong, nobody knows whether the author's client counted it. So from there on both are held possible,
that it happened and that it did not, until later events or the current row fit one of them alone.
"""

import re
from array import array
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from datetime import datetime
from typing import Any

from msgspec import Struct

from registry.domain.token import Test, Token
from registry.domain.token_events import SealedCredentials
from registry.values import ApplicationId, MemberId, TokenId
from registry.verify.decoding import Record

CREATED, DELETED, TESTED = "token.created", "token.deleted", "token.tested"
_NEW, _SAME, _USED_BEFORE = "new", "same", "used before"
_PRINT = re.compile(r"[0-9a-f]{32}\Z")
_MOST = 8
"""How many states are held possible at once."""


class Fact(Struct, frozen=True, gc=False):
    """One event of a token's stream; ``record`` is ``None`` where nobody knows what it says."""

    topic: str
    record: Record
    version: int
    position: int
    commit: int
    doubtful: bool = False
    """Whether it is already known to be wrong, so that it may count or not."""


class State:
    """A token while its events are replayed."""

    __slots__ = (
        *("token", "version", "revision", "commit", "deleted", "name", "application", "provider", "description"),
        *("encrypted", "public", "secret", "box", "box_revision", "prints", "known", "starts"),
        *("created_at", "created_by", "changed_at", "changed_by", "credentials_at", "expires_at", "last_test"),
    )
    name: str
    provider: str
    description: str
    encrypted: bool
    application: ApplicationId | None
    public: Mapping[str, str]
    secret: tuple[str, ...]
    box: bytes
    box_revision: int
    created_at: datetime
    changed_at: datetime
    credentials_at: datetime
    created_by: MemberId
    changed_by: MemberId
    expires_at: datetime | None

    def __init__(self, token: str) -> None:
        self.token = token
        self.version = self.revision = 0
        self.commit = -1
        self.deleted = False
        self.last_test: Test | None = None
        self.prints: Mapping[str, str] = {}
        """The fingerprints of the present credentials, by field."""
        self.known: set[str] = set()
        """All it ever had."""
        self.starts = array("q")
        """At which position each revision began."""

    def copied(self) -> "State":
        """Return another state that is the same now and can become another."""
        other = copy(self)
        other.known, other.starts = set(self.known), self.starts[:]
        return other

    def fingerprints(self) -> bytes | None:
        """Return all fingerprints it ever had, as its row has them; ``None`` where one of them is none."""
        try:
            return b"".join(sorted(map(bytes.fromhex, self.known)))
        except ValueError:
            return None

    def as_token(self) -> Token:
        """Return the token as its card has it."""
        return Token(
            id=TokenId(self.token),
            version=self.version,
            name=self.name,
            application=self.application,
            provider=self.provider,
            description=self.description,
            encrypted=self.encrypted,
            public=self.public,
            secret=self.secret,
            revision=self.revision,
            box_revision=self.box_revision,
            created_at=self.created_at,
            created_by=self.created_by,
            changed_at=self.changed_at,
            changed_by=self.changed_by,
            credentials_at=self.credentials_at,
            expires_at=self.expires_at,
            last_test=self.last_test,
            deleted=self.deleted,
        )


class Outcome(Struct, frozen=True):
    """What a stream came to: the states that are possible, and what is wrong, by position.

    No state at all means that nobody can know. ``certain`` says that no event was in doubt.
    """

    states: Sequence[State]
    complaints: Sequence[tuple[int, str]] = ()
    certain: bool = True


def replay(token: str, facts: Sequence[Fact]) -> Outcome:
    """Return what the events of one token come to."""
    state: State | None = None
    for fact in facts:
        if fact.record is None or fact.doubtful:
            return _careful(token, facts)
        state, complaint = _step(token, state, fact)
        if complaint:
            return _careful(token, facts)
    return Outcome([state] if state else [])


def _careful(token: str, facts: Sequence[Fact]) -> Outcome:
    states: list[State | None] = [None]
    complaints: list[tuple[int, str]] = []
    for fact in facts:
        if fact.record is None:
            return Outcome((), complaints, certain=False)
        followed, forced, refusals = [], [], []
        for state in states:
            after, complaint = _step(token, state.copied() if state else None, fact)
            if complaint is None:
                followed.append(after)
            else:
                refusals.append(complaint)
                forced += [after] if after else []
        if not followed and not fact.doubtful:
            complaints.append((fact.position, refusals[0]))
        if fact.doubtful or not followed:
            followed = [*states, *(followed or forced)]
        states = followed[:_MOST]
    return Outcome([state for state in states if state], complaints, certain=False)


def _step(token: str, state: State | None, fact: Fact) -> tuple[State | None, str | None]:
    """Return the state after the event, as far as there is one, and why the event cannot follow, if it cannot."""
    topic, record = fact.topic, fact.record
    if topic == CREATED:
        complaint = None if state is None else "a token is created once"
        made, wrong = _created(State(token), fact)
        return made, complaint or wrong
    if state is None:
        return None, "it changes a token that there is not"
    complaint = "it changes a token that was deleted" if state.deleted else None
    if topic == TESTED:
        state.version = fact.version
        state.last_test = Test(at=record.at, outcome=record.outcome, detail=record.detail, revision=record.revision)
        if record.revision != state.revision or record.changed:
            complaint = complaint or f"it is of revision {record.revision}; the token has revision {state.revision}"
        return state, complaint
    if topic not in _KINDS:
        return None, f"it is no event of a token: {topic}"
    if state.commit != fact.commit:
        state.revision, state.commit = state.revision + 1, fact.commit
        state.starts.append(fact.position)
    if record.revision != state.revision:
        complaint = complaint or f"it says revision {record.revision} where {state.revision} follows"
        state.revision = record.revision
    state.version = fact.version
    state.changed_at, state.changed_by = record.at, record.by
    return state, _KINDS[topic](state, record) or complaint


def _created(state: State, fact: Fact) -> tuple[State, str | None]:
    record = fact.record
    state.version, state.revision, state.commit = fact.version, record.revision, fact.commit
    state.starts.append(fact.position)
    state.name, state.application, state.provider = record.name, record.application, record.provider
    state.description, state.encrypted, state.expires_at = record.description, record.encrypted, record.expires_at
    state.created_at = state.changed_at = record.at
    state.created_by = state.changed_by = record.by
    given: SealedCredentials = record.credentials
    complaint = _prints_wrong(given)
    if record.revision != 1 or fact.version != 1:
        complaint = complaint or "a token begins with version and revision 1"
    if any(verdict != _NEW for verdict in given.verdicts.values()):
        complaint = complaint or "the first credentials of a token are new"
    if record.changed != tuple(sorted([*given.public, *given.secret])):
        complaint = complaint or _MISNAMED
    _take(state, given, record)
    return state, complaint


_MISNAMED = "it names other things as changed than it changes"


def _take(state: State, given: SealedCredentials, record: Record) -> None:
    state.public, state.secret, state.box = given.public, given.secret, given.box
    state.box_revision, state.credentials_at = record.revision, record.at
    state.prints = given.fingerprints
    state.known.update(given.fingerprints.values())


def _prints_wrong(given: SealedCredentials) -> str | None:
    names = set(given.secret)
    if given.fingerprints.keys() != names or given.verdicts.keys() != names:
        return "it says fingerprints or verdicts of other fields than are secret"
    for value in given.fingerprints.values():
        if not _PRINT.match(value):
            return "it has a fingerprint that is none"
    return None


def _credentials(state: State, record: Record) -> str | None:
    given: SealedCredentials = record.credentials
    complaint, verdicts = _prints_wrong(given), given.verdicts
    kept = {name for name, value in given.public.items() if state.public.get(name) == value}
    for name, value in given.fingerprints.items():
        verdict = verdicts.get(name)
        if verdict == _SAME:
            kept.add(name)
            # A value that was not secret before has no fingerprint that it could be compared by.
            right = state.prints.get(name) == value or (name in state.public and name not in state.prints)
        elif value in state.known:
            right = verdict == _USED_BEFORE and state.prints.get(name) != value
        else:
            right = verdict == _NEW
        if not right:
            complaint = complaint or f"its verdict on the field {name!r} is not what follows from its fingerprint"
    before, after = {*state.public, *state.secret}, {*given.public, *given.secret}
    if record.changed != tuple(sorted((before | after) - (kept & before & after))):
        complaint = complaint or _MISNAMED
    _take(state, given, record)
    return complaint


def _set(field: str, named: str) -> Callable[[State, Record], str | None]:
    changed = (named,)

    def set_field(state: State, record: Record) -> str | None:
        setattr(state, field, getattr(record, field))
        return None if record.changed == changed else _MISNAMED

    return set_field


def _deleted(state: State, record: Record) -> str | None:
    state.deleted = True
    return _MISNAMED if record.changed else None


_KINDS: Mapping[str, Callable[[State, Any], str | None]] = {
    "token.credentials_changed": _credentials,
    "token.provider_changed": _set("provider", "provider"),
    "token.described": _set("description", "description"),
    "token.renamed": _set("name", "name"),
    "token.encryption_changed": _set("encrypted", "encrypted"),
    "token.expiry_set": _set("expires_at", "expires_at"),
    DELETED: _deleted,
}
