"""Role changes, renewals, removals and rotations: who loses which keys, and what follows."""

import pytest

from registry import (
    AlreadyExists,
    Conflict,
    Identity,
    IntegrityError,
    InvalidValue,
    NotFound,
    NotPermitted,
    Secret,
    TokenEdit,
    join,
)
from tests.members.team import MEMBERS, fields, secret_of

ALL = [
    ("Mail", None),
    ("Zoom", None),
    ("Wages", "Payroll"),
    ("Zoom", "Payroll"),
    ("Answers", "Survey"),
    ("Zoom", "Survey"),
]
GLOBAL_AND_PAYROLL = tuple(ALL[:4])


def generations(team):
    """Return the present generation of every audience."""
    return {(key.audience, key.application): key.generation for key in team.do("alice", lambda r: r.members.keys())}


def rotated(team, work):
    """Return the audiences that the work gave fresh keys, by the names of their applications."""
    before = generations(team)
    team.do("alice", work)
    return {app or audience for (audience, app), number in generations(team).items() if number > before[audience, app]}


def exposed(team):
    """Return the tokens that are marked as exposed."""
    return [(view.name, view.application) for view in team.do("bob", lambda r: list(r.tokens.list(exposed=True)))]


def key_of(team, member, name, app=None):
    """Return the API Key of a token as a member reveals it."""
    return team.do(member, lambda r: r.tokens.reveal(name, "api_key", app=app)).reveal()


def test_everybody_opens_what_its_role_lets_it(team):
    """Each role opens its own tokens and no others."""
    for member, opens in (("alice", ALL), ("carol", ALL), ("pay", ALL[2:4])):
        for name, app in opens:
            assert key_of(team, member, name, app) == secret_of(name, app)
    assert key_of(team, "form", "Mail") == secret_of("Mail", None)


@pytest.mark.parametrize(
    ("name", "role", "app", "fresh"),
    [
        ("bob", "admin", None, set()),
        ("till", "admin", None, set()),
        ("bob", "app", "Payroll", {"audit"}),
        ("till", "auditor", None, {"global", "Payroll"}),
        ("till", "app", "Survey", {"global", "Payroll"}),
        ("carol", "app", "Payroll", {"audit", "global", "Payroll", "Survey"}),
        ("carol", "auditor", None, {"audit", "global", "Payroll", "Survey"}),
    ],
)
def test_a_role_that_takes_keys_away_rotates_all_the_member_had(team, name, role, app, fresh):
    """Widening a role grants keys; narrowing it rotates every audience that the member was in."""
    names_before = [member.name for member in team.do("alice", lambda r: r.members.list())]
    assert rotated(team, lambda r: r.members.change_role(name, role, app=app)) == fresh
    seen = team.do(name, lambda r: r.whoami())
    assert (seen.role, seen.application) == (role, app)
    assert [member.name for member in team.do("alice", lambda r: r.members.list())] == names_before


def test_a_widened_role_opens_what_it_did_not_before(team):
    """An auditor made an admin opens credentials; an app made an admin reads the whole history."""
    team.do("alice", lambda r: (r.members.change_role("bob", "admin"), r.members.change_role("till", "admin")))
    assert key_of(team, "bob", "Answers", "Survey") == secret_of("Answers", "Survey")
    assert team.do("till", lambda r: len(list(r.history()))) > len(ALL)


def test_a_narrowed_role_names_what_the_member_could_have_opened(team):
    """Narrowing tells which tokens to change: those that the member can open no longer."""
    departure = team.do("alice", lambda r: r.members.change_role("till", "app", app="Survey"))
    assert departure.exposed == tuple(ALL[2:4])
    departure = team.do("alice", lambda r: r.members.change_role("carol", "app", app="Payroll"))
    assert set(departure.exposed) == set(ALL[4:])
    assert team.do("alice", lambda r: r.members.change_role("bob", "app", app="Survey")).exposed == ()


