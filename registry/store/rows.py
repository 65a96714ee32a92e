"""What the store keeps beside events: commits, current rows, the log's nodes; and the batch that one commit writes."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct, structs

from registry.errors import IntegrityError
from registry.log import present
from registry.log.checkpoint import Checkpoint
from registry.log.leaf import Leaf, state_hash
from registry.values import ApplicationId, MemberId, TokenId, rfc3339

Id = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]
Count = Annotated[int, Meta(ge=0)]
Hash = Annotated[bytes, Meta(min_length=32, max_length=32)]
LARGEST_STATE = 1 << 24
"""No event's sealed state is longer. A removal that exposes 400,000 tokens fits, and credentials with any values do."""
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
    """Return the time in a column, as ``rfc3339`` writes it; ``IntegrityError`` if it is none, or written otherwise."""
    try:
        if isinstance(text, str) and rfc3339(found := datetime.fromisoformat(text)) == text:
            return found
    except (ValueError, OverflowError):
        pass
    raise IntegrityError(f"a row of the table {table} has no time")


class Stored(Struct, frozen=True, array_like=True):
    """An event as it is stored: its stream, its version there, its topic, and its sealed state."""

    originator_id: Id
    originator_version: Count
    topic: str
    state: bytes


class Whose(Struct, frozen=True, array_like=True):
    """Where an event stands in the history, and whose commit it is part of."""

    position: Count
    commit: Count
    author: Annotated[MemberId, Meta(pattern=r"^[0-9a-f]{32}\Z")]


class CommitColumns(Struct, frozen=True, array_like=True):
    """The columns of a commit but its time: its author, the parts of its checkpoint, and the author's signature."""

    number: Count
    author: Annotated[MemberId, Meta(pattern=r"^[0-9a-f]{32}\Z")]
    size: Count
    """How many events there are with it."""
    root: Hash
    present: Hash
    roster_length: Count
    roster_head: Hash
    shredded: Count
    signature: Annotated[bytes, Meta(min_length=64, max_length=64)]


class LoggedCommit(CommitColumns, frozen=True, array_like=True, kw_only=True):
    """A commit as it is stored, with its time."""

    at: datetime

    @classmethod
    def of(cls, columns: CommitColumns, at: datetime) -> "LoggedCommit":
        """Return the commit of these columns."""
        return cls(*structs.astuple(columns), at=at)

    def checkpoint(self, registry: bytes) -> Checkpoint:
        """Return what the author signed."""
        return Checkpoint(
            registry=registry,
            size=self.size,
            root=self.root,
            commit=self.number,
            present=self.present,
            roster_length=self.roster_length,
            roster_head=self.roster_head,
            shredded=self.shredded,
        )

    @property
    def shred_due(self) -> bool:
        """Whether, when it was made, keys that it or an earlier commit destroyed could still be in the files."""
        return self.shredded <= self.number


class TokenRow(Struct, frozen=True, array_like=True):
    """The current row of a token.

    ``position`` is where the event of its version stands in the log; the store itself writes it.
    ``card`` is what is known of the token, sealed under ``audit``; ``box`` its credentials under their data key;
    ``plain`` the same credentials readable, for tokens that someone chose not to encrypt; ``fingerprints`` those of all
    values that its secret fields ever had, as ``tags.packed`` writes them; ``wrapped`` the data key, which lies in a
    table apart so that it can be destroyed.
    """

    token: Annotated[TokenId, Meta(pattern=r"^[0-9a-f]{32}\Z")]
    application: Annotated[ApplicationId, Meta(pattern=r"^[0-9a-f]{32}\Z")] | None
    name_tag: Hash
    version: Count
    revision: Count
    box_revision: Count
    position: Count
    card: bytes
    box: bytes
    plain: bytes | None
    fingerprints: bytes
    wrapped: bytes | None

    def __repr__(self) -> str:
        return f"TokenRow({self.token!r}, version={self.version})"

    def digest(self, registry: bytes) -> bytes:
        """Return the digest by which the present knows the row."""
        return present.row_digest(
            registry=registry,
            token=self.token,
            application=self.application,
            name_tag=self.name_tag,
            version=self.version,
            revision=self.revision,
            box_revision=self.box_revision,
            position=self.position,
            card=self.card,
            box=self.box,
            plain=self.plain,
            fingerprints=self.fingerprints,
            wrapped=self.wrapped,
        )


class LoggedEvent(Struct, frozen=True):
    """A stored event with its place in the registry's history."""

    position: int
    commit: int
    author: MemberId
    at: datetime
    stored: Stored

    def leaf(self, registry: bytes) -> Leaf:
        """Return the event as the log knows it."""
        stored = self.stored
        return Leaf(
            registry,
            self.position,
            self.commit,
            self.author,
            rfc3339(self.at),
            stored.originator_id,
            stored.originator_version,
            stored.topic,
            state_hash(stored.state),
        )


class Commit(Struct, frozen=True, kw_only=True):
    """Everything one command writes, in one transaction."""

    registry: bytes
    parent: LoggedCommit | None
    """The commit before it, verified by the author; ``None`` for the founding."""
    author: MemberId
    at: datetime
    sign: Callable[[bytes], bytes]
    """Gives the author's Ed25519 signature."""
    frontier: Mapping[tuple[int, int], bytes] = {}
    """The complete subtrees that make up the log before it, by level and index; they must give the parent's root."""
    nodes: Mapping[int, bytes] = {}
    """Nodes of the present before it that were read already; they too must give the parent's root."""
    rows: Sequence[TokenRow] = ()
    replaced: Mapping[TokenId, TokenRow] = {}
    """The rows that these take the place of, or that are dropped, as the author has checked them."""
    dropped: Sequence[TokenId] = ()
    """Tokens that are gone: their rows and data keys go."""
    shred: bool = False
    """Whether bytes that could open credentials were overwritten, so that the files must forget them."""
    shredded: bool = False
    """Whether the files have forgotten all that earlier commits overwrote; the store knows."""

    @property
    def number(self) -> int:
        """The commit's own number."""
        return self.parent.number + 1 if self.parent else 0

    @property
    def start(self) -> int:
        """How many events there were before it."""
        return self.parent.size if self.parent else 0


class Written(Struct, frozen=True):
    """What a commit adds beside its events and rows: its own row, the log's nodes, the present's units."""

    commit: LoggedCommit
    nodes: Mapping[int, bytes]
    units: Mapping[int, bytes | None]
