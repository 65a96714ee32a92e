"""Following the log: each commit behind what was verified before is checked, in order, before it is believed.

What is checked of a commit: it is the next, and has events; these lead from the root before to its own; it is no older
than the one before; a member of that moment signed its checkpoint; that member's role allowed each of its events; only
admins changed current rows; the roster's events are signed and chained, and lead to the head that it names.
"""

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from itertools import islice
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from registry.domain.roster import ADMIN, Member, Roster
from registry.domain.roster_rules import may_commit
from registry.errors import IntegrityError
from registry.log import merkle, present, problems
from registry.log.problems import Problem
from registry.sealing import roster_record
from registry.store import roster_chain
from registry.store.rows import LARGEST_STATE, LoggedCommit, LoggedEvent, Stored, Written
from registry.store.topics import ROSTER_TOPICS
from registry.values import MemberId

_HINT = "restore the store from a backup; 'verify' says more"


class LogSource(Protocol):
    """What following reads of a store, all of it at one moment."""

    def head(self) -> LoggedCommit | None:
        """Return the newest commit."""

    def size(self) -> int:
        """Return behind which position the events end."""

    def commits(self, after: int = -1) -> Iterator[LoggedCommit]:
        """Yield the commits behind a number."""

    def events(self, start: int = 0) -> Iterator[LoggedEvent]:
        """Yield the events from a position on."""

    def nodes(self, numbers: list[int]) -> dict[int, bytes]:
        """Return nodes of the tree by their numbers."""


def check_signed(
    registry: bytes,
    made: LoggedCommit,
    members: Mapping[MemberId, Member],
    loaded: MutableMapping[bytes, Ed25519PublicKey] | None = None,
) -> None:
    """Raise ``IntegrityError`` unless the commit's author is one of the members and signed its checkpoint.

    Keys are kept in ``loaded`` by their bytes: the same few members sign again and again.
    """
    loaded = {} if loaded is None else loaded
    author = members.get(made.author)
    if author is None:
        raise IntegrityError(f"the author of commit {made.number} was no member at that moment", _HINT)
    try:
        key = loaded.get(author.keys.signing)
        if key is None:
            key = loaded[author.keys.signing] = Ed25519PublicKey.from_public_bytes(author.keys.signing)
        key.verify(made.signature, made.checkpoint(registry).text().encode())
    except (InvalidSignature, ValueError):
        raise IntegrityError(f"commit {made.number} is not signed by its author", _HINT) from None


