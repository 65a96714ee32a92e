"""The same campaign against a server: whoever holds the database changes rows there, and the same is noticed.

Of every kind of change each so-manieth is made: what is checked, and by which code, is the same as for a file, where
all of them are. What the server's own types refuse cannot be done by whoever holds it either.
"""

from contextlib import closing
from itertools import islice

import psycopg
import pytest
from msgspec import structs

from registry.pins import Pin
from registry.service.places import place_of
from registry.store.copying import copy_rows
from registry.store.postgres.place import PostgresPlace
from registry.store.raw import COLUMNS
from registry.store.sqlite import SQLitePlace
from tests.holders import Refused, holder_of
from tests.tampering.rearranging import Rearranging
from tests.tampering.scene import Scene
from tests.tampering.test_rows import CASES, misled

EACH = 31
"""Of so many changes one is made, each time another one."""


class ServerScene(Scene):
    """The registry of the campaign, copied to a server, where it is put back before each change."""

    def __init__(self, root, server):
        super().__init__(root)
        self._place = PostgresPlace(server.store_url(server.schema()))
        self._whole = PostgresPlace(server.store_url(server.schema()))
        source = SQLitePlace(self.team.store)
        for place in (self._place, self._whole):
            made = place.create()
            with closing(source.open_raw()) as raw, raw.snapshot():
                copy_rows(raw, made)
            place.settle(made, lambda: None)
        self.team.url = server.store_url(self._place.schema)
        for known in (self.early, self.late, self.new):
            known.update({name: structs.replace(pin, url=self._place.url) for name, pin in known.items()})
        self._holder = holder_of(self._place)
        self.honest = {use: self.resolved(use) for use in self.honest}

    def tamper(self, statements):
        """Change the store as whoever holds it may, from how it was; return whether the database takes it."""
        statements = list(statements)
        if any(value in (1.5, "1.5") for _, values in statements for value in values):
            return False  # a column of integers would round it to what may have stood there
        here, whole = f'"{self._place.schema}"', f'"{self._whole.schema}"'
        with psycopg.connect(self._place.conninfo) as connection:
            connection.execute("SET LOCAL session_replication_role = replica")
            connection.execute(f"TRUNCATE {', '.join(f'{here}.{table}' for table in COLUMNS)}")
            for table in COLUMNS:
                connection.execute(f"INSERT INTO {here}.{table} SELECT * FROM {whole}.{table}")
        try:
            self._holder.all(statements)
        except (Refused, psycopg.ProgrammingError):
            return False
        return True


@pytest.fixture(scope="session")
def scene_once(tmp_path_factory, server):
    """Return the registry on the server."""
    return ServerScene(tmp_path_factory.mktemp("scene") / "founded", server)


@pytest.fixture
def scene(scene_once):
    """Return the registry as it was before anybody tampered with it."""
    scene_once.tamper([])
    return scene_once


@pytest.fixture
def campaign(scene):
    """Return what makes every change of every row."""
    return Rearranging(scene)


def test_untouched_nothing_is_found(scene):
    """On the server the registry is what it was in its file: nothing is found, and the same is resolved."""
    assert scene.found() == []
    assert all(scene.opens("alice", known["alice"]) for known in (scene.new, scene.early, scene.late))
    assert None not in scene.honest.values()
    assert isinstance(scene.late["alice"], Pin)
    assert place_of(scene.team.settings("bob")).url == scene.late["bob"].url


@pytest.mark.parametrize(("table", "done"), CASES)
def test_changes_of_rows_on_a_server_are_noticed(scene, campaign, table, done):
    """What is done to a row on the server is found where it is, and misleads nobody who opens or resolves."""
    wrong, taken = [], 0
    start = CASES.index((table, done)) % 3
    for number, change in enumerate(islice(getattr(campaign, done)(table), start, None, EACH)):
        if not scene.tamper(change.statements):
            continue
        taken += 1
        wrong += filter(None, [change.wrong(scene.found())])
        wrong += misled(scene, table, change, number)
    assert wrong == []
    assert taken or done in {"duplicates", "older", "others", "renumberings", "exchanges"}
