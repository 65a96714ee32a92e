"""What the store keeps beside events: commits, current rows, data keys; and the batch that one commit writes."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

from registry.errors import IntegrityError
from registry.values import ApplicationId, MemberId, TokenId

Id = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]
Count = Annotated[int, Meta(ge=0)]
T = TypeVar("T")


def typed(kind: type[T], row: Any, table: str) -> T:  # noqa: ANN401 - a row of the driver
    """Return a database row as what it should be; ``IntegrityError`` if its columns hold anything else.

    SQLite lets any column hold any type, and the database is not trusted.
    """
    try:
        return msgspec.convert(row, kind, builtin_types=(bytes,))
    except msgspec.ValidationError:
        raise IntegrityError(f"a row of the table {table} is in no known format") from None


def moment(text: object, table: str) -> datetime:
    """Return the time in a column, RFC 3339 with ``Z``; ``IntegrityError`` if it is none."""
    try:
        if isinstance(text, str) and text.endswith("Z"):
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    raise IntegrityError(f"a row of the table {table} has no time")


class Stored(Struct, frozen=True, array_like=True):
    """An event as it is stored: its stream, its version there, its topic, and its sealed state."""

    originator_id: Id
    originator_version: Count
    topic: str
    state: bytes


class Head(Struct, frozen=True):
    """The newest commit: its number, its time, and how many events there are with it."""

    number: int
    at: datetime
    size: int


class TokenRow(Struct, frozen=True, array_like=True):
    """The current row of a token.

    ``card`` is what is known of the token, sealed under ``audit``; ``box`` its credentials under their data key;
    ``plain`` the same credentials readable, for tokens that someone chose not to encrypt.
    """

    token: Annotated[TokenId, Meta(pattern=r"^[0-9a-f]{32}\Z")]
    application: Annotated[ApplicationId, Meta(pattern=r"^[0-9a-f]{32}\Z")] | None
    name_tag: bytes
    version: Count
    revision: Count
    box_revision: Count
    card: bytes
    box: bytes
    plain: bytes | None = None

    def __repr__(self) -> str:
        return f"TokenRow({self.token!r}, version={self.version})"


class LoggedEvent(Struct, frozen=True):
    """A stored event with its place in the registry's history."""

    position: int
    commit: int
    author: MemberId
    at: datetime
    stored: Stored


class Commit(Struct, frozen=True, kw_only=True):
    """Everything one command writes, in one transaction."""

    number: int
    author: MemberId
    at: datetime
    size: int
    """How many events there were before it."""
    rows: Sequence[TokenRow] = ()
    data_keys: Mapping[TokenId, bytes] = {}
    fingerprints: Sequence[tuple[TokenId, bytes]] = ()
    dropped: Sequence[TokenId] = ()
    """Tokens that are gone: their rows, data keys and fingerprints go."""
    shred: bool = False
    """Whether bytes that could open credentials were overwritten, so that the files must forget them."""
    shredded: bool = False
    """Whether the files have forgotten all that earlier commits overwrote; the store knows."""
