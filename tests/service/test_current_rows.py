"""Current rows: each is believed only as the present says, and so is that there is none, or no more than these."""

import pytest

from registry import AlreadyExists, IntegrityError, NotFound
from registry.log import present
from registry.service.current_rows import CurrentRows
from registry.store.following import Follower
from tests.service.attacks import edit, fields, fill, query, tamper, token

EVERY_ENGINE = True

COLUMNS = ("application_id", "version", "revision", "box_revision", "position", "card", "box", "plain")
OTHERS = {"application_id": "c" * 32, "card": b"card", "box": b"box", "plain": b"{}"}
NOT_CURRENT = "the row is not the token's current one"
MISSING = "a name that has no current row: the row of a current token is missing"


@pytest.fixture
def path(registry, founded):
    """Return the database of a registry with two global tokens and one of an application."""
    fill(registry)
    return founded


@pytest.fixture
def rows(registry, path):
    """Return the current rows as alice reads them."""
    registry.tokens.show("Zoom")
    return registry._ledger.rows


@pytest.fixture
def zoom(registry, path):
    """Return the row of the global token Zoom."""
    return registry._ledger.find("Zoom", None)[0]


def fresh(registry):
    """Return the current rows as somebody reads them who has read nothing of the present before."""
    return CurrentRows(registry._ledger.store, registry._ledger.log)


def reads(rows, row):
    """Return every way to read a row, each as a function."""
    return [lambda: rows.by_tag(row.name_tag), lambda: rows.found(row.name_tag), lambda: rows.by_id(row.token)]


def test_what_is_there_is_found(rows, zoom):
    """By its name's tag, by its id and among all, the current row is the one that is stored."""
    assert all(read() == zoom for read in reads(rows, zoom))
    assert rows.check(zoom) == zoom
    assert [row.token for row in rows.all()] == sorted(row.token for row in rows.all())
    assert zoom in list(rows.all())
    assert {row.token for row in rows.of(None)} == {row.token for row in rows.all() if row.application is None}


def test_what_is_not_there_is_proven_not_to_be(rows, zoom, registry):
    """Any other name has no row, and the present says so, also where its place in the present is taken by another."""
    names = [registry._ledger.name_tag(None, f"Zoom {number}") for number in range(50)]
    assert [rows.by_tag(tag) for tag in names] == [rows.found(tag) for tag in names] == [None] * 50
    assert rows.by_id("7" * 32) is None


@pytest.mark.parametrize("column", COLUMNS)
def test_no_column_of_a_row_is_another(rows, zoom, path, column):
    """Whatever is changed of a row, it is the current one no more, however it is looked for."""
    value = OTHERS.get(column, 99)
    tamper(path, f"UPDATE tokens SET {column} = ? WHERE token_id = ?", parameters=(value, zoom.token))
    for read in reads(rows, zoom):
        with pytest.raises(IntegrityError, match=f"^the current row of the token {zoom.token}: {NOT_CURRENT}"):
            read()
    with pytest.raises(IntegrityError, match=r"^the current rows are not the ones committed"):
        list(rows.all())


@pytest.mark.parametrize(
    "change", ["UPDATE data_keys SET wrapped = CAST(x'01' || wrapped AS BLOB)", "DELETE FROM data_keys"]
)
def test_the_wrapped_key_is_part_of_the_row(rows, zoom, path, change):
    """The data key lies in a table apart, and is vouched for with the row."""
    tamper(path, change)
    for read in reads(rows, zoom):
        with pytest.raises(IntegrityError, match=NOT_CURRENT):
            read()
    with pytest.raises(IntegrityError, match="the current rows are not the ones committed"):
        list(rows.all())


def test_a_hidden_row_is_missed_by_its_name(rows, zoom, path):
    """Where the row was taken away, nobody is told that the name is free."""
    tamper(path, "DELETE FROM tokens WHERE token_id = ?", parameters=(zoom.token,))
    with pytest.raises(IntegrityError, match=f"^{MISSING}"):
        rows.by_tag(zoom.name_tag)
    with pytest.raises(IntegrityError, match=r"^the current rows are not the ones committed"):
        list(rows.all())


def test_a_row_under_another_name_is_not_that_names(rows, zoom, path):
    """A row that was moved to a name that has none is found under neither."""
    tag = bytes(32)
    tamper(path, "UPDATE tokens SET name_tag = ? WHERE token_id = ?", parameters=(tag, zoom.token))
    for read in (lambda: rows.by_tag(tag), lambda: rows.found(tag), lambda: rows.by_id(zoom.token)):
        with pytest.raises(IntegrityError, match="the row belongs to no current token"):
            read()
    with pytest.raises(IntegrityError, match=MISSING):
        rows.by_tag(zoom.name_tag)


@pytest.mark.sqlite
def test_a_row_more_is_noticed(rows, zoom, path):
    """A planted row is nobody's, under its own name and among all."""
    columns = "application_id, x'{}', version, revision, box_revision, position, card, box, plain, fingerprints".format(
        "7" * 64
    )
    tamper(path, f"INSERT INTO tokens SELECT '{'7' * 32}', {columns} FROM tokens LIMIT 1")
    for read in (lambda: rows.by_id("7" * 32), lambda: rows.by_tag(bytes.fromhex("7" * 64))):
        with pytest.raises(IntegrityError, match="the row belongs to no current token"):
            read()
    with pytest.raises(IntegrityError, match="the current rows are not the ones committed"):
        list(rows.all())


