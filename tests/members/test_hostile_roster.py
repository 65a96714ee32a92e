"""Roster events that no admin committed, or not there: every machine refuses them and names the one that is wrong.

A patched client signs its commits rightly, so that the roster's own rules must refuse them. What somebody changes who
holds the database is refused by the log, or by what a machine has seen; and where a forger with every member's
identity makes all commits anew around it, by the roster's rules again.
"""

import pytest
from msgspec import structs

from registry import Identity, IntegrityError
from registry.domain.roster import GLOBAL, LogPoint
from registry.domain.roster_events import (
    ApplicationRegistered,
    ApplicationRemoved,
    AudienceRotated,
    MemberAdmitted,
    MemberRemoved,
    MemberRenewed,
    MemberRoleChanged,
    PolicyChanged,
    RollbackAccepted,
    RosterFounded,
    StoreMoved,
)
from registry.sealing.roster_record import RosterRecord
from registry.service.rotation import rotate
from registry.store.contents import Contents
from registry.values import ApplicationId, MemberId
from tests.members.refusals import LOG, refused, tampering_refused
from tests.members.team import commit, facts
from tests.tampering.forger import Event

MALLORY = MemberId("66" * 16)
NEXT = 9
"""The version of the event that comes after the team's own."""


@pytest.fixture(params=["pinned", "told the id alone"])
def victim(team, request):
    """Return a member whose machine has seen the team's roster, or knows nothing but the registry's id."""
    if request.param != "pinned":
        team.forget("form")
    return "form"


@pytest.fixture
def naive(team):
    """Return a member whose machine knows nothing but the registry's id."""
    team.forget("form")
    return "form"


def admission(ledger, identity=None, **changes):
    """Return the event that makes somebody an admin."""
    keys = (identity or Identity.generate("mallory")).public.keys
    wish = {"member": MALLORY, "role": "admin", "keys": keys, "name": "mallory"}
    return MemberAdmitted(**facts(ledger), **(wish | changes))


@pytest.mark.parametrize("author", ["bob", "pay"])
def test_only_admins_write_the_roster(team, opened, victim, author):
    """A roster event signed by a member that is no admin is refused."""
    ledger = opened(author)._ledger
    commit(ledger, admission(ledger))
    refused(team, victim, rf"^roster event {NEXT} \(member.admitted\): its author was no admin at that moment$")


def test_a_member_cannot_write_in_an_admins_name(team, opened, victim):
    """The author a roster event names is the one whose key signed it."""
    ledger, alice = opened("bob")._ledger, opened("alice")._ledger.member.id
    commit(ledger, structs.replace(admission(ledger), by=alice))
    refused(team, victim, f"roster event {NEXT} .*: its signature is not its author's")


def test_a_stranger_writes_nothing(team, opened, victim):
    """Whoever is no member signs nothing that counts in its own name."""
    ledger, stranger = opened("bob")._ledger, Identity.generate("mallory")
    contents = Contents(ledger.registry, stranger, ledger.keyring)
    commit(ledger, structs.replace(admission(ledger, stranger), by=MALLORY), contents=contents)
    refused(team, victim, f"roster event {NEXT} .*: its author was no admin")


@pytest.mark.parametrize("change", ["removed", "demoted"])
def test_an_admin_of_yesterday_writes_nothing_today(team, opened, naive, change):
    """What counts is who was admin when the event was made: a former admin's signature is refused."""
    patched = opened("carol")._ledger
    with opened("alice") as alice:
        alice.members.remove("carol") if change == "removed" else alice.members.change_role("carol", "auditor")
        event = admission(alice._ledger)
    patched.refresh = lambda: None
    commit(patched, structs.replace(event, by=patched.member.id))
    refused(team, naive, f"roster event {NEXT + 1} .*: its author was no admin")


