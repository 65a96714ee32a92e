"""Who uses a token, and which tokens nobody uses: what admins and auditors learn from recorded disclosures."""

import tracemalloc
from datetime import timedelta
from itertools import chain, count

import pytest
from msgspec import structs

from registry import IntegrityError, NotFound, NotPermitted, TokenEdit, Wanted, open_registry, rfc3339
from registry.store.sqlite import SQLiteStore
from tests.members.team import NOON, fields


def on(team, name, host):
    """Open the registry as a member on a host."""
    return open_registry(team.settings(name), surroundings=structs.replace(team.around, host=host))


def used(team, name, host="host-of-tests", *, token="Zoom", **how):
    """Have a member reveal a field of a token."""
    with on(team, name, host) as registry:
        registry.tokens.reveal(token, "api_key", **how)


def seen(team, name="Zoom", app=None):
    """Return what the auditor is told of a token's users, in short."""
    usage = team.do("bob", lambda r: r.usage(name, app=app))
    return [(one.member, one.application, one.process, one.host, one.purposes, one.uses) for one in usage]


def test_a_line_for_each_member_process_and_host(team):
    """Uses are counted by member, its application, process and host; who used it last comes first."""
    used(team, "pay", "web1", process="nightly")
    used(team, "till", "web1", process="nightly")
    used(team, "pay", "web2", process="nightly")
    used(team, "pay", "web1")
    with on(team, "pay", "web1") as registry:
        registry.tokens.run([Wanted(name="Zoom", process="nightly")])
        registry.resolve("Zoom", process="nightly")
    assert seen(team, app="Payroll") == [
        ("pay", "Payroll", "nightly", "web1", ("resolve", "reveal", "run"), 3),
        ("pay", "Payroll", None, "web1", ("reveal",), 1),
        ("pay", "Payroll", "nightly", "web2", ("reveal",), 1),
        ("till", "Payroll", "nightly", "web1", ("reveal",), 1),
    ]
    assert seen(team) == []


def test_first_and_last_use_and_revision(team):
    """Each line has the times of the first and the last use, those of their commits, and the revision then in force."""
    used(team, "alice")
    team.do("alice", lambda r: r.tokens.edit("Zoom", TokenEdit(fields=fields("new"))))
    used(team, "alice")
    used(team, "alice")
    (one,) = team.do("alice", lambda r: r.usage("zoom"))
    times = [e.at for e in team.do("bob", lambda r: list(r.history())) if e.event == "token.disclosed"]
    assert (one.first_use, one.last_use, one.uses, one.revision) == (times[0], times[-1], 3, 2)
    assert (one.member, one.application, one.present) == ("alice", None, True)
    assert one.document() == {
        "member": "alice",
        "present": True,
        "application": None,
        "process": None,
        "host": "host-of-tests",
        "purposes": ["reveal"],
        "uses": 3,
        "first_use": rfc3339(times[0]),
        "last_use": rfc3339(times[-1]),
        "revision": 2,
    }


def test_a_token_is_its_id(team):
    """A renamed token keeps its users, and one that took over the name begins without any."""
    used(team, "alice")
    team.do("alice", lambda r: r.tokens.rename("Zoom", "Old"))
    team.do("alice", lambda r: r.tokens.rename("Mail", "Zoom"))
    assert [line[0] for line in seen(team, "Old")] == ["alice"]
    assert seen(team, "Zoom") == []
    team.do("alice", lambda r: r.tokens.remove("Old"))
    with pytest.raises(NotFound):
        seen(team, "Old")


def test_who_is_gone_is_marked(team):
    """A member that was removed, and one that plays another role by now, are told with what they were then."""
    for name in ("pay", "till"):
        used(team, name, token="Mail")
    team.do("alice", lambda r: r.members.remove("pay"))
    team.do("alice", lambda r: r.members.change_role("till", "admin"))
    used(team, "till", token="Mail")
    usage = team.do("bob", lambda r: r.usage("Mail"))
    assert [(one.member, one.application, one.present) for one in usage] == [
        ("till", None, True),
        ("till", "Payroll", True),
        ("pay", "Payroll", False),
    ]


