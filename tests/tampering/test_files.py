"""The campaign, continued: the tails of tables, the whole file, its header, and its triggers."""

import re
import sqlite3
from contextlib import closing, suppress

import pytest
from msgspec import structs

from registry import StoreUnreadable, TokenEdit
from registry.log import merkle
from registry.store import schema
from registry.store.raw import COLUMNS
from registry.store.sqlite import SQLitePlace
from tests.members.team import founded_team
from tests.tampering.scene import KEYS, Problem
from tests.tampering.statements import NUMBERED, deleted


def tail(scene, campaign, table, place):
    """Return what must, and what may, be said where all rows of a table from a place on are gone."""
    rows, size = scene.rows[table][place:], scene.size
    places = [campaign.place(table, row) for row in rows]
    kinds = campaign.kinds(table)
    if table == "commits":
        return {places[0]: {"unsigned"}}, {places[0]: {"pin", "commit"}}
    if table in NUMBERED:
        return {min(places): kinds}, dict.fromkeys(range(size + 1), kinds)
    return dict.fromkeys(places, kinds), {}


@pytest.mark.parametrize("table", COLUMNS)
def test_a_table_without_its_end_is_noticed(scene, campaign, table):
    """However many rows are missing at a table's end, it is said where they begin, and nothing else is."""
    wrong = []
    for place, row in enumerate(scene.rows[table]):
        expected, also = tail(scene, campaign, table, place)
        log = table in ("stored_events", "commits")
        change = campaign.change(table, row, [deleted(table, gone) for gone in scene.rows[table][place:]], "and on")
        assert scene.tamper(change.statements)
        wrong += filter(None, [structs.replace(change, expected=expected, also=also).wrong(scene.found())])
        wrong += [
            known for known in (scene.new, scene.early, scene.late) if log and scene.opens("alice", known["alice"])
        ]
    assert wrong == []


def test_a_log_without_its_end_is_noticed_by_who_has_seen_it(scene):
    """Events, commits and nodes that end together make a shorter log, and rows that it does not vouch for."""
    for made in scene.rows["commits"][:-1]:
        number, size = made["number"], made["size"]
        nodes = merkle.nodes_in(size)
        cuts = [("stored_events", "position", size), ("commits", "number", number + 1), ("log_nodes", "number", nodes)]
        assert scene.tamper([(f"DELETE FROM {table} WHERE {key} >= ?", (end,)) for table, key, end in cuts])
        found = scene.found()
        assert Problem(size, "pin") in found, number
        # What the rows follow is gone: they are as late as they were.
        assert {problem.kind for problem in found} <= {"pin", "row", "data-key", "present"}, number
        assert not scene.opens("alice", scene.late["alice"])
        # Who has not seen so much does not see this way that something is missing.
        sees = number >= scene.early["alice"].commit
        assert opens_shorter(scene, scene.early["alice"]) == sees


def opens_shorter(scene, pin):
    """Return whether a store opens that is shorter than it was."""
    try:
        return scene.opens("alice", pin)
    except AssertionError:
        return True


@pytest.mark.parametrize("moment", [0, 1, 2])
def test_an_older_backup_is_noticed_by_who_has_seen_more(scene, moment):
    """A store that was put back whole is right in itself, and shorter than what a machine has seen."""
    scene.restore(scene.backups[moment])
    with closing(sqlite3.connect(scene.team.store)) as connection:
        ((size,),) = connection.execute("SELECT COUNT(*) FROM stored_events")
    assert scene.found() == [Problem(size, "pin")]
    assert scene.found(pin=scene.new["alice"]) == []
    assert not scene.opens("alice", scene.late["alice"])
    assert scene.resolved(0) is None


def test_a_backup_that_went_on_otherwise_is_noticed(scene, tmp_path):
    """A store in which other things happened since, as many and rightly signed, is another than a machine has seen."""
    other = scene.team.copy(tmp_path / "other")
    other.store.write_bytes(scene.backups[0])
    for name, pin in scene.early.items():
        other.pins(name).put(structs.replace(pin, url=SQLitePlace(other.store).url))
    with other.open("alice") as registry:
        while registry._ledger.head.number < scene.late["alice"].commit + 2:
            number = registry._ledger.head.number
            registry.tokens.edit("Mail", TokenEdit(fields={}, description=f"otherwise {number}"))
        size = registry._ledger.head.size
    scene.restore(other.backup().read_bytes())
    assert scene.found() == [Problem(size, "pin")]
    assert scene.found(pin=scene.early["alice"]) == []
    assert not scene.opens("alice", scene.late["alice"])
    assert scene.resolved(0) is None


