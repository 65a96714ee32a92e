"""What the tests of members share: one team, founded once in each process and copied for each test."""

import pytest

from registry.providers.interface import Outcome, TestResult
from registry.providers.zoom import ZoomProvider
from tests.members.team import founded_team


@pytest.fixture(scope="session")
def founded_once(tmp_path_factory):
    """Return the team that is copied; no test changes it."""
    return founded_team(tmp_path_factory.mktemp("team") / "founded")


@pytest.fixture
def team(founded_once, tmp_path, store_url):
    """Return a team of this test's own."""
    team = founded_once.copy(tmp_path / "team")
    if store_url is not None:
        team.move(store_url)
    return team


@pytest.fixture
def opened(team):
    """Return what opens the registry as a member and closes it after the test."""
    registries = []

    def open_as(name):
        registries.append(team.open(name))
        return registries[-1]

    yield open_as
    for registry in registries:
        registry.close()


@pytest.fixture
def contented_provider(monkeypatch):
    """Make the provider accept everything without asking anybody."""
    monkeypatch.setattr(ZoomProvider, "test", lambda *_: TestResult(Outcome.ACCEPTED))
