"""What changed, from what to what: values that are not secret, and of secrets a verdict."""

import pytest

from registry import HistoryQuery, IntegrityError
from registry.domain import token_rules as rules
from registry.domain.token_events import TokenDeleted
from registry.domain.token_rules import Change
from registry.views.changes import Changes, FieldChange
from tests.domain import facts
from tests.golden import samples
from tests.service.attacks import edit, fields, tamper, token
from tests.service.test_as_of import EXPIRY

EVERY_ENGINE = True


def diffs(registry, **query):
    """Return the documents of what each event changed."""
    entries = registry.history(HistoryQuery(**query), diff=True)
    return [[change.document() for change in entry.diff] for entry in entries]


def plain(field, before, after):
    """Return the document of a change of a value that is not secret."""
    return {"field": field, "secret": False, "from": before, "to": after}


def secret(field, verdict):
    """Return the document of what became of a secret field."""
    return {"field": field, "secret": True, "verdict": verdict}


def test_a_new_token_is_all_set(registry):
    """A creation sets what has a value; what is empty or never is not named."""
    registry.tokens.add(token(description="d", expires_at=EXPIRY, fields=fields(api_url="https://x.example")))
    registry.tokens.add(token("Bare"))
    assert diffs(registry, event="token.created") == [
        [
            plain("name", None, "Zoom"),
            plain("provider", None, "zoom"),
            plain("description", None, "d"),
            plain("encrypted", None, True),
            plain("expires_at", None, "2028-01-01T00:00:00Z"),
            plain("api_url", None, "https://x.example"),
            secret("api_key", "set"),
            secret("api_secret", "set"),
        ],
        [
            plain("name", None, "Bare"),
            plain("provider", None, "zoom"),
            plain("encrypted", None, True),
            secret("api_key", "set"),
            secret("api_secret", "set"),
        ],
    ]


def test_a_value_goes_from_what_it_was_to_what_it_is(registry):
    """Description, expiry, encryption, name and public fields name both values; what stays is not named."""
    registry.policies.set("allow-plaintext", "yes")
    registry.tokens.add(token(description="one"))
    registry.tokens.edit("Zoom", edit(description="two", expiry=(EXPIRY,)))
    registry.tokens.edit("Zoom", edit(expiry=(None,), encrypted=False))
    registry.tokens.rename("Zoom", "Boom")
    registry.tokens.edit("Boom", edit(fields=fields(api_url="https://a.example")))
    registry.tokens.edit("Boom", edit(fields=fields(api_url="https://b.example")))
    assert [[change for change in one if not change["secret"]] for one in diffs(registry, token="Boom")[1:]] == [
        [plain("description", "one", "two")],
        [plain("expires_at", None, "2028-01-01T00:00:00Z")],
        [plain("encrypted", True, False)],
        [plain("expires_at", "2028-01-01T00:00:00Z", None)],
        [plain("name", "Zoom", "Boom")],
        [plain("api_url", None, "https://a.example")],
        [plain("api_url", "https://a.example", "https://b.example")],
    ]


def test_a_secret_is_new_the_same_or_was_used_before(registry):
    """Of a secret, only the verdict is told that its fingerprint gave."""
    registry.tokens.add(token(fields=fields("FIRST")))
    for value in ("SECOND", "FIRST"):
        registry.tokens.edit("Zoom", edit(fields=fields(value)))
    assert diffs(registry, event="token.credentials_changed") == [
        [secret("api_key", "same"), secret("api_secret", "new")],
        [secret("api_key", "same"), secret("api_secret", "used before")],
    ]


def test_fields_of_another_provider_come_and_go(registry):
    """With another provider, fields are unset and set, secret and other ones."""
    registry.tokens.add(token(fields=fields(api_url="https://a.example")))
    credentials = fields()
    new = {"account_id": credentials["api_key"], "client_id": credentials["api_key"]}
    new |= {"client_secret": credentials["api_secret"]}
    registry.tokens.edit("Zoom", edit(provider="zoom-oauth", fields=new, unset=("api_url",)))
    provider, credentials = diffs(registry)[-2:]
    assert provider == [plain("provider", "zoom", "zoom-oauth")]
    assert plain("api_url", "https://a.example", None) in credentials
    assert secret("api_key", "unset") in credentials
    assert secret("client_secret", "set") in credentials


def test_what_changes_nothing_says_nothing(registry):
    """A disclosure and a deletion have an empty list."""
    registry.tokens.add(token())
    registry.tokens.reveal("Zoom", "api_key")
    registry.tokens.remove("Zoom")
    assert diffs(registry)[-2:] == [[], []]


