"""What tests of the store share: an empty store of each kind, and what a member seals its events with."""

import pytest

from registry.domain.roster import Roster
from registry.domain.roster_rules import evolve
from registry.sealing.keyring import Keyring
from registry.service.founding import found
from registry.store.contents import Contents
from registry.store.postgres.place import PostgresPlace
from registry.store.sqlite import SQLitePlace
from tests.golden.make_store import lived
from tests.members.team import founded_team
from tests.sealing.specimens import ALICE
from tests.service.attacks import OLD, fields, token
from tests.store.commits import Writer, policy, row
from tests.tampering.forger import Forger


@pytest.fixture
def filled(registry):
    """Return a registry with the token Zoom, whose secret is ``OLD``."""
    registry.tokens.add(token("Zoom", fields=fields(OLD)))
    return registry


@pytest.fixture
def sqlite_place(tmp_path):
    """Return a place for a store in a file."""
    return SQLitePlace(tmp_path / "registry.db")


@pytest.fixture
def postgres_place(server, schema):
    """Return a place for a store in PostgreSQL."""
    return PostgresPlace(server.store_url(schema))


@pytest.fixture
def place(sqlite_place):
    """Return the place of this test's store; tests of what all stores have in common ask for it once for each kind."""
    return sqlite_place


@pytest.fixture
def store(place):
    """Return an empty store."""
    made = place.create()
    place.settle(made, lambda: None)
    opened = place.open()
    yield opened
    opened.close()


@pytest.fixture
def founding(around):
    """Return a founding by alice."""
    return found([(ALICE, "alice")], around)


@pytest.fixture
def contents(founding):
    """Return what alice seals with and opens again."""
    keyring = Keyring(founding.registry, ALICE, founding.event.by, evolve(Roster(), founding.event))
    return Contents(founding.registry, ALICE, keyring)


@pytest.fixture
def writer(store, contents, founding):
    """Return alice at the store, after the founding."""
    writer = Writer(store, contents, founding.event.by, founding.registry, ALICE)
    writer.put([founding.event])
    return writer


@pytest.fixture
def forger(writer):
    """Return who holds a store with five commits, and can sign as alice, who made them all."""
    writer.put([writer.created(1), writer.tested(1, 2)], rows=[row(1)])
    writer.put([writer.created(2)], rows=[row(2)], shred=True)
    writer.put([policy(writer, 2)])
    writer.put([writer.tested(1, 3), writer.tested(2, 2)], rows=[row(1, version=3)])
    return Forger(writer.store.path, writer.registry, {writer.member: ALICE})


@pytest.fixture(scope="session")
def lived_once(tmp_path_factory):
    """Return a team that has done a bit of everything; it is copied, and no test changes it."""
    team = founded_team(tmp_path_factory.mktemp("lived") / "founded")
    lived(team)
    return team


@pytest.fixture
def team(lived_once, tmp_path):
    """Return such a team of this test's own."""
    return lived_once.copy(tmp_path / "team")


@pytest.fixture(params=["sqlite", "postgres"])
def target(request, tmp_path):
    """Return the URL of a place of each kind, where nothing is."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/copies/registry.db"
    return request.getfixturevalue("server").store_url(request.getfixturevalue("schema"))
