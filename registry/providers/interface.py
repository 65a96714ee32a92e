"""What a provider is: its fields, a test of a connection, and a way to sign requests.

A provider from outside is an object of this shape under the entry point group ``token_registry.providers``.
"""

import enum
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    import httpx

    from registry.values import Secret


class Field(Struct, frozen=True):
    """One field of a provider's credentials."""

    name: str
    """How scripts call it: lower case letters, digits and underscores."""
    label: str
    """How people call it, as the provider's own screens do."""
    secret: bool
    """A secret value is never shown, only revealed, and never taken from the command line."""
    required: bool = True
    default: str | None = None
    """What stands for it when it is not set; never for a secret field."""
    pattern: re.Pattern[str] | None = None
    """What a whole value must match."""
    help: str = ""
    check: Callable[[str], None] | None = None
    """Raises ``InvalidValue`` for a value that can never be right; its message names the fault, never the value."""


class Outcome(enum.StrEnum):
    """What a connection test found out; these words are stored in history and never change."""

    ACCEPTED = "accepted"
    ACCEPTED_MISSING_SCOPE = "accepted_missing_scope"
    REJECTED = "rejected"
    RETIRED = "retired"
    RATE_LIMITED = "rate_limited"
    UNREACHABLE = "unreachable"
    UNEXPECTED = "unexpected"


class TestResult(Struct, frozen=True):
    """A connection test's outcome and, in one bounded line without secrets, what the provider said."""

    outcome: Outcome
    detail: str = ""
    missing_scopes: tuple[str, ...] = ()
    """For ``accepted_missing_scope``: which scopes the provider asked for."""
    retry_at: datetime | None = None
    """For ``rate_limited``: until when, in UTC, if the provider said so."""


class Provider(Protocol):
    """A kind of external system whose credentials the registry keeps."""

    @property
    def name(self) -> str:
        """How scripts call it (``zoom-oauth``)."""

    @property
    def label(self) -> str:
        """How people call it (``Zoom Server-to-Server OAuth``)."""

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields in the order in which a person is asked for them."""

    def test(self, credentials: Mapping[str, "Secret"]) -> TestResult:
        """Make a harmless real call with these credentials and say what came of it.

        Every field that has a value is there, defaults filled in. It never raises for what the network or the
        provider does, ends within 20 seconds, and puts nothing secret into the result.
        """

    def auth(self, credentials: Mapping[str, "Secret"]) -> "httpx.Auth":
        """Return what signs ``httpx`` requests, sync and async, with these credentials."""
