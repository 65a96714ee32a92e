"""Reading from a replica: never what is older than what was seen, and what is written goes to the primary."""

import threading
import time
from contextlib import closing
from urllib.parse import quote

import pytest

from registry import (
    IntegrityError,
    InvalidValue,
    NotFound,
    Secret,
    StoreUnreadable,
    TokenEdit,
    diagnose,
    load_settings,
    open_registry,
    verify_registry,
)
from registry.service.disclosing import Disclosing
from registry.service.places import place_of
from registry.store.postgres import replicated
from registry.store.postgres.place import PostgresPlace
from registry.store.postgres.url import parse
from tests.servers import private, until
from tests.store.copies import at, copied


@pytest.fixture(scope="module")
def primary():
    """Return a server that others replicate."""
    with private("wal_level = replica") as server:
        yield server


@pytest.fixture(scope="module")
def standby(primary):
    """Return a server that streams from it."""
    with private("wal_retrieve_retry_interval = 100ms", standby_of=primary) as server:
        yield server


@pytest.fixture
def replica(team, primary, standby):
    """Have the team's registry at the primary, each machine reading from the standby, and return that."""
    schema = primary.schema()
    team.move(primary.store_url(schema))
    team.plain = team.url
    team.do("alice", lambda r: r.shred_pending)  # what was copied is yet to be written anew, which whoever comes does
    team.url = f"{team.url}&read={quote(standby.url, safe='')}"
    _reached(primary, standby)
    yield standby
    standby.sql("SELECT pg_wal_replay_resume()")
    primary.drop(schema)


@pytest.fixture
def impatient(monkeypatch):
    """Wait for the replica for a moment only, and let the next question go there again at once."""
    monkeypatch.setattr(replicated, "_LAG", 0.05)
    monkeypatch.setattr(replicated, "_AWAY", 0.05)


def _reached(primary, standby):
    """Wait until the standby has all that was committed."""
    ((position,),) = primary.sql("SELECT pg_current_wal_lsn()")
    until(lambda: standby.sql("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", (position,))[0][0])


def _standing_still(standby):
    """Have the standby lag: it shows nothing of what is committed from now on."""
    standby.sql("SELECT pg_wal_replay_pause()")
    until(lambda: standby.sql("SELECT pg_get_wal_replay_pause_state() = 'paused'")[0][0])


def _connected(server):
    """Return how many sessions of registries a server has; one that was closed may end a moment later."""
    statement = "SELECT COUNT(*) FROM pg_stat_activity WHERE application_name = 'token-registry'"
    return server.sql(statement)[0][0]


def secret(registry):
    """Return the secret of a token as the registry has it now."""
    return registry.resolve("Mail")["api_secret"].reveal()


def change(team, text, url=None):
    """Have alice give the token another secret, at the primary."""
    with open_registry(at(team, "alice", url or team.plain), surroundings=team.around) as registry:
        registry.tokens.edit("Mail", TokenEdit(fields={"api_secret": Secret(text)}))


def test_who_only_reads_asks_the_replica_alone(team, primary, replica):
    """A machine that has seen no more than the replica holds makes no connection to the primary."""
    with team.open("bob") as auditor:
        assert [view.name for view in auditor.tokens.list()]
        until(lambda: (_connected(primary), _connected(replica)) == (0, 1))
        assert list(auditor.history())
        until(lambda: (_connected(primary), _connected(replica)) == (0, 1))
    until(lambda: _connected(replica) == 0)


def test_changes_go_to_the_primary_and_are_seen_at_once_by_who_made_them(team, primary, replica):
    """Whoever commits reads its own commit right after, by whichever server holds it."""
    with team.open("alice") as admin:
        for number in range(5):
            admin.tokens.edit("Mail", TokenEdit(fields={"api_secret": Secret(f"s{number}")}, description=f"d{number}"))
            assert admin.tokens.show("Mail").description == f"d{number}"
            assert secret(admin) == f"s{number}"
    with open_registry(at(team, "alice", team.plain), surroundings=team.around) as admin:
        until(lambda: admin._ledger.store.shred() and not admin.shred_pending)  # the recorder may have held it up
    _reached(primary, replica)
    assert verify_registry(team.settings("alice"), surroundings=team.around).ok
    with team.open("pay") as app:
        assert secret(app) == "s4"