def test_the_users_of_an_application(team):
    """For an application each of its tokens is told with its users, read in one go."""
    used(team, "pay")
    used(team, "till", token="Wages")
    used(team, "alice", token="Mail")
    found = team.do("bob", lambda r: r.applications.usage("payroll"))
    assert {name: [one.member for one in users] for name, users in found.items()} == {
        "Wages": ["till"],
        "Zoom": ["pay"],
    }
    assert team.do("bob", lambda r: r.applications.usage("Survey")) == {}
    with pytest.raises(NotFound):
        team.do("bob", lambda r: r.applications.usage("Nowhere"))


ASKING = {
    "usage": lambda r: r.usage("Zoom"),
    "of an application": lambda r: r.applications.usage("Payroll"),
    "unused": lambda r: list(r.tokens.list(unused=timedelta(days=9))),
}


@pytest.mark.parametrize("ask", ASKING)
def test_apps_are_told_nothing_of_others(team, ask):
    """Who uses a token is the business of admins and auditors."""
    with pytest.raises(NotPermitted):
        team.do("pay", ASKING[ask])


def listed(team, **how):
    """Return the names of the tokens that are listed."""
    return [(view.name, view.application) for view in team.do("bob", lambda r: list(r.tokens.list(**how)))]


def test_unused(team):
    """A token is unused if no use is recorded within the time, never or only before."""
    clock = team.around.clock
    used(team, "alice")
    clock.now = NOON + timedelta(days=50)
    used(team, "pay", token="Mail")
    clock.now = NOON + timedelta(days=100)
    assert ("Zoom", None) in listed(team, unused=timedelta(days=90))
    assert ("Mail", None) not in listed(team, unused=timedelta(days=90))
    assert listed(team, unused=timedelta(days=90), only_global=True) == [("Zoom", None)]
    assert listed(team, unused=timedelta(days=101), only_global=True) == []
    assert listed(team, unused=timedelta(days=0), only_global=True) == [("Mail", None), ("Zoom", None)]
    assert ("Wages", "Payroll") in listed(team, unused=timedelta(days=1_000))


def test_stale(team):
    """A token is stale if its credentials have not changed within the time, whatever else did."""
    clock = team.around.clock
    clock.now = NOON + timedelta(days=50)
    team.do("alice", lambda r: r.tokens.edit("Zoom", TokenEdit(fields=fields("new"))))
    clock.now = NOON + timedelta(days=100)
    team.do("alice", lambda r: r.tokens.edit("Mail", TokenEdit(fields={}, description="new")))
    assert listed(team, stale=timedelta(days=90), only_global=True) == [("Mail", None)]
    assert listed(team, stale=timedelta(days=49), only_global=True) == [("Mail", None), ("Zoom", None)]
    assert listed(team, stale=timedelta(days=90), unused=timedelta(0), match="zoo", only_global=True) == []


@pytest.mark.parametrize("ask", ASKING)
def test_a_use_that_was_dropped_is_noticed(team, ask):
    """Whoever holds the database cannot make a token look unused: what is read must be the log's."""
    used(team, "alice")
    used(team, "alice")
    team.do("bob", lambda r: None)
    at = team.sql("SELECT MIN(position) FROM stored_events WHERE topic = 'token.disclosed'")[0][0]
    team.sql("DELETE FROM stored_events WHERE position = ?", (at,))
    with pytest.raises(IntegrityError):
        team.do("bob", ASKING[ask])


def test_memory_does_not_grow_with_the_uses(team, monkeypatch):
    """Reading who uses a token takes memory for its users, not for what they did."""
    for _ in range(4):
        used(team, "alice")
    with team.open("bob") as registry:
        ledger = registry._ledger
        events = [one for one in ledger.store.events() if one.stored.topic == "token.disclosed"]
        told = list(ledger.store.events())
        peaks, lengths = [], (200, 2_000)
        for length in lengths:
            numbers = count()
            many = (events[next(numbers) % 4] for _ in range(length))
            monkeypatch.setattr(type(ledger), "events", lambda _, many=many: chain(told, many))
            tracemalloc.start()
            (one,) = registry.usage("Zoom")
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
            assert one.uses == length + 4
    assert peaks[1] < peaks[0] + 100_000


def test_the_history_is_read_once(team, monkeypatch):
    """One reading is enough, for one token or for an application."""
    used(team, "pay")
    readings = []
    events = SQLiteStore.events
    with team.open("bob") as registry:
        monkeypatch.setattr(SQLiteStore, "events", lambda *a, **k: readings.append(1) or events(*a, **k))
        registry.usage("Zoom")
        registry.applications.usage("Payroll")
        list(registry.tokens.list(unused=timedelta(days=1)))
    assert len(readings) == 3
