"""Following the log: each rule of a commit is broken alone, by a forger who signs all the rest rightly."""

import pytest
from msgspec import structs

from registry.domain.roster import ADMIN, Member, MemberKeys, Roster
from registry.domain.roster_events import MemberAdmitted
from registry.errors import IntegrityError
from registry.log import merkle
from registry.store.following import Follower, check_signed, verified_events
from registry.store.rows import LARGEST_STATE, Stored
from tests.sealing.specimens import ALICE, BOB, OTHER_MEMBER
from tests.store.commits import facts, policy, token_id

STRANGER = "e" * 32
LAST = 4


def followed(writer, until=None):
    """Return the log, followed from the founding to a commit or to its end."""
    follower = Follower(writer.registry)
    follower.advance(Until(writer.store, until) if until is not None else writer.store)
    return follower


class Until:
    """A store as it was with a commit."""

    def __init__(self, store, number):
        self._store, self._number = store, number
        self.nodes = store.nodes

    def head(self):
        """Return the newest commit of that moment."""
        return self._store.commit(self._number)

    def size(self):
        """Return how many events there were."""
        return self.head().size

    def commits(self, after=-1):
        """Yield the commits of that moment."""
        return (made for made in self._store.commits(after) if made.number <= self._number)

    def events(self, start=0):
        """Yield the events of that moment."""
        return self._store.events(start, end=self.size())


def as_read(forger, writer):
    """Return the leaf hashes of the events as a reader finds them."""
    return [logged.leaf(forger.registry).hashed() for logged in writer.store.events()]


def test_an_honest_log_is_followed_to_its_end(writer, forger):
    """Head, roster and subtrees are those of the end, nothing is wrong, and there is nothing more to follow."""
    follower = followed(writer)
    assert follower.head == writer.store.head()
    assert (follower.head.number, follower.size, follower.problems) == (LAST, 7, [])
    assert (follower.roster.version, follower.roster.policy("allow-plaintext")) == (2, "yes")
    assert follower.roster_events == writer.store.stream(writer.registry[:16].hex())
    assert merkle.root_at(lambda *node: follower.frontier(writer.store)[node], 7) == follower.head.root
    assert follower.advance(writer.store) is False
    assert follower.head == writer.store.head()


@pytest.mark.parametrize("first", range(LAST + 1))
def test_it_does_not_matter_in_how_many_steps_a_log_is_followed(writer, forger, first):
    """Followed to any commit first, or begun there from what was kept of it, the end is the same."""
    whole, follower = followed(writer), followed(writer, first)
    kept = Follower(writer.registry, follower.head, follower.roster, follower.roster_events)
    for one in (follower, kept):
        assert one.advance(writer.store) is (first < LAST)
        assert (one.head, one.roster, one.roster_events) == (whole.head, whole.roster, whole.roster_events)
        assert one.frontier(writer.store) == whole.frontier(writer.store)


def test_a_commit_of_ones_own_is_adopted_without_reading_it(writer, forger):
    """Whoever has made a commit knows its nodes: the next one is followed as if this one had been read."""
    mine, theirs = followed(writer), followed(writer)
    for version in range(4, 12):
        mine.adopt(writer.put([writer.tested(1, version)]))
        assert mine.advance(writer.store) is False
        assert theirs.advance(writer.store) is True
        assert (mine.head, mine.frontier(None)) == (theirs.head, theirs.frontier(writer.store))
    writer.put([policy(writer, 3, value="no")])
    assert mine.advance(writer.store) is True
    assert mine.roster.policy("allow-plaintext") == "no"


def drop_commit(number):
    """Return what takes the row of a commit away."""
    return lambda forger, _: forger.drop_commit(number)


def drop_event(position):
    """Return what takes an event away and leaves the gap."""
    return lambda forger, _: forger.sql("DELETE FROM stored_events WHERE position = ?", (position,))


def column(name, value, position=4):
    """Return what changes a column of an event."""
    return lambda forger, _: forger.sql(f"UPDATE stored_events SET {name} = ? WHERE position = ?", (value, position))


def signed(number, identity=ALICE, **columns):
    """Return what changes columns of a commit and has it signed anew."""
    return lambda forger, _: forger.resign(number, identity, **columns)


