"""How a member is admitted, and how its machine learns which registry it belongs to."""

import base64

import pytest
from msgspec import structs

from registry import (
    Conflict,
    Identity,
    IntegrityError,
    InvalidValue,
    Invitation,
    NotPermitted,
    PublicIdentity,
    init_registry,
    join,
)
from registry.domain.roster import AUDIT, Member, Roster
from registry.invitation import checkpoint_hash
from registry.sealing import grants
from registry.sealing.keyring import Keyring
from registry.store.sqlite import SQLitePlace
from registry.values import MemberId
from tests.members.team import Team


@pytest.fixture
def dora(team):
    """Return the invitation of a new auditor whose machine has not joined."""
    public = team.new_identity("dora").public
    return team.do("alice", lambda r: r.members.add("dora", "auditor", public))


def test_whoever_is_invited_joins_and_is_what_the_admin_said(team, dora):
    """An invitation, mailed as text, makes the registry known to the new member's machine."""
    joined = join(team.settings("dora"), invitation=Invitation.parse(f" {dora.text()}\n"))
    assert (joined.member.member, joined.member.role, joined.on_trust) == ("dora", "auditor", False)
    assert team.do("dora", lambda r: r.tokens.show("Zoom").name) == "Zoom"


def test_the_name_that_counts_is_the_admins(team):
    """A member is called what the admin says, whatever its identity file says."""
    public = team.new_identity("dora").public
    team.do("alice", lambda r: r.members.add("dorothea", "auditor", public))
    join(team.settings("dora"), registry_id=team.pin("alice").registry_id.hex())
    assert team.do("dora", lambda r: r.whoami().member) == "dorothea"
    assert team.do("bob", lambda r: r.members.list()[-1].public_key).startswith("trm1:dorothea:")


def test_weak_keys_are_refused_before_anything_is_committed(team):
    """An admin's own client admits nobody, and renews nobody's keys, with keys that no reader would accept."""
    keys = structs.replace(team.new_identity("dora").public.keys, signing=b"\x01" + bytes(31))
    weak, size = PublicIdentity("dora", keys), team.do("alice", lambda r: r.log.checkpoint().size)
    for work in (lambda r: r.members.add("dora", "auditor", weak), lambda r: r.members.renew("bob", weak)):
        with pytest.raises(InvalidValue, match="anybody could sign"):
            team.do("alice", work)
    assert team.do("alice", lambda r: r.log.checkpoint().size) == size


def test_a_store_with_another_founding_is_refused(team, dora, tmp_path):
    """A store whose founding statement does not hash to the invitation's id is not joined."""
    other = Team(tmp_path / "other")
    init_registry(other.settings("mallory"), name="mallory", surroundings=other.around)
    team.restore(other.backup())
    with pytest.raises(IntegrityError, match="another registry"):
        join(team.settings("dora"), invitation=dora)


def test_another_founding_under_the_stream_of_this_one_is_refused(team, dora, tmp_path):
    """A founding statement is known by its whole hash, not by the id of its stream."""
    other = Team(tmp_path / "other")
    init_registry(other.settings("alice"), name="alice", surroundings=other.around)
    (forged,) = other.roster()
    team.sql(
        "UPDATE stored_events SET state = ? WHERE originator_version = 1 AND topic = 'roster.founded'", (forged.state,)
    )
    with pytest.raises(IntegrityError, match=r"roster event 1 \(roster.founded\): this is another registry"):
        join(team.settings("dora"), invitation=dora)


def test_a_copy_older_than_the_invitation_is_refused(team):
    """A newcomer cannot be shown a registry that lacks what its invitation names."""
    older = team.backup()
    public = team.new_identity("dora").public
    invitation = team.do("alice", lambda r: r.members.add("dora", "auditor", public))
    team.restore(older)
    with pytest.raises(IntegrityError, match="the invitation names") as caught:
        join(team.settings("dora"), invitation=invitation)
    assert "older copy" in caught.value.hint