@pytest.mark.usefixtures("impatient")
def test_a_replica_that_lags_is_never_answered_from(team, primary, replica):
    """Once a machine has seen a commit, it is answered from the primary until the replica has that commit, too."""
    with team.open("pay") as app:
        before = secret(app)
        _standing_still(replica)
        change(team, "newer")
        assert secret(app) == before  # which the replica still shows, and nobody here has seen more
    with open_registry(at(team, "pay", team.plain), surroundings=team.around) as app:
        assert secret(app) == "newer"
    with team.open("pay") as app:
        for _ in range(20):
            assert secret(app) == "newer"
            time.sleep(0.01)
        replica.sql("SELECT pg_wal_replay_resume()")
        _reached(primary, replica)
        time.sleep(0.1)
        change(team, "by-the-replica")
        until(lambda: secret(app) == "by-the-replica")
    with team.open("bob") as auditor:
        assert list(auditor.history())
        until(lambda: _connected(primary) == 0)


@pytest.mark.usefixtures("impatient")
def test_what_one_connection_has_seen_no_other_forgets(team, primary, replica):
    """Whoever commits is answered with that at once by all that a registry offers; a removed token is gone at once."""
    with team.open("alice") as admin, team.open("alice") as other:
        assert secret(admin)
        admin.changes(timeout=0).close()
        _standing_still(replica)
        for text in ("first", "second"):
            admin.tokens.edit("Mail", TokenEdit(fields={"api_secret": Secret(text)}))
            assert secret(admin) == text
        changes = admin.changes(timeout=0)  # goes on from a commit that is not pinned yet
        assert list(changes) == []
        admin.tokens.remove("Mail")
        for registry in (admin, other):  # the other one learns of it by the pin
            admin._ledger._pin.keep(admin._ledger.log, at_once=True)
            with pytest.raises(NotFound):
                registry.resolve("Mail")
            with pytest.raises(NotFound):
                registry.tokens.show("Mail")


@pytest.mark.usefixtures("impatient")
def test_what_another_process_has_pinned_a_running_app_does_not_miss(team, replica):
    """Once any process of this machine has pinned a commit, no answer of another one is from before it."""
    with team.open("pay") as app:
        assert secret(app)
        _standing_still(replica)
        change(team, "newer")
        with open_registry(at(team, "pay", team.plain), surroundings=team.around) as other:
            assert secret(other) == "newer"
        assert secret(app) == "newer"


def test_a_table_that_is_written_anew_is_no_alarm(team, primary, replica):
    """While a look is under way at the replica, the tables of keys stay as they were when it began."""
    schema = PostgresPlace(team.plain).schema
    with team.open("bob") as auditor, primary.connect() as reading:
        reading.execute("BEGIN")
        reading.execute(f'SELECT 1 FROM "{schema}".tokens LIMIT 1')  # keeps this table from being written anew
        with auditor._ledger.glance():
            change(team, "anew")
            time.sleep(0.3)  # enough for the replica, if it could
            assert auditor._ledger.find("Mail", None)
        reading.execute("ROLLBACK")
        _reached(primary, replica)
        assert auditor.tokens.show("Mail").name == "Mail"


def test_readers_leave_shredding_to_those_who_write(team, primary, replica):
    """What is pending at the primary makes nobody connect to it who only reads."""
    schema = PostgresPlace(team.plain).schema
    with primary.connect() as reading:
        reading.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        reading.execute(f'SELECT 1 FROM "{schema}".tokens LIMIT 1')
        change(team, "pending")
        _reached(primary, replica)
        until(lambda: _connected(primary) == 0)
        with team.open("bob") as auditor:
            assert auditor.shred_pending
            assert auditor.tokens.show("Mail").name == "Mail"
            until(lambda: _connected(primary) == 0)


