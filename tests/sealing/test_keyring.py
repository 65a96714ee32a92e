"""Audience keys: who opens which generation, and that nobody is given another key than the rest."""

import pytest
from msgspec import structs

from registry.domain.roster import AUDIT, GLOBAL, Member, Roster
from registry.errors import IntegrityError, NotPermitted
from registry.sealing import grants
from registry.sealing.grants import AudienceKey
from registry.sealing.keyring import Keyring
from tests.sealing.specimens import ALICE, BOB, MEMBER, OTHER_KEY, OTHER_MEMBER, REGISTRY

ADMIN = Member(MEMBER, "admin", ALICE.public.keys)
NEWCOMER = Member(OTHER_MEMBER, "auditor", BOB.public.keys)


class Audience:
    """An audience through three generations; alice is granted all, bob the last."""

    def __init__(self, name):
        """Make the generations, each handing on what its audience hands on."""
        self.generations, self.keys = (), []
        for _ in range(3):
            generation, key = grants.new_generation(REGISTRY, name, self.keys[-1] if self.keys else None)
            self.generations += (generation,)
            self.keys.append(key)
        self.grants = tuple(grants.grant(REGISTRY, key, ADMIN) for key in self.keys)
        self.grants += (grants.grant(REGISTRY, self.keys[-1], NEWCOMER),)

    def roster(self, **changed):
        """Return a roster that knows them."""
        name = self.generations[0].audience
        roster = Roster(members={MEMBER: ADMIN}, generations={name: self.generations}, grants=self.grants)
        return structs.replace(roster, **changed)

    def ring(self, identity, member, **changed):
        """Return the keyring of a member."""
        return Keyring(REGISTRY, identity, member, self.roster(**changed))


@pytest.fixture
def audit():
    """Return the audience that hands its former keys on."""
    return Audience(AUDIT)


@pytest.fixture
def credentials():
    """Return an audience that does not."""
    return Audience(GLOBAL)


def test_generations_are_numbered_and_their_keys_are_fresh(audit):
    """Each generation has the next number, a key of its own, and a commitment of its own."""
    assert [generation.number for generation in audit.generations] == [1, 2, 3]
    assert len({key.key for key in audit.keys}) == len({g.commitment for g in audit.generations}) == 3


def test_only_audit_has_a_public_half_and_hands_its_key_on(audit, credentials):
    """Credentials of the past are nobody's business: no generation of theirs opens another."""
    assert all(generation.public for generation in audit.generations)
    assert [bool(generation.previous) for generation in audit.generations] == [False, True, True]
    assert not any(generation.public or generation.previous for generation in credentials.generations)


def test_a_member_opens_what_it_was_granted(audit, credentials):
    """Every granted generation opens to its key."""
    for audience in (audit, credentials):
        ring = audience.ring(ALICE, MEMBER)
        name = audience.generations[0].audience
        assert [ring.key(name, number) for number in (3, 2, 1)] == audience.keys[::-1]
        assert ring.current(name) == audience.keys[-1]


def test_the_present_key_is_that_of_the_newest_roster(credentials):
    """A keyring that follows a rotation gives the new key at once, and none where the member was left out."""
    first = credentials.roster(generations={GLOBAL: credentials.generations[:1]}, head=b"1")
    ring = Keyring(REGISTRY, ALICE, MEMBER, first)
    assert ring.holds(GLOBAL)
    assert ring.current(GLOBAL) == ring.current(GLOBAL) == credentials.keys[0]
    ring.follow(credentials.roster(head=b"2"))
    assert ring.current(GLOBAL) == credentials.keys[-1]
    left_out = tuple(grant for grant in credentials.grants if grant.number < 3)
    ring = Keyring(REGISTRY, ALICE, MEMBER, first)
    ring.current(GLOBAL)
    ring.follow(credentials.roster(head=b"2", grants=left_out))
    assert not ring.holds(GLOBAL)
    with pytest.raises(NotPermitted):
        ring.current(GLOBAL)


def test_a_new_auditor_reads_old_history_along_the_chain(audit):
    """From the newest audit key every former one is opened, and checked against its commitment."""
    assert [audit.ring(BOB, OTHER_MEMBER).key(AUDIT, number) for number in (1, 2, 3)] == audit.keys


def test_a_new_member_opens_no_former_key_of_credentials(credentials):
    """Generations before a member's own stay closed to it."""
    ring = credentials.ring(BOB, OTHER_MEMBER)
    assert ring.current(GLOBAL) == credentials.keys[-1]
    with pytest.raises(NotPermitted):
        ring.key(GLOBAL, 2)


def test_a_member_without_a_grant_opens_nothing(audit):
    """The newest generation cannot be reached by anyone it was not granted to."""
    granted_to_alice = tuple(grant for grant in audit.grants if grant.member == MEMBER)
    ring = audit.ring(BOB, OTHER_MEMBER, grants=granted_to_alice)
    assert not ring.holds(AUDIT)
    for number in (1, 2, 3):
        with pytest.raises(NotPermitted):
            ring.key(AUDIT, number)


def test_an_unknown_generation_is_an_integrity_error(audit):
    """A generation that the roster does not know was made up."""
    with pytest.raises(IntegrityError):
        audit.ring(ALICE, MEMBER).key(AUDIT, 4)


def test_a_grant_of_another_key_than_the_others_got_is_refused(credentials):
    """A grant that opens well, to a key the generation does not commit to, is refused."""
    forged = grants.grant(REGISTRY, AudienceKey(GLOBAL, 3, OTHER_KEY), ADMIN)
    ring = credentials.ring(ALICE, MEMBER, grants=(*credentials.grants, forged))
    with pytest.raises(IntegrityError):
        ring.current(GLOBAL)


def test_a_grant_for_another_generation_is_refused(credentials):
    """A granted key of generation 2, renumbered to 3, does not open."""
    moved = structs.replace(credentials.grants[1], number=3)
    ring = credentials.ring(ALICE, MEMBER, grants=(*credentials.grants, moved))
    with pytest.raises(IntegrityError):
        ring.current(GLOBAL)


def test_a_handed_on_key_must_be_the_one_committed_to(audit):
    """A generation that hands on another key than its forerunner's is refused."""
    key = audit.keys[2]
    other, _ = grants.new_generation(REGISTRY, AUDIT)
    lying = (audit.generations[0], structs.replace(other, number=2), audit.generations[2])
    ring = audit.ring(BOB, OTHER_MEMBER, generations={AUDIT: lying})
    assert ring.key(AUDIT, 3) == key
    with pytest.raises(IntegrityError):
        ring.key(AUDIT, 2)


def test_a_public_half_of_another_key_is_refused(audit):
    """The public key that keyless members seal to must be the one of the audience's key."""
    lying = structs.replace(audit.generations[2], public=audit.generations[1].public)
    ring = audit.ring(ALICE, MEMBER, generations={AUDIT: (*audit.generations[:2], lying)})
    with pytest.raises(IntegrityError):
        ring.current(AUDIT)


def test_keys_show_themselves_to_nobody(audit):
    """The representation of an opened key, and of a keyring, holds no key."""
    ring = audit.ring(ALICE, MEMBER)
    key = ring.current(AUDIT)
    for shown in (repr(key), repr(ring), repr([key]), f"{key}"):
        assert repr(key.key)[2:-1] not in shown
