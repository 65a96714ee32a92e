"""A use that cannot be recorded: refused, or handed out with a word about it, as the policy ``fail-closed`` says."""

import contextlib
import json
import resource
import sqlite3
import subprocess

import pytest

from tests.cli.conftest import KEY
from tests.cli.harness import command, environment
from tests.cli.test_processes import without_privileges
from tests.cli.test_secrecy import found_in

REVEAL = ("reveal", "Zoom", "--field", "api_key")
RUN = ("run", "Zoom", "--", "sh", "-c", 'echo "$API_KEY"')


@contextlib.contextmanager
def full(cli):
    """Have the disk take no more: SQLite's log is as long as a file may be, and a reader keeps it so."""
    with contextlib.closing(sqlite3.connect(cli.home / "registry.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT COUNT(*) FROM tokens").fetchall()
        for number in range(8):
            cli.ok("edit", "Zoom", "--description", f"{number}")
        longest = (cli.home / "registry.db-wal").stat().st_size
        yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (longest, longest))


@contextlib.contextmanager
def read_only(cli):
    """Have the store be one that may only be read."""
    (cli.home / "registry.db").chmod(0o400)
    yield without_privileges
    (cli.home / "registry.db").chmod(0o600)


@pytest.fixture(params=[full, read_only], ids=lambda param: param.__name__)
def hindered(request, token):
    """Return what runs a command on a store that takes nothing."""

    def run(*words):
        with request.param(token) as before:
            done = subprocess.run(
                command(*words),
                env=environment(token.home),
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
                preexec_fn=before,
            )
        return done.returncode, done.stdout, done.stderr

    return run


def uses(cli):
    """Return how many uses are recorded."""
    return len(json.loads(cli.ok("history", "--event", "token.disclosed", "--format", "json")))


@pytest.mark.parametrize("words", [REVEAL, RUN], ids=lambda words: words[0])
@pytest.mark.parametrize("policy", ["commands", "always"])
def test_refused(token, hindered, words, policy):
    """By default what cannot be recorded is not handed out, and the error says both."""
    if policy != "commands":
        token.ok("policy", "set", "fail-closed", policy)
    code, out, err = hindered(*words)
    assert (code, out) == (10, "")
    assert err.startswith("error: the use cannot be recorded, so nothing is handed out: ")
    assert len(err.splitlines()) <= 2
    assert found_in(err.encode()) == []
    assert uses(token) == 0


@pytest.mark.parametrize("words", [REVEAL, RUN], ids=lambda words: words[0])
def test_handed_out_with_a_word(token, hindered, words):
    """Where the policy is never, the value is handed out, and standard error says that the history does not know."""
    token.ok("policy", "set", "fail-closed", "never")
    code, out, err = hindered(*words)
    assert (code, out) == (0, f"{KEY}\n")
    assert err.startswith("this use is not recorded: ")
    assert len(err.splitlines()) == 1
    assert uses(token) == 0


@pytest.mark.parametrize("policy", ["commands", "always", "never"])
def test_recorded_where_it_can_be(token, policy):
    """Whatever the policy, a use that can be recorded is, and nothing is said of it."""
    token.ok("policy", "set", "fail-closed", policy) if policy != "commands" else None
    ran = token(*REVEAL)
    assert (ran.code, ran.out, ran.err) == (0, f"{KEY}\n", "")
    assert uses(token) == 1


def test_policies_explain_themselves(token):
    """The help of ``policy set`` names every policy with every value that it can have."""
    shown = " ".join(token.ok("policy", "set", "--help").split())
    for told in json.loads(token.ok("policy", "list", "--format", "json")):
        assert f"{told['policy']} (" in shown
        assert f"({told['value']}, " in shown
    for value in ("no, yes", "first, every, off", "commands, always, never"):
        assert f"({value})" in shown
