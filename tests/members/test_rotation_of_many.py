"""Rotation with many live tokens: one commit, which happens wholly or not at all, and rewrites no history."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from registry import NewToken
from registry.service.safe import Safe
from registry.store.sqlite import SQLiteStore
from tests.members.team import TOKENS, fields, secret_of

EACH = 150
APPENDED = ("stored_events", "commits", "log_nodes")
TABLES = (*APPENDED, "present_units", "tokens", "data_keys")
ROOT = Path(__file__).resolve().parents[2]
KILLED = """
import os, signal, sys
from pathlib import Path
from registry.store import recorder, sqlite
from tests.members.team import Team

point = sys.argv[2]

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def progress(done, of):
    if point.isdigit() and done == int(point):
        die()

def after(write):
    def write_and_die(*arguments):
        write(*arguments)
        die()
    return write_and_die

if point == "the log written":
    recorder.write_log = after(recorder.write_log)
if point == "before the commit":
    recorder.write_rows = after(recorder.write_rows)
if point == "after the commit":
    sqlite.SQLiteStore.shred = die
with Team(Path(sys.argv[1])).open("alice") as registry:
    registry.members.remove("till", progress=progress)
"""


def imported(app):
    """Return the tokens of a scope."""
    return [
        NewToken(name=f"Token {number}", application=app, provider="zoom", fields=fields(f"{app}-{number}"))
        for number in range(EACH)
    ]


@pytest.fixture(scope="module")
def crowd_once(founded_once, tmp_path_factory):
    """Return a team with 300 tokens more; no test changes it."""
    crowd = founded_once.copy(tmp_path_factory.mktemp("crowd") / "team")
    crowd.do("alice", lambda r: r.importing.run([*imported(None), *imported("Payroll")]))
    return crowd


@pytest.fixture
def crowd(crowd_once, tmp_path):
    """Return a team of this test's own, with 300 tokens more."""
    return crowd_once.copy(tmp_path / "crowd")


def contents(team):
    """Return everything that the store holds, table by table."""
    return {table: team.sql(f"SELECT * FROM {table} ORDER BY 1, 2") for table in TABLES}


def all_open(team, member):
    """Check that a member of Payroll opens every token of the crowd."""
    with team.open(member) as registry:
        assert registry.resolve("Token 7")["api_key"].reveal() == "Payroll-7"
        ledger = registry._ledger
        safe = Safe(ledger)
        opened = {
            safe.open(row).fields["api_key"].reveal()
            for app in (None, ledger.member.application)
            for row in ledger.rows.of(app)
        }
    expected = {f"{app}-{number}" for app in (None, "Payroll") for number in range(EACH)}
    expected |= {secret_of(name, app) for name, app in TOKENS if app != "Survey"}
    assert opened == expected


def test_many_tokens_are_wrapped_anew_in_one_commit(crowd):
    """A removal re-wraps every token that the member could open, tells its progress, and rewrites no event."""
    before, calls = contents(crowd), []
    departure = crowd.do("alice", lambda r: r.members.remove("till", progress=lambda *call: calls.append(call)))
    now, many = contents(crowd), 2 * EACH + 4
    assert calls == [(done, many) for done in range(1, many + 1)]
    assert len(departure.exposed) == many
    for table in APPENDED:
        assert set(before[table]) < set(now[table])
    for table in ("stored_events", "commits"):
        assert len(now[table]) == len(before[table]) + 1
    assert len(set(now["data_keys"]) - set(before["data_keys"])) == many
    assert {row[0]: row[9] for row in now["tokens"]} == {row[0]: row[9] for row in before["tokens"]}
    all_open(crowd, "pay")


def test_a_wrapped_key_that_was_replaced_is_in_no_file(crowd):
    """After the rotation, the bytes of the former wrapped keys are gone from the store's files."""
    former = [wrapped for _, wrapped in crowd.sql("SELECT * FROM data_keys")]
    crowd.do("alice", lambda r: r.members.rotate())
    files = b"".join(path.read_bytes() for path in crowd.store.parent.iterdir())
    assert not [wrapped for wrapped in former if wrapped in files]


POINTS = ["1", str(EACH), str(2 * EACH + 4), "the log written", "before the commit", "after the commit"]


@pytest.mark.parametrize("point", POINTS)
def test_killed_half_way_the_registry_is_as_before(crowd, point):
    """A rotation that is killed at any point has happened not at all, or, once committed, wholly."""
    before = contents(crowd)
    command = [sys.executable, "-c", KILLED, str(crowd.root), point]
    assert subprocess.run(command, check=False, cwd=ROOT, capture_output=True).returncode == -signal.SIGKILL
    done = contents(crowd) != before
    assert done == (point == "after the commit")
    all_open(crowd, "pay")
    names = {member.name for member in crowd.do("bob", lambda r: r.members.list())}
    assert ("till" in names) == (not done)
    assert not SQLiteStore.open(crowd.store).shred_pending()
    crowd.do("alice", lambda r: r.members.rotate())
    all_open(crowd, "pay")
