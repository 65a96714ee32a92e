"""The stand-in answers as Zoom's documentation says, and is gone when it is told to stop."""

import base64
import json
import socket
import threading
import time

import httpx
import jwt
import pytest

from registry.testing.zoom_stand_in import Quirk, ZoomStandIn

FORM = {"grant_type": "account_credentials", "account_id": "q6gBJVO5TzexKYTb_I2rpg"}


def _token(
    key="3LgXbUnTBuilder9Key22x",
    secret="canary-Sx7pQ2mV9tKd4wZ8rNf3hJ6bLc5yGa1eWvTqXzBn0123456789abcdefghijk",
    algorithm="HS256",
    **claims,
):
    now = int(time.time())
    return jwt.encode({"iss": key, "iat": now - 30, "exp": now + 600, **claims}, secret, algorithm=algorithm)


def _get(stand_in, path, token):
    return httpx.get(f"{stand_in.api_url}{path}", headers={"Authorization": f"Bearer {token}"})


@pytest.mark.parametrize("how", ["data", "params"])
def test_issues_a_token_for_body_and_query(stand_in, app, how):
    """Zoom takes the parameters of a request for a token in the body and in the query."""
    basic = app["client_id"].reveal(), app["client_secret"].reveal()
    answer = httpx.post(stand_in.oauth_url, auth=basic, **{how: FORM})
    assert answer.status_code == 200
    body = answer.json()
    assert body.keys() == {"access_token", "token_type", "expires_in", "scope", "api_url"}
    assert (body["token_type"], body["expires_in"], body["api_url"]) == ("bearer", 3599, stand_in.url)
    assert _get(stand_in, "/users/me", body["access_token"]).json()["account_id"] == FORM["account_id"]


@pytest.mark.parametrize(
    ("change", "basic", "error"),
    [
        ({}, ("3LgXbUnTBuilder9Key22x", "wrong"), "invalid_client"),
        ({}, ("unknown", "wrong"), "invalid_client"),
        ({"grant_type": "client_credentials"}, None, "unsupported_grant_type"),
        ({"grant_type": ""}, None, "unsupported_grant_type"),
        ({"account_id": "other"}, None, "invalid_request"),
    ],
)
def test_refuses_a_token_with_400(stand_in, app, change, basic, error):
    """Zoom answers every refused request for a token with 400 and its own two members."""
    basic = basic or (app["client_id"].reveal(), app["client_secret"].reveal())
    answer = httpx.post(stand_in.oauth_url, auth=basic, data={**FORM, **change})
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert answer.json().keys() == {"reason", "error"}


def test_a_token_request_needs_basic_authentication(stand_in):
    """Without credentials, or with ones that are no Base64, there is no token."""
    for header in ({}, {"Authorization": "Basic ~"}, {"Authorization": "Bearer x"}):
        assert httpx.post(stand_in.oauth_url, data=FORM, headers=header).json()["error"] == "invalid_client"


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ({}, None),
        ({"exp": int(time.time()) - 5}, "Access token is expired."),
        ({"iat": int(time.time()) + 600}, "Invalid access token."),
        ({"key": "unknown"}, "Invalid access token."),
        ({"secret": "w" * 40}, "Invalid access token."),
        ({"algorithm": "HS512"}, "Invalid access token."),
        ({"iat": None}, "Invalid access token."),
    ],
)
def test_checks_signed_tokens(stand_in, claims, message):
    """A signed token is taken with HS256, a known key, its own secret, and times that are right."""
    for path in ("/videosdk/sessions", "/aiservices/scribe/jobs"):
        answer = _get(stand_in, path, _token(**claims))
        if message is None:
            assert answer.status_code == 200
        else:
            assert (answer.status_code, answer.json()) == (401, {"code": 124, "message": message})


def test_an_unsigned_token_is_refused(stand_in):
    """The algorithm "none" is no signature."""
    head, body, _ = _token().split(".")
    none = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT"}).encode()).decode().rstrip("=")
    for token in (f"{none}.{body}.", f"{head}.{body}.", "garbage"):
        assert _get(stand_in, "/videosdk/sessions", token).status_code == 401