def test_a_former_admin_cannot_put_its_event_before_its_removal(team, opened, victim):
    """An event slipped in before the removal breaks the chain, because the removal follows another one."""
    patched = opened("carol")._ledger
    forged = patched.contents.stored(admission(patched))
    team.do("alice", lambda r: r.members.remove("carol"))
    forger = team.forger()
    *before, removal = forger.events()
    slipped_in = Event(*structs.astuple(forged), removal.position, removal.commit + 1)
    forger.put_events([*before, slipped_in, structs.replace(removal, version=NEXT + 1, position=removal.position + 1)])
    tampering_refused(team, victim, rf"roster event {NEXT + 1} \(member.removed\): it does not follow", author="carol")


@pytest.mark.parametrize("version", [NEXT, NEXT + 5])
def test_a_replayed_event_is_refused(team, victim, version):
    """A roster event committed once does not count a second time, at its old version or at the next."""
    events = team.roster()
    team.put_roster([*events, structs.replace(events[4], originator_version=version)])
    words = "it does not follow the event before it" if version == NEXT else f"event {NEXT} should stand here"
    tampering_refused(team, victim, rf"roster event {version} \(member.admitted\): {words}")


@pytest.mark.parametrize("at", range(1, 7))
def test_two_events_exchanged_are_noticed(team, victim, at):
    """The order of roster events is signed."""
    events = team.roster()
    first, second = events[at], events[at + 1]
    events[at] = structs.replace(second, originator_version=at + 1)
    events[at + 1] = structs.replace(first, originator_version=at + 2)
    team.put_roster(events)
    tampering_refused(team, victim, f"roster event {at + 1} .*: it does not follow the event before it")


@pytest.mark.parametrize("at", range(7))
def test_an_event_dropped_in_the_middle_is_noticed(team, naive, at):
    """A gap in the roster is refused, and closing it by renumbering too."""
    events = team.roster()
    left = events[:at] + events[at + 1 :]
    team.put_roster(left)
    tampering_refused(team, naive, f"roster event {at + 2} .*: event {at + 1} should stand here")
    team.put_roster([structs.replace(event, originator_version=n) for n, event in enumerate(left, 1)])
    tampering_refused(team, naive, f"roster event {at + 1} ")


def test_the_newest_event_dropped_is_noticed_by_who_has_seen_it(team):
    """A roster shorter than a machine has seen is refused by it, also where the whole log is as short."""
    team.put_roster(team.roster()[:-1])
    refused(team, "form", f"the roster ends at event {NEXT - 2}; this machine has seen event {NEXT - 1}")
    forger = team.forger()
    last = forger.commit(-1)
    forger.cut(last.number - 1)
    cut = rf"it holds commit {last.number - 1} and {last.size - 1} events; this machine has seen commit {last.number}"
    refused(team, "form", rf"^the store was cut or put back: {cut} and {last.size}$")


def test_another_newest_event_is_noticed_by_who_has_seen_the_first(team, opened):
    """Two admins' events at one place make a fork: a machine that has seen one refuses the other, and shows both."""
    copy = team.backup()
    team.do("carol", lambda r: r.members.rotate("audit"))
    team.do("bob", lambda r: r.whoami())
    theirs = team.forger().commit(-1)
    team.restore(copy)
    team.do("alice", lambda r: r.members.rotate("global"))
    ours = team.forger().commit(-1)
    assert ours.number == theirs.number
    with pytest.raises(IntegrityError, match=rf"another history: its commit {ours.number} is not the one") as caught:
        team.open("bob")
    for made in (theirs, ours):
        assert team.forger().text(made).decode() in caught.value.detail


def test_a_registry_is_founded_once(team, opened, victim):
    """A second founding statement is refused, even by an admin's hand."""
    ledger = opened("alice")._ledger
    first = ledger.contents.event(team.roster()[0])
    commit(ledger, RosterFounded(**facts(ledger), statement=first.statement, names=first.names))
    refused(team, victim, rf"roster event {NEXT} \(roster.founded\): a registry is founded once")


