"""The contract of every store: what it keeps, in which order, and that a commit is whole or not there."""

from datetime import timedelta

import pytest

from registry.errors import Conflict
from registry.store.rows import Head
from tests.store.commits import NOON, PAYROLL, row, token_id


def everything(store):
    """Return all that can be read from a store, to compare before with after."""
    tokens = [token_id(number) for number in range(5)]
    keys = {token: store.data_key(token) for token in tokens}
    prints = {token: store.known_fingerprints(token, [b"f1", b"f2"]) for token in tokens}
    return store.head(), list(store.events()), list(store.rows()), keys, prints, store.shred_due()


class Broken:
    """A sequence that can be asked for its length but not read: the commit fails in its middle."""

    def __len__(self):
        """Claim one item."""
        return 1

    def __iter__(self):
        """Fail."""
        raise RuntimeError("in the middle of the commit")


def test_an_empty_store_has_no_head(store):
    """Before its first commit a store is empty in every respect."""
    assert store.head() is None
    assert list(store.events()) == list(store.rows()) == []
    assert store.stream_version(token_id(1)) == 0
    assert store.data_key(token_id(1)) is None


def test_commits_and_positions_are_dense_from_zero(writer):
    """Commits are numbered 0, 1, 2; events stand at 0, 1, 2 whatever their stream and commit."""
    writer.put([writer.created(1), writer.tested(1, 2)])
    writer.put([writer.created(2)])
    logged = list(writer.store.events())
    assert [event.position for event in logged] == [0, 1, 2, 3]
    assert [event.commit for event in logged] == [0, 1, 1, 2]
    assert [event.at for event in logged] == [NOON + timedelta(seconds=event.commit) for event in logged]
    assert {event.author for event in logged} == {writer.member}
    assert writer.store.head() == Head(2, NOON + timedelta(seconds=2), 4)


def test_streams_are_read_apart(writer, founding):
    """A stream holds its own events in the order of their versions, or those behind a version."""
    first, second = writer.created(1), writer.tested(1, 2)
    writer.put([first, writer.created(2), second])
    stream = writer.store.stream(token_id(1))
    assert [writer.contents.event(stored) for stored in stream] == [first, second]
    assert writer.store.stream(token_id(1), after=1) == stream[1:]
    assert writer.store.stream_version(token_id(1)) == 2
    assert writer.store.stream_version(founding.event.originator_id) == 1


def test_what_one_commit_writes_is_there_after_it(writer):
    """Events, rows, data keys and fingerprints of one commit are all there."""
    rows = [row(1), row(2, application=PAYROLL, plain=b"readable")]
    prints = [(token_id(1), b"f1"), (token_id(1), b"f1"), (token_id(2), b"f2")]
    writer.put([writer.created(1), writer.created(2)], rows=rows, data_keys={token_id(1): b"k"}, fingerprints=prints)
    store = writer.store
    assert list(store.rows()) == rows
    assert (store.row(token_id(1)), store.row_by_tag(b"tag 2")) == (rows[0], rows[1])
    assert store.rows_of(PAYROLL) == rows[1:]
    assert (store.data_key(token_id(1)), store.data_key(token_id(2))) == (b"k", None)
    assert store.known_fingerprints(token_id(1), [b"f1", b"f2"]) == {b"f1"}


def test_a_later_commit_replaces_rows_and_keys_and_adds_fingerprints(writer):
    """The current row and the data key are the last ones written; fingerprints stay known."""
    writer.put([writer.created(1)], rows=[row(1)], data_keys={token_id(1): b"k"}, fingerprints=[(token_id(1), b"f1")])
    newer = row(1, tag=b"other", version=2)
    prints = [(token_id(1), b"f2")]
    writer.put([writer.tested(1, 2)], rows=[newer], data_keys={token_id(1): b"k2"}, fingerprints=prints)
    assert list(writer.store.rows()) == [newer]
    assert writer.store.row_by_tag(b"tag 1") is None
    assert writer.store.data_key(token_id(1)) == b"k2"
    assert writer.store.known_fingerprints(token_id(1), [b"f1", b"f2", b"f3"]) == {b"f1", b"f2"}


