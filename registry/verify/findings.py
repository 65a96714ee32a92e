"""What the parts of a verification tell each other: what is looked at, what is known, and what was found."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence

from msgspec import Struct

from registry.log import present
from registry.log.problems import Problem
from registry.verify.replay import Outcome
from registry.verify.rows import CurrentRow, Fault

NO_DIGEST = bytes(present.TAG_LENGTH + present.DIGEST_LENGTH)


class Range(Struct, frozen=True):
    """The streams between two ids, both left out; ``None`` is before or behind every id."""

    low: str | None
    high: str | None


class Part(Struct, frozen=True):
    """A part of one stream, from a version on and before another."""

    originator: str
    first: int
    before: int | None


class Known(Struct, frozen=True):
    """What is already known of the log when its streams are looked at."""

    damaged: Sequence[int] = ()
    """Positions whose event is missing or not the one committed, ascending; those behind the log among them."""
    behind: int = 0
    """How many events stand behind the log, which nobody signed for."""
    doubtful: frozenset[int] = frozenset()
    """Positions of events that are wrong in another way: they may count or not."""
    commits: Mapping[int, tuple[str | None, str | None]] = {}
    """Commits whose columns are wrong: author and time as they were committed, ``None`` for what nobody knows."""

    def is_damaged(self, position: int) -> bool:
        """Return whether the event at a position is not the one committed."""
        return bool(self.damaged) and bisect_left(self.damaged, position) < bisect_right(self.damaged, position)

    def damaged_between(self, after: int, before: int) -> int:
        """Return how many such events there are between two positions, both left out."""
        return max(0, bisect_left(self.damaged, before) - bisect_right(self.damaged, after))


class Snapshot(Struct, frozen=True):
    """What does not stay as it is, of one moment."""

    tokens: Sequence[str]
    """The ids of all tokens of which anything is there, ascending."""
    rows: Mapping[str, CurrentRow]
    wrapped: Mapping[str, object]
    """The stored data keys by token."""


class Suspect(Struct, frozen=True):
    """A token whose row is in doubt. What is to be said of it depends on what the present says of the row."""

    token: str
    position: int
    fault: Fault | None = None
    """What is wrong with the row by itself."""
    missing: bool = False
    extra: bool = False
    loose: bool = False
    """Whether nobody can know what the token's events lead to, because of what is wrong with them."""


class Looked(Struct, frozen=True):
    """What was found in some streams."""

    seen: int
    problems: Sequence[Problem]
    digests: bytes
    """Tag and digest of each current row in the range, in the order of their ids; zeros where a row has none."""
    suspects: Sequence[Suspect]
    loose: int
    """How many tokens' events could not be replayed to their end."""
    starts: "Mapping[str, tuple[str | None, array[int], bool] | None]"
    """Of each token its application, where each of its revisions began, and whether it was deleted; or ``None``."""
    disclosures: Sequence[tuple[int, str, int, str | None]]
    """Position, token, revision and application of each disclosure."""
    unread: bool = False
    """Whether the streams could not be read."""


class End(Struct, frozen=True):
    """How a token's stream ends."""

    alive: bool
    version: int
    position: int
    outcome: Outcome | None
    """``None`` where contents cannot be read."""
    loose: bool


class Found:
    """What is found while streams are looked at."""

    def __init__(self) -> None:
        self.seen = self.loose = 0
        self.unread = False
        self.problems: list[Problem] = []
        self.digests: list[bytes] = []
        self.suspects: list[Suspect] = []
        self.starts: dict[str, tuple[str | None, array[int], bool] | None] = {}
        self.disclosures: list[tuple[int, str, int, str | None]] = []
        self.ends: dict[str, End] = {}

    def wrong(self, position: int, kind: str, message: str) -> None:
        """Add a problem."""
        self.problems.append(Problem(position, kind, message))

    def looked(self) -> Looked:
        """Return it as it is told to others."""
        digests = b"".join(self.digests)
        return Looked(
            self.seen,
            self.problems,
            digests,
            self.suspects,
            self.loose,
            self.starts,
            self.disclosures,
            self.unread,
        )
