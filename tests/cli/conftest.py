"""What the tests of the command line share: a home of their own, a registry in it, and a Zoom to ask."""

import os

import pytest

from registry.testing.zoom_stand_in import ZoomStandIn
from tests.cli.harness import InProcess
from tests.cli.team import Team

KEY = "CanaryKeyQ7"
SECRET = "canary-secret-x8Lr2VtY5wPq9ZsN4kDf7HjB"
NEW_SECRET = "canary-second-m3Tn6RcX1vGb8WqK5yLs2JhD"


@pytest.fixture(autouse=True)
def _own_world(monkeypatch, tmp_path):
    """Keep the settings and the folder of whoever runs the tests out of them."""
    for name in list(os.environ):
        if name.startswith("TOKEN_REGISTRY_") or name.upper().endswith("_PROXY") or name in {"NO_COLOR", "FORCE_COLOR"}:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def home(tmp_path, store_url):
    """Return a folder for a registry; there is none in it yet."""
    home = tmp_path / "home"
    if store_url is not None:
        home.mkdir()
        (home / "config.toml").write_text(f'url = "{store_url}"\n', encoding="utf-8")
    return home


@pytest.fixture
def empty(home):
    """Return a command line on a machine without a registry."""
    return InProcess(home)


@pytest.fixture
def cli(empty):
    """Return a command line on a machine with a registry, whose admin is ada."""
    empty.ok("init", "--name", "ada")
    return empty


@pytest.fixture
def secrets(tmp_path):
    """Return the options that give a Zoom token its secrets, from files."""
    for name, value in {"key.txt": KEY, "secret.txt": SECRET, "new.txt": NEW_SECRET}.items():
        (tmp_path / name).write_text(f"{value}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o600)
    return "--field", "api_key=@key.txt", "--field", "api_secret=@secret.txt"


@pytest.fixture
def zoom():
    """Return a running stand-in for Zoom that knows the key and its first secret."""
    with ZoomStandIn() as stand_in:
        stand_in.add_key(KEY, SECRET)
        yield stand_in


@pytest.fixture
def token(cli, secrets):
    """Return the command line of a registry that has the token Zoom."""
    cli.ok("add", "Zoom", *secrets)
    return cli


@pytest.fixture
def team(tmp_path):
    """Return a registry founded by ada, to which others can be admitted."""
    return Team(tmp_path)
