"""A small registry that has everything a registry can have, and what every member sees of it while nobody tampers.

Each case of the campaign begins with the bytes of this store, changes something, and looks who notices.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from msgspec import Struct

from registry import (
    RegistryError,
    Secret,
    TokenEdit,
    join,
    verify_registry,
)
from registry.log import present
from registry.pins import Pin
from registry.service.ledger import Ledger
from registry.service.places import place_of
from registry.store.raw import COLUMNS
from tests.golden.make_store import lived
from tests.members.team import NOON, fields, founded_team

KEYS = {
    "stored_events": "position",
    "commits": "number",
    "log_nodes": "number",
    "present_units": "unit",
    "tokens": "token_id",
    "data_keys": "token_id",
}
"""What tells the rows of a table apart."""
Row = dict[str, Any]
Statement = tuple[str, Sequence[object]]
USED = (
    ("pay", "Mail", {}),
    ("pay", "Zoom", {}),
    ("pay", "Zoom Global", {}),
    ("alice", "Mail", {}),
    ("alice", "Öffentlich", {}),
    ("alice", "Zoom", {"app": "Payroll"}),
)
"""Who asks for which token. The second and the last are the same one, of the application Payroll."""


class Problem(Struct, frozen=True, order=True):
    """Where something wrong was found, and of which kind."""

    position: int
    kind: str


class Scene:
    """A registry to tamper with, again and again."""

    def __init__(self, root: Path) -> None:
        self.older: dict[str, list[Row]] = {table: [] for table in COLUMNS}
        """Rows as they were once, of all moments that were kept."""
        self.team = team = founded_team(root)
        self.backups: list[bytes] = []
        """Older copies of the store."""
        self._keep()
        self.early = {name: team.pin(name) for name in ("alice", "pay")}
        """What machines had seen when the team was complete."""
        lived(team)
        self._keep()
        self._went_on()
        for name in ("alice", "bob", "pay"):
            team.open(name).close()
        self.late = {name: team.pin(name) for name in ("alice", "bob", "pay")}
        self.new = {name: Pin(pin.url, pin.registry_id) for name, pin in self.late.items()}
        """What machines knew before they ever opened the registry: its id."""
        self.identities = {name: team.identity(name) for name in self.late}
        self.rows = self._rows()
        self.whole = self._bytes()
        self.reads = [self._reads(use) for use in range(len(USED))]
        self.honest: Any = {use: self.resolved(use) for use in range(len(USED))}

    def _went_on(self) -> None:
        """Let happen what ``lived`` leaves out; nothing that is used here is recorded afterwards."""
        team = self.team
        with team.open("alice") as registry:
            registry.tokens.edit("Zoom Global", TokenEdit(fields={}, expiry=(NOON,)))
            registry.tokens.edit("Öffentlich", TokenEdit(fields={"api_key": Secret("readable-2")}))
            registry.tokens.edit("Zoom", TokenEdit(fields=fields("theirs")), app="Payroll")
            registry.tokens.reveal("Mail", "api_key")
        self._keep()
        Path(team.settings("pay").identity.value).unlink()
        invitation = team.do("alice", lambda r: r.members.renew("pay", team.new_identity("pay").public))
        join(team.settings("pay"), invitation=invitation, surroundings=team.around)
        team.do("bob", lambda r: r.evidence.export(team.root / "evidence"))
        team.do("pay", lambda r: r.resolve("Mail"))
        with team.open("alice") as registry:
            registry.policies.set("record-resolves", "off")
            registry.members.change_role("carol", "auditor")

    def _keep(self) -> None:
        self.backups.append(self._bytes())
        for table, rows in self._rows().items():
            self.older[table] += rows

    def _rows(self) -> dict[str, list[Row]]:
        with closing(sqlite3.connect(self.team.store)) as connection:
            connection.row_factory = sqlite3.Row
            return {
                table: [dict(row) for row in connection.execute(f"SELECT * FROM {table} ORDER BY {key}")]
                for table, key in KEYS.items()
            }

    def _bytes(self) -> bytes:
        return self.team.backup().read_bytes()

    # What is there, as it must be.

    @property
    def size(self) -> int:
        """How many events there are."""
        return len(self.rows["stored_events"])

    def start(self, number: int) -> int:
        """Return the position of a commit's first event."""
        return self.rows["commits"][number - 1]["size"] if number else 0

    def last_of(self, stream: str) -> int:
        """Return the position of the last event of a stream; the log's size for what has none."""
        places = [row["position"] for row in self.rows["stored_events"] if row["originator_id"] == stream]
        return max(places, default=self.size)

    def _reads(self, use: int) -> set[int]:
        """Return the units of the present by which somebody who asks for a token is shown that it is the one meant."""
        name, token, how = USED[use]
        with self.team.open(name) as registry:
            ledger = registry._ledger
            scopes = [ledger.scope(how["app"]) if how else ledger.member.application, None]
            tags = [ledger.name_tag(scope, token) for scope in dict.fromkeys(scopes)]
            there = {row["name_tag"] for row in self.rows["tokens"]}
            asked = tags[: next(place for place, tag in enumerate(tags, 1) if tag in there)]
            return set(present.units_of(asked))

    @property
    def deleted_token(self) -> str:
        """The id of a token that was deleted."""
        events = self.rows["stored_events"]
        return next(str(row["originator_id"]) for row in events if row["topic"] == "token.deleted")

    # Changing it.

    def restore(self, whole: bytes | None = None) -> None:
        """Put the store back as it was, or another in its place."""
        for suffix in ("-wal", "-shm"):
            Path(f"{self.team.store}{suffix}").unlink(missing_ok=True)
        self.team.store.write_bytes(whole or self.whole)

    def tamper(self, statements: Iterable[Statement]) -> bool:
        """Change the store as whoever holds it may, from how it was; return whether the database takes it."""
        self.restore()
        with closing(sqlite3.connect(self.team.store)) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
            try:
                connection.execute("BEGIN")
                for name, _ in triggers:
                    connection.execute(f"DROP TRIGGER {name}")
                for statement, parameters in statements:
                    connection.execute(statement, parameters)
                for _, sql in triggers:
                    connection.execute(sql)
                connection.commit()
            except (sqlite3.IntegrityError, OverflowError):
                connection.rollback()
                return False
        return True

    # Who notices.

    def pinned(self, name: str, pin: Pin) -> None:
        """Have a member's machine know this of the store."""
        if self.team.pins(name).get(pin.url) != pin:
            self.team.pins(name).put(pin)

    def found(self, name: str = "alice", pin: Pin | None = None) -> list[Problem]:
        """Return what a member's verification finds, on a machine that has seen all, or what a pin says."""
        self.pinned(name, pin or self.late[name])
        outcome = verify_registry(self.team.settings(name), surroundings=self.team.around, workers=1)
        assert outcome.ok == (not outcome.problems)
        return [Problem(problem.position, problem.kind) for problem in outcome.problems]

    def opens(self, name: str, pin: Pin) -> bool:
        """Return whether the store opens on a machine that knows this of it, and is what was committed."""
        head = self.rows["commits"][-1]
        try:
            store = place_of(self.team.settings(name)).open()
            with closing(store):
                log = Ledger(store, pin, self.identities[name], self.team.around, None).log
                assert (log.size, log.head.root, log.head.number) == (head["size"], head["root"], head["number"])
        except RegistryError:
            return False
        return True

    def resolved(self, use: int) -> object:
        """Return the values that somebody who asks for a token gets, and by what they can be proven.

        ``None`` stands for an error of the registry.
        """
        name, token, how = USED[use]
        self.pinned(name, self.late[name])
        try:
            with self.team.open(name) as registry:
                answer = registry.resolve(token, **how)
                return answer.receipt, {field: value.reveal() for field, value in answer.fields.items()}
        except RegistryError:
            return None

    def token_of(self, use: int) -> str:
        """Return the id of the token that somebody asks for."""
        receipt, _ = self.honest[use]
        return str(receipt.token_id)
