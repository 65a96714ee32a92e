"""What tests share: a machine of their own in a temporary folder, a clock they set, a registry founded there."""

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import hypothesis
import pytest

from registry import Secret, Surroundings, init_registry, load_settings, open_registry
from registry.store import following, roster_chain
from tests import servers

# Every machine is free to look for other examples; nothing is kept between runs, because tests write nothing here.
hypothesis.settings.register_profile("tests", deadline=None, database=None, print_blob=True)
hypothesis.settings.load_profile("tests")

_MEMORY, _ROOM = Path("/dev/shm"), 4 * 2**30  # noqa: S108 - pytest makes a folder of its own there
"""Where a system has files that are on no disk, and how much of that must be free. What a test leaves goes with it."""
if _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ROOM:
    # Every commit waits for the disk, which for thousands of tests is minutes.
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))

NOON = datetime(2027, 1, 31, 12, 0, tzinfo=UTC)


def pytest_generate_tests(metafunc):
    """Run the tests of a module that says ``EVERY_ENGINE`` on each, but for those marked ``sqlite``."""
    every = getattr(metafunc.module, "EVERY_ENGINE", False) and "engine" in metafunc.fixturenames
    if every and metafunc.definition.get_closest_marker("sqlite") is None:
        metafunc.parametrize("engine", ["sqlite", "postgres"])


class Clock:
    """A clock that goes on by a second whenever it is looked at, and that tests set."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        """Return the time, and go on."""
        self.now += timedelta(seconds=1)
        return self.now


@pytest.fixture(scope="session")
def server():
    """Return the PostgreSQL server of this process."""
    with servers.running() as found:
        yield found


@pytest.fixture
def schema(server):
    """Return the name of a schema that is not there yet, and is gone after the test."""
    name = server.schema()
    yield name
    server.drop(name)


@pytest.fixture
def clock():
    """Return the clock of this test's machine."""
    return Clock()


@pytest.fixture
def around(clock):
    """Return surroundings that depend on nothing of the real machine but its randomness."""
    return Surroundings(clock=clock, host="host-of-tests", client="tests/1")


@pytest.fixture
def engine(request):
    """Return which database holds the store: SQLite, unless a module says ``EVERY_ENGINE``, or names its ``ENGINE``."""
    return getattr(request.module, "ENGINE", "sqlite")


@pytest.fixture
def store_url(request, engine):
    """Return the URL of a store that is not there yet; ``None`` for the file in a machine's home."""
    if engine == "sqlite":
        return None
    return request.getfixturevalue("server").store_url(request.getfixturevalue("schema"))


@pytest.fixture
def settings(tmp_path, store_url):
    """Return the settings of a machine that has everything in one home, and no environment."""
    return load_settings({"home": str(tmp_path / "home"), "url": store_url}, {})


@pytest.fixture
def founded(settings, around):
    """Return the settings of a machine where ``alice`` has founded a registry."""
    init_registry(settings, name="alice", surroundings=around)
    return settings


@pytest.fixture
def registry(founded, around):
    """Return alice's registry, open."""
    with open_registry(founded, surroundings=around) as opened:
        yield opened


@pytest.fixture
def zoom_fields():
    """Return the credentials of a Zoom account."""
    return {"api_key": Secret("KEY-1"), "api_secret": Secret("SECRET-1")}


@pytest.fixture
def checked(monkeypatch):
    """Return what was checked by a signature: numbers of commits, and events of the roster."""
    numbers = []
    check, roster = following.check_signed, roster_chain.roster_record.check_signature
    monkeypatch.setattr(following, "check_signed", lambda *a: (numbers.append(a[1].number), check(*a)))
    monkeypatch.setattr(
        roster_chain.roster_record, "check_signature", lambda *a: (numbers.append("roster"), roster(*a))
    )
    return numbers
