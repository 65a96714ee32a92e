"""Rows changed by hand: each is found where it is, under one kind, and nothing else is reported for it."""

import pytest

from registry.log.merkle import complete_levels, node_number, nodes_in
from registry.verify.judging import leaf_of
from tests.verify.history import READERS, damage, found, last_of, query, size_of, start_of, verified

KEYED = ("alice", "bob")
EVENT_COLUMNS = {
    "originator_id": "'{}'".format("e" * 32),
    "originator_version": "originator_version + 100",
    "topic": "'token.tested'",
    "state": "substr(state, 1, length(state) - 1) || x'00'",
    "commit_number": "commit_number + 1",
}
COMMIT_COLUMNS = {
    "author": ("'{}'".format("e" * 32), "signature"),
    "at": ("'2027-01-31T12:00:00.5Z'", "commit"),
    "size": ("size + 1", "signature"),
    "root": ("zeroblob(32)", "signature"),
    "present": ("zeroblob(32)", "signature"),
    "roster_length": ("roster_length + 1", "signature"),
    "roster_head": ("zeroblob(32)", "signature"),
    "shredded": ("shredded + 1", "signature"),
    "signature": ("zeroblob(64)", "signature"),
}
ROW_COLUMNS = {
    "application_id": "'{}'".format("e" * 32),
    "name_tag": "zeroblob(32)",
    "version": "version + 1",
    "revision": "revision + 1",
    "box_revision": "box_revision - 1",
    "position": "position - 1",
    "card": "substr(card, 1, length(card) - 1) || x'00'",
    "box": "substr(box, 1, length(box) - 1) || x'00'",
    "plain": "x'7b7d'",
}


def token_of(team, name):
    """Return the id of a global token."""
    return team.do("alice", lambda r: r.tokens.show(name)).id


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("column", EVENT_COLUMNS)
@pytest.mark.parametrize("position", [0, 4, 9, 26, 44])
def test_a_changed_event_is_found(rich, name, column, position):
    """An event in which any column was changed is found at its position, whoever verifies."""
    damage(rich, f"UPDATE stored_events SET {column} = {EVENT_COLUMNS[column]} WHERE position = {position}")
    assert found(rich, name) == [(position, "event")]


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("position", [0, 4, 9, 26, 30, 44])
def test_a_missing_event_is_found(rich, name, position):
    """An event that was deleted is found, also where versions and rows no longer fit because of it."""
    damage(rich, f"DELETE FROM stored_events WHERE position = {position}")
    assert found(rich, name) == [(position, "event")]


def test_exchanged_events_are_found(rich):
    """Two events that changed places are both found."""
    damage(
        rich,
        "UPDATE stored_events SET position = 1000 WHERE position = 5",
        "UPDATE stored_events SET position = 5 WHERE position = 21",
        "UPDATE stored_events SET position = 21 WHERE position = 1000",
    )
    assert found(rich) == [(5, "event"), (21, "event")]


def test_one_bad_event_does_not_hide_the_next(rich):
    """Of several bad events each is reported, and nothing that follows from them."""
    damage(
        rich,
        "UPDATE stored_events SET state = x'00' WHERE position IN (20, 34)",
        "UPDATE stored_events SET topic = 'token.deleted' WHERE position = 29",
        "DELETE FROM stored_events WHERE position = 30",
    )
    assert found(rich) == [(20, "event"), (29, "event"), (30, "event"), (34, "event")]


def test_many_missing_events_are_one_problem(rich):
    """A long row of missing events is one problem, at the first of them, and needs no time for its length."""
    damage(rich, "DELETE FROM stored_events WHERE position >= 20")
    assert found(rich, "pay") == [(20, "event")]


@pytest.mark.parametrize(("beyond", "kind"), [(5, "unsigned"), (-1_000, "event")])
def test_an_event_that_was_moved_away_is_found(rich, beyond, kind):
    """An event with a position behind the log, or one that is none, is missing where it was, and too many there."""
    size = size_of(rich)
    damage(rich, f"UPDATE stored_events SET position = {size + beyond} WHERE position = 20")
    assert found(rich) == [(20, "event"), (max(size, size + beyond), kind)]