def test_a_role_that_is_the_same_changes_nothing(team):
    """Giving a member the role it has commits nothing."""
    size = len(team.do("alice", lambda r: list(r.history())))
    assert not team.do("alice", lambda r: r.members.change_role("till", "app", app="Payroll")).changed
    assert len(team.do("alice", lambda r: list(r.history()))) == size


@pytest.mark.parametrize(("role", "app"), [("app", None), ("auditor", "Payroll"), ("admin", "Survey"), ("owner", None)])
def test_a_role_and_an_application_that_do_not_fit_are_refused(team, role, app):
    """An app member belongs to one application, and nobody else does."""
    for work in (
        lambda r: r.members.add("dora", role, Identity.generate("dora").public, app=app),
        lambda r: r.members.change_role("till", role, app=app),
    ):
        with pytest.raises(InvalidValue):
            team.do("alice", work)


def test_removing_a_member_rotates_all_it_was_in_and_exposes_what_it_could_open(team):
    """A removal takes the keys, names the tokens, and marks them until their credentials are changed."""
    departure = {}
    fresh = rotated(team, lambda r: departure.update(it=r.members.remove("pay")))
    assert fresh == {"global", "Payroll"}
    assert departure["it"].exposed == GLOBAL_AND_PAYROLL
    assert sorted(exposed(team), key=str) == sorted(GLOBAL_AND_PAYROLL, key=str)
    with pytest.raises(NotPermitted, match="no member"):
        team.open("pay")


def test_a_token_stays_exposed_until_its_credentials_change(team):
    """A new name or description leaves a token exposed, and so does a further rotation; new credentials do not."""
    team.do("alice", lambda r: r.members.remove("pay"))
    team.do("alice", lambda r: r.tokens.rename("Mail", "Post"))
    team.do("alice", lambda r: r.tokens.edit("Post", TokenEdit(fields={}, description="x")))
    team.do("alice", lambda r: r.members.rotate())
    assert ("Post", None) in exposed(team)
    team.do("alice", lambda r: r.tokens.edit("Post", TokenEdit(fields=fields("new"))))
    assert ("Post", None) not in exposed(team)
    assert ("Zoom", None) in exposed(team)


def test_removing_an_auditor_exposes_nothing(team):
    """An auditor could open no credential, so none has to be changed."""
    assert team.do("alice", lambda r: r.members.remove("bob")).exposed == ()
    assert [view.name for view in team.do("alice", lambda r: list(r.tokens.list(exposed=True)))] == []


def test_the_last_admin_cannot_be_removed_by_anybody(team):
    """Nobody changes its own membership, so a registry always keeps one admin."""
    team.do("alice", lambda r: r.members.remove("carol"))
    for work in (
        lambda r: r.members.remove("alice"),
        lambda r: r.members.change_role("alice", "auditor"),
        lambda r: r.members.renew("alice", Identity.generate("alice").public),
    ):
        with pytest.raises(NotPermitted, match="nobody changes its own membership"):
            team.do("alice", work)


def test_removing_an_application_removes_its_app_members_in_the_same_commit(team):
    """An application takes its tokens and its app members with it; the global key they held is rotated."""
    before = team.sql("SELECT MAX(number) FROM commits")[0][0]
    keys = generations(team)
    team.do("alice", lambda r: r.applications.remove("Payroll"))
    assert team.sql("SELECT MAX(number) FROM commits")[0][0] == before + 1
    assert generations(team)["global", None] == keys["global", None] + 1
    assert {member.name for member in team.do("bob", lambda r: r.members.list())} == set(MEMBERS) - {"pay", "till"}
    assert sorted(exposed(team)) == ALL[:2]
    for member in ("pay", "till"):
        with pytest.raises(NotPermitted):
            team.open(member)
    assert key_of(team, "form", "Mail") == secret_of("Mail", None)


