"""``show --as-of``, ``history --as-of`` and ``history --diff``, as people and scripts see them."""

import json
from datetime import UTC, datetime

import pytest
from freezegun import freeze_time

from tests.cli.test_bad_input import refused
from tests.cli.test_json import HISTORY_KEYS, TOKEN_KEYS, told

EVERY_ENGINE = True

DAYS = [datetime(2027, 1, day, 12, tzinfo=UTC) for day in (10, 11, 12, 13, 14)]


@pytest.fixture
def lived(empty, secrets):
    """Return a command line on a registry to which something happened on each of five days."""
    with freeze_time(DAYS[0]) as clock:
        empty.ok("init", "--name", "ada")
        empty.ok("app", "add", "HR", "--kind", "process")
        clock.move_to(DAYS[1])
        empty.ok("add", "Zoom", "--app", "HR", *secrets, "--description", "first")
        clock.move_to(DAYS[2])
        change = (
            "--field",
            "api_secret=@new.txt",
            "--field",
            "api_url=https://a.example/v2",
            "--description",
            "second",
        )
        empty.ok("edit", "Zoom", "--app", "HR", *change, "--expires", "2027-12-31")
        clock.move_to(DAYS[3])
        empty.ok("rename", "Zoom", "Boom", "--app", "HR")
        empty.ok("app", "rename", "HR", "Staff")
        clock.move_to(DAYS[4])
        empty.ok("remove", "Boom", "--app", "Staff", "--yes")
        yield empty


def as_of(cli, moment, name="Zoom", app="HR"):
    """Return the JSON of a token as it was."""
    return told(cli, "show", name, "--app", app, "--as-of", moment)


def test_a_token_as_it_was(lived):
    """The keys are those of ``show`` and ``as_of``; the values are those of the end of that day."""
    shown = as_of(lived, "2027-01-11")
    assert shown.keys() - {"as_of"} >= TOKEN_KEYS
    assert (shown["description"], shown["revision"], shown["expires_at"]) == ("first", 1, None)
    assert (shown["application"], shown["as_of"]) == ("HR", "2027-01-11T23:59:59.999999Z")
    assert shown["fields"]["api_secret"] == {"secret": True, "set": True}
    shown = as_of(lived, "2d")
    assert (shown["description"], shown["revision"], shown["expires_at"]) == ("second", 2, "2027-12-31T23:59:59Z")
    assert shown["fields"]["api_url"]["value"] == "https://a.example/v2"
    assert as_of(lived, "2027-01-13T12:00:00Z", "boom", "staff")["id"] == shown["id"]


def test_a_token_as_it_was_for_people(lived):
    """The record says of when it is, in its first line."""
    lines = lived.ok("show", "Zoom", "--app", "HR", "--as-of", "2027-01-11T15:00:00+02:00").splitlines()
    assert lines[0].split() == ["As", "of", "2027-01-11T13:00:00Z"]
    assert lines[1].split() == ["Name", "Zoom"]


@pytest.mark.parametrize(
    ("moment", "name", "app"),
    [
        ("2027-01-10", "Zoom", "HR"),
        ("2027-01-13", "Zoom", "Staff"),
        ("2027-01-13", "Boom", "HR"),
        ("2027-01-14", "Boom", "Staff"),
        ("1999-01-01", "Zoom", "HR"),
    ],
)
def test_what_was_not_there_then(lived, moment, name, app):
    """A token that nobody had then, or under another name, is not found."""
    assert "there was no" in refused(lived("show", name, "--app", app, "--as-of", moment), 3)


@pytest.mark.sqlite
@pytest.mark.parametrize("words", [("show", "Zoom"), ("history",)], ids=" ".join)
@pytest.mark.parametrize("moment", ["yesterday", "2027-13-01", "2027-01-11T12:00:00", "", "-1d"])
def test_what_is_no_time(lived, words, moment):
    """What is no date, no time with a zone and no number of days is refused."""
    refused(lived(*words, "--as-of", moment), 2)