def test_an_event_that_nobody_committed_is_found(rich):
    """Events behind the last commit are reported as such."""
    size = size_of(rich)
    damage(
        rich, f"INSERT INTO stored_events SELECT originator_id, 99, topic, state, {size}, 1 FROM stored_events LIMIT 1"
    )
    assert found(rich) == [(size, "unsigned")]


@pytest.mark.parametrize("name", KEYED)
@pytest.mark.parametrize("column", COMMIT_COLUMNS)
@pytest.mark.parametrize("number", [0, 1, 20, 25, "last"])
def test_a_changed_commit_is_found(rich, name, column, number):
    """A commit in which any column was changed is found at its first event."""
    if number == "last":
        ((number,),) = query(rich, "SELECT MAX(number) FROM commits")
    value, kind = COMMIT_COLUMNS[column]
    damage(rich, f"UPDATE commits SET {column} = {value} WHERE number = {number}")
    assert found(rich, name) == [(start_of(rich, number), kind)]


@pytest.mark.parametrize("column", COMMIT_COLUMNS)
def test_a_commit_of_other_types_is_found(rich, column):
    """A commit with a column of another type is in no known format."""
    damage(rich, f"UPDATE commits SET {column} = x'ff' WHERE number = 20")
    assert found(rich) == [(start_of(rich, 20), "commit")]


def test_a_size_that_falls_behind_is_blamed_on_no_other(rich):
    """A commit whose size was put back to the one before is found, and the next one is blamed for nothing."""
    copy = rich.backup()
    for number in range(1, query(rich, "SELECT MAX(number) FROM commits")[0][0] + 1):
        rich.restore(copy)
        damage(rich, f"UPDATE commits SET size = {start_of(rich, number)} WHERE number = {number}")
        assert found(rich) == [(start_of(rich, number), "signature")], number


@pytest.mark.parametrize("number", [0, 2, 20])
def test_an_older_commit_under_a_newer_number_is_found(rich, number):
    """An older commit's row behind the newest is signed by nobody there, and the log ends where it did."""
    ((last,),) = query(rich, "SELECT MAX(number) FROM commits")
    damage(rich, f"UPDATE commits SET number = {last + 1} WHERE number = {number}")
    start = query(rich, f"SELECT MAX(size) FROM commits WHERE number < {number}")[0][0] or 0
    assert found(rich) == [(start, "commit"), (size_of(rich), "signature")]


@pytest.mark.parametrize("root", ["x''", "zeroblob(31)", "'text'"])
def test_a_present_that_is_no_hash_blames_no_unit(rich, root):
    """Where the newest commit names no root of the present, it alone is wrong, and not what it should vouch for."""
    ((last,),) = query(rich, "SELECT MAX(number) FROM commits")
    damage(rich, f"UPDATE commits SET present = {root} WHERE number = {last}")
    assert found(rich) == [(start_of(rich, last), "commit")]


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("number", [0, 3, 25])
def test_a_missing_commit_is_found(rich, name, number):
    """A commit that was deleted is found where its events begin."""
    damage(rich, f"DELETE FROM commits WHERE number = {number}")
    assert found(rich, name) == [(start_of(rich, number), "commit")]


def test_commits_that_were_cut_off_are_found(rich):
    """Without its newest commits the log is shorter than what was seen, and their events are signed by nobody."""
    ((last,),) = query(rich, "SELECT MAX(number) FROM commits")
    start = start_of(rich, last - 2)
    damage(rich, f"DELETE FROM commits WHERE number > {last - 3}")
    assert found(rich) == [(start, "pin"), (start, "unsigned")]
    rich.forget("alice")
    assert found(rich) == [(start, "unsigned")]


