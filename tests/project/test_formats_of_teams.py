"""A reader written from the documentation alone reads the store of a team: members, rotations, removals."""

import base64
import hashlib
import json

import pytest

import registry as library
from registry import Identity, NewToken, Secret, TokenEdit
from tests.project.another_log import subtrees
from tests.project.another_reader import Reader
from tests.project.another_sealing import b64, joined, label

PEOPLE = ("bob", "carol", "dora", "payroll-1", "desk-1")


def _token(name, **more):
    return NewToken(name=name, provider="zoom", fields={"api_key": Secret("key"), "api_secret": Secret("s")}, **more)


@pytest.fixture
def team(tmp_path):
    """Return a folder with a registry in which members came, changed and went."""
    settings = library.load_settings({"home": str(tmp_path)}, {})
    library.init_registry(settings, name="ada", recovery=tmp_path / "recovery")
    people = {name: Identity.generate(name) for name in (*PEOPLE, "dora-again")}
    for name, identity in people.items():
        identity.save(tmp_path / name)
    with library.open_registry(settings) as registry:
        members = registry.members
        registry.applications.register("Payroll", "process")
        registry.applications.register("Desk", "form")
        registry.tokens.add(_token("Zoom"), reason="before all others came")
        registry.tokens.add(_token("Zoom", application="Payroll"))
        members.add("carol", "admin", people["carol"].public)
        members.add("desk-1", "app", people["desk-1"].public, app="Desk")
        members.add("payroll-1", "app", people["payroll-1"].public, app="Payroll")
        members.change_role("carol", "app", app="Payroll")
        members.rotate()
        members.add("dora", "admin", people["dora"].public)
        members.renew("dora", people["dora-again"].public)
        registry.applications.remove("Desk")
        (tmp_path / "invitation").write_text(members.add("bob", "auditor", people["bob"].public).text())
        members.remove("carol", reason="left")
        registry.tokens.edit("Zoom", TokenEdit(fields={"api_secret": Secret("new")}))
    as_app = library.load_settings({"home": str(tmp_path), "identity": str(tmp_path / "payroll-1")}, {})
    with library.open_registry(as_app) as registry:
        registry.resolve("Zoom", process="payroll run")
    return tmp_path


@pytest.fixture
def reader(team):
    """Return a function that opens the store with somebody's identity."""
    pin = json.loads(next((team / "state" / "pins").glob("*.json")).read_text())
    return lambda name: Reader(team / "registry.db", team / name, bytes.fromhex(pin["registry_id"]))


def test_an_auditor_who_came_late_reads_the_whole_history(reader):
    """The newest key of the history's audience brings all before it, and nothing that opens credentials."""
    auditor = reader("bob")
    history = auditor.history()
    assert {audience for audience, _ in auditor.keys} == {"audit"}
    assert next(says for _, topic, says in history if topic == "token.created")["reason"] == "before all others came"
    assert [topic for _, topic, _ in history if topic.startswith(("member.", "audience."))] == [
        *["member.admitted"] * 3,
        "member.role_changed",
        "audience.rotated",
        "member.admitted",
        "member.renewed",
        "member.admitted",
        "member.removed",
    ]
    removed = next(says for _, topic, says in history if topic == "member.removed")
    assert (removed["name"], removed["reason"], set(removed["exposed"].values())) == ("carol", "left", {1})
    with pytest.raises(KeyError):
        auditor.token("Zoom", next(iter(auditor.roster.applications)))


def test_an_app_opens_its_own_tokens_and_the_global_ones_alone(reader):
    """An app's keys find and open credentials of two scopes, its own name, and no event."""
    app = reader("payroll-1")
    (application, known), *others = app.roster.applications.items()
    assert others == []
    assert {audience for audience, _ in app.keys} == {"global", f"application:{application}"}
    assert app.label_of(application, b64(known["label"])) == "Payroll"
    for scope, secret in ((None, "new"), (application, "s")):
        audience = f"application:{scope}" if scope else "global"
        columns = "token_id, box_revision, box, plain"
        found = app.rows(f"SELECT {columns} FROM tokens WHERE name_tag = ?", app.name_tag(audience, "zoom"))
        assert app.credentials(audience, *found[0])["fields"]["api_secret"] == secret
    with pytest.raises(KeyError):
        app.history()


