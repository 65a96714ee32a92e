"""Grants and generations that were not meant so: no key is taken that its roster event does not commit to."""

from base64 import b64encode

import pytest
from msgspec import structs

from registry import Identity, IntegrityError
from registry.domain.roster import AUDIT, FINGERPRINT, GLOBAL, Generation, Grant
from registry.domain.roster_events import AudienceRotated
from registry.sealing import grants, hpke
from registry.sealing.grants import AudienceKey
from registry.sealing.roster_record import RosterRecord
from registry.service.rotation import rotate
from tests.members.refusals import tampering_refused
from tests.members.team import commit, facts, secret_of

NEXT = 9


@pytest.fixture
def ledger(opened):
    """Return the ledger of an admin whose client is patched."""
    return opened("alice")._ledger


def member_id(opened, name):
    """Return the id of a member."""
    return opened(name)._ledger.member.id


def rotated(ledger, audience, changed=lambda given: given):
    """Commit a rotation of an audience whose grants were changed."""
    rotation = rotate(ledger, ledger.roster, [audience])
    given = tuple(changed(grant) for grant in rotation.grants)
    event = AudienceRotated(**facts(ledger), **(rotation.facts() | {"grants": given}))
    commit(ledger, event, rows=rotation.rows, replaced={row.token: row for row in rotation.replaced})


def test_the_patched_rotation_is_sound_where_nothing_is_changed(team, ledger):
    """What the tests below commit is refused for what they change in it, and for nothing else."""
    rotated(ledger, GLOBAL)
    assert team.do("pay", lambda r: r.resolve("Mail"))["api_key"].reveal() == secret_of("Mail", None)


PRESENTED = {
    "another member's": lambda ledger, own, roster: next(
        g for g in roster.grants if g.audience == GLOBAL and g.member == ledger.member.id
    ),
    "another audience's": lambda ledger, own, roster: next(
        g for g in roster.grants if g.audience.startswith("application:") and g.member == own
    ),
    "another generation's": lambda ledger, own, roster: next(
        g for g in roster.grants if g.audience == GLOBAL and g.member == own
    ),
}


@pytest.mark.parametrize("whose", PRESENTED)
def test_a_grant_serves_one_member_audience_and_generation(team, opened, ledger, whose):
    """A grant that was made for something else does not open, and the refusal names what it was presented as."""
    own = member_id(opened, "pay")
    other = PRESENTED[whose](ledger, own, ledger.roster)
    rotated(ledger, GLOBAL, lambda g: structs.replace(g, sealed=other.sealed) if g.member == own else g)
    with pytest.raises(IntegrityError, match=r"^the grant of generation 2 of global: a key that was granted does not"):
        team.do("pay", lambda r: r.resolve("Mail"))
    assert team.do("till", lambda r: r.resolve("Mail"))["api_key"].reveal() == secret_of("Mail", None)


def test_a_grant_of_another_registry_does_not_open(opened, ledger):
    """A grant binds its registry: that of another one is refused, though member, audience and number agree."""
    pay = opened("pay")._ledger
    generation, key = grants.new_generation(bytes(32), GLOBAL)
    given = grants.grant(bytes(32), key, pay.member)
    assert grants.open_grant(bytes(32), pay.identity.sealing_private, given, generation) == key
    with pytest.raises(IntegrityError, match="the grant of generation 1 of global"):
        grants.open_grant(pay.registry, pay.identity.sealing_private, given, generation)


def test_two_members_cannot_be_granted_different_keys_as_one(team, opened, ledger):
    """The generation commits to one key: whoever is granted another one notices."""
    pay = opened("pay")._ledger.member
    other = grants.grant(ledger.registry, AudienceKey(GLOBAL, 2, b"another key of thirty-two bytes!"), pay)
    rotated(ledger, GLOBAL, lambda g: other if g.member == pay.id else g)
    with pytest.raises(
        IntegrityError, match=r"^the key of global, generation 2, is not the one all others were given$"
    ):
        team.do("pay", lambda r: r.resolve("Mail"))


def test_a_public_key_that_belongs_to_another_key_is_noticed(team, ledger):
    """What apps seal to for the auditors is the public half of the very key that the auditors hold."""
    rotation = rotate(ledger, ledger.roster, [AUDIT])
    (generation,) = rotation.generations
    planted = structs.replace(generation, public=Identity.generate("mallory").public.keys.sealing)
    commit(ledger, AudienceRotated(**facts(ledger), **(rotation.facts() | {"generations": (planted,)})))
    team.do("pay", lambda r: r.resolve("Mail"))
    with pytest.raises(IntegrityError, match="the public key of audit, generation 2, belongs to another key"):
        team.do("bob", lambda r: list(r.history()))


def test_a_former_key_that_was_exchanged_is_noticed(team, ledger):
    """A new auditor notices if the key handed on to it is not the one that sealed the old events."""
    rotation = rotate(ledger, ledger.roster, [AUDIT])
    _, lie = grants.new_generation(ledger.registry, AUDIT)
    generation, key = grants.new_generation(ledger.registry, AUDIT, lie)
    given = tuple(grants.grant(ledger.registry, key, m) for m in ledger.roster.audience_members(AUDIT))
    lying = {"generations": (generation,), "grants": given}
    commit(ledger, AudienceRotated(**facts(ledger), **(rotation.facts() | lying)))
    with pytest.raises(IntegrityError, match="the key of audit, generation 1, is not the one all others were given"):
        team.admit("dora", "auditor")