class Follower:
    """How far a log was verified: its last commit, the roster after it, and what is wrong but could be followed."""

    def __init__(
        self,
        registry: bytes,
        head: LoggedCommit | None = None,
        roster: Roster | None = None,
        roster_events: Sequence[Stored] = (),
    ) -> None:
        self.registry = registry
        self.head = head
        self.roster = roster or Roster()
        self.roster_events = list(roster_events)
        self.problems: list[Problem] = []
        self._stream = roster_record.stream_id(registry)
        self._tree: merkle.Frontier | None = None
        self._keys: dict[bytes, Ed25519PublicKey] = {}

    @property
    def size(self) -> int:
        """How many events were verified."""
        return self.head.size if self.head else 0

    def advance(self, store: LogSource) -> bool:
        """Check what is new in the store and return whether there is anything; ``IntegrityError`` names what is wrong.

        Where it raises, the follower stays where it was.
        """
        before = self.head, self.roster, self._tree, len(self.roster_events), len(self.problems)
        try:
            self._follow(store)
        except BaseException:
            self.head, self.roster, self._tree = before[:3]
            del self.roster_events[before[3] :], self.problems[before[4] :]
            raise
        return self.head is not before[0]

    def _follow(self, store: LogSource) -> None:
        events: Iterator[LoggedEvent] | None = None
        for made in store.commits(self.head.number if self.head else -1):
            if events is None:
                self._grown(store)
                events = store.events(self.size)
            self._check_next(made)  # before its events are read, which name the row of their commit
            self._take(made, list(islice(events, max(0, made.size - self.size))))
        if events is None and self.head is not None and (newest := store.head()) != self.head:
            held = newest.number if newest else "none"
            raise IntegrityError(f"commit {held} is not the one that was seen before", _HINT)
        # Where a page of events was read, it says itself whether any follows.
        if (events is None or _goes_on(events)) and (end := store.size()) != self.size:
            raise IntegrityError(
                f"the store holds {end} events, its last commit says {self.size}",
                "events were added or dropped without a commit",
            )

    def adopt(self, written: Written) -> None:
        """Go on to a commit that this process itself has just made, and that changed nothing of the roster."""
        tree = self._tree
        if tree is not None:
            size, before = written.commit.size, tree.nodes()
            places = merkle.complete_subtrees(size)
            tree = merkle.Frontier(size, [written.nodes.get(merkle.node_number(*at)) or before[at] for at in places])
        # Whatever interrupts this, the head never stands beside the tree of another: none is read from the store.
        self._tree = None
        self.head = written.commit
        self._tree = tree

    def frontier(self, store: LogSource) -> dict[tuple[int, int], bytes]:
        """Return the complete subtrees of the verified tree, read from the store if need be and then checked."""
        return self._grown(store).nodes()

    def _grown(self, store: LogSource) -> merkle.Frontier:
        if self._tree is None:
            numbers = [merkle.node_number(*place) for place in merkle.complete_subtrees(self.size)]
            found = store.nodes(numbers)
            if len(found) != len(numbers):
                raise IntegrityError("nodes of the log are missing", _HINT)
            tree = merkle.Frontier(self.size, [found[number] for number in numbers])
            # Two nodes whose border was moved would lead to the same root, and the next commit to one of no tree.
            whole = all(len(node) == merkle.HASH_LENGTH for node in found.values())
            if not whole or tree.root() != (self.head.root if self.head else merkle.EMPTY_ROOT):
                raise IntegrityError("nodes of the log were changed", _HINT)
            self._tree = tree
        return self._tree

    def _check_next(self, made: LoggedCommit) -> None:
        expected = self.head.number + 1 if self.head else 0
        if made.number != expected:
            raise IntegrityError(f"the checkpoint of commit {expected} is missing", _HINT)

    def _take(self, made: LoggedCommit, events: list[LoggedEvent]) -> None:
        self._check_events(made, events)
        self._grow(made, events)
        after = self._followed(made, events)
        # The founders are members from the first commit on, which one of them signs.
        members = (after if self.head is None else self.roster).members
        check_signed(self.registry, made, members, self._keys)
        self._check_role(made, events, members)
        self._check_time(made, after)
        self.head, self.roster = made, after

    def _check_events(self, made: LoggedCommit, events: list[LoggedEvent]) -> None:
        # The size is what somebody wrote there: as many numbers may be more than there is memory for.
        dense = all(logged.position == place for place, logged in enumerate(events, self.size))
        if not events or not dense or len(events) != made.size - self.size:
            raise IntegrityError(f"events of commit {made.number} are missing", _HINT)
        for logged in events:
            if logged.commit != made.number:
                raise IntegrityError(f"the event at position {logged.position} belongs to no commit", _HINT)

    def _grow(self, made: LoggedCommit, events: list[LoggedEvent]) -> None:
        tree = self._tree.copy() if self._tree else merkle.Frontier()
        for logged in events:
            tree.add(logged.leaf(self.registry).hashed())
        if tree.root() != made.root:
            raise IntegrityError(
                f"an event of commit {made.number}, at position {self.size} or behind it, is not the one committed",
                _HINT,
            )
        self._tree = tree

    def _check_time(self, made: LoggedCommit, after: Roster) -> None:
        if self.head is not None and made.at < self.head.at and not is_too_late(self.head, after):
            self._wrong(problems.TIME, f"commit {made.number} is older than the one before it")
        if not (self.head.shredded if self.head else 0) <= made.shredded <= made.number + 1:
            self._wrong(problems.SHREDDING, f"commit {made.number} says of shredding what cannot be")

    def _followed(self, made: LoggedCommit, events: list[LoggedEvent]) -> Roster:
        placed = [logged for logged in events if logged.stored.originator_id == self._stream]
        if [logged for logged in events if logged.stored.topic in ROSTER_TOPICS] != placed or len(placed) > 1:
            raise IntegrityError(f"commit {made.number} has an event of the roster in the wrong place", _HINT)
        of_roster = [logged.stored for logged in placed]
        roster = roster_chain.follow(self.registry, self.roster, of_roster)
        for logged in placed:
            roster_chain.check_place(logged.stored, logged.position)
        self.roster_events += of_roster
        if (made.roster_length, made.roster_head) != (roster.version, roster.head):
            raise IntegrityError(f"commit {made.number} names another roster than there is", _HINT)
        return roster

    def _check_role(self, made: LoggedCommit, events: list[LoggedEvent], members: Mapping[MemberId, Member]) -> None:
        author = members[made.author]
        for logged in [one for one in events if not may_commit(author, one.stored.topic, one.stored.originator_id)][:1]:
            # One for the commit, which is acknowledged as a whole.
            what = f"the role {author.role} does not allow {logged.stored.topic} at position {logged.position}"
            self.problems.append(Problem(logged.position, problems.ROLE, what))
        for logged in [one for one in events if len(one.stored.state) > LARGEST_STATE][:1]:
            what = f"the event at position {logged.position} is larger than any event may be"
            self.problems.append(Problem(logged.position, problems.CONTENTS, what))
        for logged in events:
            stored = logged.stored
            if stored.topic in ROSTER_TOPICS and roster_chain.author_of(stored) != author.id:
                what = f"commit {made.number} has an event of the roster that another member made"
                self.problems.append(Problem(logged.position, problems.ACTOR, what))
        unchanged = self.head.present if self.head else present.EMPTY_ROOT
        if author.role != ADMIN and made.present != unchanged:
            # Nobody can let that pass: from here on all rows would be those that the author brought.
            raise IntegrityError(f"the role {author.role} does not allow commit {made.number} to change tokens", _HINT)

    def _wrong(self, kind: str, message: str) -> None:
        self.problems.append(Problem(self.size, kind, message))