PARTS = ("core", "sealed", "signature")


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("at", [1, 2, 7, 8])
def test_no_byte_of_a_roster_event_changes_unnoticed(team, victim, part, at):
    """Core, sealed part and signature hold together: one bit that changed is refused, by who has seen it too."""
    record = RosterRecord.parse(team.roster()[at - 1].state)
    changed = bytearray(getattr(record, part))
    changed[len(changed) // 2] ^= 1
    team.replace(at, **{part: bytes(changed)})
    tampering_refused(team, victim, f"roster event {at} ")


@pytest.mark.parametrize("part", PARTS)
def test_parts_of_two_events_cannot_be_combined(team, victim, part):
    """Core, sealed part and signature of another event of the same author and kind do not fit."""
    other = RosterRecord.parse(team.roster()[7].state)
    team.replace(7, **{part: getattr(other, part)})
    tampering_refused(team, victim, "roster event 7 ")


def test_a_core_edited_under_its_old_signature_is_refused(team, victim):
    """Whoever holds the database cannot make an auditor an admin in the clear part of its admission."""
    record = RosterRecord.parse(team.roster()[4].state)
    assert b'"auditor"' in record.core
    team.replace(5, core=record.core.replace(b'"auditor"', b'"admin"'))
    tampering_refused(team, victim, r"roster event 5 \(member.admitted\): its signature is not its author's")


def test_another_topic_over_the_same_core_is_refused(team, naive):
    """The topic of a roster event is signed with it."""
    team.sql("UPDATE stored_events SET topic = 'application.renamed' WHERE topic = 'application.registered'")
    tampering_refused(team, naive, r"roster event 2 \(application.renamed\)")
    team.sql("UPDATE stored_events SET topic = 'os.system' WHERE topic = 'application.renamed'")
    refused(team, naive, LOG)
    team.forger().rebuild()
    refused(team, naive, r"commit 1 has an event of the roster in the wrong place")


def test_names_are_read_from_what_was_checked(team, opened):
    """Names come from the very bytes whose signatures were checked, whatever the database says by then."""
    bob = opened("bob")
    team.do("alice", lambda r: r.members.rotate("global"))
    other = RosterRecord.parse(team.roster()[7].state)
    team.replace(7, sealed=other.sealed)
    assert [member.name for member in bob.members.list()] == ["alice", "carol", "bob", "pay", "till", "form"]


def half_removed(ledger, member):
    """Return the removal of a member that rotates one of the audiences it was in."""
    rotation = rotate(ledger, ledger.roster, [GLOBAL])
    given = tuple(grant for grant in rotation.grants if grant.member != member)
    return MemberRemoved(**facts(ledger), member=member, **(rotation.facts() | {"grants": given}))


def member_of(ledger, role):
    """Return the id of a member with a role, and not oneself."""
    return next(m.id for m in ledger.roster.members.values() if m.role == role and m.id != ledger.member.id)


ILL_FORMED = {
    "unknown application": (
        lambda ledger: admission(ledger, role="app", application=ApplicationId("77" * 16)),
        "there is no such application",
    ),
    "removed application": (
        lambda ledger: ApplicationRemoved(**facts(ledger), application=ApplicationId("77" * 16)),
        "there is no such application",
    ),
    "application twice": (
        lambda ledger: ApplicationRegistered(
            **facts(ledger), application=next(iter(ledger.roster.applications)), kind="form", label=b""
        ),
        "an application is registered once",
    ),
    "member twice": (
        lambda ledger: admission(ledger, member=member_of(ledger, "auditor")),
        "a member is admitted once",
    ),
    "keys twice": (lambda ledger: admission(ledger, ledger.identity), "these keys belong to a member already"),
    "unknown role": (lambda ledger: admission(ledger, role="owner"), "there is no role 'owner'"),
    "unknown policy": (
        lambda ledger: PolicyChanged(**facts(ledger), policy="allow-everything", value="yes"),
        "there is no policy",
    ),
    "unknown member": (lambda ledger: MemberRemoved(**facts(ledger), member=MALLORY), "there is no such member"),
    "removal that takes no key": (
        lambda ledger: MemberRemoved(**facts(ledger), member=member_of(ledger, "app")),
        "a member lost the key of application:.*, which was not rotated",
    ),
    "removal that takes one key of two": (
        lambda ledger: half_removed(ledger, member_of(ledger, "app")),
        "a member lost the key of application:",
    ),
    "narrowing that takes no key": (
        lambda ledger: MemberRoleChanged(**facts(ledger), member=member_of(ledger, "admin"), role="auditor"),
        "a member lost the key of .*, which was not rotated",
    ),
    "own removal": (
        lambda ledger: MemberRemoved(**facts(ledger), member=ledger.member.id),
        "nobody changes its own membership",
    ),
    "own role": (
        lambda ledger: MemberRoleChanged(**facts(ledger), member=ledger.member.id, role="auditor"),
        "nobody changes its own membership",
    ),
    "own renewal": (
        lambda ledger: MemberRenewed(**facts(ledger), member=ledger.member.id, keys=Identity.generate("x").public.keys),
        "nobody changes its own membership",
    ),
    "rollback that gives up nothing": (
        lambda ledger: RollbackAccepted(
            **facts(ledger), kept=LogPoint(5, 6, bytes(32)), lost=LogPoint(5, 6, bytes(32))
        ),
        "a rollback gives up what came after what it keeps",
    ),
    "move to what is no instance": (
        lambda ledger: StoreMoved(**facts(ledger), instance="A" * 32, place="here"),
        "the id of an instance of the store is 32 hexadecimal digits",
    ),
    "renewal that takes no key": (
        lambda ledger: MemberRenewed(
            **facts(ledger), member=member_of(ledger, "auditor"), keys=Identity.generate("x").public.keys
        ),
        "a member lost the key of audit, which was not rotated",
    ),
}


@pytest.mark.parametrize("case", ILL_FORMED)
def test_what_breaks_the_rosters_rules_is_refused_even_from_an_admin(team, opened, victim, case):
    """An admin's patched client cannot write into the roster what its rules forbid."""
    make, why = ILL_FORMED[case]
    ledger = opened("alice")._ledger
    commit(ledger, make(ledger))
    refused(team, victim, rf"^roster event {NEXT} \([a-z_.]+\): {why}")


def test_the_last_admin_cannot_be_removed_by_a_patched_client(team, opened, victim):
    """A roster without an admin is refused: the last one cannot be removed but by itself, and it cannot do that."""
    team.do("alice", lambda r: r.members.remove("carol"))
    ledger = opened("alice")._ledger
    commit(ledger, AudienceRotated(**facts(ledger)))
    team.do("alice", lambda r: r.whoami())
    ledger.refresh()
    commit(ledger, MemberRemoved(**facts(ledger), member=ledger.member.id))
    refused(team, victim, rf"^roster event {NEXT + 2} \(member.removed\): nobody changes its own membership")


@pytest.mark.parametrize("state", [b"", b"\x02", b"\x03" + bytes(100), b"\x02" + b"\xff" * 200], ids=len)
def test_a_roster_that_is_no_roster_is_refused(team, victim, state):
    """Bytes in no known format end in one line that names the event, not in a traceback."""
    team.sql("UPDATE stored_events SET state = ? WHERE topic = 'member.admitted'", (state,))
    tampering_refused(team, victim, r"roster event 4 \(member.admitted\)")


def test_a_store_without_its_roster_is_refused(team, victim):
    """A store that has lost its roster is not the registry this machine knows."""
    team.sql("DELETE FROM stored_events")
    refused(team, victim, "the roster ends at event 0" if team.pin(victim).seen else LOG)
    for table in ("commits", "log_nodes"):
        team.sql(f"DELETE FROM {table}")
    refused(team, victim, "it holds nothing; this machine" if team.pin(victim).seen else "has no founding statement")
