"""Members and keys: admitting, changing, renewing, removing, rotating, and what each of them prints."""

import json
import stat

import pytest

from tests.cli.conftest import NEW_SECRET
from tests.cli.harness import typed
from tests.cli.team import APP, complete
from tests.cli.test_bad_input import refused
from tests.cli.test_json import told
from tests.cli.test_secrecy import found_in

EVERY_ENGINE = True


@pytest.fixture
def crew(tmp_path):
    """Return a team with tokens and one member of each role."""
    return complete(tmp_path)


def test_identity_new(empty, tmp_path):
    """An identity is private, is never overwritten, and shows its public half alone."""
    line = empty.ok("identity", "new", "--name", "bob")
    path = empty.home / "identity"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert line == empty.ok("identity", "show")
    before = path.read_bytes()
    refused(empty("identity", "new", "--name", "eve"), 4)
    assert path.read_bytes() == before
    made = told(empty, "identity", "new", "--name", "app", "--out", "elsewhere")
    assert made.keys() == {"name", "public_key", "identity"}
    assert made["identity"] == str(tmp_path / "elsewhere")
    assert json.loads((tmp_path / "elsewhere").read_text())["keys"] not in "".join(empty.seen)
    for name in ("a b", "ä", "-x", ""):
        refused(empty("identity", "new", f"--name={name}", "--out", "third"), 2)
    assert not (tmp_path / "third").exists()


@pytest.mark.sqlite
def test_identity_new_under_a_passphrase(empty):
    """The passphrase is typed unseen, or comes from its file; Ctrl-C leaves nothing behind."""
    empty.home.mkdir()
    words = "identity", "new", "--name", "bob", "--passphrase"
    assert typed(empty.home, *words, answers=(("New passphrase: ", "\x03"),)).code == 130
    assert list(empty.home.iterdir()) == []
    ran = typed(empty.home, *words, answers=(("New passphrase: ", "one two\n"), ("The same again: ", "one two\n")))
    assert (ran.code, "one two" in ran.out) == (0, False)
    assert told(empty, "identity", "show")["locked"]
    refused(empty("identity", "new", "--name", "x", "--passphrase", "--out", "other"), 2)


def test_member_documents(crew):
    """Each command has its JSON document."""
    team, _ = crew
    listed = team.told("member", "list")
    keys = {"id", "name", "role", "application", "public_key", "vkey", "admitted_at", "admitted_by"}
    assert all(member.keys() == keys for member in listed)
    assert [(m["name"], m["role"], m["application"]) for m in listed] == [
        ("ada", "admin", None),
        ("bob", "auditor", None),
        ("server", "app", APP),
        ("carol", "admin", None),
    ]
    _, line = team.newcomer("dora")
    added = team.told("member", "add", "dorothea", "--role", "app", "--app", APP.upper(), "--public-key", line)
    assert {k: v for k, v in added.items() if k != "invitation"} == {
        "name": "dorothea",
        "role": "app",
        "application": APP,
    }
    changed = team.told("member", "role", "dorothea", "auditor")
    assert changed.keys() == {"member", "role", "application", "changed", "exposed"}
    assert changed["exposed"] == [{"name": "Zoom", "application": None}, {"name": "Zoom", "application": APP}]
    assert not team.told("member", "role", "dorothea", "auditor")["changed"]
    _, line = team.newcomer("dora2")
    assert team.told("member", "renew", "dorothea", "--public-key", line)["role"] == "auditor"
    gone = team.told("member", "remove", "dorothea", "--yes")
    assert gone == {"member": "dorothea", "removed": True, "exposed": []}


def test_sources_of_the_public_line(team, tmp_path):
    """The line is an argument, a file or standard input; on a terminal it is asked for."""
    for number, name in enumerate(("one", "two", "three", "four")):
        _, line = team.newcomer(name)
        (tmp_path / "line").write_text(f"{line}\n", encoding="utf-8")
        words = "member", "add", name, "--role", "auditor", "--public-key", (line, "@line", "-", "-")[number]
        if name == "four":
            assert typed(team.ada.home, *words, answers=(("Public line: ", f"{line}\n"),)).code == 0
        else:
            assert team.ada.ok(*words, given=f"{line}\n").startswith("tri2:")
    assert len(team.told("member", "list")) == 5


