"""The roster's chain: whose signature counts, and which generations can come next."""

import pytest
from msgspec import structs

from registry.domain.roster import ADMIN, APP, AUDITOR, Generation, Member, MemberKeys, Roster
from registry.domain.roster_events import MemberAdmitted, MemberRenewed, PolicyChanged
from registry.domain.roster_rules import evolve
from registry.errors import IntegrityError
from registry.sealing import grants, roster_record
from registry.sealing.identity import Identity
from registry.sealing.keyring import Keyring
from registry.service.founding import found
from registry.store import codec, roster_chain
from registry.store.contents import Contents
from tests.sealing.specimens import ALICE, BOB, OTHER_MEMBER
from tests.store.commits import NOON


@pytest.fixture
def roster(founding, contents):
    """Return the roster after its founding, checked."""
    return roster_chain.follow(founding.registry, Roster(), [contents.stored(founding.event)])


@pytest.fixture
def changed(founding, contents, roster):
    """Return a function that makes a policy change, sealed by alice and signed by anyone."""

    def change(identity, member, **facts):
        event = PolicyChanged(
            originator_id=founding.event.originator_id,
            originator_version=2,
            **{"by": member, "at": NOON, "host": "h", "client": "c", "previous": roster.head} | facts,
            policy="allow-plaintext",
            value="yes",
        )
        return Contents(founding.registry, identity, contents._keyring).stored(event)

    return change


def with_bob(roster, role):
    """Return the roster with bob as a member of some role."""
    bob = Member(OTHER_MEMBER, role, BOB.public.keys)
    return structs.replace(roster, members={**roster.members, OTHER_MEMBER: bob})


def test_an_admins_signature_counts(founding, roster, changed):
    """An event by an admin moves the roster on, and its link becomes the head."""
    after = roster_chain.follow(founding.registry, with_bob(roster, ADMIN), [changed(BOB, OTHER_MEMBER)])
    assert (after.version, after.policy("allow-plaintext")) == (2, "yes")
    assert after.head != roster.head


@pytest.mark.parametrize("role", [AUDITOR, APP])
def test_no_other_members_signature_does(founding, roster, changed, role):
    """An auditor or an app cannot change the roster, however well it signs."""
    with pytest.raises(IntegrityError, match="no admin"):
        roster_chain.follow(founding.registry, with_bob(roster, role), [changed(BOB, OTHER_MEMBER)])


def test_an_admin_signs_for_itself_only(founding, roster, changed):
    """A good signature under another admin's name is refused."""
    alice = founding.event.by
    for identity, member in ((BOB, alice), (ALICE, OTHER_MEMBER)):
        with pytest.raises(IntegrityError, match="signature"):
            roster_chain.follow(founding.registry, with_bob(roster, ADMIN), [changed(identity, member)])


@pytest.mark.parametrize("number", [0, 1, 3])
def test_generations_come_one_after_another(founding, roster, changed, number):
    """A generation cannot be skipped, repeated or begun anew, not even by an admin."""
    generation = Generation("global", number, b"c" * 32)
    stored = changed(ALICE, founding.event.by, generations=(generation,))
    with pytest.raises(IntegrityError, match="cannot come next"):
        roster_chain.follow(founding.registry, roster, [stored])


def test_the_next_generation_is_followed(founding, roster, changed):
    """The next number is taken."""
    generation, _ = grants.new_generation(founding.registry, "global", grants.AudienceKey("global", 1, b"K" * 32))
    after = roster_chain.follow(
        founding.registry, roster, [changed(ALICE, founding.event.by, generations=(generation,))]
    )
    assert after.current("global") == generation


def test_a_registry_is_founded_once(founding, contents, roster):
    """A second founding event is refused wherever it stands."""
    again = structs.replace(founding.event, originator_version=2, previous=roster.head)
    with pytest.raises(IntegrityError, match="founded once"):
        roster_chain.follow(founding.registry, roster, [contents.stored(again)])


WEAK = MemberKeys(b"\x01" + bytes(31), BOB.public.keys.sealing), MemberKeys(BOB.public.keys.signing, bytes(32))


@pytest.mark.parametrize("keys", WEAK, ids=["signing", "sealing"])
@pytest.mark.parametrize("signed", [True, False])
def test_nobody_is_admitted_or_renewed_with_weak_keys(founding, contents, roster, keys, signed):
    """Keys under which anybody could sign, or to which nothing can be sealed, are no member's, whoever admits it."""
    alice = founding.event
    facts = {"by": alice.by, "at": NOON, "host": "h", "client": "c", "previous": roster.head, "name": "bob"}
    place = {"originator_id": alice.originator_id, "originator_version": 2, "member": OTHER_MEMBER}
    admitted = MemberAdmitted(**facts, **place, role=AUDITOR, keys=keys)
    renewed = MemberRenewed(**facts, **place, keys=keys)
    for event, before in ((admitted, roster), (renewed, with_bob(roster, AUDITOR))):
        with pytest.raises(IntegrityError, match=r"anybody could sign|nothing can be sealed"):
            roster_chain.follow(founding.registry, before, [contents.stored(event)], signed=signed)


@pytest.mark.parametrize("keys", WEAK, ids=["signing", "sealing"])
def test_nobody_founds_a_registry_with_weak_keys(around, keys):
    """A founder is a member like any other."""
    bob = Identity("bob", bytes(32), bytes(32))
    bob.public = structs.replace(bob.public, keys=BOB.public.keys)
    founded = found([(ALICE, "alice"), (bob, "bob")], around)
    statement = structs.replace(
        founded.event.statement,
        founders=(founded.event.statement.founders[0], structs.replace(founded.event.statement.founders[1], keys=keys)),
    )
    registry = roster_record.registry_id(codec.encode_value(statement))
    stream = roster_record.stream_id(registry)
    event = structs.replace(founded.event, statement=statement, previous=registry, originator_id=stream)
    keyring = Keyring(registry, ALICE, event.by, evolve(Roster(), founded.event))
    keyring.adopt(founded.audit)
    with pytest.raises(IntegrityError, match=r"anybody could sign|nothing can be sealed"):
        roster_chain.follow(registry, Roster(), [Contents(registry, ALICE, keyring).stored(event)])
