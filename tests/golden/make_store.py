"""Write a golden store: ``python -m tests.golden.make_store``. Every later version opens it, for ever.

A folder for each schema version: the store, an identity of each role, the invitation that makes it known to a machine,
and what its members see of it. It overwrites nothing that exists.
"""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec import structs

from registry import NewToken, Registry, Secret, TokenEdit, copy_store
from registry.settings import Setting
from registry.store import schema
from tests.members.team import Team, fields, founded_team

FOLDER = Path(__file__).parent / "stores"
MEMBERS = ("alice", "bob", "pay")
"""An admin, an auditor and an app."""


def lived(team: Team) -> str:
    """Let the team do a bit of everything, and return the invitation of its last newcomer."""
    with team.open("alice") as registry:
        registry.policies.set("allow-plaintext", "yes", reason="a legacy reader")
        registry.tokens.add(NewToken(name="Öffentlich", provider="zoom", fields=fields("readable"), encrypted=False))
        registry.tokens.edit("Mail", TokenEdit(fields={"api_secret": Secret("second")}, description="two\nlines"))
        registry.tokens.edit("Mail", TokenEdit(fields={"api_secret": Secret("secret-behind-key-of-Mail-in-None")}))
        registry.tokens.rename("Zoom", "Zoom Global", reason="clearer")
        registry.tokens.remove("Wages", app="Payroll", reason="no longer used")
        registry.members.remove("till", reason="server gone")
        registry.members.rotate(reason="yearly")
    team.do("pay", lambda r: r.resolve("Mail", process="payroll run"))
    public = team.new_identity("dora").public
    invitation: str = team.do("carol", lambda r: r.members.add("dora", "auditor", public)).text()
    team.do("alice", lambda r: r.applications.remove("Survey"))
    return invitation


def seen(registry: Registry) -> dict[str, object]:
    """Return what a member sees of the registry."""
    if registry.whoami().role == "app":
        return {name: {k: v.reveal() for k, v in registry.resolve(name).fields.items()} for name in ("Mail", "Zoom")}
    return {
        "tokens": [view.document() for view in registry.tokens.list()],
        "history": [entry.document() for entry in registry.history(diff=True)],
        "members": [member.name for member in registry.members.list()],
    }


def _moved(team: Team) -> None:
    """Let the registry be moved to another file and back."""
    old, other = team.store, team.store.with_name("other.db")
    for here, there in ((old, other), (other, old)):
        settings = structs.replace(team.settings("alice"), url=Setting(f"sqlite:///{here}", "test"))
        copy_store(settings, to=f"sqlite:///{there}", move=True, reason="another disk", surroundings=team.around)
        for file in here.parent.glob(f"{here.name}*"):
            file.unlink()


def main() -> None:
    """Write the store of the present schema version."""
    folder = FOLDER / f"v{schema.SCHEMA_VERSION}"
    folder.mkdir(parents=True)
    with TemporaryDirectory() as root:
        team = founded_team(Path(root))
        (folder / "invitation.txt").write_text(lived(team), encoding="utf-8")
        _moved(team)
        (folder / "checkpoint").write_text(team.do("bob", lambda r: r.log.checkpoint().signed), encoding="utf-8")
        team.do("bob", lambda r: r.evidence.export(folder / "evidence", reason="for ever"))
        expected = {name: team.do(name, seen) for name in reversed(MEMBERS)}
        (folder / "expected.json").write_text(json.dumps(expected, indent=1, ensure_ascii=False) + "\n", "utf-8")
        for name in MEMBERS:
            (folder / f"{name}.identity").write_bytes((team.root / name / "identity").read_bytes())
        with closing(sqlite3.connect(team.store)) as source, closing(sqlite3.connect(folder / "registry.db")) as target:
            source.backup(target)


if __name__ == "__main__":
    main()
