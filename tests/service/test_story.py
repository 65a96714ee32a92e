"""The story: everything an admin does with a token, seen from outside."""

import pytest

from registry import (
    Conflict,
    HistoryQuery,
    InvalidValue,
    NotFound,
    NotPermitted,
    ProviderRejected,
    ProviderUndecided,
    Secret,
    open_registry,
)
from registry.testing.zoom_stand_in import Quirk, ZoomStandIn
from tests.conftest import NOON
from tests.service.attacks import edit, fields, query, token

EVERY_ENGINE = True

LONG = "a-secret-as-long-as-those-that-Zoom-gives-out"


@pytest.fixture
def zoom():
    """Return a Zoom that knows one key."""
    with ZoomStandIn() as stand_in:
        stand_in.add_key("KEY-1", LONG)
        yield stand_in


@pytest.fixture
def commits(founded):
    """Return a function that tells how many commits and events there are."""
    return lambda: query(founded, "SELECT (SELECT COUNT(*) FROM commits), (SELECT COUNT(*) FROM stored_events)")[0]


def values(registry, name="Zoom", **scope):
    """Return what a token's secret fields hold now."""
    return [registry.tokens.reveal(name, field, **scope).reveal() for field in ("api_key", "api_secret")]


def test_a_new_token_can_be_shown_listed_and_revealed(registry):
    """What was added is shown without its secrets, and revealed with them."""
    added = registry.tokens.add(token(description="two\nlines", expires_at=NOON))
    shown = registry.tokens.show("zoom")
    assert added.changed
    assert added.token == shown == next(registry.tokens.list())
    assert (shown.name, shown.scope, shown.application, shown.provider) == ("Zoom", "global", None, "zoom")
    assert (shown.description, shown.expires_at, shown.encrypted, shown.revision) == ("two\nlines", NOON, True, 1)
    assert (shown.created_by, shown.changed_by, shown.last_test) == ("alice", "alice", None)
    assert {name: (field.secret, field.set) for name, field in shown.fields.items()} == {
        "api_key": (True, True),
        "api_secret": (True, True),
        "api_url": (False, False),
    }
    assert values(registry) == ["KEY-1", "SECRET-1"]


def test_a_change_takes_effect_at_once_for_everybody(registry, founded, around):
    """Another open registry sees the new credentials with its next question."""
    registry.tokens.add(token())
    with open_registry(founded, surroundings=around) as other:
        assert values(other) == ["KEY-1", "SECRET-1"]
        registry.tokens.edit("Zoom", edit(fields={"api_secret": Secret("SECRET-2")}))
        assert values(other) == ["KEY-1", "SECRET-2"]
        assert other.tokens.show("Zoom").revision == 2


def test_one_command_is_one_commit_and_one_step_of_the_revision(registry, commits):
    """Description, credentials and expiry of one edit are one commit of several events."""
    registry.tokens.add(token())
    before = commits()
    wish = edit(fields=fields("SECRET-2"), description="new", expiry=(NOON,))
    changed = registry.tokens.edit("Zoom", wish, reason="rotation")
    assert commits() == (before[0] + 1, before[1] + 3)
    assert changed.token.revision == 2
    last = list(registry.history())[-3:]
    assert {(entry.at, entry.actor, entry.reason, entry.revision) for entry in last} == {
        (last[0].at, "alice", "rotation", 2)
    }


@pytest.mark.sqlite
def test_setting_what_is_there_already_writes_nothing(registry, commits, founded):
    """Edits and renames to what is so say so, and leave not a byte."""
    registry.tokens.add(token(description="same", expires_at=NOON))
    registry.applications.register("Payroll", "form")
    before, size = commits(), founded.store_path().stat().st_size
    same = edit(fields=fields(), description="same", provider="zoom", encrypted=True, expiry=(NOON,))
    for wish in (edit(), same, edit(unset=("api_url",))):
        assert not registry.tokens.edit("Zoom", wish).changed
    assert not registry.tokens.rename("Zoom", "Zoom").changed
    assert not registry.applications.rename("payroll", "Payroll")
    assert not registry.policies.set("allow-plaintext", "no")
    assert (commits(), founded.store_path().stat().st_size) == (before, size)


