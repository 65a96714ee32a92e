"""App members: which token a name means to them, and that other applications' are not even there."""

import pytest

from registry import InvalidValue, NewToken, NotFound, NotPermitted, TokenEdit
from tests.members.team import fields, secret_of


def key_of(registry, name, **how):
    """Return the API Key of a token, revealed and resolved, which must agree."""
    revealed = registry.tokens.reveal(name, "api_key", **how).reveal()
    assert registry.resolve(name, **how)["api_key"].reveal() == revealed
    return revealed


def test_ones_own_token_comes_before_the_global_one(opened):
    """A name without an application means one's own token, then the global one."""
    pay = opened("pay")
    assert key_of(pay, "Zoom") == secret_of("Zoom", "Payroll")
    assert key_of(pay, "Mail") == secret_of("Mail", None)
    assert key_of(pay, "zoom", app="PAYROLL") == secret_of("Zoom", "Payroll")
    assert key_of(pay, "Zoom", only_global=True) == secret_of("Zoom", None)


def test_for_an_admin_a_name_alone_is_the_global_one(opened):
    """Admins name the application whose token they mean."""
    carol = opened("carol")
    assert key_of(carol, "Zoom") == secret_of("Zoom", None)
    assert key_of(carol, "Zoom", app="Payroll") == secret_of("Zoom", "Payroll")
    with pytest.raises(NotFound):
        carol.resolve("Wages")


def test_explain_says_which_token_and_why(opened):
    """The rule that decides what a name means can be asked for."""
    pay, carol = opened("pay"), opened("carol")
    assert pay.tokens.explain("Zoom").startswith("the token of one's own application 'Payroll' comes before")
    assert pay.tokens.explain("Mail") == (
        "one's own application 'Payroll' has no token of this name, so the global one is meant"
    )
    assert pay.tokens.explain("Zoom", only_global=True) == "the global token was asked for"
    assert pay.tokens.explain("Wages", app="payroll").startswith("the token of one's own application")
    assert carol.tokens.explain("Zoom") == "a name without an application means the global token"
    assert carol.tokens.explain("Zoom", app="Survey") == "the token of the application 'Survey' was asked for"


def test_global_and_an_application_contradict_each_other(opened):
    """A token is global or belongs to an application: nobody asks for both."""
    with pytest.raises(InvalidValue, match="global or belongs"):
        opened("pay").resolve("Zoom", app="Payroll", only_global=True)


@pytest.mark.parametrize("work", ["resolve", "reveal", "explain"])
def test_another_applications_token_is_no_different_from_none(opened, work):
    """Neither the token nor the application of others can be told from ones that never were, not even by guessing."""
    pay = opened("pay")
    ask = {
        "resolve": pay.resolve,
        "explain": pay.tokens.explain,
        "reveal": lambda name, **how: pay.tokens.reveal(name, "api_key", **how),
    }[work]
    answers = set()
    for name in ("Answers", "Missing"):
        for how in ({}, {"app": "Survey"}, {"app": "Sales"}, {"app": "Payroll"}, {"only_global": True}):
            with pytest.raises(NotFound) as caught:
                ask(name, **how)
            answers.add((str(caught.value).replace(name, "NAME"), caught.value.hint))
    assert answers == {("there is no token 'NAME' that is meant by this name here", None)}


def test_a_refused_question_leaves_no_trace(team, opened):
    """What was asked for in vain is not recorded, so guessing changes nothing either."""
    before = team.sql("SELECT COUNT(*) FROM stored_events")
    with pytest.raises(NotFound):
        opened("pay").tokens.reveal("Answers", "api_key", app="Survey")
    with pytest.raises(NotFound, match="no field 'colour'"):
        opened("pay").tokens.reveal("Zoom", "colour")
    assert team.sql("SELECT COUNT(*) FROM stored_events") == before


