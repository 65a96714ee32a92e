"""Where a store in PostgreSQL lies: its URL, its schema among others, and what is said of it."""

import sys
from contextlib import contextmanager

import psycopg
import pytest

from registry import (
    AlreadyExists,
    InvalidValue,
    OutcomeUnknown,
    StoreMissing,
    StoreUnreadable,
    Unusable,
    init_registry,
    load_settings,
    open_registry,
    verify_registry,
)
from registry.service.places import place_of
from registry.store.postgres.connection import unusable
from registry.store.postgres.place import PostgresPlace
from tests.service.attacks import token

ENGINE = "postgres"


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
        "postgresql://ada:5432#secret@host/db",
        "postgresql://ada:s3cr@tpw@host/db",
        "postgresql://host/db?prepare=maybe",
        "postgresql:///?dbname=postgresql://u:pw@h/x",
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
        ("postgresql:///x?hostaddr=192.0.2.2", "verify-full"),
        ("postgresql://localhost/x?hostaddr=192.0.2.2", "verify-full"),
        ("postgresql:///x?service=prod", "verify-full"),
        ("postgresql:///x", None),
        ("postgresql:///x?host=/var/run/postgresql", None),
    ],
)
def test_a_server_elsewhere_must_show_who_it_is(url, mode, monkeypatch):
    """Without a word about TLS, a server on another machine needs a certificate that this machine trusts."""
    for name in ("PGHOST", "PGHOSTADDR", "PGSERVICE", "PGSSLMODE", "PGSSLROOTCERT"):
        monkeypatch.delenv(name, raising=False)
    told = psycopg.conninfo.conninfo_to_dict(PostgresPlace(url).conninfo)
    assert told.get("sslmode") == mode
    assert told.get("sslrootcert") == ("system" if mode == "verify-full" else None)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ada:hunter2@host/db",
        "postgresql://ada:hun/ter2@host/db",
        "postgresql://ada:x#hunter2@host/db",
        "postgresql://ada:x?hunter2@host/db",
        "postgresql://ada:hunter2@x@host/db",
        "postgresql://host/db?password=hunter2",
        "postgresql://host/db?sslpassword=hunter2",
        "postgresql://host/db?pass%77ord=hunter2",
        "postgresq://ada:hunter2@host/db",
    ],
)
def test_no_shown_url_holds_a_part_of_a_password(url, tmp_path):
    """However a password stands in a URL, well written or not, nothing that is shown of the settings holds it."""
    settings = load_settings({"home": str(tmp_path)}, {"TOKEN_REGISTRY_URL": url})
    shown = f"{settings} {settings.effective()['url'].value}"
    assert not any(part in shown for part in ("hunter2", "ter2", "hun/", "pass%77ord"))
    try:
        said = str(place_of(settings))
    except InvalidValue as error:
        said = f"{error} {error.hint}"
    assert "ter2" not in said


def test_the_url_says_how_long_is_waited(monkeypatch):
    """What the URL or libpq's variables say of waiting holds; where neither does, a silent server is not waited for."""
    monkeypatch.delenv("PGCONNECT_TIMEOUT", raising=False)
    told = psycopg.conninfo.conninfo_to_dict(PostgresPlace("postgresql:///x?connect_timeout=2").conninfo)
    assert (told["connect_timeout"], told["tcp_user_timeout"]) == ("2", "10000")
    assert psycopg.conninfo.conninfo_to_dict(PostgresPlace("postgresql:///x").conninfo)["connect_timeout"] == "10"


def test_of_several_servers_the_one_that_takes_changes_is_asked():
    """A standby may lag, and would answer with what was replaced."""
    told = psycopg.conninfo.conninfo_to_dict(PostgresPlace("postgresql://a.example,b.example/x").conninfo)
    assert told["target_session_attrs"] == "read-write"


def test_servers_that_differ_are_remembered_apart():
    """What a machine remembers of one server is not taken for what it knows of another."""
    urls = ["postgresql:///x?service=prod", "postgresql:///x?service=test", "postgresql:///x?hostaddr=192.0.2.2"]
    assert len({PostgresPlace(url).url for url in urls}) == len(urls)


def test_how_a_role_wants_names_written_changes_no_schema(founded, around, tmp_path):
    """What the server says of a schema is asked for in one form, whatever the role has set for itself."""
    url = f"{founded.url.value}&options=-c%20quote_all_identifiers%3Don"
    settings = load_settings({"home": founded.home.value, "url": url}, {})
    with open_registry(settings, surroundings=around) as opened:
        assert opened._ledger.store._rows("SHOW quote_all_identifiers") == [("on",)], "the session is as it was"
    assert verify_registry(settings, surroundings=around).ok


class Lost:
    """A connection whose server is lost at the end of a transaction, after it was carried out, or before."""

    def __init__(self, connection, *, made):
        self._connection = connection
        self._made = made

    def __getattr__(self, name):
        return getattr(self._connection, name)

    @contextmanager
    def transaction(self):
        """Give the transaction, and lose its answer."""
        if not self._made:
            self._connection.execute("BEGIN")
            yield
            self._connection.close()
        else:
            with self._connection.transaction():
                yield
        raise psycopg.OperationalError("server closed the connection unexpectedly")


@pytest.mark.parametrize("made", [True, False])
def test_a_founding_whose_answer_was_lost_is_looked_for(around, settings, monkeypatch, tmp_path, made):
    """It is there and all is well; or nobody knows, and the recovery identity is kept: it may be an admin's."""
    settle, recovery = PostgresPlace.settle, tmp_path / "recovery"

    def losing(self, store, pin):
        store._connection = Lost(store._connection, made=made)
        settle(self, store, pin)

    monkeypatch.setattr(PostgresPlace, "settle", losing)
    if made:
        init_registry(settings, name="alice", recovery=recovery, surroundings=around)
        with open_registry(settings, surroundings=around) as opened:
            assert len(opened.members.list()) == 2
    else:
        with pytest.raises(OutcomeUnknown, match="nobody knows"):
            init_registry(settings, name="alice", recovery=recovery, surroundings=around)
    assert recovery.exists()


@pytest.mark.parametrize("kind", ["DuplicatePreparedStatement", "InvalidSqlStatementName"])
def test_a_pooler_that_changes_sessions_is_named(kind):
    """Behind a pooler that gives each transaction another session, the error says what the URL lacks."""
    error = unusable("here", getattr(psycopg.errors, kind)())
    assert "a pooler" in str(error)
    assert "prepare=no" in (error.hint or "")


def test_without_prepared_statements_everything_goes(founded, around, tmp_path):
    """What is to go through such a pooler keeps no statement on the server, and is answered all the same."""
    settings = load_settings({"home": founded.home.value, "url": f"{founded.url.value}&prepare=no"}, {})
    with open_registry(settings, surroundings=around) as opened:
        for number in range(8):  # psycopg itself would have prepared what is asked so often
            opened.tokens.add(token(f"Zoom {number}"))
            assert all(opened.resolve(f"Zoom {number}")["api_key"].reveal() for _ in range(3))
        for ledger in (opened._ledger, opened._resolver._ledger):
            assert ledger.store._rows("SELECT name FROM pg_prepared_statements") == []


def test_without_the_libraries_it_is_said_which(settings, monkeypatch):
    """Where the driver is not installed, one line says how to get it."""
    monkeypatch.setitem(sys.modules, "registry.store.postgres.place", None)
    with pytest.raises(StoreUnreadable, match="need more libraries") as caught:
        place_of(settings)
    assert "token-registry[postgres]" in (caught.value.hint or "")
