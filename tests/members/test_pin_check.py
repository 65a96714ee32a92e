"""Comparing a log with a checkpoint that somebody else has seen: the verified head decides, and nothing beside it."""

import sqlite3
from contextlib import closing

import pytest
from msgspec import structs

from registry import IntegrityError, InvalidValue, join, load_settings, open_rolled_back
from registry.log import checkpoint, merkle
from registry.service import rollback
from registry.store.following import Follower
from tests.members.test_rollback import KEPT, accept, edit
from tests.tampering.forger import Forger, Made

NODES = "INSERT OR REPLACE INTO log_nodes VALUES (?, ?)"
ANOTHER = r"^commit \d+ is not the one that somebody has seen|^the log cannot show that it goes through commit \d+: "


def rows_of(copy, statement, *parameters):
    """Return rows of a copy of the store."""
    with closing(sqlite3.connect(copy)) as connection:
        return connection.execute(statement, parameters).fetchall()


def check(team, name, signed):
    """Return the commit of a checkpoint that a member's log goes through."""
    return team.do(name, lambda r: r.log.check(signed).commit)


def refused(team, name, signed, what=ANOTHER):
    """Check that a member's log does not go through a checkpoint, and that both are shown."""
    with pytest.raises(IntegrityError, match=what) as caught:
        check(team, name, signed)
    own = team.pin(name).seen.checkpoint.text()
    assert caught.value.detail == f"somebody has seen:\n{signed.decode()}\nthe store holds:\n{own}"


@pytest.fixture
def seen(team):
    """Return a function that gives the checkpoint which a member's machine has seen, as it is mailed."""
    return lambda name: team.pin(name).seen.text().encode()


def test_every_checkpoint_of_a_log_is_one_that_it_goes_through(team):
    """From the founding on, whatever its authors became since, and whatever came after it."""
    forger = team.forger()
    names = {team.ids[name]: name for name in team.ids}
    made = [*forger.commits()]
    team.do("pay", lambda r: r.resolve("Mail"))
    edit(team, "carol")
    made += forger.commits()[len(made) :]
    team.do("alice", lambda r: r.members.change_role("carol", "auditor"))
    team.do("alice", lambda r: r.members.remove("pay"))
    for commit in made:
        identity = team.identity(names[commit.author])
        point = checkpoint.Checkpoint.parse(forger.text(commit).decode())
        signed = checkpoint.restored(point, commit.author, identity.public.keys.signing, commit.signature).encode()
        for name in ("alice", "bob"):
            assert check(team, name, signed) == commit.number


@pytest.fixture
def fork(team, seen):
    """Return a checkpoint of one history, and a copy of it, of a team whose store holds another."""
    before = team.backup()
    edit(team, key="A1")
    edit(team, key="A2")
    signed, copy = seen("alice"), team.backup()
    team.restore(before)
    for number in range(3):
        edit(team, "carol", key=f"B{number}")
    team.open("bob").close()
    return signed, copy


@pytest.mark.parametrize("planted", ["nothing", "the commit", "and its nodes", "and its events"])
def test_rows_put_under_another_log_prove_nothing(team, fork, planted):
    """Whoever holds the database can put the commit, the nodes and the events of one history into another."""
    signed, copy = fork
    point = team.pin("alice").seen.checkpoint
    if planted != "nothing":
        team.hand.put_commit(Made(*rows_of(copy, "SELECT * FROM commits WHERE number = ?", point.commit)[0]))
    if planted in ("and its nodes", "and its events"):
        for place in merkle.complete_subtrees(point.size):
            number = merkle.node_number(*place)
            team.sql(NODES, rows_of(copy, "SELECT * FROM log_nodes WHERE number = ?", number)[0])
    if planted == "and its events":
        (row,) = rows_of(copy, "SELECT * FROM stored_events WHERE position = ?", point.size - 1)
        team.sql("DELETE FROM stored_events WHERE position = ?", (point.size - 1,))
        team.sql("INSERT INTO stored_events VALUES (?, ?, ?, ?, ?, ?)", row)
    refused(team, "bob", signed)


