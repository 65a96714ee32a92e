"""The facts the registry keeps about tokens and their use, one class each.

``TOPIC`` is the stored name of a fact and never changes. A field without a default stands in every event ever stored;
new fields come with a default, so that old events keep their meaning.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from registry.values import ApplicationId, MemberId, TokenId


@dataclass(frozen=True, slots=True)
class Context:
    """Who acts, when, from where and why: the same for every event of a commit."""

    by: MemberId
    at: datetime
    host: str
    client: str
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Event:
    """A fact: something a member did, at a moment, from a place, in one stream of the registry."""

    TOPIC: ClassVar[str]
    originator_id: str
    originator_version: int
    by: MemberId
    at: datetime
    host: str
    client: str
    reason: str | None = None
    changed: tuple[str, ...] = ()
    """The names of what changed; for credentials, of their fields."""


@dataclass(frozen=True, kw_only=True)
class TokenEvent(Event):
    """A fact about one token; the stream is the token's own."""

    revision: int
    """The token's revision after the commit that this event is part of."""


@dataclass(frozen=True, kw_only=True)
class SealedCredentials:
    """What an event says of a token's credentials: everything but the secret values.

    ``box`` holds the provider and all fields, openable only with the token's current data key. ``fingerprints`` are
    keyed, one for each secret field. ``verdicts`` says of each secret field whether its value is *new*, the *same*,
    or was *used before* by this token.
    """

    public: Mapping[str, str]
    secret: tuple[str, ...]
    verdicts: Mapping[str, str] = field(default_factory=dict)
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    box: bytes


@dataclass(frozen=True, kw_only=True)
class TokenCreated(TokenEvent):
    """A token came into being, with its first credentials."""

    TOPIC: ClassVar[str] = "token.created"
    name: str
    application: ApplicationId | None = None
    description: str = ""
    provider: str
    encrypted: bool = True
    expires_at: datetime | None = None
    credentials: SealedCredentials


@dataclass(frozen=True, kw_only=True)
class TokenCredentialsChanged(TokenEvent):
    """The token has other credentials from now on; the former ones can no longer be opened."""

    TOPIC: ClassVar[str] = "token.credentials_changed"
    credentials: SealedCredentials


@dataclass(frozen=True, kw_only=True)
class TokenProviderChanged(TokenEvent):
    """The token belongs to another kind of system; its credentials change in the same commit."""

    TOPIC: ClassVar[str] = "token.provider_changed"
    provider: str


@dataclass(frozen=True, kw_only=True)
class TokenDescribed(TokenEvent):
    """The token's description was written anew."""

    TOPIC: ClassVar[str] = "token.described"
    description: str


@dataclass(frozen=True, kw_only=True)
class TokenRenamed(TokenEvent):
    """The token has another name; it stays the same token."""

    TOPIC: ClassVar[str] = "token.renamed"
    name: str


@dataclass(frozen=True, kw_only=True)
class TokenEncryptionChanged(TokenEvent):
    """The token's current credentials are from now on kept encrypted, or readable in the database."""

    TOPIC: ClassVar[str] = "token.encryption_changed"
    encrypted: bool


@dataclass(frozen=True, kw_only=True)
class TokenExpirySet(TokenEvent):
    """When the credentials end was noted, or (``None``) that they do not."""

    TOPIC: ClassVar[str] = "token.expiry_set"
    expires_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class TokenTested(TokenEvent):
    """The provider was asked about the credentials; ``revision`` is the one that was tested."""

    TOPIC: ClassVar[str] = "token.tested"
    outcome: str
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class TokenDeleted(TokenEvent):
    """The token is gone, and with it the only key that opened its credentials."""

    TOPIC: ClassVar[str] = "token.deleted"


@dataclass(frozen=True, kw_only=True)
class TokenDisclosed(Event):
    """Credentials left the registry; the stream is the disclosing member's own, so it conflicts with no change."""

    TOPIC: ClassVar[str] = "token.disclosed"
    token: TokenId
    revision: int
    purpose: str
    """``reveal``, ``run``, ``resolve`` or ``export``."""
    application: ApplicationId | None = None
    process: str | None = None
