"""A team and its machines: each member has its own home, identity and state; all share one store."""

import shutil
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from msgspec import structs

from registry import (
    Identity,
    NewToken,
    Registry,
    Secret,
    Settings,
    Surroundings,
    init_registry,
    join,
    load_settings,
    open_identity,
    open_registry,
)
from registry.domain.events import Event
from registry.pins import Pin, Pins
from registry.sealing.roster_record import RosterRecord
from registry.service.ledger import Ledger
from registry.service.registry import store_url
from registry.store.contents import Contents
from registry.store.rows import Commit, Stored

MEMBERS = ("alice", "carol", "bob", "pay", "till", "form")
NOON = datetime(2027, 1, 31, 12, 0, tzinfo=UTC)
TOKENS = (
    ("Zoom", None),
    ("Mail", None),
    ("Zoom", "Payroll"),
    ("Wages", "Payroll"),
    ("Zoom", "Survey"),
    ("Answers", "Survey"),
)


def secret_of(name: str, app: str | None) -> str:
    """Return the API Key that the team's token of that name and scope has."""
    return f"key of {name} in {app}".replace(" ", "-")


def fields(key: str) -> dict[str, Secret]:
    """Return the credentials of a Zoom account."""
    return {"api_key": Secret(key), "api_secret": Secret(f"secret-behind-{key}")}


class Clock:
    """A clock that goes on by a second whenever it is looked at."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """Return the time, and go on."""
        self.now += timedelta(seconds=1)
        return self.now


class Team:
    """A registry's store, and the machine of each of its members."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = root / "shared" / "registry.db"
        self.around = Surroundings(clock=Clock(), host="host-of-tests", client="tests/1")

    def settings(self, name: str) -> Settings:
        """Return the settings of a member's machine."""
        return load_settings({"home": str(self.root / name), "url": f"sqlite:///{self.store}"}, {})

    def new_identity(self, name: str) -> Identity:
        """Make a new identity on a member's machine."""
        identity = Identity.generate(name)
        identity.save(self.root / name / "identity")
        return identity

    def identity(self, name: str) -> Identity:
        """Return the identity of a member's machine."""
        return open_identity(self.settings(name))

    def open(self, name: str) -> Registry:
        """Open the registry as a member."""
        return open_registry(self.settings(name), surroundings=self.around)

    def do(self, name: str, work: Callable[[Registry], Any]) -> Any:
        """Return what the work returns, done on a member's machine."""
        with self.open(name) as registry:
            return work(registry)

    def admit(self, name: str, role: str, app: str | None = None) -> None:
        """Have alice admit a member, which then joins with its invitation."""
        public = self.new_identity(name).public
        invitation = self.do("alice", lambda r: r.members.add(name, role, public, app=app))
        join(self.settings(name), invitation=invitation, surroundings=self.around)

    def pins(self, name: str) -> Pins:
        """Return the pins of a member's machine."""
        return Pins(Path(self.settings(name).state.value))

    def pin(self, name: str) -> Pin:
        """Return what a member's machine knows of the store."""
        pin = self.pins(name).get(store_url(self.store))
        assert pin is not None
        return pin

    def forget(self, name: str) -> None:
        """Make a member's machine know the registry's id and nothing else."""
        pin = self.pin(name)
        self.pins(name).put(Pin(pin.url, pin.registry_id))

    def copy(self, root: Path) -> "Team":
        """Return the same team in another folder."""
        shutil.copytree(self.root, root)
        other = Team(root)
        other.around = structs.replace(self.around, clock=Clock(self.around.clock()))
        for name in MEMBERS:
            other.pins(name).put(structs.replace(self.pin(name), url=store_url(other.store)))
        return other

    def backup(self) -> Path:
        """Return a copy of the store as it is now."""
        copy = self.root / f"backup{len(list(self.root.glob('backup*')))}"
        with closing(sqlite3.connect(self.store)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
        return copy

    def restore(self, copy: Path) -> None:
        """Put a copy of the store in its place."""
        for suffix in ("-wal", "-shm"):
            Path(f"{self.store}{suffix}").unlink(missing_ok=True)
        shutil.copy(copy, self.store)

    def sql(self, statement: str, parameters: Sequence[object] = ()) -> list[Any]:
        """Run a statement as whoever holds the database may, append-only or not."""
        with closing(sqlite3.connect(self.store)) as connection, connection:
            triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
            for name, _ in triggers:
                connection.execute(f"DROP TRIGGER {name}")
            rows = connection.execute(statement, parameters).fetchall()
            for _, sql in triggers:
                connection.execute(sql)
            return rows

    def roster(self) -> list[Stored]:
        """Return the stored events of the roster."""
        statement = "SELECT originator_id, originator_version, topic, state FROM stored_events WHERE originator_id = ?"
        stream = self.pin("alice").registry_id[:16].hex()
        return [Stored(*row) for row in self.sql(f"{statement} ORDER BY originator_version", (stream,))]

    def put_roster(self, events: Iterable[Stored]) -> None:
        """Have the database hold these events of the roster in the place of its own."""
        events = list(events)
        self.sql("DELETE FROM stored_events WHERE originator_id = ?", (events[0].originator_id,))
        for number, event in enumerate(events):
            row = (*structs.astuple(event), 1_000 + number)
            self.sql("INSERT INTO stored_events VALUES (?, ?, ?, ?, ?, 0)", row)

    def replace(self, version: int, **parts: bytes) -> None:
        """Exchange parts of the record of one roster event."""
        event = self.roster()[version - 1]
        record = structs.replace(RosterRecord.parse(event.state), **parts)
        where = (record.encoded(), event.originator_id, version)
        self.sql("UPDATE stored_events SET state = ? WHERE originator_id = ? AND originator_version = ?", where)


def commit(ledger: Ledger, *events: Event, contents: Contents | None = None, **more: Any) -> None:
    """Commit as a patched client does: without asking whether the role allows it, or the roster's rules."""
    head = ledger.store.head()
    assert head is not None
    made = Commit(number=head.number + 1, author=ledger.member.id, at=head.at, size=head.size, **more)
    ledger.store.put(contents or ledger.contents, events, made)


def facts(ledger: Ledger, **changes: Any) -> dict[str, Any]:
    """Return what the next event of the roster needs, as a patched client has it."""
    with ledger.turn(roles=("admin", "auditor", "app")) as turn:
        return ledger.roster_facts(turn) | changes


def founded_team(root: Path) -> Team:
    """Found the team that every test starts with."""
    team = Team(root)
    init_registry(team.settings("alice"), name="alice", surroundings=team.around)
    with team.open("alice") as registry:
        registry.applications.register("Payroll", "process")
        registry.applications.register("Survey", "form")
        for name, app in TOKENS:
            token = NewToken(name=name, application=app, provider="zoom", fields=fields(secret_of(name, app)))
            registry.tokens.add(token)
    for name, role, app in (
        ("carol", "admin", None),
        ("bob", "auditor", None),
        ("pay", "app", "Payroll"),
        ("till", "app", "Payroll"),
        ("form", "app", "Survey"),
    ):
        team.admit(name, role, app)
    return team