def test_an_author_who_was_exchanged_is_named(rich):
    """If another member's name stands in a commit, the message says that somebody else signed it."""
    (other,) = next(iter(query(rich, "SELECT author FROM commits WHERE author <> (SELECT author FROM commits)")))
    damage(rich, f"UPDATE commits SET author = '{other}' WHERE number = 20")
    (problem,) = verified(rich).problems
    assert (problem.position, problem.kind) == (start_of(rich, 20), "signature")
    assert "another author" in problem.message


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("place", [(0, 5), (1, 3), (2, 1), (4, 1)])
@pytest.mark.parametrize("change", ["UPDATE log_nodes SET hash = zeroblob(32)", "DELETE FROM log_nodes"])
def test_a_wrong_node_is_found(rich, name, place, change):
    """A node that is missing or another is found at the first event it covers, and no event is blamed."""
    level, index = place
    damage(rich, f"{change} WHERE number = {node_number(level, index)}")
    assert found(rich, name) == [(index << level, "node")]


def test_a_node_too_many_is_found(rich):
    """There is no node behind the last."""
    size = size_of(rich)
    damage(rich, f"INSERT INTO log_nodes VALUES ({nodes_in(size)}, zeroblob(32))")
    assert found(rich) == [(size, "node")]


def test_an_event_and_its_node_are_both_found(rich):
    """An event that was changed together with its stored leaf is found by the nodes above."""
    damage(
        rich,
        "UPDATE stored_events SET state = x'00' WHERE position = 20",
        f"UPDATE log_nodes SET hash = zeroblob(32) WHERE number = {node_number(0, 20)}",
    )
    assert found(rich) == [(20, "event"), (20, "node")]


def test_a_tree_that_was_made_anew_is_noticed(rich):
    """An event changed together with all nodes is found by its contents; who reads none knows from where on."""
    registry, forged = rich.pin("alice").registry_id, b"\x01forged" * 20
    authors = {number: (author, at) for number, author, at in query(rich, "SELECT number, author, at FROM commits")}
    columns = "position, commit_number, originator_id, originator_version, topic, state"
    rows = query(rich, f"SELECT {columns} FROM stored_events ORDER BY position")
    rows[20] = (*rows[20][:5], forged)
    damage(rich, "UPDATE stored_events SET state = ? WHERE position = 20", parameters=(forged,))
    for level, nodes in enumerate(complete_levels([leaf_of(registry, row, *authors[row[1]]) for row in rows])):
        for index, node in enumerate(nodes):
            damage(rich, "UPDATE log_nodes SET hash = ? WHERE number = ?", parameters=(node, node_number(level, index)))
    assert found(rich) == [(20, "event")]
    assert found(rich, "pay") == [(20, "event")]
    assert "the roots of commits behind position 20" in verified(rich).unchecked


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("column", ROW_COLUMNS)
def test_a_changed_row_is_found(rich, name, column):
    """A current row in which any column was changed is found at the token's last event."""
    token = token_of(rich, "Zoom")
    damage(rich, f"UPDATE tokens SET {column} = {ROW_COLUMNS[column]} WHERE token_id = '{token}'")
    assert found(rich, name) == [(last_of(rich, token), "row")]


@pytest.mark.parametrize("name", READERS)
def test_a_missing_row_is_found(rich, name):
    """A current row that was deleted is found at the token's last event."""
    token = token_of(rich, "Zoom")
    damage(rich, f"DELETE FROM tokens WHERE token_id = '{token}'")
    assert found(rich, name) == [(last_of(rich, token), "row")]