def test_a_checkpoint_of_another_author_or_number_over_the_same_events_is_none(team, seen):
    """The leaves say which commit ends there, and whose it was: a member cannot sign for what it did not do."""
    forger, carol = team.forger(), team.identity("carol")
    team.open("bob").close()
    made = forger.commit(-3)
    point = checkpoint.Checkpoint.parse(forger.text(made).decode())
    for parts in ({}, {"commit": made.number - 1}, {"commit": made.number + 1}, {"present": bytes(32)}):
        forged = structs.replace(point, **parts)
        signed = checkpoint.sign(forged, team.ids["carol"], carol.public.keys.signing, carol.sign)
        columns = {"number": forged.commit, "present": forged.present, "author": team.ids["carol"]}
        former = forger.commit(forged.commit)
        forger.put_commit(structs.replace(made, **columns, signature=signed.signatures[0].value))
        refused(team, "bob", signed.encode())
        forger.put_commit(former)
    assert check(team, "bob", seen("alice")) == KEPT


def test_a_checkpoint_in_the_middle_of_a_commit_is_none(team):
    """An author who signs for a part of its commit has signed for something that was never there."""
    team.do("alice", lambda r: r.applications.remove("Survey"))
    forger, alice = team.forger(), team.identity("alice")
    last = forger.commit(-1)
    assert last.size - forger.commit(-2).size > 1
    edit(team)
    team.open("bob").close()
    nodes = dict(team.sql("SELECT number, hash FROM log_nodes"))
    root = merkle.root_at(lambda level, index: nodes[merkle.node_number(level, index)], last.size - 1)
    point = checkpoint.Checkpoint.parse(forger.text(last).decode())
    cut = structs.replace(point, size=last.size - 1, root=root)
    signed = checkpoint.sign(cut, team.ids["alice"], alice.public.keys.signing, alice.sign)
    columns = {"size": cut.size, "root": root, "signature": signed.signatures[0].value}
    forger.put_commit(structs.replace(last, **columns))
    refused(team, "bob", signed.encode())


def test_a_newer_checkpoint_than_the_log_has_is_shown(team, seen):
    """Somebody has seen more: the store may have been cut."""
    before = team.backup()
    edit(team)
    signed = seen("alice")
    team.restore(before)
    refused(team, "bob", signed, rf"^the log ends at commit {KEPT}; somebody has seen commit {KEPT + 1}$")


def made_up(team, point, name="carol", **parts):
    """Return a checkpoint that somebody made up."""
    identity = team.identity(name)
    forged = structs.replace(point, **parts)
    return checkpoint.sign(forged, team.ids[name], identity.public.keys.signing, identity.sign).encode()


NOBODY = "^no member of that moment vouches for this checkpoint$"


@pytest.mark.parametrize("leaves", ["removed", "renewed"])
def test_who_is_no_member_any_more_makes_nothing_up(team, leaves):
    """Its old key vouches for what came before it left, and for no commit behind that, there or not."""
    before = team.pin("alice").seen.checkpoint
    assert check(team, "bob", made_up(team, before, "alice")) == KEPT
    old = made_up(team, before)
    if leaves == "removed":
        team.do("alice", lambda r: r.members.remove("carol"))
    else:
        team.do("alice", lambda r: r.members.renew("carol", team.identity("form").generate("carol").public))
    edit(team)
    after = team.pin("alice").seen.checkpoint
    refused(team, "bob", old)  # a member of that moment, and not the author
    for parts in (
        {"commit": 2**62, "size": 2**62},
        {"commit": after.commit + 1, "size": after.size + 1},
        {"root": bytes(32)},
        {"roster_length": before.roster_length},
        {"roster_head": before.roster_head},
        {"roster_length": 2**62, "roster_head": bytes(32)},
    ):
        with pytest.raises(IntegrityError, match=NOBODY):
            check(team, "bob", made_up(team, after, **parts))


def test_a_fork_whose_roster_is_another_is_told_from_what_was_made_up(team, seen):
    """What a member of now has signed is an alarm, although this log never had that roster."""
    before = team.backup()
    team.do("carol", lambda r: r.members.remove("form"))
    signed = seen("carol")
    team.restore(before)
    for number in range(3):
        edit(team, key=f"B{number}")
    team.open("bob").close()
    refused(team, "bob", signed)


