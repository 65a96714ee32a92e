"""The facts the registry keeps about tokens and their use, one class each."""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

from msgspec import Struct

from registry.domain.events import Event
from registry.values import ApplicationId, TokenId


class TokenEvent(Event, frozen=True, kw_only=True):
    """A fact about one token; the stream is the token's own."""

    revision: int
    """The token's revision after the commit that this event is part of."""


class SealedCredentials(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What an event says of a token's credentials: everything but the secret values.

    ``box`` holds the provider and all fields, openable only with the token's current data key. ``fingerprints`` are
    keyed, one for each secret field. ``verdicts`` says of each secret field whether its value is *new*, the *same*,
    or was *used before* by this token.
    """

    public: Mapping[str, str]
    secret: tuple[str, ...]
    verdicts: Mapping[str, str] = {}
    fingerprints: Mapping[str, str] = {}
    box: bytes


class TokenCreated(TokenEvent, frozen=True, kw_only=True):
    """A token came into being, with its first credentials."""

    TOPIC: ClassVar[str] = "token.created"
    name: str
    application: ApplicationId | None = None
    description: str = ""
    provider: str
    encrypted: bool = True
    expires_at: datetime | None = None
    credentials: SealedCredentials


class TokenCredentialsChanged(TokenEvent, frozen=True, kw_only=True):
    """The token has other credentials from now on; the former ones can no longer be opened."""

    TOPIC: ClassVar[str] = "token.credentials_changed"
    credentials: SealedCredentials


class TokenProviderChanged(TokenEvent, frozen=True, kw_only=True):
    """The token belongs to another kind of system; its credentials change in the same commit."""

    TOPIC: ClassVar[str] = "token.provider_changed"
    provider: str


class TokenDescribed(TokenEvent, frozen=True, kw_only=True):
    """The token's description was written anew."""

    TOPIC: ClassVar[str] = "token.described"
    description: str


class TokenRenamed(TokenEvent, frozen=True, kw_only=True):
    """The token has another name; it stays the same token."""

    TOPIC: ClassVar[str] = "token.renamed"
    name: str


class TokenEncryptionChanged(TokenEvent, frozen=True, kw_only=True):
    """The token's current credentials are from now on kept encrypted, or readable in the database."""

    TOPIC: ClassVar[str] = "token.encryption_changed"
    encrypted: bool


class TokenExpirySet(TokenEvent, frozen=True, kw_only=True):
    """When the credentials end was noted, or (``None``) that they do not."""

    TOPIC: ClassVar[str] = "token.expiry_set"
    expires_at: datetime | None = None


class TokenTested(TokenEvent, frozen=True, kw_only=True):
    """The provider was asked about the credentials; ``revision`` is the one that was tested."""

    TOPIC: ClassVar[str] = "token.tested"
    outcome: str
    detail: str = ""


class TokenDeleted(TokenEvent, frozen=True, kw_only=True):
    """The token is gone, and with it the only key that opened its credentials."""

    TOPIC: ClassVar[str] = "token.deleted"


class TokenDisclosed(Event, frozen=True, kw_only=True):
    """Credentials left the registry; the stream is the disclosing member's own, so it conflicts with no change."""

    TOPIC: ClassVar[str] = "token.disclosed"
    token: TokenId
    revision: int
    purpose: str
    """``reveal``, ``run``, ``resolve`` or ``export``."""
    application: ApplicationId | None = None
    process: str | None = None
