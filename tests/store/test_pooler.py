"""Through a real PgBouncer that gives each transaction another session."""

import os
import re
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress

import psycopg
import pytest

from registry import StoreUnreadable, init_registry, load_settings, open_registry, verify_registry
from tests import servers
from tests.cli.harness import InProcess, process
from tests.service.attacks import edit, fields, token

PROGRAM = os.environ.get("TOKEN_REGISTRY_TEST_PGBOUNCER") or shutil.which(
    "pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin"
)
pytestmark = pytest.mark.skipif(not PROGRAM, reason="no pgbouncer here: TOKEN_REGISTRY_TEST_PGBOUNCER names one")
SESSIONS = 3
SETTINGS = """
[databases]
postgres = host={folder} port={port} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {sessions}
server_round_robin = 1
"""
"""One client's transactions go to one session after the other."""


@pytest.fixture(scope="module")
def server():
    """Return a server that these tests share."""
    with servers.private() as own:
        yield own


@pytest.fixture(scope="module")
def pooled(server):
    """Return the URL of a database behind a pooler that has a few sessions for all."""
    own = servers.free_port()
    url = f"postgresql://postgres@127.0.0.1:{own}/postgres"
    settings = SETTINGS.format(folder=server.folder, port=server.port, own=own, sessions=SESSIONS)
    if keeps_statements():
        settings += "max_prepared_statements = 0\n"
    server.put("pgbouncer.ini", settings.encode())
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(
            [PROGRAM, server.data / "pgbouncer.ini"], stdout=log, stderr=log, cwd="/", **servers.as_its_user()
        ) as program,
    ):
        try:
            servers.until(lambda: program.poll() is not None or answers(url))
            log.seek(0)
            assert program.poll() is None, log.read()
            with ExitStack() as clients:
                for _ in range(SESSIONS):  # each needs a session of its own, and all of them are kept
                    clients.enter_context(psycopg.connect(url)).execute("SELECT 1")
            yield url
        finally:
            program.kill()


def keeps_statements():
    """Return whether the pooler can keep prepared statements itself, which these tests are not about."""
    said = subprocess.run([PROGRAM, "--version"], check=True, capture_output=True, text=True).stdout
    return tuple(map(int, re.findall(r"\d+", said)[:2])) >= (1, 21)


def of_each_session(url, question):
    """Return what the sessions behind the pooler answer, which one client comes to in turns."""
    with psycopg.connect(url, autocommit=True, prepare_threshold=None) as client:
        return {client.execute(question).fetchone()[0] for _ in range(2 * SESSIONS)}


def answers(url):
    """Return whether there is a server that answers."""
    with suppress(psycopg.OperationalError), psycopg.connect(url, connect_timeout=2):
        return True
    return False


@pytest.fixture
def urls(pooled, server):
    """Return the URLs of a store that is not there yet: as it must be behind such a pooler, and without the setting."""
    schema = server.schema()
    yield f"{pooled}?schema={schema}&prepare=no", f"{pooled}?schema={schema}"
    server.drop(schema)


@pytest.fixture
def settings(urls, tmp_path):
    """Return the settings of a machine that knows a registry behind the pooler."""
    settings = load_settings({"home": str(tmp_path / "home"), "url": urls[0]}, {})
    init_registry(settings, name="alice")
    return settings


def test_every_command_goes_through_a_pooler(urls, pooled, tmp_path, monkeypatch):
    """With ``prepare=no`` a session for each transaction is enough for all that commands do."""
    assert len(of_each_session(pooled, "SELECT pg_backend_pid()")) == SESSIONS
    monkeypatch.setenv("TOKEN_REGISTRY_URL", urls[0])
    run = InProcess(tmp_path / "home")
    run.ok("init", "--name", "ada")
    secrets = tmp_path / "secret"
    secrets.write_text("SECRET-1")
    secrets.chmod(0o600)
    run.ok("add", "Zoom", "--field", f"api_key=@{secrets}", "--field", f"api_secret=@{secrets}")
    for number in range(4):  # so often that psycopg itself would have prepared what is asked
        run.ok("edit", "Zoom", "--description", f"number {number}")
    assert "number 3" in run.ok("show", "Zoom")
    assert run.ok("reveal", "Zoom", "--field", "api_secret").strip() == "SECRET-1"
    ran = process(tmp_path / "home", "run", "Zoom", "--", "printenv", "API_SECRET", TOKEN_REGISTRY_URL=urls[0])
    assert (ran.code, ran.out) == (0, "SECRET-1\n")
    run.ok("store", "backup", str(tmp_path / "backup.db"))
    run.ok("verify")
    assert of_each_session(pooled, "SHOW lock_timeout") == {"0"}, "what others find in a session is as it was"


def test_many_at_once_through_a_pooler(settings, server):
    """More apps than there are sessions each see their own last change; who waits is told of every commit in order."""
    apps, edits = range(2 * SESSIONS), range(3)

    def work(number):
        name = f"Zoom {number}"
        with open_registry(settings) as opened:
            opened.tokens.add(token(name))
            for each in edits:
                opened.tokens.edit(name, edit(fields=fields(f"secret-{each}")))
                assert [opened.resolve(name)["api_secret"].reveal() for _ in range(3)] == [f"secret-{each}"] * 3

    with (
        open_registry(settings) as watching,
        closing(watching.changes(timeout=60)) as changes,
        ThreadPoolExecutor(len(apps) + 1) as pool,
    ):
        before, made = watching._ledger.head.number, len(apps) * (1 + len(edits))
        watched = pool.submit(lambda: [next(changes).commit for _ in range(made)])
        list(pool.map(work, apps))
        assert watched.result() == list(range(before + 1, before + 1 + made))
    assert verify_registry(settings).ok


def test_a_url_that_lacks_the_setting_is_told(settings, urls):
    """Without ``prepare=no`` a use ends with 10, and the error says what the URL lacks."""
    with open_registry(settings) as opened:
        opened.tokens.add(token("Zoom"))
    lacking = load_settings({"home": settings.home.value, "url": urls[1]}, {})

    def use():
        with open_registry(lacking) as opened:
            for _ in range(20):
                opened.tokens.show("Zoom")

    with pytest.raises(StoreUnreadable, match=r"a pooler before the server of .* changes sessions") as caught:
        use()
    assert caught.value.hint == "add prepare=no to the URL"
    assert verify_registry(settings).ok