def _goes_on(events: Iterator[LoggedEvent]) -> bool:
    try:
        return next(events, None) is not None
    except IntegrityError:  # it belongs to no commit
        return True


def is_too_late(head: LoggedCommit, roster: Roster) -> bool:
    """Return whether a commit's time is acknowledged to be wrong, so that the next one need not be later."""
    return (head.size - 1, problems.TIME) in roster.acknowledged


class EventSource(Protocol):
    """What gives events of the history, and nodes of its tree."""

    def events(self, start: int = 0, topics: Sequence[str] = (), end: int | None = None) -> Iterator[LoggedEvent]:
        """Yield the events from a position on and before another."""

    def nodes(self, numbers: list[int]) -> dict[int, bytes]:
        """Return nodes of the tree by their numbers."""


def verified_events(store: EventSource, registry: bytes, head: LoggedCommit, start: int = 0) -> Iterator[LoggedEvent]:
    """Yield the events from a position on, up to a verified commit.

    ``IntegrityError`` at the end unless its root is over just these, behind what the nodes say was before. Whoever
    reads to the end thereby knows that nothing was dropped, added or exchanged on the way.
    """
    numbers = [merkle.node_number(*place) for place in merkle.complete_subtrees(start)]
    nodes = store.nodes(numbers)
    tree = merkle.Frontier(start, [nodes.get(number, b"") for number in numbers])
    for logged in store.events(start, end=head.size):
        tree.add(logged.leaf(registry).hashed())
        yield logged
    if (tree.size, tree.root()) != (head.size, head.root):
        raise IntegrityError("the events of the history are not the ones committed", "'verify' says which")
