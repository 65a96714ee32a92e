"""A team: several machines, one store, and what its members are called."""

import json
from pathlib import Path

from tests.cli.harness import InProcess

APP = "HR Portal"


class Team:
    """A registry founded by ada; everybody else has a machine of his own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ada = self.machine("ada")
        self.registry_id = self.ada.ok("init", "--name", "ada").strip()
        self.url = f"sqlite:///{self.ada.home}/registry.db"

    def machine(self, name: str) -> InProcess:
        """Return the command line on a machine of that name."""
        return InProcess(self.folder / name)

    def newcomer(self, name: str) -> tuple[InProcess, str]:
        """Return a machine with a fresh identity, and its public line."""
        machine = self.machine(name)
        return machine, machine.ok("identity", "new", "--name", name).strip()

    def admit(self, name: str, role: str, *more: str) -> InProcess:
        """Return the machine of a new member that has joined."""
        machine, line = self.newcomer(name)
        invitation = self.ada.ok("member", "add", name, "--role", role, "--public-key", line, *more).strip()
        machine.ok("join", self.url, "--invitation", invitation)
        return machine

    def told(self, *words: str) -> object:
        """Return the document that ada is told."""
        return json.loads(self.ada.ok(*words, "--format", "json"))


def complete(folder: Path) -> tuple[Team, dict[str, InProcess]]:
    """Return a team with tokens in both scopes and one member of each role."""
    (folder / "value").write_text("canary-of-the-team\n", encoding="utf-8")
    fields = "--field", f"api_key=@{folder}/value", "--field", f"api_secret=@{folder}/value"
    team = Team(folder)
    team.ada.ok("app", "add", APP, "--kind", "process")
    team.ada.ok("add", "Zoom", *fields)
    team.ada.ok("add", "Zoom", "--app", APP, *fields)
    others = {
        "auditor": team.admit("bob", "auditor"),
        "app": team.admit("server", "app", "--app", APP),
        "second": team.admit("carol", "admin"),
    }
    return team, others
