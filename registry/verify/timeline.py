"""The roster through time: what it was after each of its events, as far as they can be followed from the founding."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Struct

from registry.domain.roster import Member, Roster
from registry.errors import IntegrityError
from registry.sealing import roster_record
from registry.store import roster_chain
from registry.store.raw import Row
from registry.store.rows import Stored, typed
from registry.values import MemberId


class Break(Struct, frozen=True):
    """Where the roster cannot be followed any further: at which event, and why."""

    version: int
    position: int
    message: str


class Timeline(Struct, frozen=True):
    """The roster after each of its events; ``rosters[0]`` is the one before the founding."""

    registry: bytes
    stream: str
    rosters: Sequence[Roster]
    positions: Sequence[int]
    """Where each event that was followed stands in the log."""
    broken: Break | None

    @property
    def last(self) -> Roster:
        """The roster as far as it was followed."""
        return self.rosters[-1]

    def length(self, size: int) -> int:
        """Return how many events of the roster stand before a position."""
        return bisect_left(self.positions, size)

    def members(self, before: int, after: int) -> Mapping[MemberId, Member] | None:
        """Return who may sign a commit that leads from one roster to another; ``None`` if that was not followed.

        The founders are members from the first commit on, which one of them signs.
        """
        chosen = before or after
        return self.rosters[chosen].members if chosen < len(self.rosters) else None

    def ever(self) -> set[str]:
        """Return the ids of all who are or were members."""
        return {*self.last.members, *self.last.former}


def follow(registry: bytes, events: Iterable[Row], size: int) -> Timeline:
    """Return the roster through time, from the events of its stream before a position."""
    stream = roster_record.stream_id(registry)
    rosters, positions, broken = [Roster()], list[int](), None
    for version, topic, state, position, _ in events:
        place = position if isinstance(position, int) else size
        try:
            event = typed(Stored, (stream, version, topic, state), "stored_events")
            after = roster_chain.follow(registry, rosters[-1], [event])
            roster_chain.check_place(event, place)
            rosters.append(after)
            positions.append(place)
        except (IntegrityError, UnicodeError) as error:
            why = str(error) if isinstance(error, IntegrityError) else "it holds a text that is none"
            broken = Break(len(rosters), place, why)
            break
    if len(rosters) == 1 and broken is None:
        broken = Break(1, 0, "the roster has no founding statement")
    return Timeline(registry, stream, rosters, positions, broken)


class Signers:
    """The public keys of members, each loaded once."""

    def __init__(self) -> None:
        self._keys: dict[bytes, Ed25519PublicKey | None] = {}

    def key(self, signing: bytes) -> Ed25519PublicKey | None:
        """Return the key; ``None`` for bytes that are none."""
        if signing not in self._keys:
            try:
                self._keys[signing] = Ed25519PublicKey.from_public_bytes(signing)
            except ValueError:
                self._keys[signing] = None
        return self._keys[signing]
