"""A forger: whoever holds the database, and can sign as some members or as nobody.

It changes what it likes, and then makes commits, nodes and units anew over what stands there. Every hash then fits,
and every signature that it has the key for; so a test breaks one rule and no other.
"""

import shutil
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from msgspec import Struct, structs

from registry import Identity, IntegrityError
from registry.log import merkle, present
from registry.log.checkpoint import Checkpoint
from registry.log.leaf import Leaf, state_hash
from registry.sealing import roster_record
from registry.sealing.roster_record import RosterRecord
from registry.store.rows import Stored, TokenRow
from registry.store.topics import ROSTER_TOPICS


class Event(Struct):
    """A row of ``stored_events``."""

    stream: str
    version: int
    topic: str
    state: bytes
    position: int
    commit: int


class Made(Struct):
    """A row of ``commits``."""

    number: int
    author: str
    at: str
    size: int
    root: bytes
    present: bytes
    roster_length: int
    roster_head: bytes
    shredded: int
    signature: bytes


class Forger:
    """One who holds the store at a path. ``identities`` are those that it can sign with, by member."""

    def __init__(self, path: Path, registry: bytes, identities: Mapping[str, Identity] | None = None) -> None:
        self.path = path
        self.registry = registry
        self.identities = dict(identities or {})

    # The file.

    def sql(self, statement: str, parameters: Sequence[object] = (), *, many: bool = False) -> list[Any]:
        """Run a statement, append-only or not; with ``many`` once for each of the parameters."""
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute("PRAGMA synchronous = OFF")
            triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
            for name, _ in triggers:
                connection.execute(f"DROP TRIGGER {name}")
            run: Any = connection.executemany if many else connection.execute
            rows: list[Any] = run(statement, parameters).fetchall()
            for _, sql in triggers:
                connection.execute(sql)
            return rows

    def copy(self, path: Path) -> Path:
        """Return a copy of the store as it is now, made at a path."""
        with closing(sqlite3.connect(self.path)) as source, closing(sqlite3.connect(path)) as target:
            source.backup(target)
        return path

    def replace(self, copy: Path) -> None:
        """Put another file in the store's place."""
        for suffix in ("-wal", "-shm"):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)
        shutil.copy(copy, self.path)

    # The history, row by row.

    def events(self) -> list[Event]:
        """Return the events in the order of their positions."""
        columns = "originator_id, originator_version, topic, state, position, commit_number"
        return [Event(*row) for row in self.sql(f"SELECT {columns} FROM stored_events ORDER BY position")]

    def put_events(self, events: Iterable[Event]) -> None:
        """Have the store hold these events and no others."""
        self.sql("DELETE FROM stored_events")
        rows = [structs.astuple(event) for event in events]
        self.sql("INSERT INTO stored_events VALUES (?, ?, ?, ?, ?, ?)", rows, many=True)

    def append(self, stored: Stored, commit: int | None = None) -> None:
        """Put an event behind all others, into a commit or into one that has no row yet."""
        events = self.events()
        last = events[-1]
        number = last.commit + 1 if commit is None else commit
        self.put_events([*events, Event(*structs.astuple(stored), last.position + 1, number)])

    def drop(self, *positions: int) -> None:
        """Take events away and close the gap in the positions."""
        left = [event for event in self.events() if event.position not in positions]
        self.put_events(structs.replace(event, position=place) for place, event in enumerate(left))

    def exchange(self, one: int, other: int, *columns: str) -> None:
        """Exchange columns of the events at two positions: all that they are unless some are named."""
        events = self.events()
        first, second = (next(event for event in events if event.position == place) for place in (one, other))
        for name in columns or ("stream", "version", "topic", "state"):
            kept = getattr(first, name)
            setattr(first, name, getattr(second, name))
            setattr(second, name, kept)
        self.put_events(events)

    def cut(self, number: int) -> None:
        """Take everything away behind a commit but what it says itself; the rows of tokens stay as they are."""
        size = self.commit(number).size
        self.sql("DELETE FROM stored_events WHERE position >= ?", (size,))
        self.sql("DELETE FROM commits WHERE number > ?", (number,))
        self.sql("DELETE FROM log_nodes WHERE number >= ?", (merkle.nodes_in(size),))

    def commits(self) -> list[Made]:
        """Return the commits in the order of their numbers."""
        return [Made(*row) for row in self.sql("SELECT * FROM commits ORDER BY number")]

    def commit(self, number: int) -> Made:
        """Return the commit of a number, counted from the end where it is negative."""
        return self.commits()[number]

    def put_commit(self, made: Made) -> None:
        """Have the store hold a commit in the place of its number."""
        self.sql("INSERT OR REPLACE INTO commits VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", structs.astuple(made))

    def change(self, number: int, **columns: Any) -> None:
        """Change columns of a commit, and nothing else."""
        self.put_commit(structs.replace(self.commit(number), **columns))

    def drop_commit(self, number: int) -> None:
        """Take the row of a commit away, and leave its events."""
        self.sql("DELETE FROM commits WHERE number = ?", (number,))

    def resign(self, number: int, identity: Identity, **columns: Any) -> None:
        """Have a commit signed by an identity, with other columns if they are given."""
        made = structs.replace(self.commit(number), **columns)
        self.put_commit(structs.replace(made, signature=identity.sign(self.text(made))))

    def text(self, made: Made) -> bytes:
        """Return what the author of a commit signs."""
        parts = {name: getattr(made, name) for name in ("size", "root", "present", "roster_length", "roster_head")}
        point = Checkpoint(registry=self.registry, commit=made.number, shredded=made.shredded, **parts)
        return point.text().encode()

    # The present, row by row.

    def rows(self) -> list[TokenRow]:
        """Return the current rows."""
        statement = "SELECT t.*, wrapped FROM tokens t LEFT JOIN data_keys USING (token_id) ORDER BY token_id"
        return [TokenRow(*row) for row in self.sql(statement)]

    def plant(self, *rows: TokenRow) -> None:
        """Put rows in the place of those of the same tokens or names."""
        for row in rows:
            columns = structs.astuple(row)
            self.sql("INSERT OR REPLACE INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", columns[:-1])
            self.sql("INSERT OR REPLACE INTO data_keys VALUES (?, ?)", (row.token, row.wrapped))

    def hide(self, token: str) -> None:
        """Take the row of a token away."""
        for table in ("tokens", "data_keys"):
            self.sql(f"DELETE FROM {table} WHERE token_id = ?", (token,))

    # All of it made to fit.

    def rebuild(self, *, author: str | None = None, brought_by: int | None = None) -> None:
        """Close all gaps in numbers and positions, and make commits, nodes and units anew over what stands there.

        A commit keeps its author and its time. One that has no row gets the ``author``, the time of the one before it
        and what the former said of the present. The newest commit, or each from ``brought_by`` on, says of the present
        what the rows are now. Commits whose author's identity is not at hand keep their old signature.
        """
        known = {made.number: made for made in self.commits()}
        events, numbers = self.events(), {}
        for place, event in enumerate(events):
            event.position = place
            event.commit = numbers.setdefault(event.commit, len(numbers))
        now = present.recompute((row.name_tag, row.digest(self.registry)) for row in self.rows())
        made: list[Made] = []
        nodes: dict[tuple[int, int], bytes] = {}
        for former, number in numbers.items():
            made.append(self._fresh(number, known.get(former), made, author))
            own = [event for event in events if event.commit == number]
            self._grow(made[-1], made[-2:-1], own, nodes)
            if number >= (len(numbers) - 1 if brought_by is None else brought_by):
                made[-1].present = now.root
            self._sign(made[-1])
        self.put_events(events)
        self._put_log(made, nodes, now.units)

    def _fresh(self, number: int, known: Made | None, before: list[Made], author: str | None) -> Made:
        if known is not None:
            return structs.replace(known, number=number)
        last = before[-1]
        return structs.replace(
            last, number=number, author=author or last.author, shredded=number + 1, signature=bytes(64)
        )

    def _grow(self, made: Made, before: list[Made], events: list[Event], nodes: dict[tuple[int, int], bytes]) -> None:
        start = before[0].size if before else 0
        leaves = [
            Leaf(
                self.registry,
                e.position,
                e.commit,
                made.author,
                made.at,
                e.stream,
                e.version,
                e.topic,
                state_hash(e.state),
            ).hashed()
            for e in events
        ]
        growth = merkle.append(lambda level, index: nodes[level, index], start, leaves)
        nodes |= growth.nodes
        made.size, made.root = growth.size, growth.root
        made.roster_length, made.roster_head = (
            (before[0].roster_length, before[0].roster_head) if before else (0, bytes(32))
        )
        for event in events:
            if event.topic in ROSTER_TOPICS:
                made.roster_length = event.version
                with suppress(IntegrityError):
                    record = RosterRecord.parse(event.state)
                    parts = (event.version, event.topic, record.core, record.sealed)
                    made.roster_head = roster_record.link(self.registry, *parts)

    def _sign(self, made: Made) -> None:
        identity = self.identities.get(made.author)
        if identity is not None:
            made.signature = identity.sign(self.text(made))

    def _put_log(
        self, commits: list[Made], nodes: Mapping[tuple[int, int], bytes], units: Mapping[int, bytes | None]
    ) -> None:
        for table in ("commits", "log_nodes", "present_units"):
            self.sql(f"DELETE FROM {table}")
        for made in commits:
            self.put_commit(made)
        numbered = [(merkle.node_number(*place), node) for place, node in nodes.items()]
        self.sql("INSERT INTO log_nodes VALUES (?, ?)", numbered, many=True)
        self.sql("INSERT INTO present_units VALUES (?, ?)", list(units.items()), many=True)
