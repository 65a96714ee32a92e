"""Dates: what is written, what is meant, and what has ended."""

import json
from datetime import UTC, datetime

import pytest
from freezegun import freeze_time

NOON = datetime(2027, 1, 10, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2027-01-31", "2027-01-31T23:59:59Z"),
        ("2027-01-31T12:00:00Z", "2027-01-31T12:00:00Z"),
        ("2027-01-31T12:00:00+02:00", "2027-01-31T10:00:00Z"),
        ("90d", "2027-04-10T12:00:00Z"),
        ("0d", "2027-01-10T12:00:00Z"),
        ("2020-02-29", "2020-02-29T23:59:59Z"),
        ("never", None),
    ],
)
def test_expiry(empty, secrets, written, meant):
    """A date ends with its day, in UTC; days count from now."""
    with freeze_time(NOON, real_asyncio=False):
        empty.ok("init", "--name", "ada")
        empty.ok("add", "Zoom", *secrets, "--expires", written)
        assert json.loads(empty.ok("show", "Zoom", "--format", "json"))["expires_at"] == meant


def test_tokens_that_end_soon(empty, secrets):
    """--expiring shows what ends within the time, and what has ended, as time goes by."""
    with freeze_time(NOON) as clock:
        empty.ok("init", "--name", "ada")
        for name, expires in {"Soon": "20d", "Late": "90d", "Ever": "never"}.items():
            empty.ok("add", name, *secrets, "--expires", expires)

        def ending(within):
            return [entry["name"] for entry in json.loads(empty.ok("list", "--expiring", within, "--format", "json"))]

        assert ending("19d") == []
        assert ending("20d") == ["Soon"]
        assert ending("2027-04-30") == ["Late", "Soon"]
        clock.move_to(datetime(2027, 6, 1, tzinfo=UTC))
        assert ending("0d") == ["Late", "Soon"]


def test_history_by_time(empty, secrets):
    """--since and --until mean a day's beginning and its end, and days ago; events carry the commit's time."""
    with freeze_time(NOON) as clock:
        empty.ok("init", "--name", "ada")
        clock.move_to(datetime(2027, 2, 10, 12, tzinfo=UTC))
        empty.ok("add", "Zoom", *secrets)

        def events(*words):
            return [entry["event"] for entry in json.loads(empty.ok("history", *words, "--format", "json"))]

        assert events("--since", "2027-02-10", "--until", "2027-02-10") == ["token.created"]
        assert events("--until", "2027-02-09") == ["roster.founded"]
        assert events("--since", "1d") == ["token.created"]
        assert events("--since", "32d") == ["roster.founded", "token.created"]
        assert events("--until", "1d") == ["roster.founded"]
        assert json.loads(empty.ok("history", "--format", "json"))[1]["at"] == "2027-02-10T12:00:00Z"


def test_a_clock_behind_the_history(empty, secrets):
    """A machine whose clock lags far behind the history does not write."""
    with freeze_time(NOON) as clock:
        empty.ok("init", "--name", "ada")
        clock.move_to(datetime(2027, 1, 10, 11, 0, tzinfo=UTC))
        ran = empty("add", "Zoom", *secrets)
        assert (ran.code, "set the clock" in ran.err) == (10, True)
        empty.ok("list")
