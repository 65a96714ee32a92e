"""Rosters to begin a test with: alice founded, bob is an admin too, there are two applications."""

from registry.domain import roster_rules as rules
from registry.domain.roster import FINGERPRINT, Generation, Grant, MemberKeys, Roster, scope_audience
from registry.domain.roster_events import (
    ApplicationRegistered,
    Founder,
    FoundingStatement,
    MemberAdmitted,
    RosterFounded,
)
from registry.values import ApplicationId, MemberId
from tests.domain.facts import ALICE, AT, BOB

CAROL, DAVE = MemberId("c" * 32), MemberId("d" * 32)
PAYROLL, CRM = ApplicationId("c" * 32), ApplicationId("d" * 32)


def keys_of(member, word="first"):
    """Return the public keys of a member."""
    return MemberKeys(f"sign {member[:4]} {word}".encode().ljust(32), f"seal {member[:4]} {word}".encode().ljust(32))


STATEMENT = FoundingStatement(1, b"n" * 32, AT, (Founder(ALICE, keys_of(ALICE)),))


def fact(cls, version, **facts):
    """Return a fact of the roster, by alice unless ``facts`` say another."""
    common = {"by": ALICE, "at": AT, "host": "desk", "client": "tests/1", "previous": b""}
    return cls(originator_id="0" * 32, originator_version=version, **(common | facts))


def generation(audience, number=1):
    """Return a generation of an audience that tells what its kind has to tell."""
    audit = audience == "audit"
    previous = b"former" if audit and number > 1 else None
    return Generation(audience, number, b"c" * 32, b"p" * 32 if audit else None, previous)


def keys(audience, number=1, *holders):
    """Return a generation of an audience, and a grant of it to each holder; to alice if none is named."""
    grants = tuple(Grant(audience, number, holder, b"sealed") for holder in holders or (ALICE,))
    return {"generations": (generation(audience, number),), "grants": grants}


def then(roster, cls, **facts):
    """Return the roster after one more fact."""
    return rules.evolve(roster, fact(cls, roster.version + 1, **facts))


def admitted(roster, member, role, application=None, **facts):
    """Return the roster after the admission of a member."""
    facts = {"member": member, "role": role, "application": application, "keys": keys_of(member), **facts}
    return then(roster, MemberAdmitted, **facts)


def team():
    """Return the roster of alice and bob, admins, and two applications."""
    made = [generation(audience) for audience in ("audit", "global", FINGERPRINT)]
    given = tuple(Grant(one.audience, 1, ALICE, b"sealed") for one in made)
    roster = then(Roster(), RosterFounded, statement=STATEMENT, generations=tuple(made), grants=given)
    for application in (PAYROLL, CRM):
        added = keys(scope_audience(application))
        roster = then(roster, ApplicationRegistered, application=application, kind="process", label=b"1", **added)
    to_bob = tuple(Grant(audience, 1, BOB, b"sealed") for audience in roster.generations)
    return admitted(roster, BOB, "admin", grants=to_bob)
