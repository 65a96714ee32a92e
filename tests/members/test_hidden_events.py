"""Whoever holds the database hides or changes rows while they are read, and puts them back: nothing is read past it."""

import pytest

from registry import EvidenceQuery, HistoryQuery, IntegrityError, NewToken, TokenEdit
from registry.service.history import Reading
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


@pytest.fixture
def former(team):
    """Return the id of a token Mail that was removed, after which another took the name."""
    gone = team.do("alice", lambda r: r.tokens.remove("Mail")).id
    team.do("alice", lambda r: r.tokens.add(NewToken(name="Mail", provider="zoom", fields=fields("new"))))
    return gone


QUERIES = {"name": {"token": "Mail"}, "id": {"token": None}}
READS = {
    "history": lambda r, _, query: r.history(HistoryQuery(**query)),
    "export": lambda r, _, query: next(r.export(HistoryQuery(**query))),
    "evidence": lambda r, folder, query: r.evidence.export(folder, EvidenceQuery(**query)),
}
AWAY = {
    "topic": "UPDATE stored_events SET topic = 'token.described' WHERE originator_id = ? AND topic = 'token.created'",
    "stream": f"UPDATE stored_events SET originator_id = '{'f' * 32}' WHERE originator_id = ?",
    "gone": "DELETE FROM stored_events WHERE originator_id = ?",
}
REFUSED = r"not the ones? committed|lost its beginning|does not belong to its key"


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
@pytest.mark.parametrize("read", READS.values(), ids=READS)
@pytest.mark.parametrize("away", AWAY.values(), ids=AWAY)
def test_no_bearer_of_a_name_is_left_out(team, former, tmp_path, monkeypatch, away, read, query):
    """Which tokens are meant is found in events that are proven to be all there are, also if they are put back."""
    query, real = {"token": query["token"] or former}, Reading.wanted
    rows = team.sql("SELECT * FROM stored_events WHERE originator_id = ?", (former,))

    def wanted(reading, asked):
        team.sql(away, (former,))
        try:
            return real(reading, asked)
        finally:
            for row in rows:
                team.sql("DELETE FROM stored_events WHERE position = ?", (row[4],))
                team.sql("INSERT INTO stored_events VALUES (?, ?, ?, ?, ?, ?)", row)

    with team.open("bob") as bob:
        monkeypatch.setattr(Reading, "wanted", wanted)
        with pytest.raises(IntegrityError, match=REFUSED):
            read(bob, tmp_path / "evidence", query)
    assert not (tmp_path / "evidence").exists()


@pytest.mark.parametrize("away", AWAY.values(), ids=AWAY)
def test_no_name_is_left_out_before_an_export_goes_on(team, former, away):
    """What tokens are called behind a position is read from all that lies before it."""
    last = team.do("bob", lambda r: len(list(r.history()))) - 3
    team.sql(away, (former,))
    with team.open("bob") as bob, pytest.raises(IntegrityError, match=REFUSED):
        list(bob.export(after=last))


def created(team, name, app=None):
    """Return the id of a new token."""
    new = NewToken(name=name, application=app, provider="zoom", fields=fields(name))
    return team.do("alice", lambda r: r.tokens.add(new)).token.id


@pytest.mark.parametrize("table", ["tokens", "data_keys"])
def test_an_app_that_watches_misses_no_token_whose_row_is_hidden(team, table):
    """That a new token has no row any more is proven before it counts as gone."""
    with team.open("till") as till, till.changes(timeout=0) as changes:
        team.sql(f"DELETE FROM {table} WHERE token_id = ?", (created(team, "Fresh"),))
        with pytest.raises(IntegrityError, match=r"not the ones committed|is not the token's current one"):
            next(changes)


def test_an_app_that_watches_is_told_of_tokens_that_came_and_went(team):
    """A token that is gone again is no integrity failure, and one that stayed is told."""
    with team.open("till") as till, till.changes(timeout=0) as changes:
        created(team, "Gone")
        team.do("alice", lambda r: r.tokens.remove("Gone"))
        stayed = created(team, "Stayed")
        created(team, "Elsewhere", "Survey")
        told = [[event.token_id for event in change.events] for change in changes]
    assert [len(events) for events in told] == [0, 1, 1, 0]
    assert told[2] == [stayed]