def test_the_two_kinds_of_tokens_are_not_interchangeable(stand_in, app):
    """Users are read with access tokens only, sessions with signed tokens only."""
    basic = app["client_id"].reveal(), app["client_secret"].reveal()
    access = httpx.post(stand_in.oauth_url, auth=basic, data=FORM).json()["access_token"]
    assert _get(stand_in, "/videosdk/sessions", access).status_code == 401
    assert _get(stand_in, "/users/me", _token()).status_code == 401


def test_scopes_and_revocation_and_expiry(app):
    """A token lacks what its app was not granted, and ends when it is revoked or its time is over."""
    basic = app["client_id"].reveal(), app["client_secret"].reveal()
    with ZoomStandIn(token_lifetime=0) as zoom:
        zoom.add_app(FORM["account_id"], *basic)
        access = httpx.post(zoom.oauth_url, auth=basic, data=FORM).json()["access_token"]
        assert _get(zoom, "/users/me", access).json()["message"] == "Access token is expired."
    with ZoomStandIn() as zoom:
        zoom.add_app(FORM["account_id"], *basic)
        access = httpx.post(zoom.oauth_url, auth=basic, data=FORM).json()["access_token"]
        refused = _get(zoom, "/users", access)
        assert (refused.status_code, refused.json()["code"]) == (400, 4711)
        zoom.revoke_tokens()
        assert _get(zoom, "/users/me", access).json()["message"] == "Invalid access token."


def test_limits_carry_zooms_headers(stand_in):
    """The two kinds of limits differ in their headers as Zoom's do."""
    stand_in.behave(Quirk.PER_SECOND_LIMIT, times=1)
    stand_in.behave(Quirk.DAILY_LIMIT, retry_after="2020-05-31T00:00:00Z")
    second, day = (_get(stand_in, "/users/me", "x") for _ in range(2))
    assert (second.status_code, second.headers["X-RateLimit-Type"]) == (429, "QPS")
    assert "Retry-After" not in second.headers
    assert (day.headers["X-RateLimit-Type"], day.headers["Retry-After"]) == ("Daily-limit", "2020-05-31T00:00:00Z")
    assert day.headers["x-zm-trackingid"].startswith("v=2.0;")


def test_behaves_well_again(stand_in):
    """A quirk ends after its times, or when it is called off, and touches its paths only."""
    stand_in.behave(Quirk.PAGE, path="/v2/users")
    assert _get(stand_in, "/videosdk/sessions", _token()).status_code == 200
    assert _get(stand_in, "/users/me", "x").status_code == 502
    stand_in.behave_well()
    assert _get(stand_in, "/users/me", "x").status_code == 401


def test_records_no_secret_and_prints_nothing(stand_in, capfd, canary):
    """What is recorded of a request is its method and path; nothing is logged."""
    _get(stand_in, f"/users?secret={canary}", canary)
    assert stand_in.requests == ("GET /v2/users",)
    assert canary not in repr(vars(stand_in)["_apps"])
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("quirk", [None, Quirk.SLOW, Quirk.DRIP_ALL, Quirk.HUGE])
def test_stops_at_once_and_leaves_no_thread(quirk):
    """Neither an idle connection nor a misbehaving answer keeps the stand-in from stopping."""
    before = set(threading.enumerate())
    with ZoomStandIn() as zoom:
        if quirk:
            zoom.behave(quirk, pause=30)
        client = socket.create_connection(("127.0.0.1", httpx.URL(zoom.url).port))
        idle = socket.create_connection(("127.0.0.1", httpx.URL(zoom.url).port))
        client.sendall(b"GET /v2/users/me HTTP/1.1\r\nHost: x\r\n\r\n")
        while not zoom.requests:
            time.sleep(0.005)
        start = time.monotonic()
    assert time.monotonic() - start < 5
    assert set(threading.enumerate()) <= before
    client.close()
    idle.close()
