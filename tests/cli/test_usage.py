"""``usage``, the reminders of ``list``, and the users that are shown before something is removed."""

import json
from datetime import UTC, datetime

import pytest
from freezegun import freeze_time

from registry.service import disclosing
from tests.cli.harness import typed
from tests.cli.team import APP, complete
from tests.cli.test_bad_input import refused
from tests.cli.test_json import told

NOON = datetime(2027, 1, 10, 12, 0, tzinfo=UTC)
KEYS = {
    "member",
    "present",
    "application",
    "process",
    "host",
    "purposes",
    "uses",
    "first_use",
    "last_use",
    "revision",
}


@pytest.fixture
def crew(tmp_path):
    """Return a team whose app has used a token of its own."""
    team, others = complete(tmp_path)
    others["app"].ok("reveal", "Zoom", "--field", "api_key", "--process", "nightly")
    return team, others


def test_usage(crew):
    """There is a line for each user, as a table and as JSON, for admins and auditors; without any it says so."""
    team, others = crew
    (one,) = told(others["auditor"], "usage", "zoom", "--app", APP)
    assert one.keys() == KEYS
    assert (one["member"], one["application"], one["process"], one["purposes"]) == (
        "server",
        APP,
        "nightly",
        ["reveal"],
    )
    assert one["last_use"].endswith("Z")
    header, line = team.ada.ok("usage", "Zoom", "--app", APP).splitlines()
    assert " ".join(header.split()) == "MEMBER APPLICATION PROCESS HOST PURPOSES USES FIRST USE LAST USE REV"
    assert line.split()[0] == "server"
    ran = team.ada("usage", "Zoom")
    assert (ran.code, ran.out, ran.err) == (0, "", "no use of Zoom is recorded\n")
    assert told(team.ada, "usage", "Zoom") == []
    refused(team.ada("usage", "Nope"), 3)


def test_a_removed_member_is_marked(crew):
    """Who is no member any more is told apart."""
    team, _ = crew
    team.ada.ok("member", "remove", "server", "--yes")
    assert "server (removed)" in team.ada.ok("usage", "Zoom", "--app", APP)
    assert not told(team.ada, "usage", "Zoom", "--app", APP)[0]["present"]


def test_what_is_not_recorded_is_said(crew):
    """Where apps resolve without a trace, an empty answer says nothing, and people are told so."""
    team, _ = crew
    team.ada.ok("policy", "set", "record-resolves", "off")
    for words in (("usage", "Zoom"), ("list", "--unused", "9d")):
        assert "record-resolves is off" in team.ada(*words).err
    assert "record-resolves" not in team.ada("list").err


def test_users_are_shown_before_a_token_is_removed(crew):
    """``remove`` shows who uses the token before it asks, and its document names them."""
    team, _ = crew
    ran = typed(team.ada.home, "remove", "Zoom", "--app", APP, answers=(("for ever? [y/N] ", "n\n"),))
    assert ran.code == 130
    shown, question, *_ = ran.out.splitlines()
    assert shown.startswith(f"Zoom is used by server, of {APP}, process nightly, host ")
    assert shown.endswith(", reveal")
    assert "last 20" in shown
    assert question.startswith("Destroy the credentials")
    gone = told(team.ada, "remove", "Zoom", "--app", APP, "--yes")
    assert [user["member"] for user in gone["users"]] == ["server"]
    assert gone["users"][0].keys() == KEYS


def test_nobody_uses_it(crew):
    """Whoever is asked is told as well that no use is recorded."""
    team, _ = crew
    ran = typed(team.ada.home, "remove", "Zoom", answers=(("for ever? [y/N] ", "n\n"),))
    assert ran.out.startswith("no use of Zoom is recorded\n")
    assert told(team.ada, "remove", "Zoom", "--yes")["users"] == []


def test_former_members_do_not_count(crew):
    """Who is gone does not use a token any more."""
    team, _ = crew
    team.ada.ok("member", "remove", "server", "--yes")
    assert told(team.ada, "remove", "Zoom", "--app", APP, "--yes")["users"] == []


