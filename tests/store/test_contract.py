"""The contract of every store: what it keeps, in which order, and that a commit is whole or not there."""

from datetime import timedelta

import pytest
from msgspec import structs

from registry.errors import Conflict, IntegrityError, InvalidValue
from registry.log import merkle, present
from registry.store.rows import LARGEST_STATE
from tests.holders import holder_of
from tests.store.commits import NOON, PAYROLL, row, tag, token_id


@pytest.fixture(params=["sqlite", "postgres"])
def place(request):
    """Return a place for every kind of store."""
    return request.getfixturevalue(f"{request.param}_place")


@pytest.fixture
def holder(place):
    """Return whoever holds the database of the store."""
    return holder_of(place)


def everything(store):
    """Return all that can be read from a store, to compare before with after."""
    log = list(store.commits()), store.nodes(range(50)), units(store)
    return store.head(), list(store.events()), list(store.rows()), log


def units(store):
    """Return every unit of the present that a store holds."""
    return store.units(range(present.UNITS))


class Broken(list):
    """A sequence that fails when it is read, after it was read well some times: in the middle of the commit."""

    def __init__(self, items=(), times=0):
        """Hold some items."""
        super().__init__(items)
        self.times = times

    def __iter__(self):
        """Fail, if it was read often enough."""
        if not self.times:
            raise RuntimeError("in the middle of the commit")
        self.times -= 1
        return super().__iter__()


def test_an_empty_store_has_no_head(store):
    """Before its first commit a store is empty in every respect."""
    assert store.head() is store.commit(0) is store.commit_of_size(0) is None
    assert list(store.events()) == list(store.rows()) == list(store.commits()) == []
    assert (store.newest_of(token_id(1), 9), store.size()) == (None, 0)
    assert store.row(token_id(1)) is None
    assert store.nodes(range(3)) == store.units(range(3)) == {}


def test_commits_and_positions_are_dense_from_zero(writer):
    """Commits are numbered 0, 1, 2; events stand at 0, 1, 2 whatever their stream and commit."""
    writer.put([writer.created(1), writer.tested(1, 2)])
    writer.put([writer.created(2)])
    logged = list(writer.store.events())
    assert [event.position for event in logged] == [0, 1, 2, 3]
    assert [event.commit for event in logged] == [0, 1, 1, 2]
    assert [event.at for event in logged] == [NOON + timedelta(seconds=event.commit) for event in logged]
    assert {event.author for event in logged} == {writer.member}
    assert [made.number for made in writer.store.commits()] == [0, 1, 2]
    assert [(made.size, made.at) for made in writer.store.commits(0)] == [
        (3, NOON + timedelta(seconds=1)),
        (4, NOON + timedelta(seconds=2)),
    ]
    assert writer.store.size() == 4


def test_a_commit_is_found_by_its_number_and_by_its_size(writer):
    """The newest commit, that of a number, and that with which there were so many events, are the ones written."""
    made = [writer.store.head()]
    made.append(writer.put([writer.created(1), writer.tested(1, 2)], rows=[row(1)]).commit)
    made.append(writer.put([writer.created(2)], rows=[row(2)]).commit)
    store = writer.store
    assert store.head() == made[-1]
    assert list(store.commits()) == [store.commit(number) for number in range(3)] == made
    assert [store.commit_of_size(size) for size in range(6)] == [None, made[0], None, made[1], made[2], None]
    assert store.commit(3) is None
    assert {one.author for one in made} == {writer.member}


def test_many_commits_come_in_pages_and_in_order(writer):
    """Commits come one behind another, however many; a page's edge neither drops nor doubles one."""
    for version in range(1, 603):
        writer.put([writer.created(1) if version == 1 else writer.tested(1, version)])
    for after in (-1, 0, 499, 500, 501, 602, 603):
        assert [made.number for made in writer.store.commits(after)] == list(range(after + 1, 603))


def test_the_log_and_the_present_are_those_of_what_is_stored(writer):
    """After each commit, nodes and units are just those of its events and rows, and its roots are over them."""
    store = writer.store
    steps = [
        {"rows": [row(1), row(2, application=PAYROLL)]},
        {"rows": [row(1, version=2, name="other"), row(3)]},
        {"dropped": [token_id(2)]},
        {"dropped": [token_id(1), token_id(3)], "rows": [row(4, name="other")]},
        {"dropped": [token_id(4)]},
        {},
    ]
    for version, wished in enumerate(steps, 1):
        made = writer.put([writer.created(1) if version == 1 else writer.tested(1, version)], **wished).commit
        leaves = [logged.leaf(writer.registry).hashed() for logged in store.events()]
        levels = merkle.complete_levels(leaves)
        nodes = {merkle.node_number(level, i): node for level, some in enumerate(levels) for i, node in enumerate(some)}
        assert store.nodes(range(100)) == nodes
        assert made.root == merkle.root_of(leaves)
        now = present.recompute((one.name_tag, one.digest(writer.registry)) for one in store.rows())
        assert (made.present, units(store)) == (now.root, now.units)
    assert now.root == present.EMPTY_ROOT