def test_a_fork_that_split_off_before_the_invitation_is_refused(team, dora):
    """A roster as long as the invitation says but other than it says is not joined."""
    for forked, what in (
        (structs.replace(dora, roster_head=bytes(32)), f"roster event {dora.roster_version}"),
        (structs.replace(dora, checkpoint=bytes(32)), f"the log of {dora.size} events"),
    ):
        with pytest.raises(IntegrityError, match=f"^{what} is not the one that the invitation names"):
            join(team.settings("dora"), invitation=forked)
        assert team.pins("dora").get(SQLitePlace(team.store).url) is None


def test_an_invitation_names_the_end_of_a_commit(team, dora):
    """Sizes at which no commit ended, and rosters of another moment than the log's, are of no registry's history."""
    team.do("alice", lambda r: r.members.rotate())
    team.do("alice", lambda r: r.applications.remove("Survey"))
    forger = team.forger()
    last = forger.commit(-1)
    newest = checkpoint_hash(forger.text(last).decode())
    wrong = structs.replace(dora, size=last.size - 1), structs.replace(dora, size=last.size, checkpoint=newest)
    for forked in wrong:
        with pytest.raises(IntegrityError, match=r"^the log of \d+ events is not the one that the invitation names"):
            join(team.settings("dora"), invitation=forked)


OTHERS = {
    "by an app, of other rows": {"author": "pay", "present": bytes(32)},
    "by its author, of other rows": {"author": "alice", "present": bytes(32)},
    "by its author, of other shredding": {"author": "alice", "shredded": 3},
    "by another member": {"author": "carol"},
    "at another time": {"at": "2027-01-31T12:00:00Z"},
}


@pytest.mark.parametrize("case", OTHERS)
def test_another_checkpoint_over_the_same_events_is_refused(team, dora, case):
    """What an invitation names is all that the commit's author vouched for, rows included, and its author and time."""
    forger, parts = team.forger(), dict(OTHERS[case])
    made = forger.commit(-1)
    name = parts.pop("author", None)
    if name:
        forger.resign(made.number, team.identity(name), author=team.ids[name], **parts)
    else:
        forger.change(made.number, **parts)
    with pytest.raises(IntegrityError, match=r"is not the one (that the invitation names|committed)"):
        join(team.settings("dora"), invitation=dora)
    assert team.pins("dora").get(SQLitePlace(team.store).url) is None
    forger.put_commit(made)
    assert join(team.settings("dora"), invitation=dora).member.member == "dora"


def test_with_the_id_alone_the_newest_history_is_taken_on_trust(team, dora):
    """Whoever is told the id alone is told what that leaves open."""
    joined = join(team.settings("dora"), registry_id=dora.registry_id.hex())
    assert joined.on_trust
    assert team.pin("dora").seen.checkpoint.roster_length == dora.roster_version
    assert checkpoint_hash(team.pin("dora").seen.checkpoint.text()) == dora.checkpoint


def test_a_machine_that_knows_the_store_as_another_registry_keeps_what_it_knows(team, dora):
    """Joining never exchanges what a machine knows already."""
    known = team.pin("bob")
    with pytest.raises(Conflict, match="this machine knows the store"):
        join(team.settings("bob"), registry_id="00" * 32)
    assert team.pin("bob") == known


def test_joining_again_is_no_way_around_what_a_machine_has_seen(team, dora):
    """A machine that joins once more with its old invitation still notices an older roster."""
    join(team.settings("dora"), invitation=dora)
    older = team.backup()
    team.do("alice", lambda r: r.members.rotate("global"))
    team.do("dora", lambda r: r.members.list())
    team.restore(older)
    with pytest.raises(IntegrityError, match="this machine has seen"):
        join(team.settings("dora"), invitation=dora)


