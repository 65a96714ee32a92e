"""What callers ask of tokens, and what they are told became of it."""

from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct

from registry.providers.interface import TestResult
from registry.values import Secret
from registry.views.current import TokenView


class NewToken(Struct, frozen=True, kw_only=True):
    """What a token is made of."""

    name: str
    provider: str
    fields: Mapping[str, Secret]
    application: str | None = None
    description: str = ""
    encrypted: bool = True
    expires_at: datetime | None = None


class TokenEdit(Struct, frozen=True, kw_only=True):
    """What an admin wants changed; what is ``None`` stays. ``fields`` and ``unset`` touch only the fields they name."""

    fields: Mapping[str, Secret]
    unset: tuple[str, ...] = ()
    provider: str | None = None
    description: str | None = None
    encrypted: bool | None = None
    expiry: tuple[datetime | None] | None = None
    """A tuple of one, because *no expiry* is a wish too."""


class Changed(Struct, frozen=True):
    """A token after a command; ``changed`` is false where it was that way before and nothing was written."""

    token: TokenView
    changed: bool
    test: TestResult | None = None