def test_a_silent_replica_is_not_waited_for_long(team, replica):
    """A running app whose replica says nothing any more is answered by the primary, also at its second question."""
    with team.open("pay") as app:
        before = secret(app)
        replica.pause()
        try:
            assert secret(app) == before
            assert secret(app) == before
        finally:
            replica.go_on()


def test_a_replica_is_waited_for(team, primary, replica, monkeypatch):
    """One that is late by less than the bound answers after all, and the primary is not asked."""
    monkeypatch.setattr(replicated, "_LAG", 30.0)
    _standing_still(replica)
    team.do("bob", lambda r: r.tokens.list())
    change(team, "late")
    with open_registry(at(team, "bob", team.plain), surroundings=team.around) as auditor:
        seen = len(list(auditor.history()))
    resuming = threading.Timer(0.5, replica.sql, ("SELECT pg_wal_replay_resume()",))
    resuming.start()
    with team.open("bob") as auditor:
        assert len(list(auditor.history())) == seen
        until(lambda: _connected(primary) == 0)
    resuming.join()


@pytest.mark.usefixtures("impatient")
def test_a_replica_that_is_not_there_is_done_without(team, primary, replica):
    """Where the replica cannot be reached, or goes away under way, the primary answers."""
    gone = f"{team.plain}&read={quote('postgresql://postgres@127.0.0.1:1/postgres', safe='')}"
    with open_registry(at(team, "bob", gone), surroundings=team.around) as auditor:
        assert [view.name for view in auditor.tokens.list()]
    found = diagnose(load_settings({"home": str(team.root / "bob"), "url": gone}, {}), surroundings=team.around)
    assert found.error is None
    assert [one.message for one in found.findings if "the replica does not answer: " in one.message]
    with team.open("pay") as app, team.open("bob") as auditor:
        before, listed = secret(app), len(list(auditor.tokens.list()))
        replica.stop("immediate")
        try:
            for _ in range(3):
                assert len(list(auditor.tokens.list())) == listed
            assert not auditor.shred_pending
            assert secret(app) == before
            change(team, "meanwhile")
            assert secret(app) == "meanwhile"
        finally:
            replica.start()
        _reached(primary, replica)
        change(team, "afterwards")
        until(lambda: secret(app) == "afterwards")


def test_without_the_primary_it_can_be_read(team, primary, replica):
    """Looks go on at the replica; a change ends with the error of the server that is away, and nothing is half-done."""
    with team.open("alice") as admin:
        before = len(list(admin.history()))
        earlier = team.open("bob")
        change(team, "seen")
        _reached(primary, replica)
        team.do("bob", lambda r: list(r.history()))
        primary.stop("fast")
        try:
            earlier.close()  # it has seen less than is pinned by now
            assert admin.tokens.show("Mail").name == "Mail"
            with pytest.raises(StoreUnreadable, match="cannot be reached"):
                admin.tokens.edit("Mail", TokenEdit(fields={}, description="lost"))
            assert len(list(admin.history())) == before + 1
        finally:
            primary.start()
        until(lambda: primary.sql("SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'"))
        admin.tokens.edit("Mail", TokenEdit(fields={}, description="found"))
        assert admin.tokens.show("Mail").description == "found"


@pytest.mark.usefixtures("impatient", "replica")
def test_a_replica_with_another_history_is_an_alarm(team, server):
    """A replica is as little trusted as any database: what it holds and nobody committed is noticed, not answered."""
    schema = PostgresPlace(team.plain).schema
    there = server.store_url(schema)
    team.url = team.plain
    copied(team, there)
    try:
        change(team, "theirs", there)
        change(team, "theirs-too", there)
        change(team, "ours")
        team.do("bob", lambda r: list(r.history()))
        team.url = f"{team.plain}&read={quote(server.url, safe='')}"
        with pytest.raises(IntegrityError, match=r"another history|has seen"):
            team.do("bob", lambda r: list(r.history()))
    finally:
        server.drop(schema)


