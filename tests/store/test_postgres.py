"""What only a server can do to a store: go away, answer too late, take no changes; and what its files still hold."""

import os
import time
from contextlib import closing, contextmanager

import psycopg
import pytest

from registry import (
    AlreadyExists,
    InvalidValue,
    StoreBusy,
    StoreMissing,
    StoreUnreadable,
    Unusable,
    diagnose,
    init_registry,
    load_settings,
    open_registry,
    verify_registry,
)
from registry.service.places import place_of
from registry.store.postgres import store as postgres_store
from registry.store.postgres.place import PostgresPlace
from tests.service.attacks import edit, fields, token

OLD = "old-secret-Hw3z"


@pytest.fixture
def engine():
    """Return the only engine of these tests."""
    return "postgres"


@pytest.fixture
def place(founded):
    """Return where the store lies."""
    return place_of(founded)


@pytest.fixture
def filled(registry):
    """Return a registry with a token in it."""
    registry.tokens.add(token("Zoom", fields=fields(OLD)))
    return registry


@pytest.fixture
def ended(server):
    """Return what ends the server's side of all connections but its own, as a restart does."""

    def end():
        server.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'token-registry'"
            " AND pid <> pg_backend_pid()"
        )

    return end


def connections(server):
    """Return how many connections of registries there are."""
    return server.sql("SELECT COUNT(*) FROM pg_stat_activity WHERE application_name = 'token-registry'")[0][0]


def test_a_connection_that_was_lost_is_made_anew(filled, ended):
    """Whoever asks again after the server was away is answered; each kind of use goes on."""
    assert filled.resolve("Zoom")["api_secret"].reveal() == OLD
    for work in (
        lambda: filled.tokens.show("Zoom"),
        lambda: filled.resolve("Zoom"),
        lambda: filled.tokens.edit("Zoom", edit(description="still here")),
        lambda: list(filled.history()),
    ):
        ended()
        work()
    assert filled.tokens.show("Zoom").description == "still here"


def test_what_was_changed_while_the_connection_was_lost_is_resolved(filled, ended, founded, around):
    """The answer behind a new connection is the newest one, never that of before."""
    assert filled.resolve("Zoom")["api_secret"].reveal() == OLD
    ended()
    with open_registry(founded, surroundings=around) as other:
        other.tokens.edit("Zoom", edit(fields=fields("new-secret")))
    assert filled.resolve("Zoom")["api_secret"].reveal() == "new-secret"


def test_a_connection_lost_within_a_look_is_an_error(filled, ended):
    """What is read in several steps is of one moment: none of them is repeated by another connection."""
    store = filled._ledger.store
    with store.snapshot():
        store.head()
        ended()
        with pytest.raises(StoreUnreadable, match="cannot be reached"):
            store.head()
    assert store.head() is not None


def test_a_connection_lost_within_a_turn_changes_nothing(filled, ended, monkeypatch):
    """Where the server goes away before the commit, nothing of it is there, and the next one is made."""
    write = postgres_store.PostgresStore._writer
    monkeypatch.setattr(postgres_store.PostgresStore, "_writer", lambda self: (ended(), write(self))[1])
    with pytest.raises(StoreUnreadable, match="cannot be reached"):
        filled.tokens.edit("Zoom", edit(description="lost"))
    monkeypatch.undo()
    assert filled.tokens.show("Zoom").description == ""
    assert filled.tokens.edit("Zoom", edit(description="made")).changed


class Silent:
    """A connection whose server is lost at the commit: before it was carried out, or before its answer arrived."""

    def __init__(self, connection, *, made):
        self._connection = connection
        self._made = made

    def __getattr__(self, name):
        return getattr(self._connection, name)

    def execute(self, statement, *more, **options):
        """Carry out a statement, and be lost at the commit."""
        if statement != "COMMIT":
            return self._connection.execute(statement, *more, **options)
        if self._made:
            self._connection.execute(statement)
        self._connection.close()
        raise psycopg.OperationalError("server closed the connection unexpectedly")


@pytest.mark.parametrize("made", [True, False])
def test_a_commit_whose_answer_was_lost_is_looked_for(filled, founded, around, made):
    """It is never repeated: it is there and that is said, or it is not and nothing was changed."""
    store = filled._ledger.store
    store._connection = Silent(store._connection, made=made)
    if made:
        assert filled.tokens.edit("Zoom", edit(description="once")).changed
    else:
        with pytest.raises(StoreUnreadable, match="nothing was changed"):
            filled.tokens.edit("Zoom", edit(description="once"))
    with open_registry(founded, surroundings=around) as other:
        assert other.tokens.show("Zoom").description == ("once" if made else "")
    assert filled.tokens.edit("Zoom", edit(description="again")).changed
    assert verify_registry(founded, surroundings=around).ok


def test_where_nobody_can_look_that_is_said(filled, monkeypatch):
    """Where the server stays away nobody knows whether the change was made, and the message says so."""
    store = filled._ledger.store
    store._connection = Silent(store._connection, made=True)
    gone = StoreUnreadable("the server cannot be reached")
    monkeypatch.setattr(postgres_store, "connect", lambda *_: (_ for _ in ()).throw(gone))
    with pytest.raises(StoreUnreadable, match="nobody knows whether the change was made"):
        filled.tokens.edit("Zoom", edit(description="once"))


@contextmanager
def held(server, schema):
    """Hold the turn of a store."""
    with server.connect() as other, other.transaction():
        other.execute(f'LOCK TABLE "{schema}".turns IN EXCLUSIVE MODE')
        yield