def test_a_removed_members_word_gives_nothing_up(team):
    """What is lost is named by a member of what was put back, or by one that this machine knew."""
    before = team.backup()
    team.do("alice", lambda r: r.members.remove("carol"))
    point = team.pin("alice").seen.checkpoint
    more = {"commit": point.commit + 2, "size": point.size + 2}
    with pytest.raises(IntegrityError, match=NOBODY):
        accept(team, "alice", lost=made_up(team, point, **more))
    team.admit("dave", "auditor")
    edit(team)
    lost = made_up(team, team.pin("alice").seen.checkpoint, "dave", **more)
    team.restore(before)
    accept(team, "alice", lost=lost)  # dave is none in the backup; alice's machine knows better


@pytest.mark.parametrize(
    "parts",
    [
        {"commit": 2**62, "size": 2**62 + 1},
        {"commit": KEPT + 1_000_001, "size": KEPT + 1_000_002},
        {"commit": KEPT + 5, "size": KEPT + 5},
        {"commit": KEPT + 5, "size": KEPT + 6, "roster_length": KEPT + 7},
    ],
    ids=["a huge number", "too many", "fewer events than commits", "more of the roster than events"],
)
def test_what_is_lost_is_something_that_can_have_been(team, parts):
    """A checkpoint of more commits than anybody makes, or of fewer events than commits, gives up nothing."""
    point = team.pin("alice").seen.checkpoint
    with pytest.raises(InvalidValue, match="names commits that cannot have been made"):
        accept(team, "alice", lost=made_up(team, point, **parts))
    accept(team, "alice", lost=made_up(team, point, commit=KEPT + 1_000_000, size=KEPT + 1_000_001))


def test_what_is_kept_is_read_at_the_moment_that_was_verified(team, monkeypatch):
    """A commit's row that is exchanged between following the log and reading it is not what the admin accepts."""
    copy = team.backup()
    edit(team, key="lost")
    edit(team, key="lost-too")
    team.restore(copy)
    edit(team, "carol", key="meanwhile")
    root = team.forger().commit(KEPT).root

    class Disturbed(Follower):
        def advance(self, store):
            found = super().advance(store)
            team.sql("UPDATE commits SET root = ? WHERE number = ?", (bytes(32), KEPT))
            return found

    monkeypatch.setattr(rollback, "Follower", Disturbed)
    with open_rolled_back(team.settings("alice"), surroundings=team.around, kept=KEPT) as rolled_back:
        assert rolled_back.kept.root == root != bytes(32)


@pytest.mark.parametrize("planted", [False, True], ids=["as it is", "with the commit that was seen"])
def test_joining_elsewhere_is_compared_with_what_the_machine_has_seen(team, planted):
    """One row of the history that was seen, put into another, does not make that one the same."""
    before = team.backup()
    edit(team, "carol", key="B1")
    team.open("bob").close()
    seen = team.pin("bob")
    row = team.forger().commit(seen.commit)
    team.restore(before)
    edit(team, key="A1")
    edit(team, key="A2")
    invitation = team.do("alice", lambda r: r._ledger.invitation())
    known = team.pins("bob").of_registry(seen.registry_id)
    moved = team.root / "elsewhere.db"
    team.hand.copy(moved)
    if planted:
        Forger(moved, seen.registry_id).put_commit(row)
    settings = load_settings({"home": str(team.root / "bob"), "url": f"sqlite:///{moved}"}, {})
    with pytest.raises(IntegrityError):
        join(settings, invitation=invitation, surroundings=team.around)
    assert team.pins("bob").of_registry(seen.registry_id) == known


def test_joining_elsewhere_goes_on_from_what_the_machine_has_seen(team):
    """The same history at another place is joined, however far it has come."""
    seen = team.pin("bob")
    edit(team)
    moved = team.root / "elsewhere.db"
    team.hand.copy(moved)
    settings = load_settings({"home": str(team.root / "bob"), "url": f"sqlite:///{moved}"}, {})
    assert join(settings, registry_id=seen.registry_id.hex(), surroundings=team.around).member.member == "bob"
