"""Neither the environment of the process nor a topic in the database decides what code runs, or where the store is."""

import itertools
import os
import subprocess
import sys

import pytest

from registry.errors import IntegrityError
from registry.service.registry import open_registry
from registry.store.topics import event_class
from tests.service.attacks import fill, query, tamper

STORY = """
import sys
from registry import NewToken, Secret, init_registry, load_settings, open_registry
settings = load_settings({"home": sys.argv[1]}, {})
init_registry(settings, name="alice")
with open_registry(settings) as registry:
    fields = {"api_key": Secret("K"), "api_secret": Secret("S")}
    registry.tokens.add(NewToken(name="Zoom", provider="zoom", fields=fields))
    print([entry.event for entry in registry.history()])
"""
TRAP = "import pathlib; pathlib.Path(__file__).with_name('sprung').touch()\ndef fire(*_, **__): pass\n"
VARIABLES = {
    "PERSISTENCE_MODULE": "trap",
    "INFRASTRUCTURE_FACTORY": "trap:fire",
    "FACTORY_TOPIC": "trap:fire",
    "MAPPER_TOPIC": "trap:fire",
    "TRANSCODER_TOPIC": "trap:fire",
    "CIPHER_TOPIC": "trap:fire",
    "CIPHER_KEY": "c2l4dGVlbiBieXRlcyE=",
    "COMPRESSOR_TOPIC": "trap:fire",
    "SQLITE_DBNAME": "elsewhere.db",
    "SQLITE_LOCK_TIMEOUT": "not a number",
    "CREATE_TABLE": "no",
    "AGGREGATE_CACHE_MAXSIZE": "-1",
    "IS_SNAPSHOTTING_ENABLED": "yes",
    "ORIGINATOR_ID_TYPE": "uuid",
}
PREFIXES = ("", "TOKENREGISTRY_", "TOKEN_REGISTRY_", "REGISTRY_", "APPLICATION_")


@pytest.fixture
def trap(tmp_path):
    """Return the folder of a module that tells if it was ever imported."""
    folder = tmp_path / "traps"
    folder.mkdir()
    (folder / "trap.py").write_text(TRAP)
    return folder


def test_the_environment_of_eventsourcing_redirects_nothing(tmp_path, trap):
    """With every variable of the framework set, under every prefix, the store is where the settings say."""
    named = {prefix + name: VARIABLES[name] for prefix, name in itertools.product(PREFIXES, VARIABLES)}
    where = tmp_path / "work"
    where.mkdir()
    environment = {**named, "PATH": os.defpath, "PYTHONPATH": os.pathsep.join([str(trap), *sys.path])}
    command = [sys.executable, "-B", "-c", STORY, str(tmp_path / "home")]
    done = subprocess.run(command, env=environment, cwd=where, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "['roster.founded', 'token.created']"), done.stderr
    assert query(tmp_path / "home" / "registry.db", "SELECT COUNT(*) FROM stored_events") == [(2,)]
    assert list(where.iterdir()) == []
    assert not (trap / "sprung").exists()


@pytest.mark.parametrize(
    "topic",
    [
        "trap:fire",
        "trap",
        "os:system",
        "eventsourcing.domain:Aggregate.Created",
        "registry.values:Secret",
        "",
        "token.",
    ],
)
def test_a_topic_never_names_code_to_import(founded, around, trap, monkeypatch, topic):
    """A topic that is not on the list is an integrity error, whatever it would mean to the framework."""
    monkeypatch.syspath_prepend(str(trap))
    with open_registry(founded, surroundings=around) as registry:
        fill(registry)
        path = founded.store_path()
        tamper(path, "UPDATE stored_events SET topic = ? WHERE position = 1", parameters=(topic,))
        with pytest.raises(IntegrityError):
            list(registry.history())
    with pytest.raises(IntegrityError):
        event_class(topic)
    assert not (trap / "sprung").exists()
    assert "trap" not in sys.modules


def test_a_foreign_topic_in_the_roster_is_no_code_either(founded, around, trap, monkeypatch):
    """The roster, which is read before anything can be opened, takes topics of its own kind only."""
    monkeypatch.syspath_prepend(str(trap))
    for topic in ("trap:fire", "token.created"):
        tamper(founded.store_path(), "UPDATE stored_events SET topic = ?", parameters=(topic,))
        with pytest.raises(IntegrityError):
            open_registry(founded, surroundings=around)
    assert not (trap / "sprung").exists()