def test_the_history_as_it_was_known(lived):
    """The events up to the end of that day, with the names of then, in either format."""
    known = told(lived, "history", "--as-of", "2027-01-12")
    assert known[-1]["at"] == "2027-01-12T12:00:00Z"
    assert {event["application"] for event in known} == {None, "HR"}
    assert {event["application"] for event in told(lived, "history", "--until", "2027-01-12")} == {None, "HR", "Staff"}
    assert "Staff" not in lived.ok("history", "--as-of", "2027-01-12")
    assert told(lived, "history", "Zoom", "--app", "HR", "--as-of", "2027-01-11")[0]["event"] == "token.created"
    refused(lived("history", "Boom", "--app", "HR", "--as-of", "2027-01-12"), 3)
    assert told(lived, "history", "--as-of", "1999-01-01") == []


def test_a_day_ends_with_its_last_moment(empty):
    """What happened in the last second of a day happened on that day."""
    with freeze_time(datetime(2027, 1, 10, 23, 59, 59, 500_000, tzinfo=UTC)):
        empty.ok("init", "--name", "ada")
        for option in ("--as-of", "--until"):
            assert len(told(empty, "history", option, "2027-01-10")) == 1
            assert told(empty, "history", option, "2027-01-09") == []


def test_diff_for_scripts(lived):
    """Each event has its changes, beside every key that it has without."""
    events = told(lived, "history", "--diff")
    assert all(event.keys() >= {*HISTORY_KEYS, "diff"} for event in events)
    assert [{name: value for name, value in event.items() if name != "diff"} for event in events] == told(
        lived, "history"
    )
    (changed,) = [event["diff"] for event in events if event["event"] == "token.credentials_changed"]
    assert changed == [
        {"field": "api_url", "secret": False, "from": None, "to": "https://a.example/v2"},
        {"field": "api_key", "secret": True, "verdict": "same"},
        {"field": "api_secret", "secret": True, "verdict": "new"},
    ]


def test_diff_for_people(lived):
    """The changes stand in words; an event that changes no field says what else it says."""
    shown = lived.ok("history", "--diff")
    for words in (
        "name set to 'Zoom', provider set to 'zoom', description set to 'first', encrypted set to yes, api_key set",
        "description from 'first' to 'second'",
        "api_url set to 'https://a.example/v2', api_key has the same value, api_secret has a new value",
        "expires_at set to '2027-12-31T23:59:59Z'",
        "name from 'Zoom' to 'Boom'",
        "name from 'HR' to 'Staff'",
    ):
        assert words in shown
    assert shown.startswith("POS  AT")
    assert "CHANGES" in shown.splitlines()[0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("edit", "Zoom", "--field", "api_secret=@secret.txt"), "api_secret has a value that was used before"),
        (("edit", "Zoom", "--description", ""), "description unset, was 'x \\u202e"),
        (("edit", "Zoom", "--description", "y" * 100), f"to '{'y' * 59}…'"),
        (("test", "Zoom"), "outcome=unreachable"),
    ],
    ids=["used before", "unset", "long", "tested"],
)
def test_diff_in_words(token, words, said):
    """Former values, emptied texts, long texts and other events have their words; nothing steers a terminal."""
    token.ok("edit", "Zoom", "--field", "api_secret=@new.txt", "--field", "api_url=http://127.0.0.1:9/v2")
    token.ok("edit", "Zoom", "--description", "x \u202e")
    token(*words)
    shown = token.ok("history", "--diff", "-n", "1")
    assert said in shown
    assert "\u202e" not in shown


def test_json_is_the_same_whatever_is_asked_first(lived):
    """Options combine: the last one of a day's history, with its changes."""
    (event,) = told(lived, "history", "--as-of", "2027-01-12", "--diff", "-n", "1", "--event", "token.")
    assert event["event"] == "token.expiry_set"
    assert json.dumps(event["diff"]) == json.dumps(
        [{"field": "expires_at", "secret": False, "from": None, "to": "2027-12-31T23:59:59Z"}]
    )