def test_another_registry_in_the_place_is_noticed(scene, tmp_path):
    """A registry that others founded is not this one, whatever is in it and however little a machine has seen."""
    strangers = founded_team(tmp_path / "strangers")
    size = strangers.pin("alice").size
    scene.restore(strangers.backup().read_bytes())
    for pins in (scene.new, scene.early, scene.late):
        found = scene.found(pin=pins["alice"])
        assert Problem(0, "event") in found
        assert Problem(size, "pin") in found or pins is scene.new
        assert not scene.opens("alice", pins["alice"])
    assert scene.resolved(0) is None


# The schema and the header


def changes_of_the_schema():
    """Yield what somebody can do to each trigger and index, and to each table."""
    for statement in schema.triggers():
        name = re.search(r"TRIGGER (\w+)", statement)[1]
        yield f"DROP TRIGGER {name}"
        yield f"DROP TRIGGER {name}; {statement.replace('SELECT RAISE', 'SELECT 1; SELECT RAISE', 1)}"
        yield f"DROP TRIGGER {name}; {statement.partition('BEGIN')[0]}BEGIN SELECT 1; END"
        yield f"DROP TRIGGER {name}; {statement.replace(name, name + 'd', 1)}"
    for table in COLUMNS:
        for event in ("INSERT", "UPDATE", "DELETE"):
            yield f"CREATE TRIGGER keeper AFTER {event} ON {table} BEGIN SELECT 1; END"
        yield f"CREATE INDEX more ON {table} ({COLUMNS[table][0]})"
        yield f"ALTER TABLE {table} ADD COLUMN more"
    yield "DROP INDEX tokens_by_application"
    yield "CREATE VIEW more AS SELECT 1"
    yield "CREATE TABLE more (x)"


def test_a_changed_schema_is_noticed_by_all(scene):
    """A trigger that is missing, another or too many is found, as everything is that is no part of a registry."""
    changes = list(changes_of_the_schema())
    for change in changes:
        scene.restore()
        with closing(sqlite3.connect(scene.team.store)) as connection:
            connection.executescript(change)
        assert set(scene.found()) == {Problem(scene.size, "schema")}, change
        assert not any(scene.opens("alice", pins["alice"]) for pins in (scene.new, scene.early, scene.late)), change
        assert scene.resolved(0) is None, change
    assert len(changes) == 4 * 9 + 5 * len(COLUMNS) + 3


@pytest.mark.parametrize("word", ["application_id", "user_version"])
def test_another_header_is_noticed_by_all(scene, word):
    """Each bit of what the file says it is counts."""
    for bit in range(32):
        scene.restore()
        with closing(sqlite3.connect(scene.team.store)) as connection:
            ((value,),) = connection.execute(f"PRAGMA {word}")
            flipped = value ^ 1 << bit
            connection.execute(f"PRAGMA {word} = {flipped - 2**32 if flipped >= 2**31 else flipped}")
        assert scene.found() == [Problem(scene.size, "schema")], bit
        assert not any(scene.opens("alice", pins["alice"]) for pins in (scene.new, scene.early, scene.late)), bit


def test_a_damaged_beginning_of_the_file_misleads_nobody(scene):
    """Whatever byte of SQLite's own header is changed, everybody sees what was committed or an error of ours."""
    for place in range(100):
        whole = bytearray(scene.whole)
        whole[place] ^= 1 << place % 8
        scene.restore(bytes(whole))
        found = []
        with suppress(StoreUnreadable):  # it is no database any more
            found = scene.found()
        assert {problem.kind for problem in found} <= {"schema"}, (place, found)
        scene.opens("alice", scene.late["alice"])
        assert scene.resolved(0) in (None, scene.honest[0]), place


def test_the_keys_of_rows_are_those_of_the_schema(scene):
    """The campaign tells rows apart by what the tables do, and leaves out no table and no column that is signed."""
    with closing(sqlite3.connect(scene.team.store)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        columns = {name: {row[1] for row in connection.execute(f"PRAGMA table_info({name})")} for name in tables}
    assert columns.pop("instance") == {"id"}
    assert columns == {table: set(names) for table, names in COLUMNS.items()}
    assert set(KEYS) == set(columns)
    assert all(scene.rows.values())