def test_what_an_app_disclosed_is_read_by_auditors(reader):
    """Who holds no key of the history seals to its public half."""
    disclosed = [says for _, topic, says in reader("bob").history() if topic == "token.disclosed"]
    assert [(says["purpose"], says["process"]) for says in disclosed] == [("resolve", "payroll run")]


def test_the_founding_recovery_identity_opens_everything(reader):
    """A founder who never came back is granted every new key all the same."""
    recovery = reader("recovery")
    assert recovery.token("Zoom")[1]["fields"]["api_secret"] == "new"
    assert len(recovery.history()) == len(reader("identity").history())


def test_renewed_keys_open_what_the_former_keys_do_not(reader):
    """After a renewal the roster grants to the new keys, every key of today and all of the history."""
    assert reader("dora-again").history() == reader("identity").history()
    assert reader("dora-again").token("Zoom")[1]["fields"]["api_secret"] == "new"
    former = reader("dora")
    with pytest.raises(KeyError):
        former.history()
    with pytest.raises(LookupError, match="Zoom"):
        former.token("Zoom")


def test_members_that_left_hold_keys_of_the_past_alone(reader):
    """Neither removal nor the removal of an application leaves a key that is in use today."""
    for name in ("carol", "desk-1"):
        left = reader(name)
        newest = {audience: len(known) for audience, known in left.roster.generations.items()}
        held = {place for place in left.keys if newest.get(place[0]) == place[1]}
        assert held <= {("fingerprint", 1)}


def test_only_documented_keys_are_stored_of_members(reader):
    """Clear and sealed parts of a member's events hold the documented keys, in the documented order."""
    says = {topic: says for _, topic, says in reader("bob").history()}
    common = ["by", "at", "previous"]
    sealed = ["host", "client"]
    assert list(says["member.admitted"]) == [*common, "grants", "member", "role", "keys", *sealed, "changed", "name"]
    removed = [*common, "generations", "grants", "labels", "member", *sealed, "reason", "name", "exposed"]
    assert list(says["member.removed"]) == removed
    assert list(says["audience.rotated"]) == [*common, "generations", "grants", "labels", *sealed]


@pytest.mark.parametrize("name", ["identity", "recovery", "bob", "dora-again", "payroll-1"])
def test_a_verifier_written_from_the_documentation_follows_a_teams_log(reader, name):
    """Commits of admins, of an app, of members that came and went: each is checked by the roster before it."""
    log = reader(name).log()
    assert dict(reader(name).rows("SELECT number, hash FROM log_nodes")) == subtrees(log.leaves)
    ((newest,),) = reader(name).rows("SELECT present FROM commits ORDER BY number DESC LIMIT 1")
    assert (newest, dict(reader(name).rows("SELECT unit, data FROM present_units"))) == reader(name).present()
    assert len({note.split()[-2] for note in log.notes}) == 2


def test_the_invitation_is_as_documented(team, reader):
    """An invitation names registry, number of events, checkpoint, and the roster's length and head, with a checksum."""
    prefix, _, encoded = (team / "invitation").read_text().partition(":")
    data = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    told, version = data[:108], int.from_bytes(data[72:76], "big")
    assert (prefix, told[:32]) == ("tri2", reader("bob").registry)
    assert data[108:] == hashlib.sha256(joined(label("invitation"), told)).digest()[:4]
    texts = [f"{note.rpartition(chr(10) * 2)[0]}\n" for note in reader("bob").log().notes]
    (text,) = (text for text in texts if int(text.split("\n")[1]) == int.from_bytes(data[32:40], "big"))
    assert data[40:72] == hashlib.sha256(joined(label("invited-checkpoint"), text.encode())).digest()
    assert f"\nroster-length {version}\nroster-head {base64.b64encode(data[76:108]).decode()}\n" in text