def test_removing_an_application_without_members_rotates_nothing(team):
    """Where nobody loses a key, none is made anew."""
    team.do("alice", lambda r: r.members.remove("form"))
    assert rotated(team, lambda r: r.applications.remove("Payroll")) == {"global"}
    before = generations(team)
    team.do("alice", lambda r: r.applications.remove("Survey"))
    assert {place: before[place] for place in generations(team)} == generations(team)


@pytest.mark.parametrize("member", ["bob", "till", "carol"])
def test_renewed_keys_do_what_the_old_ones_did(team, member):
    """A member with new keys joins again, reads old history if it may, opens what it may; the old keys do nothing."""
    before = team.do(member, lambda r: r.whoami())
    old = team.root / member / "identity"
    old.rename(team.root / "old-identity")
    public = team.new_identity(member).public
    invitation = team.do("alice", lambda r: r.members.renew(member, public))
    assert join(team.settings(member), invitation=invitation).member == before
    if member != "till":
        assert team.do(member, lambda r: list(r.history())) == team.do("alice", lambda r: list(r.history()))
    if member != "bob":
        assert key_of(team, member, "Mail") == secret_of("Mail", None)
    old.unlink()
    (team.root / "old-identity").rename(old)
    with pytest.raises(NotPermitted, match="no member"):
        team.open(member)


def test_a_renewed_admin_goes_on_as_before(team):
    """The fingerprint key, which is never rotated, is granted to an admin's new keys too."""
    (team.root / "carol" / "identity").unlink()
    public = team.new_identity("carol").public
    team.do("alice", lambda r: r.members.renew("carol", public))
    team.do("carol", lambda r: r.tokens.edit("Mail", TokenEdit(fields=fields("one"))))
    team.do("carol", lambda r: r.tokens.edit("Mail", TokenEdit(fields=fields(secret_of("Mail", None)))))
    assert team.do("bob", lambda r: list(r.history()))[-1].detail["verdicts"]["api_key"] == "used before"


@pytest.mark.parametrize(
    ("asked", "fresh"),
    [
        (None, {"audit", "global", "Payroll", "Survey"}),
        ("audit", {"audit"}),
        ("global", {"global"}),
        ("payroll", {"Payroll"}),
    ],
)
def test_a_routine_rotation_touches_what_was_asked_for(team, asked, fresh):
    """One audience or all get fresh keys; everybody goes on opening what it may, and nothing is exposed."""
    assert rotated(team, lambda r: r.members.rotate(asked)) == fresh
    assert key_of(team, "pay", "Wages") == secret_of("Wages", "Payroll")
    assert key_of(team, "form", "Mail") == secret_of("Mail", None)
    assert [entry.event for entry in team.do("bob", lambda r: list(r.history()))][-3] == "audience.rotated"
    assert exposed(team) == []


def test_the_fingerprint_key_is_never_rotated(team):
    """Values used before could not be recognised any more, so that rotation is refused."""
    with pytest.raises(NotPermitted, match="never rotated"):
        team.do("alice", lambda r: r.members.rotate("fingerprint"))


def test_an_unknown_audience_is_not_found(team):
    """Only audiences that there are can be rotated."""
    with pytest.raises(NotFound, match="no application 'Sales'"):
        team.do("alice", lambda r: r.members.rotate("Sales"))


def test_a_key_shows_its_age_and_holders(team):
    """Admins and auditors see each audience's generation, when it was made, and how many hold it."""
    team.do("alice", lambda r: r.members.rotate("global"))
    keys = {(key.audience, key.application): key for key in team.do("bob", lambda r: r.members.keys())}
    assert keys["global", None].made_at > keys["audit", None].made_at
    holders = {place: key.holders for place, key in keys.items()}
    assert holders == {
        ("audit", None): 3,
        ("global", None): 5,
        ("fingerprint", None): 2,
        ("application", "Payroll"): 4,
        ("application", "Survey"): 3,
    }