def test_the_history_can_be_read_up_to_a_position(writer):
    """Events before a position alone come, also by topics."""
    writer.put([writer.created(1), writer.tested(1, 2), writer.created(2)])
    assert [event.position for event in writer.store.events(end=2)] == [0, 1]
    assert [event.position for event in writer.store.events(1, end=3)] == [1, 2]
    assert [event.position for event in writer.store.events(0, ["token.created"], end=3)] == [1]
    assert list(writer.store.events(2, end=2)) == []


def test_streams_are_read_apart(writer, founding):
    """A stream holds its own events in the order of their versions, or those behind a version."""
    first, second = writer.created(1), writer.tested(1, 2)
    writer.put([first, writer.created(2), second])
    stream = writer.store.stream(token_id(1))
    assert [writer.contents.event(stored) for stored in stream] == [first, second]
    assert writer.store.stream(token_id(1), after=1) == stream[1:]
    assert writer.store.newest_of(token_id(1), 9).stored == stream[-1]
    assert writer.store.newest_of(token_id(1), 2).stored == stream[0]
    assert writer.store.newest_of(founding.event.originator_id, 9).position == 0


def test_what_one_commit_writes_is_there_after_it(writer):
    """Events, rows and data keys of one commit are all there; a row has the position of its token's last event."""
    rows = [row(1, fingerprints=b"f1", wrapped=b"k1"), row(2, application=PAYROLL, plain=b"readable", wrapped=b"k2")]
    writer.put([writer.created(1), writer.created(2), writer.tested(1, 2)], rows=rows)
    rows = [structs.replace(one, position=position) for one, position in zip(rows, (3, 2), strict=True)]
    store = writer.store
    assert list(store.rows()) == rows
    assert (store.row(token_id(1)), store.row_by_tag(tag(2))) == (rows[0], rows[1])
    assert store.row_by_tag(tag("none")) is store.row(token_id(3)) is None


def test_a_later_commit_replaces_rows_and_keys(writer):
    """The current row and the data key are the last ones written."""
    writer.put([writer.created(1)], rows=[row(1, fingerprints=b"f1")])
    newer = row(1, name="other", version=2, fingerprints=b"f1f2", wrapped=b"k2")
    writer.put([writer.tested(1, 2)], rows=[newer])
    assert list(writer.store.rows()) == [structs.replace(newer, position=2)]
    kept = structs.replace(newer, position=2, wrapped=b"k3")
    writer.put([writer.created(2)], rows=[kept])
    assert list(writer.store.rows()) == [kept], "what has no event in its commit stays where it was"
    assert writer.store.row_by_tag(tag(1)) is None


def test_a_dropped_token_leaves_its_events_only(writer, holder):
    """Row and data key of a dropped token go, others stay."""
    for number in (1, 2):
        writer.put([writer.created(number)], rows=[row(number)])
    writer.put([writer.tested(1, 2)], dropped=[token_id(1)])
    store = writer.store
    assert list(store.rows()) == [row(2, position=2)]
    assert holder.sql("SELECT token_id FROM data_keys") == [(token_id(2),)]
    assert store.newest_of(token_id(1), 9).stored.originator_version == 2


def test_names_may_change_hands_within_a_commit(writer):
    """Two tokens may exchange names in one commit; the unique index holds after it, not within."""
    writer.put([writer.created(1), writer.created(2)], rows=[row(1, name="a"), row(2, name="b")])
    writer.put([writer.tested(1, 2)], rows=[row(1, name="b"), row(2, name="a")])
    assert writer.store.row_by_tag(tag("a")).token == token_id(2)
    writer.put([writer.tested(1, 3)], rows=[row(3, name="a")], dropped=[token_id(2)])
    assert writer.store.row_by_tag(tag("a")).token == token_id(3)


NOT_NEXT = {
    "founding again": lambda before, head: None,
    "number taken": lambda before, head: before,
    "size of before": lambda before, head: structs.replace(head, size=before.size),
    "one behind": lambda before, head: structs.replace(head, size=head.size - 1),
    "ahead": lambda before, head: structs.replace(head, size=head.size + 97),
    "a number left out": lambda before, head: structs.replace(head, number=head.number + 1),
}


@pytest.mark.parametrize("parent", NOT_NEXT.values(), ids=NOT_NEXT)
def test_a_commit_that_is_not_the_next_is_a_conflict(writer, parent):
    """A number that is taken, or a size other than the present, means somebody else was faster."""
    before = writer.store.head()
    writer.put([writer.created(1)], rows=[row(1)])
    writer.put([writer.tested(1, 2)])
    stood = everything(writer.store)
    with pytest.raises(Conflict):
        writer.put([writer.created(2)], rows=[row(2)], parent=parent(before, writer.store.head()))
    assert everything(writer.store) == stood


def test_a_version_that_is_taken_is_a_conflict(writer):
    """Two events cannot stand at one version of a stream; neither they nor their neighbours are written."""
    writer.put([writer.created(1)], rows=[row(1)])
    before = everything(writer.store)
    with pytest.raises(Conflict):
        writer.put([writer.created(2), writer.created(1)], rows=[row(2)])
    assert everything(writer.store) == before