def test_applications_members_and_policies(registry):
    """Names of applications, and values of policies, go from one to the other too."""
    registry.applications.register("Payroll", "process")
    registry.applications.rename("Payroll", "Wages")
    registry.policies.set("allow-plaintext", "yes")
    registry.policies.set("allow-plaintext", "no")
    registry.applications.remove("Wages")
    assert diffs(registry) == [
        [],
        [plain("name", None, "Payroll"), plain("kind", None, "process")],
        [plain("name", "Payroll", "Wages")],
        [plain("allow-plaintext", "no", "yes")],
        [plain("allow-plaintext", "yes", "no")],
        [],
    ]


def test_filters_do_not_change_what_is_told(registry):
    """An event has the same diff whichever events before it are shown."""
    registry.tokens.add(token(description="one"))
    registry.tokens.add(token("Other"))
    registry.tokens.edit("Zoom", edit(description="two"))
    registry.tokens.edit("Zoom", edit(description="three"))
    expected = [plain("description", "two", "three")]
    assert diffs(registry, last=1) == [expected]
    at = list(registry.history())[-1].at
    for query in ({"since": at}, {"event": "token.described", "last": 1}, {"token": "Zoom", "since": at}):
        assert diffs(registry, **query) == [expected], query


def test_without_the_question_there_is_no_answer(registry):
    """The JSON of an entry has ``diff`` only where it was asked for."""
    registry.tokens.add(token())
    assert all("diff" not in entry.document() for entry in registry.history())
    assert all("diff" in entry.document() for entry in registry.history(diff=True))


def test_a_gap_in_a_tokens_history_is_an_error(registry, founded):
    """Where an event is missing, *from* would be wrong, so nothing is told."""
    registry.tokens.add(token(description="one"))
    registry.tokens.edit("Zoom", edit(description="two"))
    registry.tokens.edit("Zoom", edit(description="three"))
    tamper(founded, "DELETE FROM stored_events WHERE position = 2")
    with pytest.raises(IntegrityError, match="no event 2"):
        diffs(registry)


def test_nothing_follows_the_end_of_a_token():
    """An event behind the deletion, or before the creation, is no history."""
    changes = Changes()
    with pytest.raises(IntegrityError):
        changes.follow(samples.EVENTS["token.described"])
    changes.follow(samples.EVENTS["token.created"])
    end = {name: getattr(samples.EVENTS["token.deleted"], name) for name in TokenDeleted.__struct_fields__}
    changes.follow(TokenDeleted(**end | {"originator_version": 2}))
    with pytest.raises(IntegrityError):
        changes.follow(TokenDeleted(**end | {"originator_version": 3}))


def test_a_member_has_a_role_and_an_application():
    """An admission sets them, a change of role says what they were; an unknown policy had no value."""
    changes = Changes()
    changes.follow(samples.EVENTS["roster.founded"])
    changes.follow(samples.EVENTS["application.registered"])
    changed = changes.follow(samples.EVENTS["member.role_changed"])
    assert changed == (
        FieldChange(field="role", before="admin", after="app"),
        FieldChange(field="application", before=None, after="Payroll"),
    )
    assert changes.follow(samples.EVENTS["member.removed"]) == ()
    assert changes.follow(samples.EVENTS["member.admitted"])[0] == FieldChange(field="role", before=None, after="app")


@pytest.mark.parametrize(
    ("said", "verdict"), [({}, "unknown"), ({"api_key": "nonsense"}, "unknown"), ({"api_key": "same"}, "same")]
)
def test_a_verdict_is_one_of_few_words(said, verdict):
    """What the author of an event wrote as a verdict is told if it is one, and else said to be unknown."""
    changes = Changes()
    (created,) = facts.created()
    changes.follow(created)
    wish = Change(credentials=facts.sealed(secret=("api_key", "api_secret"), verdicts={"api_secret": "new"} | said))
    (changed,) = rules.edit(facts.BY_BOB, facts.given(created), wish)
    assert changes.follow(changed)[0] == FieldChange(field="api_key", secret=True, verdict=verdict)


def test_a_field_that_is_set_again_may_bring_back_an_old_value():
    """A field without a value is set; where it gets a value that the token once had, that is said instead."""
    changes = Changes()
    events = facts.created()
    for secret_fields, verdicts in ((("api_key",), {}), (("api_key", "api_secret"), {"api_secret": "used before"})):
        wish = Change(credentials=facts.sealed(secret=secret_fields, verdicts={"api_key": "same"} | verdicts))
        events += rules.edit(facts.BY_BOB, facts.given(*events), wish)
    told = [changes.follow(event) for event in events]
    same = FieldChange(field="api_key", secret=True, verdict="same")
    assert told[1] == (same, FieldChange(field="api_secret", secret=True, verdict="unset"))
    assert told[2] == (same, FieldChange(field="api_secret", secret=True, verdict="used before"))
