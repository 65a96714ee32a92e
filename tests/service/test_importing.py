"""Importing: all or nothing, in one commit."""

import pytest

from registry import Action, AlreadyExists, InvalidValue, NotFound, NotPermitted, OnConflict, RegistryError
from tests.service.attacks import fields, query, token

EVERY_ENGINE = True


@pytest.fixture
def commits(founded):
    """Return a function that gives the number of commits."""
    return lambda: query(founded, "SELECT COUNT(*) FROM commits")[0][0]


def names(registry):
    """Return the names of all tokens."""
    return [view.name for view in registry.tokens.list()]


def test_many_tokens_come_in_one_commit(registry, commits):
    """Every entry becomes a token, all in one commit."""
    registry.applications.register("Payroll", "form")
    before = commits()
    entries = [token("One"), token("Two", application="payroll"), token("Three", fields=fields("X"))]
    outcome = registry.importing.run(entries, reason="moving in")
    assert [(item.name, item.action) for item in outcome] == [
        ("One", Action.CREATE),
        ("Two", Action.CREATE),
        ("Three", Action.CREATE),
    ]
    assert commits() == before + 1
    assert names(registry) == ["One", "Three", "Two"]
    assert registry.tokens.reveal("Three", "api_secret").reveal() == "X"


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (token("a/b"), InvalidValue),
        (token("One"), InvalidValue),
        (token("ONE"), InvalidValue),
        (token("Bad", provider="nope"), InvalidValue),
        (token("Bad", fields=fields("")), InvalidValue),
        (token("Bad", fields={}), InvalidValue),
        (token("Bad", fields=fields(surprise="x")), InvalidValue),
        (token("Bad", description="\x00"), InvalidValue),
        (token("Bad", application="Nope"), NotFound),
        (token("Bad", encrypted=False), NotPermitted),
        (token("Taken"), AlreadyExists),
    ],
    ids=["name", "twice", "twice in case", "provider", "empty", "missing", "unknown", "text", "app", "plain", "taken"],
)
def test_one_bad_entry_and_nothing_is_imported(registry, commits, bad, error):
    """The error names the entry by its number, and no token of the file is there."""
    registry.tokens.add(token("Taken"))
    before = commits()
    with pytest.raises(error, match="entry 2"):
        registry.importing.run([token("One"), bad, token("Three")])
    assert (commits(), names(registry)) == (before, ["Taken"])


def test_what_no_registry_takes_is_told_before_what_is_taken(registry):
    """All entries are checked before any is looked up, and all are looked up before any is sealed."""
    registry.tokens.add(token("Taken"))
    done = []
    with pytest.raises(InvalidValue, match="entry 3"):
        registry.importing.run([token("One"), token("Taken"), token("a/b")], progress=done.append)
    with pytest.raises(AlreadyExists, match="entry 2"):
        registry.importing.run([token("One"), token("Taken")], progress=done.append)
    assert done == []
    registry.importing.run([token("One"), token("Two")], progress=done.append)
    assert done == [1, 2]


def test_a_dry_run_says_what_would_happen_and_does_nothing(registry, commits):
    """A dry run answers as the run would."""
    registry.tokens.add(token("Taken", description="old"))
    entries = [token("New"), token("taken", description="new")]
    before = commits()
    said = registry.importing.run(entries, on_conflict=OnConflict.OVERWRITE, dry_run=True)
    assert commits() == before
    assert registry.importing.run(entries, on_conflict=OnConflict.OVERWRITE) == said
    assert [item.action for item in said] == [Action.CREATE, Action.OVERWRITE]


def test_what_is_taken_is_skipped_or_overwritten_as_wished(registry, commits):
    """Skipping leaves the token, overwriting makes it what the entry says, unchanged entries write nothing."""
    registry.tokens.add(token("Taken", description="old", fields=fields(api_url="https://api.zoomgov.com/v2")))
    before = commits()
    assert registry.importing.run([token("Taken")], on_conflict=OnConflict.SKIP)[0].action == Action.SKIP
    assert commits() == before
    wish = token("Taken", description="new", fields=fields("NEW"))
    assert registry.importing.run([wish], on_conflict=OnConflict.OVERWRITE)[0].action == Action.OVERWRITE
    shown = registry.tokens.show("Taken")
    assert (shown.description, shown.revision, shown.fields["api_url"].set) == ("new", 2, False)
    assert registry.tokens.reveal("Taken", "api_secret").reveal() == "NEW"
    before = commits()
    assert registry.importing.run([wish], on_conflict=OnConflict.OVERWRITE)[0].action == Action.UNCHANGED
    assert commits() == before


def test_no_error_of_an_import_repeats_a_secret(registry):
    """An entry that is refused for its secret is named by its number only."""
    for secret in ("canary\n", "can\x00ary", "canary" * 4000):
        with pytest.raises(RegistryError) as caught:
            registry.importing.run([token(fields=fields(secret))])
        assert "canary" not in f"{caught.value} {caught.value.hint}"


def test_nothing_to_import_is_nothing(registry, commits):
    """An empty file is no commit."""
    before = commits()
    assert registry.importing.run([]) == []
    assert commits() == before