def test_tests_and_disclosures_are_no_revisions(registry, zoom):
    """A connection test and a reveal are events, not changes."""
    registry.tokens.add(token(fields=fields(LONG, api_url=zoom.api_url)))
    result = registry.tokens.test("Zoom")
    registry.tokens.reveal("Zoom", "api_key", reason="debugging")
    shown = registry.tokens.show("Zoom")
    assert result.outcome == "accepted"
    assert (shown.revision, shown.last_test.outcome, shown.last_test.revision) == (1, "accepted", 1)
    assert [entry.event for entry in registry.history()][-2:] == ["token.tested", "token.disclosed"]


def test_a_rename_keeps_the_token_and_frees_its_name(registry):
    """The token stays the same under its new name, and another may have the old one at once."""
    added = registry.tokens.add(token()).token
    renamed = registry.tokens.rename("Zoom", "Zoom Production").token
    assert (renamed.id, renamed.name, renamed.revision) == (added.id, "Zoom Production", 2)
    assert values(registry, "zoom production") == ["KEY-1", "SECRET-1"]
    with pytest.raises(NotFound):
        registry.tokens.show("Zoom")
    assert registry.tokens.add(token()).token.id != added.id


def test_a_removed_token_is_gone_and_its_name_free(registry):
    """After its removal nothing of a token can be shown or revealed; history remains."""
    registry.tokens.add(token())
    gone = registry.tokens.remove("Zoom", reason="retired")
    for use in (registry.tokens.show, registry.tokens.remove, lambda name: registry.tokens.reveal(name, "api_key")):
        with pytest.raises(NotFound):
            use("Zoom")
    assert registry.tokens.add(token()).token.id != gone.id
    entries = list(registry.history(HistoryQuery(token=gone.id)))
    assert [entry.event for entry in entries] == ["token.created", "token.deleted"]


def test_a_reveal_is_recorded_before_anything_is_shown(registry):
    """What cannot be recorded is not revealed; an unset field is not found and not recorded."""
    registry.tokens.add(token())
    before = len(list(registry.history()))
    with pytest.raises(NotFound):
        registry.tokens.reveal("Zoom", "api_url")
    assert len(list(registry.history())) == before
    registry.tokens.reveal("Zoom", "api_secret", reason="on the phone")
    *_, entry = registry.history()
    assert (entry.event, entry.changed, entry.reason, entry.token) == (
        "token.disclosed",
        ("api_secret",),
        "on the phone",
        "Zoom",
    )


def test_an_expected_revision_is_checked(registry):
    """An edit that expects another revision is a conflict and changes nothing."""
    registry.tokens.add(token())
    registry.tokens.edit("Zoom", edit(description="one"), expect_revision=1)
    with pytest.raises(Conflict):
        registry.tokens.edit("Zoom", edit(description="two"), expect_revision=1)
    assert registry.tokens.show("Zoom").description == "one"


def test_verdicts_tell_new_values_from_old_ones(registry):
    """A secret is new, the same, or was used before by this token; other tokens do not count."""

    def verdicts():
        *_, entry = registry.history(HistoryQuery(event="token.credentials_changed"))
        return entry.detail["verdicts"]

    registry.tokens.add(token())
    registry.tokens.add(token("Other", fields=fields("SECRET-2")))
    registry.tokens.edit("Zoom", edit(fields={"api_secret": Secret("SECRET-2")}))
    assert verdicts() == {"api_key": "same", "api_secret": "new"}
    registry.tokens.edit("Zoom", edit(fields={"api_secret": Secret("SECRET-1")}))
    assert verdicts() == {"api_key": "same", "api_secret": "used before"}
    registry.tokens.edit("Zoom", edit(fields={"api_key": Secret("SECRET-1")}))
    assert verdicts() == {"api_key": "new", "api_secret": "same"}