def test_a_turn_that_does_not_come_ends_in_busy(filled, server, schema):
    """Who waits for long enough is told that others hold the store; reading goes on meanwhile."""
    filled._ledger.store._wait = 0.2
    with held(server, schema):
        with pytest.raises(StoreBusy, match="other writers held the store"):
            filled.tokens.edit("Zoom", edit(description="late"))
        assert filled.tokens.show("Zoom").description == ""
        assert filled.resolve("Zoom")
    assert filled.tokens.edit("Zoom", edit(description="in time")).changed


def test_a_time_out_of_the_server_is_busy(filled, server, schema):
    """A statement that the server itself ends is no fault of the store: try again."""
    with server.connect() as other, other.transaction():
        other.execute(f'LOCK TABLE "{schema}".commits IN ACCESS EXCLUSIVE MODE')
        filled._ledger.store._connection.execute("SET statement_timeout = 100")
        with pytest.raises(StoreBusy, match="did not answer in time"):
            filled.tokens.show("Zoom")
    assert filled.tokens.show("Zoom")


def test_a_server_that_takes_no_changes(filled, founded, around):
    """Where the server is read-only everything can be read, and a change says why it is not made."""
    url = founded.url.value + "&options=-c%20default_transaction_read_only%3Don"
    settings = load_settings({"home": founded.home.value, "url": url}, {})
    with open_registry(settings, surroundings=around) as reader:
        assert reader.tokens.show("Zoom")
        with pytest.raises(StoreUnreadable, match="takes no changes now"):
            reader.tokens.edit("Zoom", edit(description="not made"))
        assert reader.tokens.show("Zoom").description == ""


def test_no_connection_is_left(founded, around, server):
    """Whatever was opened is closed, also where opening fails."""
    before = connections(server)
    for _ in range(3):
        with open_registry(founded, surroundings=around) as opened:
            opened.tokens.add(token(f"Zoom {_}"))
            opened.resolve(f"Zoom {_}")
            with closing(opened.changes(timeout=0)) as changes:
                list(changes)
        verify_registry(founded, surroundings=around)
    other = load_settings({"home": founded.home.value, "url": founded.url.value + "_not"}, {})
    with pytest.raises(Unusable):
        open_registry(other)
    deadline = time.monotonic() + 10
    while connections(server) > before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert connections(server) == before


def test_a_child_has_a_connection_of_its_own(filled):
    """After a fork each side answers by its own connection, and neither ends the other's."""
    assert filled.resolve("Zoom")["api_secret"].reveal() == OLD
    child = os.fork()
    if not child:
        os._exit(0 if filled.resolve("Zoom")["api_secret"].reveal() == OLD else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert filled.tokens.edit("Zoom", edit(description="by the parent")).changed
    assert filled.resolve("Zoom")["api_secret"].reveal() == OLD


# Shredding


def bytes_of(server, schema):
    """Return what lies in the files of the tables that hold keys and values."""
    server.sql("CHECKPOINT")
    names = [f'"{schema}".{table}' for table in ("data_keys", "tokens")]
    return b"".join(
        bytes(server.sql("SELECT pg_read_binary_file(pg_relation_filepath(%s))", (name,))[0][0]) for name in names
    )


def wrapped_key(server, schema):
    """Return the data key of the one token, as it is stored."""
    return bytes(server.sql(f'SELECT wrapped FROM "{schema}".data_keys')[0][0])


def test_no_file_holds_a_key_that_was_overwritten(filled, server, schema):
    """After a change or a removal the tables' files hold no former key, and no later commit says that any is due."""
    first = wrapped_key(server, schema)
    assert first in bytes_of(server, schema), "it would be found"
    filled.tokens.edit("Zoom", edit(fields=fields("second")))
    second = wrapped_key(server, schema)
    assert first not in bytes_of(server, schema)
    assert not filled._ledger.store.shred_pending()
    filled.tokens.remove("Zoom")
    assert second not in bytes_of(server, schema)
    filled.tokens.add(token("Mail"))
    assert not filled._ledger.head.shred_due


def test_what_somebody_still_looks_at_is_pending(filled, server, schema, founded, around):
    """A snapshot keeps what was overwritten; that is said, and the next command writes the table anew."""
    first = wrapped_key(server, schema)
    with server.connect() as reader, reader.transaction():
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        reader.execute(f'SELECT 1 FROM "{schema}".commits LIMIT 1')
        filled.tokens.edit("Zoom", edit(fields=fields("second")))
        assert filled._ledger.store.shred_pending()
        assert first in bytes_of(server, schema)
        assert any("shredding is pending" in one.message for one in diagnose(founded, surroundings=around).findings)
    open_registry(founded, surroundings=around).close()
    assert first not in bytes_of(server, schema)
    assert not filled._ledger.store.shred_pending()


def test_a_table_that_is_in_use_is_waited_for_but_not_for_long(filled, server, schema, monkeypatch):
    """Who reads the table of keys for long does not hold up the change, which leaves its shredding pending."""
    monkeypatch.setattr(postgres_store, "_VACUUM_WAIT", 0.2)
    with server.connect() as reader, reader.transaction():
        reader.execute(f'SELECT 1 FROM "{schema}".data_keys')
        assert filled.tokens.edit("Zoom", edit(fields=fields("second"))).changed
        assert filled._ledger.store.shred_pending()
    assert filled._ledger.store.shred()
    assert not filled._ledger.store.shred_pending()


def test_a_readable_value_is_shredded_too(registry, server, schema):
    """What was stored readable by choice is in no table's file any more once it was changed."""
    registry.policies.set("allow-plaintext", "yes")
    registry.tokens.add(token("Open", fields=fields(OLD), encrypted=False))
    assert OLD.encode() in bytes_of(server, schema)
    registry.tokens.edit("Open", edit(fields=fields("second")))
    assert OLD.encode() not in bytes_of(server, schema)


# Where it lies


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
