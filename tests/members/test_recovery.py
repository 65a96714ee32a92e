"""A team that lost its admins goes on with the identity that it kept offline."""

import shutil

import pytest

from registry import AlreadyExists, Identity, NewToken, NotPermitted, init_registry, join
from tests.members.team import Team, fields


@pytest.fixture
def bereft(tmp_path):
    """Return a team whose only admin is gone, its registry's id, and where its recovery identity lies."""
    team, offline = Team(tmp_path / "team"), tmp_path / "safe" / "recovery"
    made = init_registry(team.settings("alice"), name="alice", recovery=offline, surroundings=team.around)
    team.do("alice", lambda r: r.applications.register("Payroll", "process"))
    token = NewToken(name="Wages", application="Payroll", provider="zoom", fields=fields("wages"))
    team.do("alice", lambda r: r.tokens.add(token))
    team.admit("pay", "app", "Payroll")
    (team.root / "alice" / "identity").unlink()
    return team, made.registry_id, offline


def test_the_recovery_identity_takes_over(bereft):
    """With the file from the safe and the registry's id, a new machine admits new admins and removes the lost one."""
    team, registry_id, offline = bereft
    (team.root / "rescue").mkdir()
    shutil.copy(offline, team.root / "rescue" / "identity")
    joined = join(team.settings("rescue"), registry_id=registry_id, surroundings=team.around)
    assert (joined.member.member, joined.member.role) == ("recovery", "admin")
    dora = team.new_identity("dora").public
    invitation = team.do("rescue", lambda r: r.members.add("dora", "admin", dora, reason="alice is gone"))
    join(team.settings("dora"), invitation=invitation, surroundings=team.around)
    departure = team.do("dora", lambda r: r.members.remove("alice"))
    assert departure.exposed == (("Wages", "Payroll"),)
    assert team.do("dora", lambda r: r.tokens.reveal("Wages", "api_key", app="Payroll")).reveal() == "wages"
    assert team.do("pay", lambda r: r.resolve("Wages"))["api_key"].reveal() == "wages"
    assert [entry.reason for entry in team.do("dora", lambda r: list(r.history()))].count("alice is gone") == 1


def test_what_is_made_later_opens_for_the_recovery_identity_too(bereft):
    """The recovery identity is a founding admin: every rotation grants it the new keys though it is offline."""
    team, registry_id, offline = bereft
    shutil.copy(offline, team.root / "alice" / "identity")
    join(team.settings("alice"), registry_id=registry_id)
    team.do("alice", lambda r: r.members.rotate())
    assert set(team.do("alice", lambda r: r.whoami()).may_open) >= {"audit", "global", "application:Payroll"}


def test_a_lost_identity_that_turns_up_again_after_its_removal_opens_nothing(bereft):
    """Once the recovered team has removed its lost admin, whoever finds that identity has nothing of it."""
    team, registry_id, offline = bereft
    lost = Identity.generate("alice")
    (team.root / "rescue").mkdir()
    shutil.copy(offline, team.root / "rescue" / "identity")
    join(team.settings("rescue"), registry_id=registry_id, surroundings=team.around)
    team.do("rescue", lambda r: r.members.renew("alice", lost.public))
    lost.save(team.root / "alice" / "identity")
    assert team.do("alice", lambda r: r.whoami().role) == "admin"
    team.do("rescue", lambda r: r.members.remove("alice"))
    with pytest.raises(NotPermitted, match="no member"):
        team.open("alice")


def test_a_recovery_file_is_never_overwritten(tmp_path):
    """Where a recovery identity lies already, none is written, and no registry is founded."""
    team, offline = Team(tmp_path / "team"), tmp_path / "recovery"
    offline.write_text("precious")
    with pytest.raises(AlreadyExists, match="cannot be written"):
        init_registry(team.settings("alice"), name="alice", recovery=offline)
    assert (offline.read_text(), team.store.exists()) == ("precious", False)
