"""The state of one token: what is known of it, its secrets excepted."""

from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct

from registry.values import ApplicationId, MemberId, TokenId


class Test(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What the last connection test found out."""

    at: datetime
    outcome: str
    detail: str
    revision: int


class Token(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is known of a token, its secrets excepted."""

    id: TokenId
    version: int
    name: str
    application: ApplicationId | None
    provider: str
    description: str
    encrypted: bool
    public: Mapping[str, str]
    secret: tuple[str, ...]
    revision: int
    box_revision: int
    """The revision that brought the present credentials."""
    created_at: datetime
    created_by: MemberId
    changed_at: datetime
    changed_by: MemberId
    credentials_at: datetime
    expires_at: datetime | None = None
    last_test: Test | None = None
    deleted: bool = False