def test_all_rows_are_yielded_before_the_alarm(rows, zoom, path):
    """Whoever reads all of them learns at the end whether they were all; until then each is as it was stored."""
    tamper(path, "DELETE FROM tokens WHERE token_id = ?", parameters=(zoom.token,))
    found = rows.all()
    assert [next(found).token, next(found).token] == sorted(
        one for (one,) in query(path, "SELECT token_id FROM tokens")
    )
    with pytest.raises(IntegrityError):
        next(found)


@pytest.mark.parametrize(
    "damage", ["DELETE FROM present_units", "UPDATE present_units SET data = CAST(data || x'00' AS BLOB)"]
)
def test_units_that_lie_are_noticed(rows, zoom, registry, path, damage):
    """Without the units on the way, or with others, no row is believed, and no name is free."""
    tamper(path, damage)
    for number in range(3):
        with pytest.raises(IntegrityError, match=r"unit \d+ of the present (is missing|was changed)"):
            reads(fresh(registry), zoom)[number]()
    with pytest.raises(IntegrityError, match=r"unit \d+ of the present (is missing|was changed)"):
        fresh(registry).by_tag(bytes(32))
    assert zoom in list(rows.all())


def test_nodes_are_read_once_and_rows_each_time(rows, zoom, registry, path):
    """What was checked under a root is kept until the root is another; a row and its bucket are never kept."""
    tag = zoom.name_tag
    assert rows.by_tag(tag) == zoom
    tamper(path, "DELETE FROM present_units WHERE unit < 273")
    assert rows.by_tag(tag) == zoom
    tamper(path, "UPDATE tokens SET version = version + 1 WHERE token_id = ?", parameters=(zoom.token,))
    with pytest.raises(IntegrityError, match="the row is not the token's current one"):
        rows.by_tag(tag)
    tamper(path, "DELETE FROM present_units")
    with pytest.raises(IntegrityError, match=r"unit \d+ of the present is missing"):
        rows.by_tag(tag)


def test_every_unit_on_the_way_counts(rows, zoom, path, registry):
    """Each single unit that a look-up passes is compared with what its parent says."""
    store = registry._ledger.store
    way = store.units(present.units_of([zoom.name_tag]))
    assert len(way) == 4
    for unit, data in way.items():
        other = data[:-1] + bytes([data[-1] ^ 1])
        tamper(path, "UPDATE present_units SET data = ? WHERE unit = ?", parameters=(other, unit))
        with pytest.raises(IntegrityError, match=f"unit {unit} of the present was changed"):
            fresh(registry).by_tag(zoom.name_tag)
        tamper(path, "UPDATE present_units SET data = ? WHERE unit = ?", parameters=(data, unit))
    assert rows.by_tag(zoom.name_tag) == zoom


def test_the_whole_present_put_back_is_noticed(registry, rows, zoom, path):
    """Row, key and units of an older state fit together, and not under the newest root."""
    units = query(path, "SELECT unit, data FROM present_units")
    old = query(
        path,
        "SELECT card, box, version, revision, box_revision, position FROM tokens WHERE token_id = ?",
        (zoom.token,),
    )
    keys = query(path, "SELECT wrapped FROM data_keys WHERE token_id = ?", (zoom.token,))
    registry.tokens.edit("Zoom", edit(fields=fields("NEW")))
    columns = "card = ?, box = ?, version = ?, revision = ?, box_revision = ?, position = ?"
    tamper(path, f"UPDATE tokens SET {columns} WHERE token_id = ?", parameters=(*old[0], zoom.token))
    tamper(path, "UPDATE data_keys SET wrapped = ? WHERE token_id = ?", parameters=(*keys[0], zoom.token))
    tamper(path, "DELETE FROM present_units")
    for unit, data in units:
        tamper(path, "INSERT INTO present_units VALUES (?, ?)", parameters=(unit, data))
    for read in reads(rows, zoom):
        with pytest.raises(IntegrityError, match=r"unit \d+ of the present was changed"):
            read()
    with pytest.raises(IntegrityError, match="the current rows are not the ones committed"):
        list(rows.all())


def test_a_registry_without_tokens_has_no_rows(registry):
    """Before the first token, every name is proven to be free; a planted row belongs to nobody."""
    rows = registry._ledger.rows
    assert list(rows.all()) == []
    assert rows.by_tag(bytes(32)) is None
    assert list(CurrentRows(registry._ledger.store, Follower(bytes(32))).all()) == []


def test_a_name_that_only_seems_free_is_not_taken(registry, path, zoom):
    """Where a row was hidden its name cannot be given to another token, by adding, renaming or importing."""
    tamper(path, "DELETE FROM tokens WHERE token_id = ?", parameters=(zoom.token,))
    size = query(path, "SELECT COUNT(*) FROM stored_events")
    for take in (
        lambda: registry.tokens.add(token("Zoom")),
        lambda: registry.tokens.rename("Zoom Two", "Zoom"),
        lambda: registry.importing.run([token("Zoom")]),
    ):
        with pytest.raises(IntegrityError, match="a row is not there that should be"):
            take()
    assert query(path, "SELECT COUNT(*) FROM stored_events") == size


def test_untouched_names_are_taken_and_free_as_ever(registry, path):
    """Without tampering, a taken name is taken, a free one is free, and a removed token's is free again."""
    with pytest.raises(AlreadyExists):
        registry.tokens.add(token("Zoom"))
    registry.tokens.remove("Zoom")
    with pytest.raises(NotFound):
        registry.tokens.show("Zoom")
    assert registry.tokens.add(token("Zoom")).changed
    registry.tokens.rename("Zoom", "Three")
    assert registry.tokens.add(token("Zoom")).changed
