"""What the store keeps beside events: commits, current rows, data keys; and the batch that one commit writes."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from registry.values import ApplicationId, MemberId, TokenId


class Stored(Struct, frozen=True):
    """An event as it is stored: its stream, its version there, its topic, and its sealed state."""

    originator_id: str
    originator_version: int
    topic: str
    state: bytes


class Head(Struct, frozen=True):
    """The newest commit: its number, its time, and how many events there are with it."""

    number: int
    at: datetime
    size: int


class TokenRow(Struct, frozen=True):
    """The current row of a token.

    ``card`` is what is known of the token, sealed under ``audit``; ``box`` its credentials under their data key;
    ``plain`` the same credentials readable, for tokens that someone chose not to encrypt.
    """

    token: TokenId
    application: ApplicationId | None
    name_tag: bytes
    version: int
    revision: int
    box_revision: int
    card: bytes
    box: bytes
    plain: bytes | None = None


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
