"""The commands ``evidence export`` and ``evidence verify``: what they print, and with which code they end."""

import json
from datetime import UTC, datetime

import pytest

from tests.cli.harness import InProcess
from tests.evidence.subjects import copied, files, founded


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return a command line on a machine without a registry."""
    monkeypatch.chdir(tmp_path)
    return InProcess(tmp_path / "home")


@pytest.fixture
def team(tmp_path):
    """Return a team whose history is not ahead of this machine's clock."""
    return founded(tmp_path / "team", datetime(2020, 2, 29, tzinfo=UTC))


@pytest.fixture
def bob(team, tmp_path, monkeypatch):
    """Return the command line of the team's auditor."""
    monkeypatch.chdir(tmp_path)
    return InProcess(team.root / "bob")


def at(team):
    """Return the option that says where the team's store is."""
    return "--url", f"sqlite:///{team.store}"


def test_an_auditor_exports_and_a_stranger_verifies(team, bob, run, tmp_path):
    """The way from the registry to the stranger: a folder, a checkpoint by another way, a verdict."""
    ran = bob("evidence", "export", "out", "--reason", "the audit", *at(team))
    assert ran.code == 0
    assert "events can be read by whoever gets out" in ran.err
    (tmp_path / "known").write_text(team.pin("bob").seen.text(), encoding="utf-8")
    ran = run("evidence", "verify", "out", "--known", "known")
    assert (ran.code, ran.err) == (0, "")
    assert "proven: the history is whole" in ran.out
    assert "the audit" in ran.out
    assert "host-of-tests" in ran.out


def test_what_export_prints_as_json(team, bob):
    """Scripts are told where it lies, what it proves and how much it discloses."""
    ran = bob("evidence", "export", "out", "--token", "mail", "--format", "json", *at(team))
    document = json.loads(ran.out)
    assert list(document) == ["folder", "registry", "size", "root", "commits", "openings"]
    assert (document["folder"], document["openings"]) == ("out", 1)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("out", "--token", "Nobody"), 3),
        (("out", "--since", "yesterday"), 2),
        (("team",), 4),
        (("no/such/place",), 10),
        ((), 2),
    ],
    ids=str,
)
def test_an_export_that_fails_says_why(team, bob, words, code):
    """Each reason has its exit code and its line, and leaves nothing."""
    ran = bob("evidence", "export", *words, *at(team))
    assert ran.code == code
    assert ran.err.startswith("error: ")
    assert ran.out == ""


def test_apps_may_not_export(team, tmp_path, monkeypatch):
    """Who cannot read the history discloses none of it."""
    monkeypatch.chdir(tmp_path)
    assert InProcess(team.root / "pay")("evidence", "export", "out", *at(team)).code == 6


def test_the_verdict_as_a_table(subject, run):
    """People see the verdict first, then what is proven, then the history that is disclosed."""
    ran = run("evidence", "verify", str(subject.everything), "--known", str(subject.early))
    assert ran.code == 0
    labels = [line.split("  ")[0] for line in ran.out.splitlines() if line and not line.startswith(" ")]
    assert labels[:8] == ["Verdict", "Registry", "History", "Root", "Time", "Members", "Known", "Disclosed"]
    table = ran.out.split("\n\n")[1].splitlines()
    assert table[0].split()[:4] == ["POS", "AT", "ACTOR", "EVENT"]
    assert table[0].split()[-2:] == ["REASON", "HOST"]
    assert "alice" in table[1]
    assert "roster.founded" in table[1]
    assert all(name in ran.out for name in ("(bob)", "removed (carol)", "another will be Zoom"))


def test_the_verdict_as_json(subject, run):
    """Scripts get one document with the promised members, whatever the verdict."""
    for known, code, word in (
        (subject.early, 0, "proven"),
        (subject.newer, 12, "cannot tell"),
        (None, 12, "cannot tell"),
    ):
        words = ("--known", str(known)) if known else ()
        ran = run("evidence", "verify", str(subject.everything), *words, "--format", "json")
        document = json.loads(ran.out)
        assert (ran.code, document["verdict"]) == (code, word)
        assert set(document) == {
            "verdict",
            "registry",
            "size",
            "root",
            "commits",
            "known",
            "disclosed",
            "problems",
        }
        assert len(document["disclosed"]) == document["size"]
        assert document["disclosed"][0]["event"] == "roster.founded"


def test_what_is_disproved_is_not_shown(subject, run, spoilt):
    """Problems are shown with position and kind; nothing that the folder tells stands beside them."""
    (spoilt / "checkpoint").write_bytes(b"")
    ran = run("evidence", "verify", str(spoilt), "--known", str(subject.early), "--format", "json")
    document = json.loads(ran.out)
    assert (ran.code, document["verdict"], document["disclosed"]) == (7, "disproved", [])
    assert [list(problem) for problem in document["problems"]] == [["position", "kind", "message", "acknowledged"]]
    ran = run("evidence", "verify", str(spoilt), "--known", str(subject.early))
    assert ran.code == 7
    assert ran.err.startswith("error: the checkpoint is not that of the last commit")
    assert "PROBLEM" in ran.out
    assert "roster.founded" not in ran.out


def test_nothing_disclosed_is_nothing_to_show(subject, run, tmp_path, team, bob):
    """Evidence without openings proves, and shows no table."""
    bob.ok("evidence", "export", "out", "--until", "2001-01-01", *at(team))
    ran = run("evidence", "verify", "out")
    assert ran.code == 12
    assert "ACTOR" not in ran.out
    document = json.loads(run("evidence", "verify", "out", "--format", "json").out)
    assert document["disclosed"] == []


@pytest.mark.parametrize(
    "words",
    [("nowhere",), (".", "--known", "nowhere"), (".", "--known", "."), ()],
    ids=["folder", "known", "dir", "none"],
)
def test_what_can_never_be_verified_is_a_mistake(run, words):
    """No folder, or no checkpoint where one is named, is a wrong call and no verdict."""
    assert run("evidence", "verify", *words).code == 2


def test_a_folder_of_something_else_is_no_evidence(run, tmp_path):
    """Whatever is not evidence is disproved."""
    (tmp_path / "notes.txt").write_text("hello", encoding="utf-8")
    ran = run("evidence", "verify", ".")
    assert ran.code == 7
    assert "manifest.json is missing" in ran.err


def test_no_damage_ends_in_a_fault_of_ours(subject, run, tmp_path):
    """Whatever file is broken, the command ends with a verdict: never with the code of its own faults."""
    for name in files(subject.everything):
        for number, damage in enumerate((lambda d: d[:-3], lambda d: b"\x00" + d, lambda d: d.replace(b"1", b"2"))):
            folder = copied(subject.everything, tmp_path / f"{number}{name.replace('/', '-')}")
            path = folder / name
            before = path.read_bytes()
            path.write_bytes(damage(before))
            ran = run("evidence", "verify", str(folder), "--known", str(subject.early))
            assert ran.code == (7 if path.read_bytes() != before else 0), (name, ran)


def test_what_members_wrote_steers_no_terminal(team, bob, run):
    """Control characters in a reason or a host are shown escaped."""
    team.around = type(team.around)(clock=team.around.clock, host="\x1b[2Jhost", client="tests/1")
    team.do("alice", lambda alice: alice.tokens.remove("Mail", reason="\u202egnp"))
    bob.ok("evidence", "export", "out", *at(team))
    for shape in ((), ("--format", "json")):
        out = run("evidence", "verify", "out", *shape).out
        assert "\x1b" not in out
        assert "\u202e" not in out
