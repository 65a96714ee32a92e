"""A token as people and programs are shown it: everything but its secrets."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct

from registry.domain.token import Token
from registry.values import FieldValue, fold, rfc3339
from registry.views.directory import Directory


class LastTest(Struct, frozen=True):
    """What the last connection test found out, and of which revision."""

    at: datetime
    outcome: str
    detail: str
    revision: int


class TokenView(Struct, frozen=True, kw_only=True):
    """A token as it is now. Times are in UTC; ``fields`` are all that its provider knows, secret ones without value."""

    id: str
    name: str
    application: str | None
    provider: str
    description: str
    encrypted: bool
    fields: Mapping[str, FieldValue]
    revision: int
    created_at: datetime
    created_by: str
    changed_at: datetime
    changed_by: str
    credentials_changed_at: datetime
    expires_at: datetime | None
    last_test: LastTest | None

    @property
    def scope(self) -> str:
        """``global``, or ``application`` if it belongs to one."""
        return "global" if self.application is None else "application"

    def document(self) -> dict[str, Any]:
        """Return it as the JSON object that ``show`` and ``list`` promise."""
        fields: dict[str, dict[str, Any]] = {}
        for name, field in self.fields.items():
            fields[name] = {"secret": field.secret, "set": field.set}
            if not field.secret:
                fields[name]["value"] = field.value
        test = self.last_test
        return {
            "id": self.id,
            "name": self.name,
            "scope": self.scope,
            "application": self.application,
            "provider": self.provider,
            "description": self.description,
            "encrypted": self.encrypted,
            "fields": fields,
            "revision": self.revision,
            "created_at": rfc3339(self.created_at),
            "created_by": self.created_by,
            "changed_at": rfc3339(self.changed_at),
            "changed_by": self.changed_by,
            "credentials_changed_at": rfc3339(self.credentials_changed_at),
            "expires_at": rfc3339(self.expires_at) if self.expires_at else None,
            "last_test": test and {"at": rfc3339(test.at), "outcome": test.outcome, "detail": test.detail},
        }


class TokenFilter(Struct, frozen=True, kw_only=True):
    """Which tokens are wanted; what is ``None`` does not matter."""

    match: str | None = None
    """What name or description contain, in whatever case."""
    ends_by: datetime | None = None
    changed_by: datetime | None = None
    """Until when its credentials were last changed."""

    def wants(self, token: Token) -> bool:
        """Return whether the token is wanted."""
        if self.match is not None and fold(self.match) not in fold(token.name) + "\n" + fold(token.description):
            return False
        if self.ends_by is not None and (token.expires_at is None or token.expires_at > self.ends_by):
            return False
        return self.changed_by is None or token.credentials_at <= self.changed_by


def token_view(token: Token, names: Directory, known: Mapping[str, bool]) -> TokenView:
    """Return the token with names in the place of ids; ``known`` says of its provider's fields which are secret."""
    fields = {name: FieldValue(secret=secret, set=False) for name, secret in known.items()}
    fields |= {name: FieldValue(secret=False, set=True, value=value) for name, value in token.public.items()}
    fields |= {name: FieldValue(secret=True, set=True) for name in token.secret}
    test = token.last_test
    return TokenView(
        id=token.id,
        name=token.name,
        application=names.application(token.application),
        provider=token.provider,
        description=token.description,
        encrypted=token.encrypted,
        fields=fields,
        revision=token.revision,
        created_at=token.created_at,
        created_by=names.member(token.created_by),
        changed_at=token.changed_at,
        changed_by=names.member(token.changed_by),
        credentials_changed_at=token.credentials_at,
        expires_at=token.expires_at,
        last_test=LastTest(test.at, test.outcome, test.detail, test.revision) if test else None,
    )
