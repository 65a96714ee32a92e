"""What the campaign shares: a registry to tamper with, made once in each process."""

import pytest

from tests.tampering.rearranging import Rearranging
from tests.tampering.scene import Scene


@pytest.fixture(scope="session")
def scene_once(tmp_path_factory):
    """Return the registry that is tampered with; each case puts it back first."""
    return Scene(tmp_path_factory.mktemp("scene") / "founded")


@pytest.fixture
def scene(scene_once):
    """Return the registry as it was before anybody tampered with it."""
    scene_once.restore()
    return scene_once


@pytest.fixture
def campaign(scene):
    """Return what makes every change of every row."""
    return Rearranging(scene)