def test_a_name_that_is_taken_is_not_taken_again(writer, holder):
    """Two rows cannot have one tag; the commit that tries is not there at all, whatever the store shows of the name."""
    writer.put([writer.created(1)], rows=[row(1, name="a")])
    before = everything(writer.store)
    with pytest.raises(IntegrityError, match="a row is not there that should be, or one that should not"):
        writer.put([writer.created(2)], rows=[row(2, name="a")], shred=True)
    assert everything(writer.store) == before
    holder.sql("UPDATE tokens SET name_tag = ?", (tag("b"),))
    before = everything(writer.store)
    with pytest.raises(Conflict):
        writer.put([writer.created(2)], rows=[row(2, name="b")], shred=True)
    with pytest.raises(IntegrityError, match="a row is not there that should be"):
        writer.put([writer.created(2)], rows=[row(2, name="a")], shred=True)
    assert everything(writer.store) == before


@pytest.mark.parametrize(
    ("part", "times"),
    [("rows", 0), ("dropped", 0)],
)
def test_a_commit_that_fails_in_its_middle_leaves_nothing(writer, part, times):
    """An exception while log, rows or keys are written takes the events back with it."""
    writer.put([writer.created(1)], rows=[row(1)])
    before = everything(writer.store)
    changed, replaced = row(1, version=2, wrapped=b"k2", name="other"), {token_id(1): row(1, position=1)}
    wished = {"rows": [changed, row(2)], "replaced": replaced, "dropped": []}
    broken = Broken(wished[part], times)
    with pytest.raises(RuntimeError):
        writer.put([writer.created(2)], **(wished | {"shred": True, part: broken}))
    assert broken.times == 0
    assert everything(writer.store) == before
    writer.put([writer.created(2)], **wished)
    assert writer.store.row(token_id(1)) == changed


def test_a_long_history_comes_in_pages_and_in_order(writer):
    """Events come in the order of their positions, however many; a page's edge neither drops nor doubles one."""
    count = 1203
    writer.put([writer.created(1), *(writer.tested(1, version) for version in range(2, count + 1))])
    positions = [event.position for event in writer.store.events()]
    assert positions == list(range(count + 1))
    for start in (0, 1, 499, 500, 501, count, count + 1, count + 2):
        assert [event.position for event in writer.store.events(start)] == positions[start:]


def test_many_rows_come_in_pages_and_in_order(writer):
    """Every current row comes once, in the order of the ids."""
    rows = [row(number, position=int(number == 1)) for number in range(1, 1103)]
    writer.put([writer.created(1)], rows=rows[::-1])
    assert list(writer.store.rows()) == rows


def test_the_history_can_be_read_by_topics(writer):
    """Only the topics asked for come, at their own positions; an unknown one brings nothing."""
    writer.put([writer.created(1), writer.tested(1, 2), writer.created(2)])
    found = [(event.position, event.stored.topic) for event in writer.store.events(topics=["token.created"])]
    assert found == [(1, "token.created"), (3, "token.created")]
    both = writer.store.events(2, topics=["token.created", "token.tested"])
    assert [event.position for event in both] == [2, 3]
    assert list(writer.store.events(topics=["token.renamed"])) == []


def test_what_is_there_is_there_for_the_next_to_open(writer, place):
    """A second connection to the same place reads the same."""
    writer.put([writer.created(1)], rows=[row(1)], shred=True)
    again = place.open()
    assert everything(again) == everything(writer.store)
    again.close()


def test_shredding_is_due_until_it_is_done(writer):
    """A commit that overwrites keys says that it is due; the next commit after the shredding says that it is done."""
    store = writer.store
    writer.put([writer.created(1)], rows=[row(1)], shred=True)
    assert (store.head().shred_due, store.head().shredded, store.shred_pending()) == (True, 1, True)
    assert store.shred()
    assert not store.shred_pending()
    writer.put([writer.tested(1, 2)])
    assert (store.head().shred_due, store.head().shredded, store.shred_pending()) == (False, 3, False)


def test_what_is_not_shredded_is_remembered_with_the_commit_that_first_destroyed_it(writer):
    """Commits behind it neither forget what is due nor take its place, whether they destroy more or not."""
    store = writer.store
    writer.put([writer.created(1)], rows=[row(1)])
    assert store.head().shredded == 2
    for version, shred in ((2, True), (3, False), (4, True), (5, False)):
        writer.put([writer.tested(1, version)], shred=shred)
        assert (store.head().shredded, store.head().shred_due, store.shred_pending()) == (2, True, True)
    assert store.shred()
    writer.put([writer.tested(1, 6)], shred=True)
    assert (store.head().shredded, store.head().shred_due) == (6, True)


def test_an_event_that_nobody_would_accept_is_not_written(writer):
    """What would be larger than any event may be is refused, and leaves nothing."""
    before = everything(writer.store)
    event = structs.replace(writer.created(1), description="x" * LARGEST_STATE)
    with pytest.raises(InvalidValue, match=r"token\.created would be larger than any event may be"):
        writer.put([event], rows=[row(1)])
    assert everything(writer.store) == before
