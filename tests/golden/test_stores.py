"""Stores and evidence of every version that there was are read by this one, and by every one to come."""

import json
import shutil

import pytest

from registry import Invitation, Surroundings, TokenEdit, join, open_registry, verify_evidence, verify_registry
from registry.settings import load_settings
from registry.store import schema
from tests.golden.make_store import FOLDER, MEMBERS, seen
from tests.members.team import NOON, Clock, fields

VERSIONS = sorted(path.name for path in FOLDER.iterdir())


@pytest.fixture(params=VERSIONS)
def golden(request):
    """Return the folder of a version."""
    return FOLDER / request.param


@pytest.fixture
def machine(golden, tmp_path):
    """Return what makes a member's machine, which has joined a copy of the golden store."""
    store = shutil.copy(golden / "registry.db", tmp_path / "registry.db")
    around = Surroundings(clock=Clock(NOON.replace(month=12)), host="later", client="later/1")

    def made(name):
        home = tmp_path / name
        home.mkdir()
        shutil.copy(golden / f"{name}.identity", home / "identity").chmod(0o600)
        settings = load_settings({"home": str(home), "url": f"sqlite:///{store}"}, {})
        invitation = Invitation.parse((golden / "invitation.txt").read_text(encoding="utf-8"))
        join(settings, invitation=invitation, surroundings=around)
        return {"settings": settings, "surroundings": around}

    return made


def test_there_is_a_store_of_the_present_version():
    """Whoever raises the schema's version leaves a store of it for those who come later."""
    numbers = range(schema.FIRST_VERSION, schema.SCHEMA_VERSION + 1)
    assert [f"v{number}" for number in numbers] == VERSIONS


@pytest.mark.parametrize("name", MEMBERS)
def test_a_golden_store_says_what_it_said(golden, machine, name):
    """Each role sees of it, to the letter, what it saw when it was made."""
    expected = json.loads((golden / "expected.json").read_text(encoding="utf-8"))
    with open_registry(**machine(name)) as registry:
        assert json.loads(json.dumps(seen(registry))) == expected[name]


@pytest.mark.parametrize("name", MEMBERS)
def test_a_golden_store_is_whole(machine, name):
    """Nothing in it is an alarm, also not behind what is committed now."""
    assert verify_registry(**machine(name)).problems == ()


def test_a_golden_store_goes_on(machine):
    """It is changed, its keys are rotated, and it stays whole."""
    alice = machine("alice")
    with open_registry(**alice) as registry:
        registry.tokens.edit("Mail", TokenEdit(fields=fields("later"), description="later"))
        registry.members.rotate()
        registry.tokens.remove("Zoom Global")
    with open_registry(**machine("pay")) as registry:
        assert registry.resolve("Mail")["api_key"].reveal() == "later"
    assert verify_registry(**alice).problems == ()


def test_golden_evidence_is_proven(golden):
    """It discloses what it disclosed, and goes on from the checkpoint that was known before."""
    report = verify_evidence(golden / "evidence", golden / "checkpoint")
    told = json.loads((golden / "expected.json").read_text(encoding="utf-8"))["bob"]["history"]
    assert report.verdict.value == "proven"
    assert [entry.position for entry in report.disclosed()] == [entry["position"] for entry in told][: report.size]