@pytest.mark.parametrize("who", ["pinned", "told the id alone"])
def test_whoever_holds_the_database_plants_no_key(team, opened, who):
    """A generation, grant or public key put into a committed roster event breaks its signature.

    So nobody without an admin's identity has new secrets sealed to a key of their own.
    """
    if who != "pinned":
        team.forget("form")
    record = RosterRecord.parse(team.roster()[0].state)
    public = opened("bob")._ledger.roster.current(AUDIT).public
    mine = Identity.generate("mallory").public.keys.sealing
    core = record.core.replace(b64encode(public), b64encode(mine))
    assert core != record.core
    team.replace(1, core=core)
    tampering_refused(team, "form", r"roster event 1 \(roster.founded\): its signature is not its author's")


def test_an_unsigned_generation_is_not_sealed_to(team, opened):
    """A rotation appended in an admin's name is refused before anything is sealed under its key."""
    bob, alice = opened("bob")._ledger, opened("alice")._ledger
    generation, key = grants.new_generation(bob.registry, GLOBAL, AudienceKey(GLOBAL, 1, bytes(32)))
    given = tuple(grants.grant(bob.registry, key, m) for m in bob.roster.audience_members(GLOBAL))
    by = alice.member.id
    event = AudienceRotated(**facts(bob, by=by), generations=(generation,), grants=given)
    commit(bob, event)
    with pytest.raises(IntegrityError, match=rf"roster event {NEXT} \(audience.rotated\): its signature"):
        alice.refresh()
    with pytest.raises(IntegrityError, match=rf"roster event {NEXT} \(audience.rotated\): its signature"):
        team.open("carol")


def generation(audience, number, **more):
    """Return a generation of a made-up key."""
    return Generation(audience, number, bytes(32), **more)


ILL_FORMED = {
    "number skipped": ([generation(GLOBAL, 3)], "generation 3 of global cannot come next"),
    "number repeated": ([generation(GLOBAL, 1)], "generation 1 of global cannot come next"),
    "number zero": ([generation(GLOBAL, 0)], "generation 0 of global cannot come next"),
    "unknown audience": ([generation("everyone", 1)], "there is no audience everyone"),
    "unknown application": ([generation("application:" + "7" * 32, 1)], "there is no audience application:7"),
    "credential key handed on": ([generation(GLOBAL, 2, previous=bytes(64))], "tells too much or too little"),
    "credential key with a public half": ([generation(GLOBAL, 2, public=bytes(32))], "tells too much or too little"),
    "audit key without a public half": ([generation(AUDIT, 2, previous=bytes(64))], "tells too much or too little"),
    "history cut off": ([generation(AUDIT, 2, public=bytes(32))], "tells too much or too little"),
}


@pytest.mark.parametrize("case", ILL_FORMED)
def test_a_generation_follows_the_one_before_and_tells_what_it_should(team, ledger, case):
    """Generations are numbered without gaps, belong to an audience there is, and only ``audit`` hands its key on."""
    made, why = ILL_FORMED[case]
    commit(ledger, AudienceRotated(**facts(ledger), generations=tuple(made)))
    with pytest.raises(IntegrityError, match=rf"^roster event {NEXT} \(audience.rotated\): .*{why}"):
        team.open("pay")


@pytest.mark.parametrize(
    "asked",
    [
        (GLOBAL, 1, "bob"),
        (FINGERPRINT, 1, "bob"),
        (AUDIT, 1, "pay"),
        (FINGERPRINT, 1, "pay"),
        (GLOBAL, 2, "pay"),
        (GLOBAL, 0, "pay"),
        ("everyone", 1, "pay"),
        ("application:Survey", 1, "pay"),
        ("application:Payroll", 1, "bob"),
    ],
)
def test_nobody_is_granted_what_its_role_does_not_have(team, opened, ledger, asked):
    """A grant to a member that is not entitled, or of a generation that is not the present one, is refused."""
    audience, number, to = asked
    if audience.startswith("application:"):
        name = audience.partition(":")[2]
        audience = "application:" + next(a.id for a in opened("alice").applications.list() if a.name == name)
    member = opened(to)._ledger.member
    sealed = hpke.seal_to(member.keys.sealing, bytes(32), b"")
    commit(ledger, AudienceRotated(**facts(ledger), grants=(Grant(audience, number, member.id, sealed),)))
    with pytest.raises(
        IntegrityError, match=rf"^roster event {NEXT} .*generation {number} of {audience}, which is not"
    ):
        team.open("carol")


def test_a_removed_member_is_granted_nothing(team, opened, ledger):
    """A grant to somebody who is no member any more is refused."""
    member = opened("pay")._ledger.member
    team.do("alice", lambda r: r.members.remove("pay"))
    ledger.refresh()
    given = grants.grant(ledger.registry, ledger.keyring.current(GLOBAL), member)
    commit(ledger, AudienceRotated(**facts(ledger), grants=(given,)))
    with pytest.raises(IntegrityError, match=rf"roster event {NEXT + 1} .*there is no such member"):
        team.open("carol")