MEMBERSHIP_CHANGES = {
    "add": lambda r: r.members.add("dora", "auditor", Identity.generate("dora").public),
    "change_role": lambda r: r.members.change_role("till", "auditor"),
    "renew": lambda r: r.members.renew("till", Identity.generate("till").public),
    "remove": lambda r: r.members.remove("till"),
    "rotate": lambda r: r.members.rotate(),
}


@pytest.mark.parametrize("change", MEMBERSHIP_CHANGES)
def test_of_two_membership_changes_at_once_one_wins(team, opened, change):
    """Whoever decided on a roster that has changed since is told so, and nothing of its own is written."""
    carol = opened("carol")
    team.do("alice", lambda r: r.members.rotate("audit"))
    size = len(team.roster())
    with pytest.raises(Conflict, match="changed the roster meanwhile"):
        MEMBERSHIP_CHANGES[change](carol)
    assert len(team.roster()) == size
    MEMBERSHIP_CHANGES[change](carol)
    assert len(team.roster()) == size + 1


def test_a_member_that_is_gone_cannot_be_changed(team):
    """A removed member is found in the history, and nowhere else."""
    team.do("alice", lambda r: r.members.remove("till"))
    for change in ("change_role", "renew", "remove"):
        with pytest.raises(NotFound, match="no such member"):
            team.do("alice", MEMBERSHIP_CHANGES[change])


def test_keys_serve_one_member_once(team):
    """Public keys that a member has, had before a renewal, or had before its removal are never admitted again."""
    first, own = team.identity("till").public, team.identity("alice").public
    team.do("alice", lambda r: r.members.renew("till", Identity.generate("till").public))
    gone = team.identity("pay").public
    team.do("alice", lambda r: r.members.remove("pay"))
    for public in (first, own, gone):
        with pytest.raises(AlreadyExists, match="belong to a member already, or did"):
            team.do("alice", lambda r, public=public: r.members.add("dora", "auditor", public))
        with pytest.raises(AlreadyExists, match="belong to a member already, or did"):
            team.do("alice", lambda r, public=public: r.members.renew("bob", public))


def test_exposure_ends_with_a_new_secret_and_with_nothing_less(team):
    """A changed URL leaves a token exposed, a changed secret ends it, and the old secret put back brings it back."""
    team.do("alice", lambda r: r.members.remove("carol"))

    def exposed():
        return "Mail" in [token.name for token in team.do("alice", lambda r: list(r.tokens.list(exposed=True)))]

    def change(**values):
        edit = TokenEdit(fields={name: Secret(value) for name, value in values.items()})
        team.do("alice", lambda r: r.tokens.edit("Mail", edit))

    before = team.do("alice", lambda r: r.tokens.reveal("Mail", "api_secret").reveal())
    seen = [exposed()]
    for values in ({"api_url": "https://api-eu.zoom.us/v2"}, {"api_secret": "another"}, {"api_secret": before}):
        change(**values)
        seen.append(exposed())
    assert seen == [True, True, False, True]


def test_who_is_told_of_its_removal_does_not_go_back_behind_it(team, tmp_path):
    """A machine that has heard of its member's removal refuses the store of before."""
    copy = tmp_path / "copy.db"
    copy.write_bytes(team.store.read_bytes())
    team.do("alice", lambda r: r.members.remove("carol"))
    with pytest.raises(NotPermitted, match="no member"):
        team.open("carol")
    team.restore(copy)
    with pytest.raises(IntegrityError, match="this machine has seen"):
        team.open("carol")


def test_events_without_a_commit_stop_every_writer(team):
    """A row slipped into the history is an integrity failure, not somebody else's commit to wait for."""
    team.sql(
        "INSERT INTO stored_events SELECT ?, 1, topic, state, (SELECT MAX(position) + 1 FROM stored_events), 0"
        " FROM stored_events WHERE position = 0",
        ("e" * 32,),
    )
    with pytest.raises(IntegrityError, match="its last commit"):
        team.do("alice", lambda r: r.tokens.rename("Mail", "Post"))