def test_whoever_is_no_member_learns_nothing_by_joining(team, dora):
    """An invitation is no key: without an identity that an admin admitted it opens nothing, and nothing is pinned."""
    team.new_identity("mallory")
    with pytest.raises(NotPermitted, match="no member of this registry"):
        join(team.settings("mallory"), invitation=dora)
    assert team.pins("mallory").get(SQLitePlace(team.store).url) is None


@pytest.mark.parametrize("text", ["", "tri2", "tri3:AAAA", "tri2:Ä", "tri2:AAAA", "trm1:x:AAAA"])
def test_what_is_no_invitation_is_refused(text):
    """A line that is no invitation is refused with a hint where to find one."""
    with pytest.raises(InvalidValue) as caught:
        Invitation.parse(text)
    assert "member add" in caught.value.hint


@pytest.mark.parametrize("at", range(5, 149, 6))
def test_a_mangled_invitation_is_refused(dora, at):
    """One character that changed on its way spoils an invitation wherever it stands."""
    text = dora.text()
    changed = text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]
    with pytest.raises(InvalidValue, match="mangled"):
        Invitation.parse(changed)


@pytest.mark.parametrize("at", range(5, 97, 7))
def test_a_mangled_public_line_is_refused(at):
    """One character that changed on its way spoils a public line, the name's included."""
    line = Identity("dora", b"s" * 32, b"x" * 32).public.line()
    changed = line[:at] + ("A" if line[at] != "A" else "B") + line[at + 1 :]
    with pytest.raises(InvalidValue, match="public line"):
        PublicIdentity.parse(changed)


def test_a_shortened_public_line_says_what_to_do():
    """A line cut off on its way is refused with a hint, at every length."""
    line = Identity("dora", b"s" * 32, b"x" * 32).public.line()
    for length in range(len(line) - 1):
        with pytest.raises(InvalidValue) as caught:
            PublicIdentity.parse(line[:length])
        assert "identity show" in caught.value.hint


def test_a_public_line_holds_nothing_private(team):
    """Neither the line nor the invitation holds a private key of anybody."""
    identity = team.new_identity("dora")
    encoded = identity.public.line().rpartition(":")[2]
    data = base64.urlsafe_b64decode(encoded + "==")
    assert identity.sealing_private not in data
    assert identity._keys()[:32] not in data


@pytest.mark.parametrize("text", ["", "00", "g" * 64, "0" * 65])
def test_what_is_no_registry_id_is_refused(team, text):
    """An id has 64 hexadecimal digits, and nothing is looked up before that is so."""
    with pytest.raises(InvalidValue, match="64 hexadecimal"):
        join(team.settings("bob"), registry_id=text)


def test_an_auditor_reads_the_history_from_before_its_admission(team):
    """However often the keys were rotated before, a new auditor reads everything from the first event on."""
    for _ in range(3):
        team.do("alice", lambda r: r.members.rotate())
    team.do("alice", lambda r: r.members.remove("bob"))
    team.admit("dora", "auditor")
    entries = team.do("dora", lambda r: list(r.history()))
    assert [entry.position for entry in entries] == list(range(len(entries)))
    assert [entry.token for entry in entries[3:5]] == ["Zoom", "Mail"]
    assert entries == team.do("alice", lambda r: list(r.history()))


def test_old_history_is_reached_through_any_number_of_generations(team):
    """Reading through very many generations of a key takes no deeper stack."""
    identity, registry = team.identity("bob"), bytes(32)
    member = Member(MemberId("0b" * 16), "auditor", identity.public.keys)
    made = [grants.new_generation(registry, AUDIT)]
    while len(made) < 2_000:
        made.append(grants.new_generation(registry, AUDIT, made[-1][1]))
    granted = (grants.grant(registry, made[-1][1], member),)
    roster = Roster(generations={AUDIT: tuple(generation for generation, _ in made)}, grants=granted)
    assert Keyring(registry, identity, member.id, roster).key(AUDIT, 1) == made[0][1]
