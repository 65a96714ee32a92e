"""What the tests of verification share: a registry with a past, made once in each process and copied for each test."""

import pytest

from registry.providers.interface import Outcome, TestResult
from registry.providers.zoom import ZoomProvider
from tests.verify.history import Client, rich_team


@pytest.fixture(scope="session")
def rich_once(tmp_path_factory):
    """Return the registry that is copied; no test changes it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ZoomProvider, "test", lambda *_: TestResult(Outcome.ACCEPTED, "fine"))
        return rich_team(tmp_path_factory.mktemp("rich") / "founded")


@pytest.fixture
def rich(rich_once, tmp_path):
    """Return a registry of this test's own."""
    return rich_once.copy(tmp_path / "rich")


@pytest.fixture
def alice(rich):
    """Return alice's patched client."""
    with Client(rich, "alice") as client:
        yield client


@pytest.fixture
def bob(rich):
    """Return the auditor's patched client."""
    with Client(rich, "bob") as client:
        yield client
