"""Completion: commands and names, in the shells, and never an error."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.cli.harness import environment, process


def completed(home, *words, **more):
    """Return what bash would be offered for the last word."""
    asked = {"COMP_WORDS": "\n".join(("token-registry", *words)), "COMP_CWORD": str(len(words))}
    ran = process(home, _TOKEN_REGISTRY_COMPLETE="bash_complete", **asked, **more)
    assert (ran.code, ran.err) == (0, "")
    return [line.partition(",")[2] for line in ran.out.splitlines() if line]


@pytest.fixture
def named(token, secrets):
    """Return a registry with two tokens and an application with one of its own."""
    token.ok("add", "Zoom Production", *secrets)
    token.ok("app", "add", "HR Portal", "--kind", "process")
    token.ok("add", "Payroll", "--app", "HR Portal", *secrets)
    return token


def test_names_and_commands(named):
    """Commands, names in their scope, applications and choices are completed, in whatever case."""
    assert completed(named.home, "app", "re") == ["remove", "rename"]
    assert completed(named.home, "show", "zoom") == ["Zoom", r"Zoom\\ Production"]
    assert completed(named.home, "show", r"Zoom\ P") == [r"Zoom\\ Production"]
    assert completed(named.home, "remove", "--app", "HR Portal".replace(" ", r"\ "), "") == ["Payroll"]
    assert completed(named.home, "show", "Zoom", "--app", "h") == [r"HR\\ Portal"]
    assert completed(named.home, "--format", "") == ["table", "json"]
    assert completed(named.home, "--home", str(named.home), "app", "rename", "H") == [r"HR\\ Portal"]


def test_members_and_roles(named):
    """Members, roles and audiences are completed."""
    assert completed(named.home, "member", "role", "a") == ["ada"]
    assert completed(named.home, "member", "role", "ada", "a") == ["admin", "auditor", "app"]
    assert completed(named.home, "member", "add", "bob", "--role", "au") == ["auditor"]
    assert completed(named.home, "key", "rotate", "--audience", "") == ["audit", "global", r"HR\\ Portal"]
    assert completed(named.home, "history", "--actor", "") == ["ada"]


def test_nothing_where_nothing_can_be_read(named, tmp_path):
    """Where the registry does not open, nothing is offered and nothing is said."""
    (tmp_path / "nowhere").mkdir()
    assert completed(tmp_path / "nowhere", "show", "") == []
    (named.home / "identity").chmod(0o644)
    assert completed(named.home, "show", "") == []
    assert completed(named.home, "show", "", TOKEN_REGISTRY_FORMAT="nonsense") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts(empty, shell):
    """Each shell's script names the program and what it asks it."""
    script = empty.ok("completion", shell)
    assert "_TOKEN_REGISTRY_COMPLETE" in script
    assert "token-registry" in script
    assert script.endswith("\n")


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_in_bash(named, tmp_path):
    """In a real bash, the script offers a name with a space as one word."""
    program = tmp_path / "token-registry"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cli "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    (tmp_path / "script").write_text(named.ok("completion", "bash"), encoding="utf-8")
    asked = (
        f"source {tmp_path}/script; COMP_WORDS=(token-registry show 'Zoom\\ P'); COMP_CWORD=2; "
        '_token_registry_completion token-registry; printf "%s|" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", asked],
        env=environment(named.home) | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == (r"Zoom\ Production|", "")
