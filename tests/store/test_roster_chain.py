"""The roster's chain: whose signature counts, and which generations can come next."""

import pytest
from msgspec import structs

from registry.domain.roster import ADMIN, APP, AUDITOR, Generation, Member, Roster
from registry.domain.roster_events import PolicyChanged
from registry.errors import IntegrityError
from registry.sealing import grants
from registry.store import roster_chain
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