@pytest.mark.parametrize("mangle", ["", "x", "short", "changed", "name", "two lines", "private", "bytes"])
def test_mangled_public_lines(team, mangle):
    """A public line that was mangled on its way is one clear line, and admits nobody."""
    machine, line = team.newcomer("bob")
    spoilt = {
        "": "",
        "x": "x",
        "short": line[:-3],
        "changed": line[:40] + ("A" if line[40] != "A" else "B") + line[41:],
        "name": line.replace(":bob:", ":eve:"),
        "two lines": f"{line[:50]}\n{line[50:]}",
        "private": (machine.home / "identity").read_text(),
        "bytes": line.replace("b", "\u0431"),
    }[mangle]
    err = refused(team.ada("member", "add", "bob", "--role", "auditor", "--public-key", "-", given=spoilt), 2)
    assert "public line" in err
    assert "identity show" in err
    assert len(team.told("member", "list")) == 1


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("member", "add", "bob", "--role", "auditor"), 4),
        (("member", "add", "BOB", "--role", "auditor"), 4),
        (("member", "add", "b0b", "--role", "auditor"), 4),
        (("member", "add", "b b", "--role", "auditor"), 2),
        (("member", "add", "b\u043eb", "--role", "auditor"), 2),
        (("member", "add", "", "--role", "auditor"), 2),
        (("member", "add", "eve", "--role", "owner"), 2),
        (("member", "add", "eve", "--role", "app"), 2),
        (("member", "add", "eve", "--role", "admin", "--app", APP), 2),
        (("member", "add", "eve", "--role", "app", "--app", "Nowhere"), 3),
        (("member", "renew", "nobody"), 3),
        (("member", "renew", "ada"), 6),
    ],
    ids=str,
)
def test_refusals(crew, words, code):
    """What cannot be is refused with its code, and nobody is admitted."""
    team, _ = crew
    _, line = team.newcomer("eve")
    before = team.told("history")
    refused(team.ada(*words, "--public-key", line), code)
    assert team.told("history") == before


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("member", "remove", "nobody"), 3),
        (("member", "remove", "ada"), 6),
        (("member", "remove", "ada", "--yes"), 6),
        (("member", "remove", "bob"), 2),
        (("member", "role", "ada", "auditor"), 6),
        (("member", "role", "nobody", "auditor"), 3),
        (("member", "role", "bob", "app"), 2),
        (("member", "role", "bob", "owner"), 2),
        (("key", "rotate", "--audience", "Nowhere"), 3),
        (("key", "rotate", "--audience", "fingerprint"), 6),
        (("list", "--exposed", "--app", "Nowhere"), 3),
    ],
    ids=str,
)
def test_other_refusals(crew, words, code):
    """The last admin, oneself and what there is not are left as they are."""
    team, _ = crew
    before = team.told("history")
    refused(team.ada(*words), code)
    assert team.told("history") == before


def test_keys_of_another_cannot_be_used_again(crew):
    """The keys of a member, even of one that was removed, admit nobody else."""
    team, others = crew
    line = others["auditor"].ok("identity", "show").strip()
    refused(team.ada("member", "add", "twin", "--role", "auditor", "--public-key", line), 4)
    team.ada.ok("member", "remove", "bob", "--yes")
    refused(team.ada("member", "add", "twin", "--role", "auditor", "--public-key", line), 4)
    refused(team.ada("member", "remove", "bob", "--yes"), 3)


def test_a_member_that_is_removed(crew, secrets):
    """Whoever is removed opens nothing, and what it could have opened is exposed until it is changed."""
    team, others = crew
    gone = team.told("member", "remove", "server", "--yes", "--reason", "replaced")
    assert gone["exposed"] == [{"name": "Zoom", "application": None}, {"name": "Zoom", "application": APP}]
    refused(others["app"]("reveal", "Zoom", "--field", "api_key"), 6)
    assert [token["application"] for token in team.told("list", "--exposed")] == [None, APP]
    team.ada.ok("edit", "Zoom", "--description", "not the credentials")
    assert len(team.told("list", "--exposed", "--global")) == 1
    assert "exposed" in team.ada.ok("doctor")
    team.ada.ok("edit", "Zoom", "--field", "api_secret=@new.txt")
    assert [token["application"] for token in team.told("list", "--exposed")] == [APP]
    removal = team.told("history", "--event", "member.removed")[0]
    assert (removal["detail"], removal["reason"]) == ({"member": "server", "exposed": gone["exposed"]}, "replaced")


