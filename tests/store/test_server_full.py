"""A real server without room: on a disk that is full, and where the kernel lets it write its log no further."""

import psycopg
import pytest

from registry import OutcomeUnknown, StoreUnreadable, open_registry, verify_registry
from tests import servers
from tests.cli.harness import InProcess
from tests.service.attacks import OLD, edit, fields

ENGINE = "postgres"
STONES = "SELECT repeat('x', 7000) FROM generate_series(1,"
SMALL = pytest.mark.parametrize("server", ["6m"], indirect=True)


@pytest.fixture
def server(request):
    """Return a server of this test's own, whose new tables may lie on a small disk."""
    room = getattr(request, "param", None)
    if room is not None and not servers.has_rooms():
        pytest.skip("this machine lets nobody mount a filesystem, not even one that nobody else sees")
    with servers.private(room=room) as own:
        yield own


@pytest.fixture
def schema():
    """Return the name of a schema: this server has no other."""
    return "registry"


def log_of(server):
    """Return all that was committed."""
    return server.sql("SELECT number, signature FROM registry.commits ORDER BY 1")


def fill_up(server):
    """Leave no page on the disk that a table could grow by."""
    server.sql("CREATE TABLE ballast (stone text STORAGE PLAIN)")
    for rows in (100, 1):
        with pytest.raises(psycopg.errors.DiskFull):
            until_refused(lambda rows=rows: server.sql(f"INSERT INTO ballast {STONES} {rows})"))


def until_refused(step):
    """Do something again and again, until an error says that it cannot be."""
    for _ in range(10_000):
        step()


@SMALL
def test_a_disk_that_is_full(filled, founded, around, server):
    """Without room (a real ENOSPC) a change ends with 10 and is not there; all is read, and goes on when there is."""
    made = [(log_of(server), OLD)]

    def change():
        secret = f"secret-{len(made)}"
        filled.tokens.edit("Zoom", edit(fields=fields(secret), description="x" * 1000))
        made.append((log_of(server), secret))

    fill_up(server)
    with pytest.raises(StoreUnreadable, match="there is no room left on the server of the store"):
        until_refused(change)
    assert (log_of(server), filled.resolve("Zoom")["api_secret"].reveal()) == made[-1]
    with open_registry(founded, surroundings=around) as other:
        assert other.tokens.show("Zoom").revision == len(made)
    assert verify_registry(founded, surroundings=around).ok
    server.sql("DROP TABLE ballast")
    change()
    assert filled.resolve("Zoom")["api_secret"].reveal() == made[-1][1]
    assert not filled._ledger.store.shred_pending()
    assert verify_registry(founded, surroundings=around).ok


@SMALL
def test_shredding_without_room_stays_pending(filled, server):
    """A change that found room stands, and is shredded as soon as there is room for the tables once more."""
    fill_up(server)
    assert filled.tokens.edit("Zoom", edit(fields=fields("made"))).changed  # the pages that there are have room for it
    assert filled.shred_pending
    server.sql("DROP TABLE ballast")
    assert filled.tokens.edit("Zoom", edit(description="in room")).changed
    assert not filled.shred_pending
    assert filled.resolve("Zoom")["api_secret"].reveal() == "made"


@SMALL
def test_a_founding_on_a_full_disk_leaves_nothing(server, tmp_path, store_url):
    """The command says what is missing and ends with 10, and there is neither a registry nor a part of one."""
    fill_up(server)
    run = InProcess(tmp_path / "home")
    ran = run("init", "--name", "ada", TOKEN_REGISTRY_URL=store_url)
    assert (ran.code, ran.out) == (10, "")
    assert "there is no room left on the server of the store" in ran.err
    assert server.sql("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'registry%%'", ()) == []
    server.sql("DROP TABLE ballast")
    assert run("init", "--name", "ada", TOKEN_REGISTRY_URL=store_url).code == 0


def test_a_write_ahead_log_that_cannot_grow(filled, founded, around, server):
    """Where the server cannot write its log (RLIMIT_FSIZE) it crashes: a change ends with 10, whole or not there."""
    before, filled._ledger.store._wait = log_of(server), 0.2
    server.limit_files(1_000_000)  # it stands further on in its segment already
    with pytest.raises((StoreUnreadable, OutcomeUnknown)):
        filled.tokens.edit("Zoom", edit(description="lost?"))
    server.end()
    server.start()
    after = log_of(server)
    assert after[: len(before)] == before
    assert len(after) - len(before) == (filled.tokens.show("Zoom").description == "lost?")
    assert verify_registry(founded, surroundings=around).ok
    assert filled.tokens.edit("Zoom", edit(description="made")).changed