def test_a_dropped_token_leaves_its_events_only(writer):
    """Row, data key and fingerprints of a dropped token go, others stay."""
    for number in (1, 2):
        token = token_id(number)
        writer.put([writer.created(number)], rows=[row(number)], data_keys={token: b"k"}, fingerprints=[(token, b"f1")])
    writer.put([writer.tested(1, 2)], dropped=[token_id(1)])
    store = writer.store
    assert list(store.rows()) == [row(2)]
    assert (store.data_key(token_id(1)), store.data_key(token_id(2))) == (None, b"k")
    assert [store.known_fingerprints(token_id(number), [b"f1"]) for number in (1, 2)] == [set(), {b"f1"}]
    assert store.stream_version(token_id(1)) == 2


def test_names_may_change_hands_within_a_commit(writer):
    """Two tokens may exchange names in one commit; the unique index holds after it, not within."""
    writer.put([writer.created(1), writer.created(2)], rows=[row(1, tag=b"a"), row(2, tag=b"b")])
    writer.put([writer.tested(1, 2)], rows=[row(1, tag=b"b"), row(2, tag=b"a")])
    assert writer.store.row_by_tag(b"a").token == token_id(2)


@pytest.mark.parametrize(
    "wished",
    [{"number": 0}, {"number": 1}, {"size": 0}, {"size": 1}, {"size": 99}],
    ids=["founding again", "number taken", "empty before", "one behind", "ahead"],
)
def test_a_commit_that_is_not_the_next_is_a_conflict(writer, wished):
    """A number that is taken, or a size other than the present, means somebody else was faster."""
    writer.put([writer.created(1)], rows=[row(1)])
    before = everything(writer.store)
    with pytest.raises(Conflict):
        writer.put([writer.created(2)], **({"rows": [row(2)], "data_keys": {token_id(2): b"k"}} | wished))
    assert everything(writer.store) == before


def test_a_version_that_is_taken_is_a_conflict(writer):
    """Two events cannot stand at one version of a stream; neither they nor their neighbours are written."""
    writer.put([writer.created(1)], rows=[row(1)])
    before = everything(writer.store)
    with pytest.raises(Conflict):
        writer.put([writer.created(2), writer.created(1)], rows=[row(2)], data_keys={token_id(2): b"k"})
    assert everything(writer.store) == before


def test_a_name_that_is_taken_is_a_conflict(writer):
    """Two rows cannot have one tag; the commit that tries is not there at all."""
    writer.put([writer.created(1)], rows=[row(1, tag=b"a")])
    before = everything(writer.store)
    with pytest.raises(Conflict):
        writer.put([writer.created(2)], rows=[row(2, tag=b"a")], data_keys={token_id(2): b"k"}, shred=True)
    assert everything(writer.store) == before


@pytest.mark.parametrize("part", ["rows", "fingerprints", "dropped"])
def test_a_commit_that_fails_in_its_middle_leaves_nothing(writer, part):
    """An exception while rows, keys or fingerprints are written takes the events back with it."""
    writer.put([writer.created(1)], rows=[row(1)], data_keys={token_id(1): b"k"}, fingerprints=[(token_id(1), b"f1")])
    before = everything(writer.store)
    wished = {"rows": [row(2)], "data_keys": {token_id(1): b"k2"}, "fingerprints": [(token_id(1), b"f2")]}
    with pytest.raises(RuntimeError):
        writer.put([writer.created(2)], **(wished | {"shred": True, part: Broken()}))
    assert everything(writer.store) == before
    writer.put([writer.created(2)], **wished)
    assert writer.store.data_key(token_id(1)) == b"k2"


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
    rows = [row(number) for number in range(1, 1103)]
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


def test_what_is_there_is_there_for_the_next_to_open(writer):
    """A second connection to the same place reads the same."""
    writer.put([writer.created(1)], rows=[row(1)], data_keys={token_id(1): b"k"}, shred=True)
    again = type(writer.store).open(writer.store.path)
    assert everything(again) == everything(writer.store)
    again.close()


def test_shredding_is_due_until_it_is_done(writer):
    """A commit that overwrites keys marks that it is due; the next commit after the shredding takes the mark away."""
    store = writer.store
    writer.put([writer.created(1)], rows=[row(1)], data_keys={token_id(1): b"k"}, shred=True)
    assert (store.shred_due(), store.shred_pending()) == (True, True)
    assert store.shred()
    assert not store.shred_pending()
    writer.put([writer.tested(1, 2)])
    assert (store.shred_due(), store.shred_pending()) == (False, False)
