"""Where a store in PostgreSQL lies: its URL, its schema among others, and what is said of it."""

import psycopg
import pytest

from registry import (
    AlreadyExists,
    InvalidValue,
    StoreMissing,
    StoreUnreadable,
    Unusable,
    init_registry,
    load_settings,
    open_registry,
    verify_registry,
)
from registry.service.places import place_of
from registry.store.postgres.place import PostgresPlace
from tests.service.attacks import token


@pytest.fixture
def engine():
    """Return the only engine of these tests."""
    return "postgres"


def test_two_registries_in_one_database(founded, around, server, tmp_path):
    """Each schema holds a registry of its own, and no name reaches from one into the other."""
    schema = server.schema()
    other = load_settings({"home": str(tmp_path / "other"), "url": server.store_url(schema)}, {})
    try:
        init_registry(other, name="bob", surroundings=around)
        with open_registry(other, surroundings=around) as theirs, open_registry(founded, surroundings=around) as ours:
            theirs.tokens.add(token("Zoom"))
            assert [view.name for view in ours.tokens.list()] == []
            assert theirs.registry_id != ours.registry_id
    finally:
        server.drop(schema)


def test_what_is_there_is_not_founded_over(founded, around, server, schema, tmp_path):
    """A schema that is there, a registry's or not, is never written into by a founding."""
    again = load_settings({"home": str(tmp_path / "again"), "url": founded.url.value}, {})
    with pytest.raises(AlreadyExists, match="there is a schema"):
        init_registry(again, name="eve", surroundings=around)
    assert server.sql("SELECT COUNT(*) FROM pg_namespace WHERE nspname LIKE %s", (f"{schema}%",)) == [(1,)]


def test_a_founding_that_comes_too_late_leaves_nothing(around, server, schema, settings, monkeypatch):
    """Of two foundings at once the second is refused, and neither its schema nor its pin stays."""
    settle = PostgresPlace.settle

    def late(self, store, pin):
        server.sql(f'CREATE SCHEMA "{schema}"')
        settle(self, store, pin)

    monkeypatch.setattr(PostgresPlace, "settle", late)
    with pytest.raises(AlreadyExists):
        init_registry(settings, name="alice", surroundings=around)
    assert server.sql("SELECT nspname FROM pg_namespace WHERE nspname LIKE %s", (f"{schema}%",)) == [(schema,)]
    with pytest.raises(Unusable):
        open_registry(settings, surroundings=around)


def test_a_schema_that_is_no_registry(server, schema, settings):
    """A schema of something else is not opened, and one that is not there is missing."""
    with pytest.raises(StoreMissing):
        place_of(settings).open()
    server.sql(f'CREATE SCHEMA "{schema}"')
    with pytest.raises(StoreUnreadable, match="is not a token registry"):
        place_of(settings).open()
    with pytest.raises(StoreUnreadable, match="is not a token registry"):
        place_of(settings).open_raw()
    server.sql(f"COMMENT ON SCHEMA \"{schema}\" IS 'token registry, schema 99'")
    with pytest.raises(StoreUnreadable, match="of the schema 99"):
        place_of(settings).open()


CHANGES = {
    "a trigger more": "CREATE TRIGGER spy BEFORE INSERT ON {s}.data_keys EXECUTE FUNCTION {s}.refuse()",
    "a trigger less": "DROP TRIGGER append_only ON {s}.commits",
    "a trigger off": "ALTER TABLE {s}.stored_events DISABLE TRIGGER append_only",
    "a column more": "ALTER TABLE {s}.tokens ADD COLUMN spy text",
    "a column made": "ALTER TABLE {s}.data_keys ALTER COLUMN wrapped SET DEFAULT 'x'",
    "a table more": "CREATE TABLE {s}.spy (copied bytea)",
    "a rule": "CREATE RULE spy AS ON DELETE TO {s}.data_keys DO INSTEAD NOTHING",
    "another function": "CREATE OR REPLACE FUNCTION {s}.refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END'",
    "hidden rows": "ALTER TABLE {s}.tokens ENABLE ROW LEVEL SECURITY",
    "an index less": "DROP INDEX {s}.tokens_by_application",
    "no uniqueness": "ALTER TABLE {s}.tokens DROP CONSTRAINT tokens_name_tag_key",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_changed_schema_is_refused(founded, around, server, schema, change):
    """What could keep what is to be destroyed, or let history be changed, is refused at opening and named by verify."""
    server.sql(change.format(s=f'"{schema}"'))
    with pytest.raises(StoreUnreadable, match=r"the schema of .* was changed"):
        open_registry(founded, surroundings=around)
    outcome = verify_registry(founded, surroundings=around)
    assert (outcome.ok, {problem.kind for problem in outcome.problems}) == (False, {"schema"})


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://host/db?schema=Pay",
        "postgresql://host/db?schema=",
        "postgresql://host/db?schema=a%22b",
        "postgresql://host/db?schema=pg_catalog",
        "postgresql://host/db?colour=red",
        "postgresql://host:port/db",
        "postgresql://[::1/db",
        f"postgresql://host/db?schema={'a' * 51}",
        "postgresql://host/db?schema=a;drop",
    ],
)
def test_a_url_that_is_none(url):
    """A URL that libpq or we do not understand is refused, without a word of it."""
    with pytest.raises(InvalidValue) as caught:
        PostgresPlace(url)
    assert url not in str(caught.value)


def test_no_message_holds_the_password(tmp_path):
    """What is said of a place, remembered by it or shown of the settings holds neither user nor password."""
    url = "postgresql://ada:hunter2-secret@127.0.0.1:1/db?schema=pay&connect_timeout=2"
    settings = load_settings({"home": str(tmp_path)}, {"TOKEN_REGISTRY_URL": url})
    place = place_of(settings)
    assert place.url == str(place) == "postgresql://127.0.0.1:1/db?schema=pay"
    with pytest.raises(Unusable) as caught:
        place.open()
    assert "nothing listens there" in str(caught.value)
    assert "hunter2" not in f"{caught.value!r} {caught.value.__cause__} {settings.effective()} {settings}"


def test_a_password_is_no_argument(tmp_path):
    """On the command line a password could be read by every user of the machine."""
    url = "postgresql://ada:hunter2-secret@127.0.0.1:1/db"
    with pytest.raises(InvalidValue, match="can be read by every user") as caught:
        place_of(load_settings({"home": str(tmp_path), "url": url}, {}))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "mode"),
    [
        ("postgresql://db.example/x", "verify-full"),
        ("postgresql://db.example,localhost/x", "verify-full"),
        ("postgresql://db.example/x?sslmode=require", "require"),
        ("postgresql://localhost/x", None),
        ("postgresql:///x", None),
        ("postgresql:///x?host=/var/run/postgresql", None),
    ],
)
def test_a_server_elsewhere_must_show_who_it_is(url, mode, monkeypatch):
    """Without a word about TLS, a server on another machine needs a certificate that this machine trusts."""
    for name in ("PGHOST", "PGSSLMODE", "PGSSLROOTCERT"):
        monkeypatch.delenv(name, raising=False)
    told = psycopg.conninfo.conninfo_to_dict(PostgresPlace(url).conninfo)
    assert told.get("sslmode") == mode
    assert told.get("sslrootcert") == ("system" if mode == "verify-full" else None)
