"""What the store keeps beside events: commits, current rows, data keys; and the batch that one commit writes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from eventsourcing.persistence import StoredEvent

from registry.values import ApplicationId, MemberId, TokenId


@dataclass(frozen=True, slots=True)
class Head:
    """The newest commit: its number, its time, and how many events there are with it."""

    number: int
    at: datetime
    size: int


@dataclass(frozen=True, slots=True)
class TokenRow:
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


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """A stored event with its place in the registry's history."""

    position: int
    commit: int
    author: MemberId
    at: datetime
    stored: StoredEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """Everything one command writes, in one transaction."""

    number: int
    author: MemberId
    at: datetime
    size: int
    """How many events there were before it."""
    rows: Sequence[TokenRow] = ()
    data_keys: Mapping[TokenId, bytes] = field(default_factory=dict)
    fingerprints: Sequence[tuple[TokenId, bytes]] = ()
    dropped: Sequence[TokenId] = ()
    """Tokens that are gone: their rows, data keys and fingerprints go."""
    shred: bool = False
    """Whether bytes that could open credentials were overwritten, so that the files must forget them."""
    shredded: bool = False
    """Whether the files have forgotten all that earlier commits overwrote; the store knows."""
