"""What the tests of providers share: a stand-in that knows one key and one app, and short deadlines."""

import dataclasses

import pytest

from registry.providers._http import Bounds
from registry.providers.zoom import ZOOM
from registry.providers.zoom_oauth import ZOOM_OAUTH
from registry.testing.zoom_stand_in import ZoomStandIn
from registry.values import Secret

KEY = "3LgXbUnTBuilder9Key22x"
CANARY = "canary-Sx7pQ2mV9tKd4wZ8rNf3hJ6bLc5yGa1eWvTqXzBn0123456789abcdefghijk"
BOUNDS = Bounds(whole=5.0, connect=2.0, read=2.0)


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    """Keep the machine's own proxies and authorities out of the tests."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)


@pytest.fixture
def stand_in():
    """Return a running stand-in that knows the credentials of the fixtures below."""
    with ZoomStandIn() as zoom:
        zoom.add_key(KEY, CANARY)
        zoom.add_app("q6gBJVO5TzexKYTb_I2rpg", KEY, CANARY)
        yield zoom


@pytest.fixture
def zoom():
    """Return the API Key provider with short deadlines."""
    return dataclasses.replace(ZOOM, bounds=BOUNDS)


@pytest.fixture
def zoom_oauth():
    """Return the OAuth provider with short deadlines."""
    return dataclasses.replace(ZOOM_OAUTH, bounds=BOUNDS)


@pytest.fixture
def key(stand_in):
    """Return an API Key and Secret that the stand-in knows."""
    return {"api_key": Secret(KEY), "api_secret": Secret(CANARY), "api_url": Secret(stand_in.api_url)}


@pytest.fixture
def app(stand_in):
    """Return the credentials of an OAuth app that the stand-in knows."""
    return {
        "account_id": Secret("q6gBJVO5TzexKYTb_I2rpg"),
        "client_id": Secret(KEY),
        "client_secret": Secret(CANARY),
        "oauth_url": Secret(stand_in.oauth_url),
    }


@pytest.fixture
def canary():
    """Return the secret of the credentials above, which must turn up nowhere."""
    return CANARY