def test_plaintext_needs_the_policy(registry):
    """Off by default, for new tokens and old; once allowed it is per token, and encrypting never needs leave."""
    registry.tokens.add(token())
    for refused in (
        lambda: registry.tokens.add(token("Plain", encrypted=False)),
        lambda: registry.tokens.edit("Zoom", edit(encrypted=False)),
    ):
        with pytest.raises(NotPermitted):
            refused()
    assert registry.policies.set("allow-plaintext", "yes")
    assert not registry.tokens.edit("Zoom", edit(encrypted=False)).token.encrypted
    assert registry.policies.set("allow-plaintext", "no")
    assert registry.tokens.edit("Zoom", edit(description="still plain")).token.encrypted is False
    assert registry.tokens.edit("Zoom", edit(encrypted=True)).token.encrypted
    assert values(registry) == ["KEY-1", "SECRET-1"]


def test_a_plaintext_row_is_readable_and_its_events_are_not(registry, founded):
    """Only the current row of a plaintext token holds its credentials readable, and only while it is one."""
    registry.policies.set("allow-plaintext", "yes")
    registry.tokens.add(token(encrypted=False))
    ((plain,),) = query(founded, "SELECT plain FROM tokens")
    assert b'"SECRET-1"' in plain
    for (state,) in query(founded, "SELECT state FROM stored_events"):
        assert b"SECRET-1" not in state
    registry.tokens.edit("Zoom", edit(encrypted=True))
    assert query(founded, "SELECT plain FROM tokens") == [(None,)]


def test_the_provider_can_be_changed_with_its_fields(registry):
    """Another provider comes with the fields it requires, in one commit; the former ones go."""
    registry.tokens.add(token())
    with pytest.raises(InvalidValue):
        registry.tokens.edit("Zoom", edit(provider="zoom-oauth"))
    new = {name: Secret("x" * 22) for name in ("account_id", "client_id", "client_secret")}
    changed = registry.tokens.edit("Zoom", edit(provider="zoom-oauth", fields=new)).token
    assert (changed.provider, changed.revision) == ("zoom-oauth", 2)
    assert {name for name, field in changed.fields.items() if field.set} == set(new)
    with pytest.raises(NotFound):
        registry.tokens.reveal("Zoom", "api_secret")


@pytest.mark.parametrize(
    ("quirk", "secret", "error"),
    [
        (None, LONG[::-1], ProviderRejected),
        (Quirk.RETIRED, LONG, ProviderRejected),
        (Quirk.SERVER_ERROR, LONG, ProviderUndecided),
        (Quirk.DROP, LONG, ProviderUndecided),
    ],
    ids=["rejected", "retired", "server error", "dropped"],
)
def test_only_accepted_credentials_are_stored_where_a_test_is_asked_for(registry, zoom, commits, quirk, secret, error):
    """What the provider did not accept leaves neither token nor change nor event."""
    good = fields(LONG, api_url=zoom.api_url)
    registry.tokens.add(token("Good", fields=good), test=True)
    before = commits()
    if quirk:
        zoom.behave(quirk)
    with pytest.raises(error):
        registry.tokens.add(token(fields=good | fields(secret)), test=True)
    with pytest.raises(error):
        registry.tokens.edit("Good", edit(fields={"api_secret": Secret(secret)}, description="x"), test=True)
    assert commits() == before
    assert registry.tokens.show("Good").last_test.outcome == "accepted"


def test_a_half_character_in_a_value_is_an_invalid_value(registry):
    """A value that came out of a broken environment is refused by name, in a new token and in an old one."""
    registry.tokens.add(token())
    with pytest.raises(InvalidValue):
        registry.tokens.edit("Zoom", edit(fields=fields("a\udc80")))
    with pytest.raises(InvalidValue):
        registry.tokens.add(token("Other", fields=fields("a\udc80")))
