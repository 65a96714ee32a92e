"""A standby that takes over: what was acknowledged is there, and clients go on."""

import subprocess
import sys
from datetime import UTC, datetime

from registry import Surroundings, verify_registry
from registry.service.places import place_of
from tests.members.team import Clock
from tests.servers import private

WRITER = """
import sys
from datetime import UTC, datetime
from registry import Surroundings, TokenEdit, RegistryError, load_settings, open_registry
home, url = sys.argv[1:]
settings = load_settings({"home": home, "url": url}, {})
with open_registry(settings, surroundings=Surroundings(clock=lambda: datetime(2027, 2, 1, tzinfo=UTC))) as registry:
    number = 0
    while True:
        number += 1
        try:
            registry.tokens.edit("Mail", TokenEdit(fields={}, description=f"d{number}"))
            print("made", number, flush=True)
        except RegistryError as error:
            print("failed", number, type(error).__name__, flush=True)
"""


def test_promotion_loses_no_acknowledged_commit(team):
    """With a synchronous standby all that was acknowledged outlives its primary, and clients go on by themselves."""
    with private("wal_level = replica") as first, private(standby_of=first, synchronous=True) as second:
        schema = first.schema()
        hosts, ports = "127.0.0.1,127.0.0.1", f"{first.port},{second.port}"
        team.around = Surroundings(clock=Clock(datetime(2027, 2, 1, tzinfo=UTC)), host="later", client="later/1")
        team.move(f"postgresql://postgres@/postgres?host={hosts}&port={ports}&schema={schema}&sslmode=disable")
        app = team.open("pay")
        assert app.resolve("Mail").fields
        arguments = [sys.executable, "-c", WRITER, str(team.root / "alice"), team.url]
        writing = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": ":".join(sys.path)})
        try:
            lines = [writing.stdout.readline() for _ in range(20)]
            first.kill()
            second.promote()
            while len([line for line in lines if line.startswith("made")]) < 60:
                lines.append(writing.stdout.readline())
        finally:
            writing.kill()
            lines += writing.stdout.readlines()
        assert app.resolve("Mail").fields
        app.close()
        made = [line.split()[1] for line in lines if line.startswith("made")]
        there = [entry for entry in team.do("bob", lambda r: list(r.history())) if entry.event == "token.described"]
        described = [entry.detail["description"] for entry in there]
        assert [f"d{number}" for number in made if f"d{number}" not in described] == []
        assert len(described) == len(set(described))
        assert any(line.startswith("failed") for line in lines)
        assert verify_registry(team.settings("alice"), surroundings=team.around).ok
        assert place_of(team.settings("alice")).url.startswith("postgresql://127.0.0.1,127.0.0.1:")
