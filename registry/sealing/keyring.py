"""The keys a member holds: its own identity, and every audience key that was granted to it."""

from registry.domain.roster import AUDIT, Generation, Grant, Roster
from registry.errors import IntegrityError, NotPermitted
from registry.sealing import grants
from registry.sealing.grants import AudienceKey
from registry.sealing.identity import Identity
from registry.values import MemberId


class Keyring:
    """Opens audience keys on demand, each once, and checks each against the roster's commitment."""

    def __init__(self, registry: bytes, identity: Identity, member: MemberId, roster: Roster) -> None:
        self._registry = registry
        self._identity = identity
        self._opened: dict[tuple[str, int], AudienceKey] = {}
        self._present: dict[str, AudienceKey] = {}
        self._member = member
        self._roster = roster
        self._granted = self._own_grants(roster)

    def _own_grants(self, roster: Roster) -> dict[tuple[str, int], Grant]:
        return {(g.audience, g.number): g for g in roster.grants if g.member == self._member}

    def follow(self, roster: Roster) -> None:
        """Go on with a newer roster; keys that are opened stay so."""
        if roster.head != self._roster.head:
            self._roster = roster
            self._granted = self._own_grants(roster)
            self._present.clear()

    def adopt(self, key: AudienceKey) -> None:
        """Keep a key that this process itself has just made."""
        self._opened[key.audience, key.number] = key

    def holds(self, audience: str) -> bool:
        """Return whether the member was granted the audience's present key."""
        if audience in self._present:
            return True
        for generation in self._roster.generations.get(audience, ())[-1:]:
            place = (audience, generation.number)
            return place in self._granted or place in self._opened
        return False

    def generation(self, audience: str) -> Generation:
        """Return what everyone may know of the audience's present key."""
        return self._roster.current(audience)

    def current(self, audience: str) -> AudienceKey:
        """Return the audience's present key; ``NotPermitted`` if the member was not granted it."""
        if audience not in self._present:
            self._present[audience] = self.key(audience, self._roster.current(audience).number)
        return self._present[audience]

    def key(self, audience: str, number: int) -> AudienceKey:
        """Return the key of one generation; ``NotPermitted`` if neither it nor, for ``audit``, a later was granted."""
        opened = self._opened.get((audience, number))
        if opened is None:
            opened = self._open(audience, number)
            self._opened[audience, number] = opened
        return opened

    def _open(self, audience: str, number: int) -> AudienceKey:
        generation = self._numbered(audience, number)
        given = self._granted.get((audience, number))
        if given is not None:
            return grants.open_grant(self._registry, self._identity.sealing_private, given, generation)
        if audience == AUDIT:
            return self._handed_on(number)
        raise NotPermitted(f"this needs the key of the audience '{audience}', which your role is not given")

    def _handed_on(self, number: int) -> AudienceKey:
        """Return a key of ``audit`` from before the member's time, which the next later key it holds leads to."""
        known = self._opened.keys() | self._granted.keys()
        held = [later for audience, later in known if audience == AUDIT and later > number]
        if not held:
            raise NotPermitted(f"this needs the key of the audience '{AUDIT}', which your role is not given")
        key = self.key(AUDIT, min(held))
        while key.number > number:
            former = self._numbered(AUDIT, key.number - 1)
            key = grants.former_key(self._registry, self._numbered(AUDIT, key.number), key)
            grants.check_commitment(self._registry, key, former)
            self._opened[AUDIT, key.number] = key
        return key

    def _numbered(self, audience: str, number: int) -> Generation:
        for generation in self._roster.generations.get(audience, ()):
            if generation.number == number:
                return generation
        raise IntegrityError(f"there is no generation {number} of the audience {audience}")
