"""How events change a token, and which events a wish leads to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from msgspec import Struct, structs

from registry.domain.events import Context
from registry.domain.token import Test, Token
from registry.domain.token_events import (
    SealedCredentials,
    TokenCreated,
    TokenCredentialsChanged,
    TokenDeleted,
    TokenDescribed,
    TokenEncryptionChanged,
    TokenEvent,
    TokenExpirySet,
    TokenProviderChanged,
    TokenRenamed,
    TokenTested,
)
from registry.errors import Conflict
from registry.values import ApplicationId, TokenId


class Change(Struct, frozen=True, kw_only=True):
    """What an admin wishes a token to be; ``None`` leaves a thing as it is."""

    description: str | None = None
    provider: str | None = None
    credentials: SealedCredentials | None = None
    encrypted: bool | None = None
    expiry: tuple[datetime | None] | None = None
    """A tuple of one, because *no expiry* is a wish too."""
    tested: tuple[str, str] | None = None
    """The outcome and detail of the test that the new credentials passed."""


def evolve(token: Token | None, event: TokenEvent) -> Token:
    """Return the token after the event; ``None`` is the token before its first."""
    if isinstance(event, TokenCreated):
        return _created(event)
    if token is None or token.deleted:
        raise Conflict("the token's history goes on where it cannot")
    if isinstance(event, TokenTested):
        test = Test(at=event.at, outcome=event.outcome, detail=event.detail, revision=event.revision)
        return structs.replace(token, version=event.originator_version, last_test=test)
    token = structs.replace(
        token,
        version=event.originator_version,
        revision=event.revision,
        changed_at=event.at,
        changed_by=event.by,
    )
    match event:
        case TokenCredentialsChanged():
            return _with_credentials(token, event)
        case TokenProviderChanged():
            return structs.replace(token, provider=event.provider)
        case TokenDescribed():
            return structs.replace(token, description=event.description)
        case TokenRenamed():
            return structs.replace(token, name=event.name)
        case TokenEncryptionChanged():
            return structs.replace(token, encrypted=event.encrypted)
        case TokenExpirySet():
            return structs.replace(token, expires_at=event.expires_at)
        case TokenDeleted():
            return structs.replace(token, deleted=True)
    return token


def folded(token: Token | None, events: Sequence[TokenEvent]) -> Token:
    """Return the token after the events, of which there is at least one where there is no token yet."""
    for event in events:
        token = evolve(token, event)
    if token is None:
        msg = "no events, no token"
        raise ValueError(msg)
    return token


def _created(event: TokenCreated) -> Token:
    return Token(
        id=TokenId(event.originator_id),
        version=event.originator_version,
        name=event.name,
        application=event.application,
        provider=event.provider,
        description=event.description,
        encrypted=event.encrypted,
        public=event.credentials.public,
        secret=event.credentials.secret,
        revision=event.revision,
        box_revision=event.revision,
        created_at=event.at,
        created_by=event.by,
        changed_at=event.at,
        changed_by=event.by,
        credentials_at=event.at,
        expires_at=event.expires_at,
    )


def _with_credentials(token: Token, event: TokenCredentialsChanged) -> Token:
    return structs.replace(
        token,
        public=event.credentials.public,
        secret=event.credentials.secret,
        box_revision=event.revision,
        credentials_at=event.at,
    )


@dataclass(slots=True)
class _Stream:
    """Numbers the events of one decision."""

    token_id: TokenId
    version: int
    revision: int
    context: Context

    def next(self, kind: type[TokenEvent], *changed: str, **facts: Any) -> TokenEvent:  # noqa: ANN401 - each caller names its event's fields
        self.version += 1
        return kind(
            originator_id=self.token_id,
            originator_version=self.version,
            by=self.context.by,
            at=self.context.at,
            host=self.context.host,
            client=self.context.client,
            reason=self.context.reason,
            revision=self.revision,
            changed=changed,
            **facts,
        )


def create(
    context: Context,
    token_id: TokenId,
    *,
    name: str,
    application: ApplicationId | None,
    provider: str,
    description: str,
    encrypted: bool,
    expires_at: datetime | None,
    credentials: SealedCredentials,
    tested: tuple[str, str] | None = None,
) -> list[TokenEvent]:
    """Return the events of a new token, and of the test it passed before."""
    stream = _Stream(token_id, 0, 1, context)
    events = [
        stream.next(
            TokenCreated,
            *sorted([*credentials.public, *credentials.secret]),
            name=name,
            application=application,
            provider=provider,
            description=description,
            encrypted=encrypted,
            expires_at=expires_at,
            credentials=credentials,
        )
    ]
    if tested:
        events.append(stream.next(TokenTested, outcome=tested[0], detail=tested[1]))
    return events


def edit(context: Context, token: Token, change: Change) -> list[TokenEvent]:
    """Return the events that make the token what the change wishes: none for what it is already."""
    stream = _Stream(token.id, token.version, token.revision + 1, context)
    events: list[TokenEvent] = []
    if change.description is not None and change.description != token.description:
        events.append(stream.next(TokenDescribed, "description", description=change.description))
    if change.provider is not None and change.provider != token.provider:
        events.append(stream.next(TokenProviderChanged, "provider", provider=change.provider))
    if change.credentials is not None:
        changed = changed_fields(token, change.credentials)
        events.append(stream.next(TokenCredentialsChanged, *changed, credentials=change.credentials))
    if change.encrypted is not None and change.encrypted != token.encrypted:
        events.append(stream.next(TokenEncryptionChanged, "encrypted", encrypted=change.encrypted))
    if change.expiry is not None and change.expiry[0] != token.expires_at:
        events.append(stream.next(TokenExpirySet, "expires_at", expires_at=change.expiry[0]))
    if change.tested:
        if not events:
            stream.revision -= 1
        events.append(stream.next(TokenTested, outcome=change.tested[0], detail=change.tested[1]))
    return events


def changed_fields(token: Token, credentials: SealedCredentials) -> list[str]:
    """Return the names of the credential fields that differ, sorted: set, unset, or with another value."""
    kept = {name for name, value in credentials.public.items() if token.public.get(name) == value}
    kept |= {name for name in credentials.secret if credentials.verdicts.get(name) == "same"}
    before = {*token.public, *token.secret}
    after = {*credentials.public, *credentials.secret}
    return sorted((before | after) - (kept & before & after))


def rename(context: Context, token: Token, name: str) -> list[TokenEvent]:
    """Return the event of another name; none if it is the same."""
    if name == token.name:
        return []
    return [_Stream(token.id, token.version, token.revision + 1, context).next(TokenRenamed, "name", name=name)]


def record_test(context: Context, token: Token, outcome: str, detail: str) -> list[TokenEvent]:
    """Return the event of a connection test; it leaves the revision as it is."""
    stream = _Stream(token.id, token.version, token.revision, context)
    return [stream.next(TokenTested, outcome=outcome, detail=detail)]


def delete(context: Context, token: Token) -> list[TokenEvent]:
    """Return the event of the token's end."""
    return [_Stream(token.id, token.version, token.revision + 1, context).next(TokenDeleted)]


def check_revision(token: Token, expected: int | None) -> None:
    """Raise ``Conflict`` if the caller expected another revision."""
    if expected is not None and expected != token.revision:
        raise Conflict(
            f"the token is at revision {token.revision}, not {expected}",
            "look at it with 'show' and 'history', then decide anew",
        )
