"""The authenticated map of current rows, against a plain dictionary and against whoever rewrites its units."""

import hashlib
import itertools

import pytest
from hypothesis import given, strategies as st

from registry.errors import IntegrityError, InvalidValue
from registry.log import present


def digest(number):
    """Return a made-up digest."""
    return hashlib.sha256(b"row %d" % number).digest()


def _crowded():
    # Tags of which many share buckets and nodes, so that small maps have every shape.
    tags = (hashlib.sha256(b"tag %d" % number).digest() for number in itertools.count())
    by_place = {}
    for tag in itertools.islice(tags, 40_000):
        by_place.setdefault(present.place_of(tag), []).append(tag)
    crowded = sorted(by_place.values(), key=len, reverse=True)[:6]
    near = [by_place[place][0] for place in sorted(by_place)[:12]]
    return [*itertools.chain.from_iterable(crowded), *near]


TAGS = _crowded()
ROW = {
    "registry": bytes(range(32)),
    "token": "a" * 32,
    "application": None,
    "name_tag": b"t" * 32,
    "version": 4,
    "revision": 3,
    "box_revision": 2,
    "position": 5,
    "card": b"card",
    "box": b"box",
    "plain": None,
    "fingerprints": b"",
    "wrapped": None,
}


def reader(units):
    """Return what reads these units as a store does."""
    return lambda numbers: {number: units[number] for number in numbers if number in units}


class Store:
    """A map with its units in a dictionary."""

    def __init__(self, rows=()):
        self.units, self.root = {}, present.EMPTY_ROOT
        self.change(dict(rows))

    def get(self, tag):
        """Return what the map says of a tag."""
        return present.Known(self.root).lookup(reader(self.units), tag)

    def change(self, changes):
        """Change the map, knowing which tags have rows, and keep its units."""
        done = present.change(self.root, self.units.get, changes, {tag for tag in changes if self.get(tag)})
        self.root = done.root
        for unit, data in done.units.items():
            if data is None:
                del self.units[unit]
            else:
                self.units[unit] = data


ROWS = {tag: digest(number) for number, tag in enumerate(TAGS[::2])}
FULL = Store(ROWS)
CHANGES = st.dictionaries(st.sampled_from(TAGS), st.none() | st.integers(0, 3).map(digest), max_size=8)


@given(st.lists(CHANGES, max_size=8))
def test_the_map_does_what_a_dictionary_does(steps):
    """After any changes the map says of each tag what a dictionary says, and is the map made afresh of its rows."""
    store, model = Store(), {}
    for step in steps:
        store.change(step)
        model = {tag: row for tag, row in {**model, **step}.items() if row is not None}
        assert all(store.get(tag) == model.get(tag) for tag in TAGS)
    whole = present.recompute(model.items())
    assert (whole.root, whole.units) == (store.root, store.units)


@given(st.permutations(TAGS[:12]), st.data())
def test_the_order_of_changes_leaves_no_trace(order, data):
    """One state of the map has one root and one set of units, whatever came before it."""
    store = Store()
    for tag in order:
        store.change({tag: digest(9), TAGS[20]: digest(TAGS.index(tag))})
        store.change({data.draw(st.sampled_from(TAGS)): digest(5)})
    store.change({tag: digest(1) if tag in order else None for tag in TAGS})
    assert store.units == Store((tag, digest(1)) for tag in TAGS[:12]).units


def test_an_emptied_map_is_the_empty_map():
    """When the last row is gone there are no units, and the root is that of the empty map."""
    store = Store((tag, digest(0)) for tag in TAGS)
    store.change(dict.fromkeys(TAGS))
    assert (store.root, store.units) == (present.EMPTY_ROOT, {})
    assert present.recompute([]).root == present.EMPTY_ROOT
    assert present.Known(store.root).lookup(reader(store.units), TAGS[0]) is None


def test_the_form_of_a_small_map_is_fixed():
    """A map of one row has one bucket and three nodes above it, hashed as ``docs/formats.md`` says."""

    def hashed(label, unit, data):
        return hashlib.sha256(len(label).to_bytes(4, "big") + label + unit.to_bytes(4, "big") + data).digest()

    tag, row = b"\x01" * 32, b"\x02" * 32
    label = b"token-registry/v1/present-place"
    place = int.from_bytes(hashlib.sha256(len(label).to_bytes(4, "big") + label + tag).digest()[:2], "big") >> 4
    unit, data = 273 + place, tag + row
    units, top = {unit: data}, hashed(b"token-registry/v1/present-bucket", unit, data)
    while unit:
        unit, number = divmod(unit - 1, 16)
        units[unit] = (1 << number).to_bytes(2, "big") + top
        top = hashed(b"token-registry/v1/present-node", unit, units[unit])
    store = Store({tag: row})
    assert (store.root, store.units) == (top, units)
    assert present.units_of([tag]) == set(units)
    assert top.hex() == "11c8c77fbba5a7a1f0920048a4a95c25fa4360687dfc9e87671f8ea3461410bf"
    assert present.EMPTY_ROOT.hex() == "4d1e7744942005a1f71bc96000d52459a6dec81971a267725e50262061f669e1"