def in_another_commit(forger, writer):
    """Let an event name another commit, and sign the root over just that."""
    forger.sql("UPDATE stored_events SET commit_number = 1 WHERE position = 3")
    leaves = as_read(forger, writer)
    for number in range(2, LAST + 1):
        forger.resign(number, ALICE, root=merkle.root_of(leaves[: forger.commit(number).size]))


def with_a_gap(forger, writer):
    """Leave a position out, and sign sizes and roots over just that."""
    forger.sql("UPDATE stored_events SET position = position + 100 WHERE position >= 3")
    forger.sql("UPDATE stored_events SET position = position - 99 WHERE position > 100")
    leaves = as_read(forger, writer)
    for number in range(2, LAST + 1):
        size = forger.commit(number).size
        forger.resign(number, ALICE, size=size + 1, root=merkle.root_of(leaves[:size]))


def without_events(forger, _):
    """Add a commit that holds nothing."""
    last = forger.commit(-1)
    forger.put_commit(structs.replace(last, number=last.number + 1))
    forger.resign(last.number + 1, ALICE)


def by(author, identity):
    """Return what gives a commit another author, who signs it."""

    def change(forger, _):
        forger.identities[author] = identity
        forger.change(2, author=author)
        forger.rebuild()

    return change


def appended(make):
    """Return what adds events in a commit of their own, sealed by alice, with the log made anew around them."""

    def change(forger, writer):
        for event in make(writer):
            stored = event if isinstance(event, Stored) else writer.contents.stored(event)
            forger.append(stored, LAST + 1)
        forger.rebuild(author=writer.member)

    return change


def admits_itself(forger, writer):
    """Add a commit by somebody whom an admin admits in that very commit."""
    wish = {"member": OTHER_MEMBER, "role": ADMIN, "keys": BOB.public.keys}
    forger.append(writer.contents.stored(MemberAdmitted(**facts(writer, 3), **wish)))
    forger.identities[OTHER_MEMBER] = BOB
    forger.rebuild(author=OTHER_MEMBER)


