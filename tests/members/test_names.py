"""Names of members: which there can be, and which imitate another."""

import pytest

from registry import AlreadyExists, Identity, InvalidValue, init_registry, load_settings


def add(team, name, keys="dora"):
    """Have alice admit an auditor of that name."""
    public = Identity.generate(keys).public
    return team.do("alice", lambda r: r.members.add(name, "auditor", public))


@pytest.mark.parametrize("name", ["d", "D.O-r_a", "dora2", "2dora", "a" * 64])
def test_names_are_made_of_these_characters(team, name):
    """Letters, digits, dots, underscores and hyphens make a member's name."""
    add(team, name)
    assert team.do("bob", lambda r: r.members.list())[-1].name == name


@pytest.mark.parametrize(
    "name", ["", " ", "do ra", "dora ", "dora\n", "-dora", "dora.", "dörte", "dоra", "do\u200bra", "a" * 65, "do/ra"]
)
def test_other_characters_are_refused(team, name):
    """Spaces, other scripts' look-alikes and invisible characters have no place in a member's name."""
    with pytest.raises(InvalidValue, match="a member's name is made of"):
        add(team, name)


@pytest.mark.parametrize(
    ("known", "imitation"),
    [
        ("bob", "Bob"),
        ("bob", "b0b"),
        ("alice", "aIice"),
        ("alice", "a1ice"),
        ("till", "tiII"),
        ("till", "t1l1"),
        ("ops-team", "ops_team"),
        ("ops-team", "ops.team"),
        ("carol", "caro1"),
        ("mark", "rnark"),
        ("walt", "vvalt"),
    ],
)
def test_a_name_that_looks_like_another_is_taken(team, known, imitation):
    """Two names that differ in case or in look-alikes only cannot both be in the registry."""
    if known not in {"alice", "bob", "carol", "till"}:
        add(team, known)
    with pytest.raises(AlreadyExists, match=f"is that of the member '{known}', or looks like it"):
        add(team, imitation, "other")


def test_a_removed_members_name_is_never_used_again(team):
    """Names are not handed on, so that the history stays clear."""
    team.do("alice", lambda r: r.members.remove("bob"))
    for name in ("bob", "B0B"):
        with pytest.raises(AlreadyExists, match="is that of the member 'bob'"):
            add(team, name)


@pytest.mark.parametrize("name", ["recovery", "Rec0very"])
def test_the_first_admin_cannot_have_the_name_of_the_recovery_identity(tmp_path, name):
    """The two founding admins have names that nobody confuses; nothing is left behind where they would not."""
    settings = load_settings({"home": str(tmp_path / "home")}, {})
    with pytest.raises(AlreadyExists, match="looks like it"):
        init_registry(settings, name=name, recovery=tmp_path / "recovery")
    assert list(tmp_path.iterdir()) == []


def test_a_founder_with_an_identity_of_its_own_has_a_proper_name_too(tmp_path):
    """The name given to ``init`` keeps the rules, even where the identity file is there already."""
    Identity.generate("alice").save(tmp_path / "home" / "identity")
    settings = load_settings({"home": str(tmp_path / "home")}, {})
    with pytest.raises(InvalidValue, match="a member's name is made of"):
        init_registry(settings, name="ali ce")