def test_users_are_shown_before_an_application_is_removed(crew):
    """``app remove`` shows who uses which token of it before it asks, and its document names them."""
    team, _ = crew
    ran = typed(team.ada.home, "app", "remove", APP, answers=(("its tokens (1)? [y/N] ", "n\n"),))
    assert f"Zoom is used by server, of {APP}, process nightly, host " in ran.out.partition("[y/N]")[0]
    gone = told(team.ada, "app", "remove", APP, "--yes")
    assert [(user["token"], user["member"]) for user in gone["users"]] == [("Zoom", "server")]
    assert gone["users"][0].keys() == {*KEYS, "token"}


def test_a_long_list_of_users_is_cut(token, monkeypatch):
    """Of many users the latest are shown, and how many more there are."""
    monkeypatch.setattr("cli.documents._MOST_USERS", 2)
    for number in range(4):
        token.ok("reveal", "Zoom", "--field", "api_key", "--process", f"p{number}")
    ran = token("remove", "Zoom", "--yes")
    assert [line.split("process ")[1][:2] for line in ran.err.splitlines()[:2]] == ["p3", "p2"]
    assert "is used by 2 more; 'usage' shows them" in ran.err


def test_reminders(empty, secrets):
    """--unused, --stale and --expiring choose by time, together if need be."""
    with freeze_time(NOON) as clock:
        empty.ok("init", "--name", "ada")
        for name, more in {"Old": (), "Used": (), "Ends": ("--expires", "100d")}.items():
            empty.ok("add", name, *secrets, *more)
        clock.move_to(datetime(2027, 4, 10, 12, tzinfo=UTC))
        empty.ok("reveal", "Used", "--field", "api_key")
        empty.ok("edit", "Ends", "--field", "api_secret=@new.txt")

        def names(*words):
            return [entry["name"] for entry in told(empty, "list", *words)]

        assert names("--unused", "90d") == ["Ends", "Old"]
        assert names("--unused", "2027-04-10") == ["Ends", "Old"]
        assert names("--stale", "90d") == ["Old", "Used"]
        assert names("--stale", "91d") == []
        assert names("--expiring", "15d") == ["Ends"]
        assert names("--stale", "90d", "--unused", "1d") == ["Old"]
        for words in (["--unused", "x"], ["--stale", "-1d"], ["--stale", "1h"]):
            refused(empty("list", *words), 2)


@pytest.mark.parametrize("words", [(), ("--unused", "90d"), ("--stale", "0d"), ("--match", "zoom")], ids=" ".join)
def test_fail(token, words):
    """With --fail, what is found is printed as ever and the code is 11; where nothing is, it is 0."""
    plain = token.ok("list", *words)
    ran = token("list", *words, "--fail")
    assert (ran.code, ran.out, ran.err) == (11, plain, "error: one token was found\n")
    ran = token("list", *words, "--fail", "--format", "json")
    assert (ran.code, [one["name"] for one in json.loads(ran.out)]) == (11, ["Zoom"])
    token.ok("remove", "Zoom", "--yes")
    ran = token("list", *words, "--fail")
    assert (ran.code, ran.out, ran.err) == (0, "", "no tokens\n")


def test_fail_counts(token, secrets):
    """Several are counted."""
    token.ok("add", "Mail", *secrets)
    assert token("list", "--fail").err == "error: 2 tokens were found\n"
    assert token("list", "--exposed", "--fail").code == 0


def test_hosts_and_processes_do_not_steer_a_terminal(token, monkeypatch):
    """What a user calls itself, a patched client too, is shown with every control character escaped."""
    monkeypatch.setattr(disclosing, "parse_process", lambda text: text)
    token.ok("reveal", "Zoom", "--field", "api_key", "--process", "x\x1b[2J\u202e")
    shown = token.ok("usage", "Zoom") + token("remove", "Zoom").err
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "\\x1b[2J" in shown
