"""A registry with a past: members of every role who come and go, tokens of every kind, and a hand in its database."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from msgspec import structs

from registry import NewToken, OnConflict, Registry, Secret, TokenEdit, join, verify_registry
from registry.domain import token_rules as rules
from registry.domain.roster_events import ProblemAcknowledged
from registry.domain.token_events import TokenDescribed
from registry.log import merkle
from registry.service.ledger import Ledger
from registry.store.rows import Commit
from registry.store.sqlite import SQLiteStore
from tests.members.team import NOON, Team, fields, founded_team

READERS = ("alice", "bob", "pay")
"""An admin, an auditor, an app: each verifies what it can."""


def rich_team(root):
    """Return a team whose registry has everything a registry can have; alice, bob and pay are still in it."""
    team = founded_team(root)
    with team.open("alice") as registry:
        _tokens(registry)
    for name in ("pay", "form"):
        team.do(name, lambda r: r.resolve("Zoom"))
    team.do("pay", lambda r: r.tokens.reveal("Wages", "api_key"))
    with team.open("alice") as registry:
        _members(team, registry)
    team.do("pay", lambda r: r.resolve("Zoom"))
    with team.open("alice") as registry:
        _ends(registry)
    for name in READERS:
        team.open(name).close()
    return team


def _tokens(registry: Registry):
    tokens = registry.tokens
    tokens.edit("Zoom", TokenEdit(fields=fields("second"), description="two\nlines"), reason="rotation")
    tokens.edit("Zoom", TokenEdit(fields=fields("key-of-Zoom-in-None")), test=True)
    tokens.edit("Zoom", TokenEdit(fields={"api_key": Secret("third")}))
    tokens.test("Zoom")
    tokens.edit("Mail", TokenEdit(fields={}, expiry=(NOON + timedelta(days=90),)))
    tokens.rename("Mail", "Post")
    tokens.add(NewToken(name="Mail", provider="zoom", fields=fields("new-mail"), description="another"), test=True)
    registry.policies.set("allow-plaintext", "yes")
    tokens.add(NewToken(name="Open", provider="zoom", fields=fields("open"), encrypted=False))
    tokens.edit("Open", TokenEdit(fields=fields("open-2")))
    tokens.edit("Wages", TokenEdit(fields={}, encrypted=False), app="Payroll")
    tokens.edit("Wages", TokenEdit(fields={}, encrypted=True), app="Payroll")
    registry.policies.set("allow-plaintext", "no")
    tokens.edit("Post", TokenEdit(fields=_oauth("post"), provider="zoom-oauth"))
    entries = [NewToken(name=f"Import {n}", provider="zoom", fields=fields(f"import-{n}")) for n in range(5)]
    registry.importing.run(entries)
    changed = [NewToken(name=f"Import {n}", provider="zoom", fields=fields(f"import-{n % 2}")) for n in range(5)]
    registry.importing.run(changed, on_conflict=OnConflict.OVERWRITE)
    tokens.reveal("Open", "api_key")


def _oauth(name):
    values = {"account_id": f"account-{name}", "client_id": f"id-{name}", "client_secret": f"secret-{name}"}
    return {field: Secret(value) for field, value in values.items()}


def _members(team: Team, registry: Registry):
    members = registry.members
    members.rotate("global")
    members.change_role("carol", "auditor")
    members.remove("till", reason="left")
    Path(team.settings("pay").identity.value).unlink()
    invitation = members.renew("pay", team.new_identity("pay").public)
    join(team.settings("pay"), invitation=invitation, surroundings=team.around)
    members.rotate()


def _ends(registry: Registry):
    registry.tokens.remove("Import 3")
    registry.applications.rename("Payroll", "Salaries")
    registry.applications.remove("Survey")
    registry.tokens.edit("Zoom", TokenEdit(fields=fields("fourth")))


def verified(team, name="alice", **wished):
    """Return what a member's verification comes to."""
    return verify_registry(team.settings(name), surroundings=team.around, **wished)


