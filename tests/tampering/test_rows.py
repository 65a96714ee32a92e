"""The campaign: every row of every table, changed in every way, and who notices.

Each test does one thing to all rows of one table. Whatever was done, ``verify`` names the right position under the
right kind and nothing else, opening and resolving end in what was committed or in an error of the registry, and where
the documentation says that they notice it, they do.
"""

import re
from datetime import datetime, timedelta

import pytest

from registry import IntegrityError
from registry.store.raw import COLUMNS
from registry.store.topics import ROSTER_TOPICS
from registry.values import rfc3339
from tests.project.sources import DOCS as PAGES
from tests.tampering.scene import USED, Problem
from tests.tampering.statements import NUMBERED, swapped, updated

DOCS = PAGES / "verification.md"

OPERATIONS = ("flips", "others", "deletions", "duplicates", "exchanges", "renumberings", "older")
CASES = [(table, done) for done in OPERATIONS for table in COLUMNS if done != "renumberings" or table in NUMBERED]


LOG = ("stored_events", "commits", "log_nodes")


def opened_wrongly(scene, change, known):
    """Say so if a machine opens a changed log although it must notice, or sees another than there was."""
    pin = known["alice"]
    if scene.opens("alice", pin) and change.position is not None and change.position >= pin.size:
        yield f"{change.row}: opened by a machine that has seen {pin.size} events"


def resolved_wrongly(scene, table, change):
    """Return who resolves, on a machine that has seen all, what is not there, or is refused without a reason."""
    opens = change.position is None or change.position < scene.size
    for use in range(1 if table in LOG else len(USED)):
        answer, honest = scene.resolved(use), scene.honest[use]
        if not opens or scene.token_of(use) in change.tokens or scene.reads[use] & change.units:
            right = answer is None
        else:
            right = answer == honest or (answer is None and (table in LOG or scene.reads[use] & change.beside))
        if not right:
            yield f"{change.row}: {USED[use]} resolves to {answer}"


def misled(scene, table, change, turn):
    """Say who is misled by a change.

    Who is shown a changed log is in turn a machine that knows the registry's id alone, one that has seen the beginning,
    and one that has seen all of it and resolves. What is no part of the log is read by who resolves.
    """
    # An event has six columns: without the second part each column would meet the same machine in every row.
    known = {0: scene.new, 1: scene.early}.get((turn + turn // 6) % 3) if table in LOG else None
    return resolved_wrongly(scene, table, change) if known is None else opened_wrongly(scene, change, known)


@pytest.mark.parametrize(("table", "done"), CASES)
def test_every_change_of_every_row_is_noticed(scene, campaign, table, done):
    """Whatever is done to whatever row is found where it is, and misleads nobody who opens or resolves."""
    wrong, cases = [], 0
    for change in getattr(campaign, done)(table):
        assert scene.tamper(change.statements), change.row
        cases += 1
        wrong += filter(None, [change.wrong(scene.found())])
        wrong += misled(scene, table, change, cases)
    assert wrong == []
    assert cases


def test_what_a_machine_has_pinned_is_compared(scene, campaign):
    """Of the commit that a machine has pinned everything must be as it was, who signed it and when as well."""
    for known in ("early", "late"):
        pin = getattr(scene, known)["alice"]
        row = scene.rows["commits"][pin.commit]
        for column in COLUMNS["commits"]:
            assert scene.tamper([updated("commits", row, **{column: campaign.flipped("commits", row, column)})])
            assert not scene.opens("alice", pin), (known, column)


def test_a_receipt_names_the_event_in_the_log(scene):
    """Two versions of a token's stream that were exchanged lead nobody to the position of another event."""
    for use in range(len(USED)):
        events = [e for e in scene.rows["stored_events"] if e["originator_id"] == scene.token_of(use)]
        assert scene.tamper(swapped("stored_events", events[0], events[-1], "originator_version"))
        assert scene.resolved(use) == scene.honest[use], USED[use]


@pytest.mark.parametrize("name", ["bob", "pay"])
@pytest.mark.parametrize("table", ["tokens", "data_keys", "present_units"])
def test_who_lacks_keys_finds_what_is_not_present(scene, campaign, table, name):
    """Whoever cannot open a row sees by the present alone that it is not the one committed, at the same position."""
    for change in (*campaign.flips(table), *campaign.older(table), *campaign.deletions(table)):
        assert scene.tamper(change.statements)
        found = scene.found(name)
        assert {problem.position for problem in found} == set(change.expected), change.row
        assert {problem.kind for problem in found} <= {"row", "data-key", "present"}, change.row


@pytest.mark.parametrize("minutes", [-30, -1, 1, 9, 60])
def test_nobody_commits_behind_a_time_that_was_changed(scene, minutes):
    """The pinned commit's time is pinned: nobody is led to one that does not follow once the former is put back."""
    newest = scene.rows["commits"][-1]
    moved = rfc3339(datetime.fromisoformat(newest["at"]) + timedelta(minutes=minutes))
    assert scene.tamper([updated("commits", newest, at=moved)])
    scene.pinned("alice", scene.late["alice"])
    with pytest.raises(IntegrityError, match="is not the one that this machine has seen"):
        scene.team.open("alice")
    assert scene.found() == [Problem(scene.start(newest["number"]), "commit")]


def test_the_roster_is_compared_by_all(scene, campaign):
    """What the events of the roster say, and in which order, is read by everybody whenever the registry is opened."""
    for row in scene.rows["stored_events"]:
        for column in SAID if row["topic"] in ROSTER_TOPICS else ():
            value = campaign.flipped("stored_events", row, column)
            assert scene.tamper([updated("stored_events", row, **{column: value})])
            assert not any(scene.opens("alice", pins["alice"]) for pins in (scene.new, scene.early, scene.late)), row


SAID = ("originator_id", "originator_version", "topic", "state")
SAID_OF = {
    "stored_events": "an event",
    "commits": "a commit",
    "log_nodes": "a node",
    "present_units": "a unit",
    "tokens": "a current row",
    "data_keys": "a data key",
}


@pytest.mark.parametrize("table", COLUMNS)
def test_the_documentation_says_what_is_found(campaign, table):
    """The page on verification names, of each table, the kinds under which its rows must be found here."""
    lines = [line for line in DOCS.read_text("utf-8").splitlines() if line.startswith(f"| {SAID_OF[table]}")]
    assert lines
    told = {kind for line in lines for kind in re.findall(r"`([\w-]+)`", line.split("|")[4])}
    assert campaign.kinds(table) <= told


def test_untouched_nothing_is_noticed(scene):
    """Without tampering none of these tests would see anything."""
    assert all(scene.found(name) == [] for name in scene.late)
    assert all(scene.opens("alice", pins["alice"]) for pins in (scene.new, scene.early, scene.late))
    assert [scene.resolved(use) for use in range(len(USED))] == list(scene.honest.values())
    assert None not in scene.honest.values()