def test_removing_an_application_removes_its_members(crew):
    """Its app members go with it, and with them the trust in the global tokens."""
    team, others = crew
    ran = team.ada("app", "remove", APP, "--yes", "--format", "json")
    assert "will be removed: the member server\n" in ran.err
    gone = json.loads(ran.out)
    assert (gone["members"], gone["exposed"]) == (["server"], [{"name": "Zoom", "application": None}])
    assert gone["exposed"] == team.told("history", "--event", "application.removed")[0]["detail"]["exposed"]
    refused(others["app"]("whoami"), 6)


def test_history_says_who(crew):
    """The history of members names them, their roles and applications, and the audiences of a rotation."""
    team, _ = crew
    team.ada.ok("member", "role", "bob", "app", "--app", APP)
    team.ada.ok("key", "rotate")
    details = [entry["detail"] for entry in team.told("history", "--event", "member.")]
    assert details[0] == {"member": "bob", "role": "auditor", "application": None}
    assert details[-1] == {"member": "bob", "role": "app", "application": APP, "exposed": []}
    rotated = team.told("history", "--event", "audience.rotated")[0]
    assert rotated["detail"] == {"audiences": ["audit", "global", f"application:{APP}"]}


def test_keys(crew):
    """Keys have generations, ages and holders; a rotation makes new ones, and everything opens as before."""
    team, others = crew
    keys = team.told("key", "list")
    names = {"audience", "application", "generation", "made_at", "age_days", "holders"}
    assert all(key.keys() == names for key in keys)
    holders = {(key["audience"], key["application"]): key["holders"] for key in keys}
    assert holders == {("audit", None): 3, ("global", None): 3, ("fingerprint", None): 2, ("application", APP): 3}
    assert [(k["audience"], k["generation"]) for k in team.told("key", "rotate", "--audience", APP)] == [
        ("application", 2)
    ]
    assert [key["generation"] for key in team.told("key", "rotate")] == [2, 2, 3]
    assert team.told("key", "list")[0]["age_days"] == 0
    assert others["app"].ok("reveal", "Zoom", "--field", "api_key") == "canary-of-the-team\n"
    assert len(told(others["auditor"], "history")) == len(team.told("history"))


def test_removing_asks_on_a_terminal(crew):
    """Removing a member asks; a bar shows how far the sealing anew is."""
    team, _ = crew
    question = "Remove server, app of HR Portal for ever? [y/N] "
    ran = typed(team.ada.home, "member", "remove", "server", answers=((question, "n\n"),))
    assert (ran.code, len(team.told("member", "list"))) == (130, 4)
    ran = typed(team.ada.home, "member", "remove", "server", answers=((question, "y\n"),))
    assert (ran.code, len(team.told("member", "list"))) == (0, 3)
    assert "sealing anew" in ran.out
    assert "it could have opened 2 tokens" in ran.out
    assert "sealing anew" in typed(team.ada.home, "key", "rotate").out
    assert "sealing anew" not in team.ada("key", "rotate").err


def test_no_output_holds_a_secret(crew, secrets, tmp_path):
    """Whatever the commands of members print, no credential and no private key is in it."""
    team, others = crew
    team.ada.ok("edit", "Zoom", "--field", "api_secret=@new.txt")
    _, line = team.newcomer("dora")
    for words in (
        ("member", "list"),
        ("member", "list", "--format", "json"),
        ("member", "add", "dora", "--role", "admin", "--public-key", line),
        ("member", "role", "dora", "auditor"),
        ("member", "renew", "dora", "--public-key", line),
        ("key", "rotate"),
        ("key", "list"),
        ("member", "remove", "dora", "--yes", "--format", "json"),
        ("list", "--exposed", "--format", "json"),
        ("history", "--format", "json"),
        ("whoami",),
        ("doctor", "--format", "json"),
        ("join", team.url, "--registry-id", team.registry_id),
    ):
        team.ada("--debug", *words)
        others["auditor"]("--debug", *words)
        others["app"]("--debug", *words)
    printed = "".join(text for machine in (team.ada, *others.values()) for text in machine.seen)
    identities = [
        json.loads((machine.home / "identity").read_text())["keys"] for machine in (team.ada, *others.values())
    ]
    assert found_in(printed.encode()) == []
    assert NEW_SECRET not in printed
    assert "canary-of-the-team" not in printed
    assert [keys for keys in identities if keys in printed] == []
    assert "Traceback" not in printed
