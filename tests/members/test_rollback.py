"""A restored backup: nobody goes back behind what it has seen, unless an admin whom its machine knows accepts that."""

import pytest
from msgspec import structs

from registry import IntegrityError, InvalidValue, NotPermitted, TokenEdit, open_rolled_back
from registry.domain.roster import LogPoint
from registry.domain.roster_events import RollbackAccepted
from tests.members.team import commit, facts, fields

KEPT = 13
"""The team's last commit."""
REFUSED = r"^the store (was cut or put back|holds another history)"


def edit(team, name="alice", key="new"):
    """Change Mail's credentials."""
    team.do(name, lambda r: r.tokens.edit("Mail", TokenEdit(fields=fields(key))))


def accept(team, name, *, reason="the disk broke", **how):
    """Accept on a member's machine that the store was put back."""
    with open_rolled_back(team.settings(name), surroundings=team.around, **how) as rolled_back:
        rolled_back.accept(reason=reason)


def refused(team, *names):
    """Check that machines refuse the store and show what they have seen."""
    for name in names:
        seen = team.pin(name)
        with pytest.raises(IntegrityError, match=REFUSED) as caught:
            team.open(name)
        assert seen.seen.text() in caught.value.detail
        assert team.pin(name) == seen


@pytest.fixture
def restored(team):
    """Return a team whose store was put back behind three commits, which alice, bob and pay have seen."""
    copy = team.backup()
    edit(team)
    team.do("pay", lambda r: r.resolve("Mail"))
    edit(team, key="newest")
    for name in ("alice", "bob", "pay"):
        team.do(name, lambda r: r.whoami())
    team.restore(copy)
    return team


def test_a_restored_backup_is_refused_until_an_admin_accepts_it(restored):
    """Who has seen what is lost refuses the store; after the acceptance it follows, and its pin is on the new way."""
    refused(restored, "alice", "bob", "pay")
    accept(restored, "alice")
    for name in ("alice", "bob", "pay", "carol", "till"):
        restored.do(name, lambda r: r.whoami())
        assert (restored.pin(name).commit, restored.pin(name).seen.author) == (KEPT + 1, restored.ids["alice"])
    edit(restored, "carol", key="after")
    assert restored.do("pay", lambda r: r.resolve("Mail"))["api_key"].reveal() == "after"
    (entry,) = [e for e in restored.do("bob", lambda r: list(r.history())) if e.event == "log.rollback_accepted"]
    assert (entry.actor, entry.reason) == ("alice", "the disk broke")


def test_what_is_accepted_names_what_is_kept_and_what_is_lost(restored):
    """The event holds both points of the log, and everybody reads them from the roster."""
    lost = restored.pin("alice").seen.checkpoint
    with open_rolled_back(restored.settings("alice"), surroundings=restored.around) as rolled_back:
        assert (rolled_back.kept.commit, rolled_back.kept.size) == (KEPT, 14)
        assert (rolled_back.lost.commit, rolled_back.lost.root) == (lost.commit, lost.root)
        assert {token.name for token in rolled_back.tokens()} == {"Zoom", "Mail", "Wages", "Answers"}
        assert rolled_back.members() == []
        rolled_back.accept(reason="the disk broke")
    (accepted,) = restored.open("till")._ledger.roster.rollbacks
    assert (accepted.kept.commit, accepted.lost.commit, accepted.by) == (KEPT, KEPT + 3, restored.ids["alice"])


def test_an_old_copy_put_back_once_more_is_refused_again(restored):
    """An acceptance counts for what was lost then: behind it, the same copy is an attack like before."""
    copy = restored.backup()
    accept(restored, "alice")
    restored.do("bob", lambda r: r.whoami())
    restored.restore(copy)
    refused(restored, "alice", "bob")


def test_whose_machine_saw_more_than_was_given_up_refuses(team):
    """What nobody named as lost is not given up; the checkpoint of who saw it can be named."""
    copy = team.backup()
    edit(team)
    edit(team, "carol", key="seen-by-two")
    team.do("bob", lambda r: r.whoami())
    pins = {name: team.pin(name) for name in ("bob", "carol")}
    team.pins("alice").put(structs.replace(team.pin("till"), url=team.pin("alice").url))
    team.restore(copy)
    edit(team, "alice", key="meanwhile")
    refused(team, "bob", "carol")
    accept(team, "alice", lost=pins["bob"].seen.text().encode(), kept=KEPT)
    for name in ("alice", "bob", "carol"):
        assert team.do(name, lambda r: r.whoami().member) == name
        assert team.pin(name).commit == KEPT + 2


