"""A team and its machines: each member has its own home, identity and state; all share one store."""

import shutil
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
from registry.service.places import place_of
from registry.store.contents import Contents
from registry.store.copying import copy_rows
from registry.store.rows import Commit, Stored
from registry.store.sqlite import SQLitePlace
from tests.holders import holder_of
from tests.store.commits import frontier
from tests.tampering.forger import Event as StoredRow, Forger

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
        self.url = f"sqlite:///{self.store}"
        """What its machines call the store."""
        self.around = Surroundings(clock=Clock(), host="host-of-tests", client="tests/1")
        self.hand = Forger(self.store, b"")
        """Whoever holds the store, without any identity."""
        self.ids: dict[str, str] = {}
        """The ids of the members, as they were when the team was founded or somebody was admitted."""

    def settings(self, name: str) -> Settings:
        """Return the settings of a member's machine."""
        return load_settings({"home": str(self.root / name), "url": self.url}, {})

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
        self.learn()

    def learn(self) -> None:
        """Remember the ids of the members there are."""
        self.ids |= self.do("alice", lambda r: {view.name: view.id for view in r.members.list()})

    def pins(self, name: str) -> Pins:
        """Return the pins of a member's machine."""
        return Pins(Path(self.settings(name).state.value))

    def pin(self, name: str) -> Pin:
        """Return what a member's machine knows of the store."""
        pin = self.pins(name).get(place_of(self.settings(name)).url)
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
        other.ids = dict(self.ids)
        other.around = structs.replace(self.around, clock=Clock(self.around.clock.now))
        for name in MEMBERS:
            other.pins(name).put(structs.replace(self.pin(name), url=SQLitePlace(other.store).url))
        return other

    def forger(self, *names: str) -> Forger:
        """Return who holds the store and can sign as the members of these names; as all that there are, for none."""
        signing = names or tuple(self.ids)
        return Forger(
            self.store, self.pin("alice").registry_id, {self.ids[name]: self.identity(name) for name in signing}
        )

    def backup(self) -> Path:
        """Return a copy of the store as it is now."""
        return self.hand.copy(self.root / f"backup{len(list(self.root.glob('backup*')))}")

    def restore(self, copy: Path) -> None:
        """Put a copy of the store in its place."""
        self.hand.replace(copy)

    def sql(self, statement: str, parameters: Sequence[object] = ()) -> list[Any]:
        """Run a statement as whoever holds the database may, append-only or not."""
        if self.url.startswith("sqlite:"):
            return self.hand.sql(statement, parameters)
        return holder_of(place_of(self.settings("alice"))).sql(statement, parameters)

    def move(self, url: str) -> None:
        """Let the store be in another place from now on: copied row by row, and known there to each machine."""
        pins = {name: self.pin(name) for name in MEMBERS}
        source, self.url = SQLitePlace(self.store), url
        place = place_of(self.settings("alice"))
        made = place.create()
        with closing(source.open_raw()) as raw, raw.snapshot():
            copy_rows(raw, made)
        place.settle(made, lambda: None)
        for name, pin in pins.items():
            self.pins(name).put(structs.replace(pin, url=place.url))

    def roster(self) -> list[Stored]:
        """Return the stored events of the roster."""
        statement = "SELECT originator_id, originator_version, topic, state FROM stored_events WHERE originator_id = ?"
        stream = self.sql("SELECT originator_id FROM stored_events WHERE topic = 'roster.founded'")[0]
        return [Stored(*row) for row in self.sql(f"{statement} ORDER BY originator_version", stream)]

    def put_roster(self, events: Iterable[Stored]) -> None:
        """Have the database hold these events of the roster at the places of its own; more come behind, one by one."""
        wished = list(events)
        there, stream = self.hand.events(), wished[0].originator_id
        places = [(row.position, row.commit) for row in there if row.stream == stream]
        while len(places) < len(wished):
            places.append((max(places[-1][0], there[-1].position) + 1, max(places[-1][1], there[-1].commit) + 1))
        put = [StoredRow(*structs.astuple(event), *place) for event, place in zip(wished, places, strict=False)]
        self.hand.put_events([*(row for row in there if row.stream != stream), *put])

    def replace(self, version: int, **parts: bytes) -> None:
        """Exchange parts of the record of one roster event."""
        event = self.roster()[version - 1]
        record = structs.replace(RosterRecord.parse(event.state), **parts)
        where = (record.encoded(), event.originator_id, version)
        self.sql("UPDATE stored_events SET state = ? WHERE originator_id = ? AND originator_version = ?", where)


def commit(ledger: Ledger, *events: Event, contents: Contents | None = None, **more: Any) -> None:
    """Commit as a patched client does: rightly signed, without asking whether role and rules allow it."""
    parts = {
        "registry": ledger.registry,
        "parent": (head := ledger.store.head()),
        "author": ledger.member.id,
        "at": head.at if head else NOON,
        "sign": ledger.identity.sign,
        "frontier": frontier(ledger.store, head),
    }
    ledger.store.put(contents or ledger.contents, events, Commit(**(parts | more)))


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
    team.learn()
    return team
