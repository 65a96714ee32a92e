"""Verifying on a stranger's machine: no registry, no identity, no settings, no network, and nothing is left there."""

import json
import os
import subprocess
import sys

import pytest

from tests.cli.harness import ROOT

WATCHED = """
import sys
seen = []
sys.addaudithook(lambda event, args: seen.append((event, str(args[0]) if args else "")))
from cli.main import run
sys.argv = ["token-registry", *sys.argv[1:]]
try:
    run()
finally:
    import json
    print(json.dumps(seen), file=sys.stderr)
"""
BARE = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
WRITING = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod"}
FORBIDDEN = ("socket.", "subprocess.", "sqlite3.", "os.exec", "os.fork", "os.posix_spawn", "os.system", "ctypes.")


def stranger(folder, *words, **environment):
    """Run the command on a machine whose settings are traps, and return code, output, and what it did."""
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, *words],
        cwd=folder,
        env={**BARE, "HOME": str(folder), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    *said, seen = done.stderr.splitlines()
    return done.returncode, done.stdout, "\n".join(said), json.loads(seen)


@pytest.fixture
def machine(tmp_path):
    """Return the home of a stranger, in which every file that the registry looks for is a trap."""
    home = tmp_path / "home"
    for place in (home / ".config" / "token-registry", home / "settings"):
        place.mkdir(parents=True)
        (place / "config.toml").write_text("format = 5\nthis is no configuration", encoding="utf-8")
        (place / "identity").write_text("no identity", encoding="utf-8")
        (place / "registry.db").write_text("no registry", encoding="utf-8")
    return home


def opened_outside(seen, *known):
    """Return the files that were opened and are neither the program's own, nor those it was given."""
    own = (str(ROOT), sys.prefix, sys.base_prefix, "/usr/lib", "/lib", "/etc/localtime", "/usr/share/zoneinfo")
    absolute = {path for event, path in seen if event == "open" and path.startswith("/")}
    return {path for path in absolute if not path.startswith(own) and path not in map(str, known)}


@pytest.mark.parametrize("shape", [(), ("--format", "json")], ids=["table", "json"])
def test_a_stranger_needs_nothing_and_keeps_nothing(subject, machine, shape):
    """Nothing but the folder and the known checkpoint is opened; nothing is written, started or asked for."""
    before = {path: path.stat().st_mtime_ns for path in machine.rglob("*")}
    words = "evidence", "verify", str(subject.everything), "--known", str(subject.head), *shape
    traps = {"TOKEN_REGISTRY_HOME": str(machine / "settings"), "TOKEN_REGISTRY_URL": "postgresql://nowhere"}
    code, out, said, seen = stranger(machine, *words, **traps, TOKEN_REGISTRY_FORMAT="nonsense")
    assert (code, said) == (0, "")
    assert "proven" in out
    assert opened_outside(seen, subject.everything, subject.head) == set()
    assert [event for event, _ in seen if event in WRITING or event.startswith(FORBIDDEN)] == []
    assert {path: path.stat().st_mtime_ns for path in machine.rglob("*")} == before


def test_the_libraries_of_stores_and_providers_are_not_loaded(subject, machine):
    """A verifier loads what it needs to verify, and nothing that opens databases or talks to the network."""
    code = (
        "import sys\n"
        "from registry import verify_evidence\n"
        f"report = verify_evidence({str(subject.everything)!r}, {str(subject.head)!r})\n"
        "assert len(list(report.disclosed())) == report.size\n"
        "print(' '.join(sorted({name.partition('.')[0] for name in sys.modules})))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=machine, env=BARE, capture_output=True, text=True, check=True
    )
    assert {"sqlite3", "eventsourcing", "httpx", "jwt", "rich", "platformdirs"} & set(done.stdout.split()) == set()


def test_the_folder_is_left_as_it_is(subject, machine):
    """Verifying leaves no trace in the evidence itself, which may lie on what cannot be written to."""
    before = {path: path.stat().st_mtime_ns for path in subject.everything.rglob("*")}
    code, out, _, seen = stranger(machine, "evidence", "verify", str(subject.everything))
    assert code == 12
    assert "cannot tell" in out
    assert [event for event, _ in seen if event in WRITING] == []
    assert {path: path.stat().st_mtime_ns for path in subject.everything.rglob("*")} == before