@pytest.mark.parametrize("number", range(0, len(TAGS), 5))
def test_members_and_others_are_told_apart(number):
    """The current row passes; another row, a row where there is none, and no row where there is one do not."""
    tag = TAGS[number]
    row = present.Known(FULL.root).lookup(reader(FULL.units), tag)
    assert row == (digest(number // 2) if number % 2 == 0 else None)
    present.Known(FULL.root).check(reader(FULL.units), tag, row)
    for wrong in {None, digest(9999), digest(number // 2)} - {row}:
        with pytest.raises(IntegrityError):
            present.Known(FULL.root).check(reader(FULL.units), tag, wrong)


def _tampered(data):
    # A stored value and what a hostile store may hold in its stead.
    yield None
    yield b""
    yield data[:-1]
    yield data + b"\0"
    yield data[:-32]
    yield str(data)
    yield 7
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1 << place % 8
        yield bytes(changed)
    for other in list(FULL.units.values()):
        if other != data:
            yield other


@pytest.mark.parametrize("tag", [TAGS[0], TAGS[1], TAGS[-1], TAGS[-2]])
def test_every_changed_unit_on_the_way_is_caught(tag):
    """Whatever stands in place of a unit that a look-up or a change reads, it is refused and nothing comes of it."""
    for unit in sorted(present.units_of([tag]) & FULL.units.keys()):
        for bad in _tampered(FULL.units[unit]):
            get = {**FULL.units, unit: bad}.get
            with pytest.raises(IntegrityError):
                present.Known(FULL.root).lookup(reader({**FULL.units, unit: bad}), tag)
            with pytest.raises(IntegrityError):
                present.change(FULL.root, get, {tag: digest(1)}, ROWS.keys())


def test_exchanged_units_are_caught():
    """Two units that changed places are refused wherever either is read."""
    for first, second in itertools.combinations(sorted(FULL.units), 2):
        swapped = {**FULL.units, first: FULL.units[second], second: FULL.units[first]}
        caught = 0
        for tag in TAGS:
            try:
                present.Known(FULL.root).lookup(reader(swapped), tag)
            except IntegrityError:
                caught += 1
        assert caught


def test_an_older_map_is_caught():
    """The units of an earlier state are refused under the newer root, and a change to them is not signed over."""
    older = Store((tag, digest(0)) for tag in TAGS[:6])
    newer = present.change(older.root, older.units.get, {TAGS[0]: digest(1)}, TAGS[:6]).root
    with pytest.raises(IntegrityError):
        present.Known(newer).lookup(reader(older.units), TAGS[0])
    with pytest.raises(IntegrityError):
        present.change(newer, older.units.get, {TAGS[1]: digest(1)}, TAGS[:6])


def test_units_that_nothing_leads_to_say_nothing():
    """What lies in the store where the map is empty is not believed, and is written over by a change."""
    stale = dict(FULL.units)
    assert present.Known(present.EMPTY_ROOT).lookup(reader(stale), TAGS[0]) is None
    done = present.change(present.EMPTY_ROOT, stale.get, {TAGS[0]: digest(1)})
    assert done == present.recompute([(TAGS[0], digest(1))])


def test_a_change_reads_and_writes_only_the_way():
    """A change of one row reads four units at most, all of them foreseen, and writes only what became different."""
    read = []

    def get(unit):
        read.append(unit)
        return FULL.units.get(unit)

    done = present.change(FULL.root, get, {TAGS[0]: digest(77)}, ROWS.keys())
    assert len(read) == len(set(read)) == 4
    assert set(read) == present.units_of([TAGS[0]]) == done.units.keys()
    assert present.change(FULL.root, get, {TAGS[0]: digest(0)}, ROWS.keys()) == present.Change(FULL.root, {})
    assert present.change(FULL.root, get, {}) == present.Change(FULL.root, {})


@pytest.mark.parametrize(
    ("changes", "known"),
    [
        ({TAGS[0]: digest(1)}, []),
        ({TAGS[0]: None}, []),
        ({TAGS[1]: digest(1)}, TAGS),
        ({TAGS[1]: None}, TAGS),
        ({TAGS[0]: None, TAGS[1]: digest(1)}, []),
        ({TAGS[0]: None, TAGS[1]: digest(1)}, TAGS),
    ],
    ids=["overwritten", "dropped", "gone", "not there", "one overwritten", "one not there"],
)
def test_rows_come_and_go_only_where_the_caller_knows_of_them(changes, known):
    """A name that is taken is not overwritten and what is not there cannot go, so hiding rows gains nothing."""
    with pytest.raises(IntegrityError, match="a row is not there that should be, or one that should not"):
        present.change(FULL.root, FULL.units.get, changes, known)
    with pytest.raises(IntegrityError, match="a row is not there that should be"):
        present.change(present.EMPTY_ROOT, {}.get, changes, TAGS)


def _rooted(tag, bucket):
    # A map whose signer made this bucket, with right hashes all the way up.
    unit, data, units = 273 + present.place_of(tag), bucket, {}
    while True:
        units[unit] = data
        if not unit:
            return present.unit_hash(0, data), units
        hashed = present.unit_hash(unit, data)
        unit, number = divmod(unit - 1, 16)
        data = (1 << number).to_bytes(2, "big") + hashed


@pytest.mark.parametrize(
    "bucket",
    [
        b"",
        b"x" * 63,
        TAGS[0] + digest(0) + b"\0",
        TAGS[0] + digest(0) + TAGS[0] + digest(1),
        max(TAGS[:2]) + digest(0) + min(TAGS[:2]) + digest(1),
    ],
)
def test_a_malformed_bucket_is_refused_although_its_signer_vouched_for_it(bucket):
    """A bucket in no order, with a tag twice or of a wrong length is refused even where every hash is right."""
    root, units = _rooted(TAGS[0], bucket)
    for act in (
        lambda: present.Known(root).lookup(reader(units), TAGS[0]),
        lambda: present.change(root, units.get, {TAGS[0]: digest(5)}),
    ):
        with pytest.raises(IntegrityError, match="no known format"):
            act()


@pytest.mark.parametrize("node", [b"", b"\0", b"\0\0\0", b"\0\1", b"\0\3" + bytes(32), b"\0\1" + bytes(33)])
def test_a_malformed_node_is_refused_although_its_signer_vouched_for_it(node):
    """A node whose bitmap and length disagree is refused even where its hash is right."""
    root = present.unit_hash(0, node)
    for act in (
        lambda: present.Known(root).lookup(reader({0: node}), TAGS[0]),
        lambda: present.change(root, {0: node}.get, {TAGS[0]: digest(5)}),
    ):
        with pytest.raises(IntegrityError, match="no known format"):
            act()


def test_wrong_tags_and_digests_are_refused():
    """Tags and digests of a wrong length are a caller's mistake; two rows of one tag are damage."""
    for tag, row in ((b"short", digest(0)), (TAGS[0], b"short"), (TAGS[0] + b"\0", None)):
        with pytest.raises(InvalidValue):
            present.change(FULL.root, FULL.units.get, {tag: row})
    with pytest.raises(InvalidValue):
        present.Known(FULL.root).lookup(reader(FULL.units), b"short")
    for rows in ([(TAGS[0], digest(0)), (TAGS[0], digest(1))], [(b"short", digest(0))], [(TAGS[0], b"short")]):
        with pytest.raises(IntegrityError):
            present.recompute(rows)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("registry", bytes(32)),
        ("token", "b" * 32),
        ("application", ""),
        ("application", "b" * 32),
        ("name_tag", b"u" * 32),
        ("version", 5),
        ("revision", 2),
        ("box_revision", 3),
        ("position", 6),
        ("card", b"car"),
        ("box", b"dbox"),
        ("plain", b""),
        ("plain", b"plain"),
        ("fingerprints", b"f" * 16),
        ("wrapped", b""),
        ("wrapped", b"wrapped"),
    ],
)
def test_a_digest_commits_to_each_column(column, value):
    """Whatever is changed of a row gives another digest; nothing is not the same as an empty value."""
    assert present.row_digest(**{**ROW, column: value}) != present.row_digest(**ROW)


def test_the_form_of_a_digest_is_fixed():
    """A row's digest is over its columns, each behind its length, with a byte before an optional value."""
    number = [value.to_bytes(8, "big") for value in (4, 3, 2, 5)]
    parts = [b"token-registry/v1/present-row", bytes(range(32)), b"a" * 32, b"\x01app", b"t" * 32, *number]
    parts += [b"card", b"box", b"\x01p", b"prints", b"\x01w"]
    expected = hashlib.sha256(b"".join(len(part).to_bytes(4, "big") + part for part in parts)).digest()
    row = {**ROW, "application": "app", "plain": b"p", "fingerprints": b"prints", "wrapped": b"w"}
    assert present.row_digest(**row) == expected


def test_a_value_does_not_pass_into_another_column():
    """The readable copy and the wrapped key are told apart although both may be absent."""
    one, other = {**ROW, "plain": b"x", "wrapped": None}, {**ROW, "plain": None, "wrapped": b"x"}
    assert present.row_digest(**one) != present.row_digest(**other)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("version", -1),
        ("version", "4"),
        ("token", b"x"),
        ("token", "\ud800"),
        ("card", "text"),
        ("card", None),
        ("fingerprints", None),
    ],
)
def test_columns_that_no_row_has_are_refused(column, value):
    """A tampered store may hold any type in any column: that is damage, not a crash."""
    with pytest.raises(IntegrityError):
        present.row_digest(**{**ROW, column: value})