@pytest.mark.parametrize("name", READERS)
def test_a_row_of_no_token_is_found(rich, name):
    """A row without events belongs to no position."""
    new = "'{}', application_id, zeroblob(32), version, revision, box_revision, position, card, box, plain, x''".format(
        "e" * 32
    )
    damage(rich, f"INSERT INTO tokens SELECT {new} FROM tokens LIMIT 1")
    size = size_of(rich)
    assert found(rich, name) == [(size, "row")]


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(
    ("change", "where"),
    [
        ("UPDATE data_keys SET wrapped = substr(wrapped, 1, length(wrapped) - 1) || x'00'", "last"),
        ("UPDATE data_keys SET wrapped = 'x'", "last"),
        ("DELETE FROM data_keys", "last"),
    ],
)
def test_a_wrong_data_key_is_found(rich, name, change, where):
    """A data key that is missing or another is found at its token's last event, whoever holds a key or not."""
    token = token_of(rich, "Zoom")
    damage(rich, f"{change} WHERE token_id = '{token}'")
    assert found(rich, name) == [(last_of(rich, token), "data-key")]


@pytest.mark.parametrize("name", READERS)
def test_a_data_key_of_no_token_is_found(rich, name):
    """A data key that should have been destroyed with its token is found at the token's last event."""
    ((gone,),) = query(rich, "SELECT originator_id FROM stored_events WHERE topic = 'token.deleted' LIMIT 1")
    damage(rich, f"INSERT INTO data_keys SELECT '{gone}', wrapped FROM data_keys LIMIT 1")
    assert found(rich, name) == [(last_of(rich, gone), "data-key")]


@pytest.mark.parametrize("name", KEYED)
@pytest.mark.parametrize("value", ["x''", "substr(fingerprints, 17)", "fingerprints || fingerprints"])
def test_wrong_fingerprints_are_found(rich, name, value):
    """The fingerprints of a token are those that its events brought."""
    token = token_of(rich, "Mail")
    damage(rich, f"UPDATE tokens SET fingerprints = {value} WHERE token_id = '{token}'")
    assert found(rich, name) == [(last_of(rich, token), "row")]


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("change", ["UPDATE present_units SET data = zeroblob(34)", "DELETE FROM present_units"])
def test_a_wrong_unit_is_found(rich, name, change):
    """A unit of the present that is missing or another is found, and no row is blamed."""
    damage(rich, f"{change} WHERE unit = (SELECT MAX(unit) FROM present_units)")
    assert found(rich, name) == [(size_of(rich), "present")]


def test_a_unit_and_a_row_are_told_apart(rich):
    """A wrong unit beside a wrong row hides neither."""
    token = token_of(rich, "Zoom")
    damage(
        rich,
        f"UPDATE tokens SET name_tag = zeroblob(32) WHERE token_id = '{token}'",
        "UPDATE present_units SET data = x'00' WHERE unit = (SELECT MAX(unit) FROM present_units)",
    )
    assert found(rich) == [(last_of(rich, token), "row"), (size_of(rich), "present")]


def test_exchanged_rows_are_found(rich):
    """Whole rows of two tokens that were exchanged, boxes, cards and keys, are both found."""
    one, other = token_of(rich, "Zoom"), token_of(rich, "Mail")
    damage(
        rich,
        f"UPDATE tokens SET card = (SELECT card FROM tokens WHERE token_id = '{one}') WHERE token_id = '{other}'",
        f"UPDATE tokens SET box = (SELECT box FROM tokens WHERE token_id = '{other}') WHERE token_id = '{one}'",
    )
    assert found(rich) == sorted([(last_of(rich, one), "row"), (last_of(rich, other), "row")])


def test_a_log_put_back_is_noticed(rich):
    """An older copy of the store lacks what this machine has seen."""
    old = rich.backup()
    rich.do("alice", lambda r: r.tokens.remove("Open"))
    rich.restore(old)
    assert found(rich) == [(size_of(rich), "pin")]


def test_another_log_is_noticed(rich, rich_once, tmp_path):
    """A store that goes on in another way than this machine has seen holds another log."""
    other = rich_once.copy(tmp_path / "other")
    for team, name in ((rich, "Open"), (other, "Mail")):
        team.do("alice", lambda r, name=name: r.tokens.remove(name))
    rich.restore(other.backup())
    assert found(rich) == [(size_of(rich), "pin")]
