"""What a commit adds: worked out against a model, and signed only over what the author has verified."""

import pytest
from hypothesis import given, strategies as st
from msgspec import structs

from registry.errors import Conflict, IntegrityError
from registry.log import merkle, present
from registry.log.leaf import Leaf, state_hash
from registry.sealing import roster_record
from registry.store.assembly import assemble
from registry.store.rows import Commit, LoggedCommit, Stored
from registry.values import rfc3339
from tests.sealing.specimens import ALICE, BOB
from tests.store.commits import NOON, row, token_id

REGISTRY, MEMBER = bytes(range(32)), "a" * 32
STREAM = roster_record.stream_id(REGISTRY)
RECORD = roster_record.RosterRecord(b"core", b"sealed", bytes(64)).encoded()


class Memory:
    """A store of what commits add, kept in dictionaries; it counts what is signed."""

    def __init__(self):
        """Begin empty."""
        self.nodes, self.held, self.rows, self.events = {}, {}, {}, []
        self.head = None
        self.signed = []
        self.asked = 0

    def end(self):
        """Return the newest commit's number, and how many events there are."""
        return (self.head.number if self.head else None, len(self.events))

    def units(self, numbers):
        """Return the units that are there."""
        self.asked += 1
        return {number: self.held[number] for number in numbers if number in self.held}

    def sign(self, text):
        """Sign as alice."""
        self.signed.append(text)
        return ALICE.sign(text)

    def next(self, **wished):
        """Return the next commit."""
        places = merkle.complete_subtrees(len(self.events))
        facts = {
            "registry": REGISTRY,
            "parent": self.head,
            "author": MEMBER,
            "at": NOON,
            "sign": self.sign,
            "frontier": {place: self.nodes[merkle.node_number(*place)] for place in places},
        }
        return Commit(**(facts | wished))

    def put(self, events=None, **wished):
        """Assemble the next commit and keep what it adds."""
        events = events or [stored(len(self.events))]
        commit = self.next(**wished)
        written = assemble(commit, events, self)
        assert not self.nodes.keys() & written.nodes.keys()
        self.nodes |= written.nodes
        self.held = {unit: data for unit, data in (self.held | dict(written.units)).items() if data is not None}
        self.events += [(written.commit, event) for event in events]
        for token in (*commit.replaced, *commit.dropped):
            self.rows.pop(token, None)
        self.rows |= {one.token: one for one in commit.rows}
        self.head = written.commit
        return written


def stored(number, topic="token.tested"):
    """Return an event."""
    return Stored(token_id(number), 1, topic, b"state %d" % number)


def leaves(memory):
    """Return the leaf hashes of all events, made here."""
    return [
        Leaf(
            REGISTRY,
            position,
            made.number,
            made.author,
            rfc3339(made.at),
            event.originator_id,
            event.originator_version,
            event.topic,
            state_hash(event.state),
        ).hashed()
        for position, (made, event) in enumerate(memory.events)
    ]


wishes = st.lists(
    st.tuples(st.integers(1, 3), st.dictionaries(st.integers(1, 4), st.sampled_from(["a", "b", "c", "d", None]))),
    max_size=8,
)


@given(wishes)
def test_a_commit_adds_what_the_definitions_say(steps):
    """After any commits, nodes, root, units and present are those of all events and rows, made afresh."""
    memory, names = Memory(), {}
    for number, (count, wish) in enumerate(steps):
        after = {token: name for token, name in {**names, **wish}.items() if name is not None}
        if len(set(after.values())) != len(after):
            continue
        names = after
        replaced = {token_id(token): memory.rows[token_id(token)] for token in wish if token_id(token) in memory.rows}
        dropped = [token for token in replaced if int(token, 16) not in after]
        rows = [row(token, name=after[token], version=number) for token in wish if token in after]
        events = [stored(len(memory.events) + at) for at in range(count)]
        made = memory.put(events, rows=rows, replaced=replaced, dropped=dropped).commit
        levels = merkle.complete_levels(leaves(memory))
        expected = {
            merkle.node_number(level, i): node for level, some in enumerate(levels) for i, node in enumerate(some)
        }
        now = present.recompute((one.name_tag, one.digest(REGISTRY)) for one in memory.rows.values())
        assert (memory.nodes, memory.held) == (expected, now.units)
        assert (made.root, made.present) == (merkle.root_of(leaves(memory)), now.root)
        assert (made.size, memory.signed[-1]) == (len(memory.events), made.checkpoint(REGISTRY).text().encode())


def filled():
    """Return a store with some events and two rows."""
    memory = Memory()
    memory.put([stored(1), stored(2), stored(3)], rows=[row(1), row(2)])
    memory.put()
    memory.signed.clear()
    return memory


NOT_NEXT = {
    "founding again": lambda memory: None,
    "number taken": lambda memory: structs.replace(memory.head, number=0),
    "a number left out": lambda memory: structs.replace(memory.head, number=2),
    "one event behind": lambda memory: structs.replace(memory.head, size=3),
    "one event ahead": lambda memory: structs.replace(memory.head, size=5),
}


@pytest.mark.parametrize("parent", NOT_NEXT.values(), ids=NOT_NEXT)
def test_a_commit_that_is_not_the_next_is_signed_by_nobody(parent):
    """Where somebody else committed meanwhile, it is a conflict before anything is signed."""
    memory = filled()
    with pytest.raises(Conflict):
        assemble(memory.next(parent=parent(memory)), [stored(9)], memory)
    assert memory.signed == []


def changed(data):
    """Return the bytes with one bit changed."""
    return data[:-1] + bytes([data[-1] ^ 1])