def test_who_was_removed_does_not_bring_itself_back(team):
    """An old copy makes an admin of who is none any more; whoever knows better refuses its acceptance."""
    copy = team.backup()
    edit(team)
    team.do("alice", lambda r: r.members.remove("carol"))
    team.do("bob", lambda r: r.whoami())
    lost = team.pin("bob").seen.text().encode()
    team.restore(copy)
    with pytest.raises(InvalidValue, match="nothing is lost"):
        accept(team, "carol")
    accept(team, "carol", lost=lost)
    assert team.do("carol", lambda r: r.whoami().role) == "admin"
    refused(team, "alice", "bob")


@pytest.mark.parametrize("change", ["demoted", "renewed"])
def test_who_is_no_admin_any_more_or_has_other_keys_gives_nothing_up(team, change):
    """Role and key of who accepts must be those that the pin knows."""
    copy = team.backup()
    other = team.new_identity("carol-again").public
    if change == "demoted":
        team.do("alice", lambda r: r.members.change_role("carol", "auditor"))
    else:
        team.do("alice", lambda r: r.members.renew("carol", other))
    team.do("bob", lambda r: r.whoami())
    lost = team.pin("bob").seen.text().encode()
    team.restore(copy)
    accept(team, "carol", lost=lost)
    refused(team, "alice", "bob")


@pytest.mark.parametrize("member", ["bob", "pay"])
def test_only_admins_accept(restored, member):
    """Auditors and apps accept nothing, and a patched client's acceptance is refused by everybody."""
    with pytest.raises(NotPermitted):
        accept(restored, member)
    seen, ledger = restored.pin("alice").seen.checkpoint, restored.open("till" if member == "pay" else "form")._ledger
    lost = LogPoint(seen.commit, seen.size, seen.root)
    kept = LogPoint(KEPT, 14, ledger.head.root)
    commit(ledger, RollbackAccepted(**facts(ledger), kept=kept, lost=lost))
    with pytest.raises(IntegrityError, match="its author was no admin at that moment") as caught:
        restored.open("alice")
    assert "the store holds another history" in str(caught.value) or "put back" in str(caught.value)


def test_two_ways_that_went_on_are_told_apart(team):
    """Where both ways reach the same number, the root decides which of them was given up."""
    copy = team.backup()
    edit(team)
    team.do("bob", lambda r: r.whoami())
    first = team.pin("bob")
    team.restore(copy)
    edit(team, "carol", key="elsewhere")
    second = team.pin("carol")
    assert (first.commit, second.commit) == (KEPT + 1, KEPT + 1)
    team.restore(copy)
    accept(team, "alice")
    assert team.do("bob", lambda r: r.whoami().member) == "bob"
    refused(team, "carol")


def test_nothing_is_accepted_without_a_reason_or_a_loss(restored):
    """Why a rollback is accepted stands in the history; where nothing is lost there is nothing to accept."""
    with pytest.raises(InvalidValue, match="for a reason"):
        accept(restored, "alice", reason=" ")
    for name in ("carol", "till"):
        with pytest.raises(InvalidValue, match="nothing is lost"):
            accept(restored, name)
    with pytest.raises(InvalidValue, match="not the checkpoint of a registry"):
        accept(restored, "alice", lost=b"nothing")
    refused(restored, "alice")


def test_what_comes_back_to_life_is_shown_before(team):
    """Members that were removed or changed since, and credentials of that moment, are named to who accepts."""
    copy = team.backup()
    team.do("alice", lambda r: r.members.remove("pay"))
    team.do("alice", lambda r: r.members.change_role("till", "auditor"))
    team.restore(copy)
    with open_rolled_back(team.settings("alice"), surroundings=team.around) as rolled_back:
        assert [(member.name, member.role) for member in rolled_back.members()] == [("pay", "app"), ("till", "app")]
    refused(team, "alice")