@pytest.mark.parametrize("member", ["form", "carol"])
def test_a_form_based_token_is_refused_to_a_process(opened, member):
    """The token of a form-based app serves that form alone, whoever asks for a process."""
    registry, how = opened(member), {"app": "Survey"}
    for work in (
        lambda: registry.resolve("Zoom", process="nightly", **how),
        lambda: registry.tokens.reveal("Zoom", "api_key", process="nightly", **how),
        lambda: registry.tokens.explain("Zoom", process="nightly", **how),
    ):
        with pytest.raises(NotPermitted, match="serves that form alone"):
            work()
    assert key_of(registry, "Zoom", **how) == secret_of("Zoom", "Survey")


def test_a_form_does_not_hide_its_own_token_behind_a_process(opened):
    """A process is refused the form's token, and not given the global one of the same name in its place."""
    with pytest.raises(NotPermitted, match="serves that form alone"):
        opened("form").resolve("Zoom", process="nightly")


def test_a_process_based_token_serves_every_process(opened):
    """Any process of a process-based app may use its token, and anybody a global one."""
    assert key_of(opened("pay"), "Zoom", process="nightly") == secret_of("Zoom", "Payroll")
    assert key_of(opened("till"), "Zoom", process="hourly") == secret_of("Zoom", "Payroll")
    assert key_of(opened("form"), "Mail", process="hourly") == secret_of("Mail", None)


def test_every_use_is_recorded_before_it_is_answered(team, opened):
    """Each revealing, and the first resolving of each revision, stands in the history that auditors read.

    Resolving does not wait for that, unless the registry demands it.
    """
    team.do("alice", lambda r: r.policies.set("fail-closed", "always"))
    pay = opened("pay")
    pay.resolve("Zoom")
    pay.resolve("Zoom")
    pay.tokens.reveal("Zoom", "api_secret", reason="a look")
    team.do("alice", lambda r: r.tokens.edit("Zoom", TokenEdit(fields=fields("new")), app="Payroll"))
    assert pay.resolve("Zoom")["api_key"].reveal() == "new"
    entries = [entry for entry in team.do("bob", lambda r: list(r.history())) if entry.event == "token.disclosed"]
    assert {entry.actor for entry in entries} == {"pay"}
    assert [(entry.application, entry.revision, entry.detail["purpose"], entry.changed) for entry in entries] == [
        ("Payroll", 1, "resolve", ()),
        ("Payroll", 1, "reveal", ("api_secret",)),
        ("Payroll", 2, "resolve", ()),
    ]


def test_an_app_learns_its_applications_name_under_which_it_goes_now(team, opened):
    """A renamed application is found under its new name by its members, who cannot read the roster's contents."""
    pay = opened("pay")
    team.do("alice", lambda r: r.applications.rename("Payroll", "Salaries"))
    assert key_of(pay, "Wages", app="salaries") == secret_of("Wages", "Payroll")
    assert pay.whoami().may_open == ("global", "application:Salaries")
    with pytest.raises(NotFound):
        pay.resolve("Wages", app="Payroll")


def test_new_credentials_meet_no_reader_half_way(team, opened, monkeypatch):
    """A change between a reader's two looks is no damage to it: it answers with one revision, the old or the new."""
    pay = opened("pay")
    store, read = type(pay._ledger.store), type(pay._ledger.store).row_by_tag

    def changed_afterwards(self, tag):
        monkeypatch.setattr(store, "row_by_tag", read)
        row = read(self, tag)
        team.do("alice", lambda r: (r.members.rotate(), r.tokens.edit("Mail", TokenEdit(fields=fields("new")))))
        return row

    monkeypatch.setattr(store, "row_by_tag", changed_afterwards)
    monkeypatch.setattr(store, "shred", lambda _, **__: False)  # it would wait for the reader, who waits for it here
    assert pay.resolve("Mail")["api_key"].reveal() == secret_of("Mail", None)
    assert pay.resolve("Mail")["api_key"].reveal() == "new"


def test_a_token_of_ones_own_takes_over_at_once(team, opened):
    """As soon as one's own application has a token of a name, it answers instead of the global one."""
    pay = opened("pay")
    assert key_of(pay, "Mail") == secret_of("Mail", None)
    token = NewToken(name="Mail", application="Payroll", provider="zoom", fields=fields("own"))
    team.do("alice", lambda r: r.tokens.add(token))
    assert key_of(pay, "Mail") == "own"