def found(team, name="alice", **wished):
    """Return position and kind of everything that a member's verification reports."""
    return [(problem.position, problem.kind) for problem in verified(team, name, **wished).problems]


def damage(team, *statements, parameters=()):
    """Run SQL as whoever holds the database may, its triggers put back afterwards."""
    with closing(sqlite3.connect(team.store, isolation_level=None)) as connection:
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement, parameters)
        there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        for name, sql in triggers:
            if name.rpartition("_no_")[0] in there:
                connection.execute(sql)


def query(team, statement, *parameters):
    """Return what a stranger reads from the database."""
    with closing(sqlite3.connect(team.store)) as connection:
        return connection.execute(statement, parameters).fetchall()


def size_of(team):
    """Return how many events there are."""
    return query(team, "SELECT COUNT(*) FROM stored_events")[0][0]


def last_of(team, stream):
    """Return the position of a stream's last event."""
    return query(team, "SELECT MAX(position) FROM stored_events WHERE originator_id = ?", stream)[0][0]


def start_of(team, number):
    """Return the position of a commit's first event."""
    return query(team, "SELECT COALESCE(MAX(size), 0) FROM commits WHERE number < ?", number)[0][0]


class Patched:
    """A member with a patched client: it commits what it likes, and signs it as any member must."""

    def __init__(self, team, name):
        """Open the registry, whatever is wrong with it."""
        self.team, self.name = team, name
        settings = team.settings(name)
        store = SQLiteStore.open(settings.store_path())
        self.ledger = Ledger(store, team.pin(name), team.identity(name), team.around, team.pins(name), tolerant=True)

    def __enter__(self):
        """Return the client."""
        return self

    def __exit__(self, *_):
        """Let go of the store."""
        self.ledger.store.close()

    def facts(self, stream, version, **more):
        """Return what an event in a stream has in common with every other."""
        around = self.team.around
        common = {"by": self.ledger.member.id, "at": around.clock(), "host": around.host, "client": around.client}
        return {"originator_id": stream, "originator_version": version, **common, **more}

    def commit(self, *events, **more):
        """Commit events, with rows or what else a commit has; return the position of the first."""
        ledger = self.ledger
        head = ledger.store.head()
        assert head is not None
        at = max([head.at, *(event.at for event in events)])
        places = {place: merkle.node_number(*place) for place in merkle.complete_subtrees(head.size)}
        nodes = ledger.store.nodes(list(places.values()))
        tokens = [*more.get("dropped", ()), *(row.token for row in more.get("rows", ()))]
        made = Commit(
            registry=ledger.registry,
            parent=head,
            author=ledger.member.id,
            at=at,
            sign=ledger.identity.sign,
            frontier={place: nodes[number] for place, number in places.items()},
            replaced={row.token: row for row in map(ledger.store.row, tokens) if row is not None},
        )
        contents = more.pop("contents", ledger.contents)
        ledger.store.put(contents, events, structs.replace(made, **more))
        return head.size


class Client(Patched):
    """A patched client that knows a token."""

    def token(self, name="Zoom"):
        """Return the current row and state of a global token."""
        return self.ledger.find(name, None)

    def event(self, kind, token, **more):
        """Return the next event of a token's stream."""
        version = more.pop("version", token.version + 1)
        return kind(**self.facts(token.id, version, **more))

    def described(self, token, **more):
        """Return an honest change of the description, but for what is wished otherwise."""
        facts = {"revision": token.revision + 1, "changed": ("description",), "description": "patched"}
        return self.event(TokenDescribed, token, **(facts | more))

    def put(self, token, row, *events, **more):
        """Commit events of a token, with the row that follows from them."""
        after = rules.folded(token, events)
        return self.commit(*events, rows=[self.ledger.row_after(after, row)], **more)


def acknowledge(team, position, kind):
    """Have alice acknowledge a problem."""
    with Patched(team, "alice") as client:
        ledger = client.ledger
        with ledger.turn() as turn:
            event = ProblemAcknowledged(**ledger.roster_facts(turn), position=position, kind=kind)
            ledger.commit(turn, [event])