DAMAGE = {"a bit": changed, "emptied": lambda _: b"", "gone": lambda _: None, "a text": lambda _: "text"}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
@pytest.mark.parametrize("wish", ["changed", "renamed", "added", "dropped"])
def test_units_that_were_changed_are_noticed_before_signing(wish, damage):
    """Whatever unit on the way to a changed row lies, nothing is signed that would vouch for it."""
    rows = {"changed": [row(1, version=2)], "renamed": [row(1, name="other")], "added": [row(3)], "dropped": []}[wish]
    replaced = {} if wish == "added" else {token_id(1): row(1)}
    wished = {"rows": rows, "replaced": replaced, "dropped": [] if rows else [token_id(1)]}
    whole = filled()
    on_the_way = present.units_of([one.name_tag for one in (*rows, *replaced.values())]) & whole.held.keys()
    assert on_the_way
    for unit in on_the_way:
        memory = filled()
        memory.held[unit] = damage(memory.held[unit])
        if memory.held[unit] is None:
            del memory.held[unit]
        with pytest.raises(IntegrityError, match=f"unit {unit} of the present"):
            assemble(memory.next(**wished), [stored(9)], memory)
        assert memory.signed == []
    assert whole.put(**wished)


@pytest.mark.parametrize(
    ("rows", "replaced"),
    [
        ([row(3, name=1)], {}),
        ([row(1, version=2)], {}),
        ([row(3)], {token_id(3): row(3)}),
        ([], {token_id(1): row(1, name="other")}),
        ([row(2, name=1)], {token_id(2): row(2)}),
    ],
    ids=["name taken", "row not known", "row not there", "another name", "another's name"],
)
def test_a_name_is_taken_only_where_it_is_free(rows, replaced):
    """What the author knows of names must be what the present says: else a hidden row would be signed away."""
    memory = filled()
    with pytest.raises(IntegrityError, match="a row is not there that should be, or one that should not"):
        assemble(memory.next(rows=rows, replaced=replaced), [stored(9)], memory)
    assert memory.signed == []


def test_names_are_given_up_before_they_are_taken():
    """Two rows exchange their names in one commit, and a dropped one's name is free for another."""
    memory = filled()
    memory.put(rows=[row(1, name=2), row(2, name=1)], replaced={token_id(1): row(1), token_id(2): row(2)})
    memory.put(rows=[row(3, name=1)], replaced={token_id(2): row(2, name=1)}, dropped=[token_id(2)])
    rows = [row(1, name=2), row(3, name=1)]
    assert memory.head.present == present.recompute((one.name_tag, one.digest(REGISTRY)) for one in rows).root


def test_a_commit_without_rows_leaves_the_present_and_asks_for_nothing_of_it():
    """Who may not change rows need not read the present, and says of it what the commit before said."""
    memory, before = filled(), filled().head.present
    asked = memory.asked
    assert memory.put().commit.present == before
    assert memory.asked == asked
    assert Memory().put().commit.present == present.EMPTY_ROOT


@pytest.mark.parametrize("column", ["author", "at", "registry"])
def test_leaves_say_whose_commit_it_is(column):
    """Author, time and registry of the commit are part of each of its leaves, and of its root."""
    other = {"author": "b" * 32, "at": NOON.replace(second=1), "registry": bytes(32)}[column]
    plain, changed_ = Memory().put().commit, Memory().put(**{column: other}).commit
    assert plain.root != changed_.root


def test_the_roster_is_named_as_far_as_it_goes():
    """Length and head move with an event of the roster, wherever it stands in its commit, and stay otherwise."""
    memory = Memory()
    assert (memory.put().commit.roster_length, memory.head.roster_head) == (0, bytes(32))
    event = Stored(STREAM, 5, "policy.changed", RECORD)
    made = memory.put([stored(1), event, stored(2)]).commit
    link = roster_record.link(REGISTRY, 5, "policy.changed", b"core", b"sealed")
    assert (made.roster_length, made.roster_head) == (5, link)
    later = memory.put().commit
    assert (later.roster_length, later.roster_head) == (5, link)


def test_a_roster_event_in_no_known_format_is_not_signed():
    """What no reader could follow is refused before it is signed."""
    memory = filled()
    with pytest.raises(IntegrityError, match="a roster event is in no known format"):
        assemble(memory.next(), [Stored(STREAM, 2, "policy.changed", b"\x02")], memory)
    assert memory.signed == []


@pytest.mark.parametrize(
    ("before", "shred", "shredded", "after"),
    [
        (5, False, False, 6),
        (5, True, False, 5),
        (5, False, True, 6),
        (5, True, True, 5),
        (3, False, False, 3),
        (3, True, False, 3),
        (3, False, True, 6),
        (3, True, True, 5),
        (4, False, False, 4),
        (4, True, True, 5),
    ],
)
def test_what_is_still_to_be_forgotten(before, shred, shredded, after):
    """A commit says from which commit on keys may still be found: the first whose keys are not shredded yet."""
    memory = filled()
    parent = structs.replace(memory.head, number=4, shredded=before)
    memory.head = parent
    assert assemble(memory.next(shred=shred, shredded=shredded), [stored(9)], memory).commit.shredded == after


def test_the_signature_is_the_authors_own():
    """What the commit's author signs is what a reader checks, part for part."""
    made = filled().put(sign=BOB.sign).commit
    assert isinstance(made, LoggedCommit)
    assert made.signature == BOB.sign(made.checkpoint(REGISTRY).text().encode())
    assert made.signature != ALICE.sign(made.checkpoint(REGISTRY).text().encode())
