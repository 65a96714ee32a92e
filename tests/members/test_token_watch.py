"""Whether what a program was given still holds: told at once, opened by nobody, and recorded as no use."""

import threading
import time

import pytest

from registry import Asked, NotFound, NotPermitted, StoreMissing, TokenEdit
from tests.members.team import fields

MAIL, WAGES, ZOOM = Asked(name="Mail"), Asked(name="Wages"), Asked(name="Zoom", only_global=True)


def edited(team, key, name="Mail", app=None):
    """Have alice change a token's credentials."""
    team.do("alice", lambda r: r.tokens.edit(name, TokenEdit(fields=fields(key)), app=app))


def test_other_credentials_are_a_change(team, opened):
    """Each change of one of the tokens is told once."""
    with opened("pay").token_watch([MAIL, WAGES]) as watch:
        assert not watch.changed()
        edited(team, "new")
        assert watch.changed()
        assert not watch.changed()
        edited(team, "new", "Wages", "Payroll")
        assert watch.changed()


def test_what_leaves_the_values_as_they_are_is_none(team, opened):
    """A description, another token, new keys and a member that goes are no reason to begin anew."""
    with opened("pay").token_watch([MAIL, WAGES]) as watch:
        team.do("alice", lambda r: r.tokens.edit("Mail", TokenEdit(fields={}, description="other words")))
        edited(team, "new", "Zoom")
        team.do("alice", lambda r: (r.members.remove("till"), r.members.rotate()))
        assert not watch.changed()


def test_another_token_of_the_name_is_a_change(team, opened):
    """A name that now means one's own token in place of the global one means other values."""
    with opened("pay").token_watch([MAIL]) as watch:
        team.do("alice", lambda r: r.tokens.rename("Wages", "Mail", app="Payroll"))
        assert watch.changed()


def test_a_deleted_token_is_not_found(team, opened):
    """A token that is gone raises, each time."""
    with opened("pay").token_watch([ZOOM, MAIL]) as watch:
        team.do("alice", lambda r: r.tokens.remove("Mail"))
        for _ in range(2):
            with pytest.raises(NotFound):
                watch.changed()


def test_a_removed_member_is_told_so(team, opened):
    """Who is no member any more is not told that all is well."""
    with opened("pay").token_watch([MAIL]) as watch:
        team.do("alice", lambda r: r.members.remove("pay"))
        for _ in range(2):
            with pytest.raises(NotPermitted):
                watch.changed()


def test_who_may_not_use_tokens_cannot_watch_them(opened):
    """Auditors have no values that could change; names that are none are refused at once."""
    with pytest.raises(NotPermitted):
        opened("bob").token_watch([MAIL])
    with pytest.raises(NotFound):
        opened("pay").token_watch([Asked(name="Answers")])


def test_waiting(team, opened):
    """It waits until there is a change, or its time is over."""
    with opened("pay").token_watch([MAIL]) as watch:
        began = time.monotonic()
        assert not watch.wait(0.2)
        assert time.monotonic() - began >= 0.2
        later = threading.Timer(0.3, edited, (team, "new"))
        later.start()
        assert watch.wait(10)
        later.join()


def test_a_store_that_is_away_for_a_moment(team, opened):
    """What could not be looked at is looked at again, and the change is not missed."""
    with opened("pay").token_watch([MAIL]) as watch:
        edited(team, "new")
        away = team.store.with_name("away")
        team.store.rename(away)
        with pytest.raises(StoreMissing):
            watch.changed()
        away.rename(team.store)
        assert watch.changed()


def test_watching_is_no_use(team, opened):
    """Nothing is recorded of it: nothing was opened."""
    with opened("pay").token_watch([MAIL]) as watch:
        edited(team, "new")
        assert watch.changed()
    assert team.do("bob", lambda r: [e for e in r.history() if e.event == "token.disclosed"]) == []