BROKEN = {
    "the founding's row dropped": (drop_commit(0), r"the checkpoint of commit 0 is missing"),
    "a row dropped": (drop_commit(2), r"the checkpoint of commit 2 is missing"),
    "the last row dropped": (drop_commit(LAST), r"the store holds 7 events, its last commit says 5"),
    "all rows dropped": (
        lambda f, _: f.sql("DELETE FROM commits"),
        r"the store holds 7 events, its last commit says 0",
    ),
    "an event at the highest position": (
        lambda f, _: f.sql(
            f"INSERT INTO stored_events SELECT '{STRANGER}', 1, topic, state, {2**63 - 1}, commit_number"
            " FROM stored_events WHERE position = 6"
        ),
        r"the store holds 9\.2\d+e\+18 events, its last commit says 7",
    ),
    "all events dropped": (lambda f, _: f.sql("DELETE FROM stored_events"), r"events of commit 0 are missing"),
    "an event dropped": (drop_event(1), r"events of commit 1 are missing"),
    "the end of a commit dropped": (drop_event(2), r"events of commit 1 are missing"),
    "the last event dropped": (drop_event(6), r"events of commit 4 are missing"),
    "an event of no commit": (column("commit_number", 0, 6), r"the event at position 6 belongs to no commit"),
    "an event in another commit, signed": (in_another_commit, r"the event at position 3 belongs to no commit"),
    "a position left out, signed": (with_a_gap, r"events of commit 2 are missing"),
    "a commit without events": (without_events, r"events of commit 5 are missing"),
    "events behind the last commit": (
        lambda f, w: f.append(w.contents.stored(w.tested(1, 4)), LAST),
        r"the store holds 8 events, its last commit says 7",
    ),
    "a size behind the events": (signed(LAST, size=8), r"events of commit 4 are missing"),
    "a size before the events": (signed(3, size=6), r"events of commit 3 are missing|belongs to no commit"),
    "another state": (column("state", b"other"), r"an event of commit 3, at position 4 or behind it, is not the one"),
    "another topic": (column("topic", "policy.renamed"), r"an event of commit 3, at position 4 or behind it, is not"),
    "another stream": (column("originator_id", token_id(9)), r"an event of commit 3, at position 4 or behind it"),
    "another version": (column("originator_version", 9), r"an event of commit 3, at position 4 or behind it"),
    "another author": (lambda f, _: f.change(2, author=STRANGER), r"an event of commit 2, at position 3 or behind it"),
    "another time": (
        lambda f, _: f.change(2, at="2027-01-31T12:00:01.500000Z"),
        r"an event of commit 2, at position 3 or behind it",
    ),
    "another root, signed": (signed(2, root=bytes(32)), r"an event of commit 2, at position 3 or behind it"),
    "another signature": (lambda f, _: f.change(2, signature=bytes(64)), r"commit 2 is not signed by its author"),
    "another member's signature": (signed(2, BOB), r"commit 2 is not signed by its author"),
    "another present": (lambda f, _: f.change(2, present=bytes(32)), r"commit 2 is not signed by its author"),
    "another mark of shredding": (lambda f, _: f.change(3, shredded=3), r"commit 3 is not signed by its author"),
    "a stranger's commit": (by(STRANGER, BOB), r"the author of commit 2 was no member at that moment"),
    "a commit by who comes with it": (admits_itself, r"the author of commit 5 was no member at that moment"),
    "a roster that is longer, signed": (signed(2, roster_length=2), r"commit 2 names another roster than there is"),
    "a roster that is shorter, signed": (signed(LAST, roster_length=1), r"commit 4 names another roster than there is"),
    "another roster, signed": (signed(3, roster_head=bytes(32)), r"commit 3 names another roster than there is"),
    "a roster event in another stream": (
        appended(lambda w: [structs.replace(policy(w, 3), originator_id=token_id(9))]),
        r"commit 5 has an event of the roster in the wrong place",
    ),
    "another event in the roster's stream": (
        appended(lambda w: [structs.replace(w.tested(1, 3), originator_id=w.registry[:16].hex())]),
        r"commit 5 has an event of the roster in the wrong place",
    ),
    "two roster events in a commit": (
        appended(lambda w: [policy(w, 3, value="no"), policy(w, 4, value="no")]),
        r"commit 5 has an event of the roster in the wrong place",
    ),
    "a roster event twice": (
        appended(lambda w: [structs.replace(w.store.stream(w.registry[:16].hex())[1], originator_version=3)]),
        r"roster event 3 \(policy.changed\): it does not follow the event before it",
    ),
    "a roster event that cannot follow": (
        appended(lambda w: [policy(w, 3, policy="allow-everything")]),
        r"roster event 3 \(policy.changed\): there is no policy 'allow-everything'",
    ),
    "a founding that is another registry's": (
        lambda f, w: f.sql("UPDATE stored_events SET originator_id = ? WHERE position = 0", ("7" * 32,)) and None,
        r"an event of commit 0, at position 0 or behind it, is not the one committed",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_commit_that_breaks_a_rule_is_refused(writer, forger, case):
    """Whoever follows from the founding is told which commit it is, and stays where it was."""
    change, what = BROKEN[case]
    change(forger, writer)
    follower = Follower(writer.registry)
    with pytest.raises(IntegrityError, match=f"^{what}"):
        follower.advance(writer.store)
    assert (follower.head, follower.roster, follower.roster_events, follower.problems) == (None, Roster(), [], [])


@pytest.mark.parametrize("case", [name for name in BROKEN if "founding" not in name])
def test_it_is_refused_to_who_followed_before(writer, forger, case):
    """Whoever had followed to the commit before is told the same, and goes on once the store is whole again."""
    copy = forger.copy(forger.path.with_name("copy"))
    change, what = BROKEN[case]
    follower = followed(writer, 0)
    before = follower.head, follower.roster, list(follower.roster_events), follower.frontier(writer.store)
    change(forger, writer)
    with pytest.raises(IntegrityError, match=rf"^{what}|^events of commit 1 are missing|^commit none is not the one"):
        follower.advance(writer.store)
    assert (follower.head, follower.roster, follower.roster_events, follower.frontier(writer.store)) == before
    assert follower.problems == []
    writer.store.close()
    forger.replace(copy)
    assert follower.advance(type(writer.store).open(forger.path)) is True
    assert follower.head.number == LAST


def test_a_log_that_became_shorter_or_another_is_refused(writer, forger):
    """Who has seen a commit is not led back behind it, nor shown another in its place, while it has the store open."""
    follower = followed(writer)
    forger.resign(LAST, ALICE, shredded=LAST + 1)
    with pytest.raises(IntegrityError, match=r"^commit 4 is not the one that was seen before$"):
        follower.advance(writer.store)
    forger.cut(3)
    with pytest.raises(IntegrityError, match=r"^commit 3 is not the one that was seen before$"):
        follower.advance(writer.store)
    assert follower.head.number == LAST


@pytest.mark.parametrize("damage", ["DELETE FROM log_nodes WHERE number = 2", "UPDATE log_nodes SET hash = x'{}'"])
def test_the_tree_grows_on_what_was_verified(writer, forger, damage):
    """Stored nodes that are missing, or do not make up the verified root, are refused before anything is grown on."""
    seen = followed(writer, 1)
    follower = Follower(writer.registry, seen.head, seen.roster, seen.roster_events)
    forger.sql(damage.format("ab" * 32))
    with pytest.raises(IntegrityError, match=r"^nodes of the log (are missing|were changed)$"):
        follower.advance(writer.store)
    assert seen.advance(writer.store) is True


def test_a_checkpoint_is_vouched_for_by_a_member_with_its_key(writer, forger):
    """Whoever is no member, or has other keys by then, or signed another registry's checkpoint, vouches for nothing."""
    made, alice = writer.store.commit(2), Member(writer.member, ADMIN, ALICE.public.keys)
    check_signed(writer.registry, made, {alice.id: alice})
    for registry, members in (
        (bytes(32), {alice.id: alice}),
        (writer.registry, {alice.id: structs.replace(alice, keys=BOB.public.keys)}),
        (writer.registry, {alice.id: structs.replace(alice, keys=MemberKeys(b"short", b"short"))}),
    ):
        with pytest.raises(IntegrityError, match="commit 2 is not signed by its author"):
            check_signed(registry, made, members)
    with pytest.raises(IntegrityError, match="the author of commit 2 was no member at that moment"):
        check_signed(writer.registry, made, {OTHER_MEMBER: alice})


def exhausted(writer, head):
    """Read all verified events."""
    return list(verified_events(writer.store, writer.registry, head))


def test_a_history_that_was_read_whole_is_the_one_committed(writer, forger):
    """Every event up to the head comes, and what came behind it since does not."""
    head = writer.store.head()
    writer.put([writer.tested(1, 4)])
    assert [logged.position for logged in exhausted(writer, head)] == list(range(7))
    assert exhausted(writer, writer.store.commit(0))[0].stored.topic == "roster.founded"


@pytest.mark.parametrize(
    "change",
    [drop_event(3), drop_event(6), column("state", b"x", 2), column("topic", "token.x", 2), column("position", 50, 6)],
    ids=["dropped", "last dropped", "state", "topic", "position"],
)
def test_a_history_with_another_event_ends_in_an_alarm(writer, forger, change):
    """Dropped, changed or moved behind what was verified, an event is missed at the end of reading."""
    head = writer.store.head()
    change(forger, writer)
    with pytest.raises(IntegrityError, match="the events of the history are not the ones committed"):
        exhausted(writer, head)


@pytest.mark.parametrize(("more", "found"), [(0, []), (1, [(7, "contents")])])
def test_an_event_larger_than_any_is_a_problem(writer, forger, more, found):
    """A state may have so many bytes and not one more; a larger one is followed, and told."""
    state = bytes(LARGEST_STATE + more)
    forger.append(Stored(token_id(1), 4, "token.tested", state))
    forger.rebuild(author=writer.member)
    follower = followed(writer)
    assert [(problem.position, problem.kind) for problem in follower.problems] == found
    assert follower.size == 8


def test_nodes_whose_border_was_moved_are_refused(writer, forger):
    """Two nodes that join to the same bytes lead to the same root, and whoever built on them to a root of no tree."""
    whole = followed(writer)
    later = Follower(writer.registry, whole.head, whole.roster, whole.roster_events)
    numbers = [merkle.node_number(*place) for place in merkle.complete_subtrees(7)[-2:]]
    left, right = (writer.store.nodes([number])[number] for number in numbers)
    for number, moved in zip(numbers, (left + right[:1], right[1:]), strict=True):
        forger.sql(f"UPDATE log_nodes SET hash = x'{moved.hex()}' WHERE number = {number}")
    with pytest.raises(IntegrityError, match="nodes of the log were changed"):
        later.frontier(writer.store)
