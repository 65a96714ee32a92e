"""Whoever holds the database hides or changes rows while they are read, and puts them back: nothing is read past it."""

import pytest

from registry import IntegrityError, TokenEdit
from tests.members.team import fields, secret_of


@pytest.fixture
def exposed(team):
    """Return the id of Mail, whose secrets a former member knows: they were changed, and put back."""
    team.do("alice", lambda r: r.members.remove("pay"))
    for secret in ("x", secret_of("Mail", None)):
        team.do("alice", lambda r, secret=secret: r.tokens.edit("Mail", TokenEdit(fields=fields(secret))))
    return team.do("alice", lambda r: r.tokens.show("Mail").id)


def listed(team):
    """Return the names of the global tokens that are exposed."""
    return [view.name for view in team.do("alice", lambda r: list(r.tokens.list(exposed=True, only_global=True)))]


HIDDEN = {
    "first": "UPDATE stored_events SET originator_id = '{}' WHERE originator_id = ? AND originator_version = 1",
    "second": "UPDATE stored_events SET originator_id = '{}' WHERE originator_id = ? AND originator_version = 2",
    "last": "UPDATE stored_events SET originator_id = '{}' WHERE originator_id = ? AND originator_version = 3",
    "all": "UPDATE stored_events SET originator_id = '{}' WHERE originator_id = ?",
    "gone": "DELETE FROM stored_events WHERE originator_id = ? AND originator_version = 1 AND '{}' <> ''",
    "topic": "UPDATE stored_events SET topic = 'token.described' WHERE originator_id = ? AND '{}' <> ''",
    "version": "UPDATE stored_events SET originator_version = 9 WHERE originator_id = ? AND originator_version = 2"
    " AND '{}' <> ''",
}


@pytest.mark.parametrize("how", HIDDEN.values(), ids=HIDDEN)
def test_no_exposed_token_looks_safe_for_a_hidden_event(team, exposed, how):
    """Which secrets a token had is read from events that are proven, as many as its row says there are."""
    assert "Mail" in listed(team)
    team.sql(how.format("f" * 32), (exposed,))
    with pytest.raises(IntegrityError, match=r"are missing|is not the one committed"):
        listed(team)