def test_waiting_for_changes_by_a_replica(team, primary, replica, monkeypatch):
    """``changes`` tells of each commit once, in order, although a replica notifies nobody."""
    found = []
    asked, version = [], replicated.ReplicatedStore.version
    monkeypatch.setattr(replicated.ReplicatedStore, "version", lambda store: asked.append(1) or version(store))
    with team.open("bob") as auditor:
        assert list(auditor.changes(timeout=1)) == []
        assert len(asked) < 15
        changes = auditor.changes(timeout=20)
        for number in range(3):
            change(team, f"c{number}")
            found.append(next(changes))
        changes.close()
    assert [one.commit for one in found] == sorted({one.commit for one in found})
    until(lambda: _connected(primary) == 0)


WRONG = {
    "another schema": "postgresql://a/x?schema=one&read=postgresql%3A%2F%2Fb%2Fx%3Fschema%3Dtwo",
    "a replica of a replica": "postgresql://a/x?read=postgresql%3A%2F%2Fb%2Fx%3Fread%3Dpostgresql%253A%252F%252Fc%252Fx",
    "two of them": "postgresql://a/x?read=postgresql%3A%2F%2Fu%3Ap%40b%2Fx&read=postgresql%3A%2F%2Fb%2Fx",
    "no database": "postgresql://a/x?read=sqlite%3A%2F%2F%2Fx",
}


@pytest.mark.parametrize("url", WRONG.values(), ids=WRONG)
def test_what_cannot_be_a_replica_is_refused(url):
    """A URL whose ``read`` names no replica of it is an invalid value."""
    with pytest.raises(InvalidValue):
        parse(url)


def test_a_replica_is_no_part_of_what_a_store_is_remembered_by():
    """The pin of a store is the same, whichever replica it is read from; a password there counts as one."""
    plain = "postgresql://ada@db.example.com/tokens?schema=one"
    read = f"{plain}&read={quote('postgresql://ada:hunter2@replica.example.com/tokens?sslmode=disable', safe='')}"
    target = parse(read)
    assert target.url == parse(plain).url
    assert target.has_password
    assert "hunter2" not in repr(target) + target.url
    assert target.replica is not None
    assert target.replica.schema == "one"
    assert "connect_timeout=2" in target.replica.conninfo


def test_a_look_that_the_replica_ends(team, replica, primary):
    """Who is in the middle of a look is told; what is asked next, and ``resolve`` itself, goes to the primary."""
    ending = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'token-registry'"
    with team.open("bob") as auditor:
        with pytest.raises(StoreUnreadable), auditor._ledger.glance():  # noqa: PT012 - the look is what fails
            replica.sql(ending)
            auditor._ledger.find("Mail", None)
        assert auditor.tokens.show("Mail").name == "Mail"
        until(lambda: _connected(primary) == 1)
    with team.open("pay") as app:
        before, meant = secret(app), Disclosing.meant

        def ended(disclosing, asked):
            if disclosing._ledger.store.gave_way():
                return meant(disclosing, asked)
            replica.sql(ending)
            return meant(disclosing, asked)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(Disclosing, "meant", ended)
            assert app.resolve("Mail", process="another")["api_secret"].reveal() == before


def test_a_replica_is_asked_less_and_less(team, replica, monkeypatch):
    """Each time that it is in vain it is left alone for twice as long, up to a minute; an answer makes up for it."""
    now = [1_000.0]
    with closing(place_of(team.settings("bob")).open_to_read()) as store:
        monkeypatch.setattr(replicated.time, "monotonic", lambda: now[0])
        for seconds in (5, 10, 20, 40, 60, 60):
            store._known.leave(None)
            now[0] += seconds - 0.1
            assert store.gave_way()
            now[0] += 0.2
            assert not store.gave_way()
        with store.snapshot():
            assert store.head()
        store._known.leave(None)
        now[0] += 5.1
        assert not store.gave_way()
    assert _connected(replica) <= 1
