"""Zoom with API Key and API Secret: what a connection test concludes, and how requests are signed."""

import asyncio
import base64
import json
import warnings
from datetime import UTC, datetime

import httpx
import jwt
import pytest
from freezegun import freeze_time

from registry.errors import InvalidValue
from registry.providers._zoom_key import sign
from registry.providers.interface import Outcome
from registry.providers.zoom import ZOOM
from registry.testing.zoom_stand_in import Quirk
from registry.values import Secret

SESSIONS, JOBS = "GET /v2/videosdk/sessions", "GET /v2/aiservices/scribe/jobs"


def test_accepts_what_zoom_accepts(zoom, key, stand_in):
    """A good key is accepted with one request for sessions."""
    assert zoom.test(key).outcome is Outcome.ACCEPTED
    assert stand_in.requests == (SESSIONS,)


@pytest.mark.parametrize("field", ["api_key", "api_secret"])
def test_rejects_what_zoom_rejects(zoom, key, field):
    """A wrong key or secret is rejected with Zoom's reason."""
    result = zoom.test({**key, field: Secret("x" * 36)})
    assert (result.outcome, result.detail) == (Outcome.REJECTED, "Invalid access token. (code 124)")


def test_a_changed_secret_ends_the_old_one(zoom, key, stand_in):
    """After the secret has changed at Zoom the old one is rejected and the new one accepted."""
    stand_in.change_credentials(key["api_key"].reveal(), "n" * 36)
    assert zoom.test(key).outcome is Outcome.REJECTED
    assert zoom.test({**key, "api_secret": Secret("n" * 36)}).outcome is Outcome.ACCEPTED


def test_falls_back_to_ai_services(zoom, key, stand_in):
    """An account without the Video SDK is tried with the AI services instead."""
    stand_in.behave(Quirk.UNAVAILABLE, path="/v2/videosdk")
    assert zoom.test(key).outcome is Outcome.ACCEPTED
    assert stand_in.requests == (SESSIONS, JOBS)


@pytest.mark.parametrize(
    ("quirk", "outcome", "detail"),
    [
        (Quirk.RETIRED, Outcome.RETIRED, "Account does not enabled REST API. (code 200)"),
        (Quirk.UNAVAILABLE, Outcome.UNEXPECTED, "answered 400: This API is not available"),
        (Quirk.WRONG_SIGNATURE, Outcome.REJECTED, "The Token's Signature resulted invalid"),
        (Quirk.PER_SECOND_LIMIT, Outcome.RATE_LIMITED, "You have reached the maximum per-second"),
        (Quirk.SERVER_ERROR, Outcome.UNEXPECTED, "answered 500"),
        (Quirk.UNAVAILABLE_NOW, Outcome.UNEXPECTED, "answered 503"),
        (Quirk.PAGE, Outcome.UNEXPECTED, "answered 502 with something other than a JSON object"),
        (Quirk.NOT_JSON, Outcome.UNEXPECTED, "answered 200 with something other than a JSON object"),
        (Quirk.ERROR_IN_SUCCESS, Outcome.UNEXPECTED, "answered 200: Validation Failed. (code 300)"),
        (Quirk.CONTACT_CENTER, Outcome.UNEXPECTED, "answered 401 without a message"),
        (Quirk.REDIRECT, Outcome.UNEXPECTED, "answered 302"),
        (Quirk.DROP, Outcome.UNREACHABLE, "the connection broke off"),
        (Quirk.CUT_OFF, Outcome.UNREACHABLE, "the connection broke off"),
        (Quirk.HUGE, Outcome.UNEXPECTED, "the answer is longer than 65,536 bytes"),
    ],
)
def test_every_misbehaviour_has_its_outcome(zoom, key, stand_in, quirk, outcome, detail):
    """Whatever Zoom answers becomes one of the outcomes and one line without the body."""
    stand_in.behave(quirk)
    result = zoom.test(key)
    assert result.outcome is outcome
    assert result.detail.startswith(detail)
    assert "<" not in result.detail
    assert "\n" not in result.detail


def test_says_when_to_come_back(zoom, key, stand_in):
    """The end of a daily limit, an ISO date in Zoom's case, is returned as a moment in UTC."""
    stand_in.behave(Quirk.DAILY_LIMIT, retry_after="2030-05-31T02:00:00+02:00")
    result = zoom.test(key)
    assert (result.outcome, result.retry_at) == (Outcome.RATE_LIMITED, datetime(2030, 5, 31, tzinfo=UTC))


def test_names_missing_scopes_even_in_broken_json(zoom, key, stand_in):
    """Zoom Events forgets to escape quotes in the message about missing scopes; it is understood all the same."""
    stand_in.behave(Quirk.BROKEN_JSON)
    result = zoom.test(key)
    assert result.outcome is Outcome.ACCEPTED_MISSING_SCOPE
    assert result.missing_scopes == ("zoom_events_basic:read", "zoom_events_basic:read:admin")


def test_a_redirect_is_not_followed(zoom, key, stand_in):
    """A redirect could lead the token anywhere, so the test ends there."""
    stand_in.behave(Quirk.REDIRECT, times=1)
    zoom.test(key)
    assert stand_in.requests == (SESSIONS,)


def test_an_echoed_secret_is_not_repeated(zoom, key, stand_in, canary):
    """Neither the secret nor the token made with it gets into a result, even where the provider repeats them."""
    stand_in.behave(Quirk.ECHO)
    result = zoom.test(key)
    assert result.outcome is Outcome.REJECTED
    assert result.detail == "Invalid access token: …, … (code 124)"
    assert canary not in repr(result)
    assert canary not in repr((zoom, key, zoom.auth(key)))


@freeze_time("2026-01-02T03:04:05Z")
def test_the_token_has_zooms_claims():
    """The token is HS256 over exactly iss, iat half a minute ago and exp within the hour."""
    token = sign("key", "s" * 36)
    now = int(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp())
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}
    claims = jwt.decode(token, "s" * 36, algorithms=["HS256"])
    assert claims == {"iss": "key", "iat": now - 30, "exp": now + 1_770}


def test_short_and_odd_secrets_sign_silently():
    """A secret is taken as it is: no warning over its length, no refusal because it looks like another kind of key."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for secret in ("s", "ssh-rsa-AAAA"):
            head, body, signature = sign("key", secret).split(".")
            assert json.loads(base64.urlsafe_b64decode(body + "=="))["iss"] == "key"
            assert head
            assert signature


def test_pyjwt_agrees_with_rfc_7515():
    """The HS256 example of RFC 7515, appendix A.1, verifies: what signs and what checks tokens here is the standard."""
    token = (
        "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
        "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    )
    key = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"
    claims = jwt.decode(
        token, base64.urlsafe_b64decode(key + "=="), algorithms=["HS256"], options={"verify_exp": False}
    )
    assert claims == {"iss": "joe", "exp": 1300819380, "http://example.com/is_root": True}


def test_auth_signs_sync_and_async(zoom, key, stand_in):
    """The same object signs the requests of both kinds of clients."""
    auth = zoom.auth(key)
    url = f"{stand_in.api_url}/videosdk/sessions"
    with httpx.Client(auth=auth) as client:
        assert client.get(url).status_code == 200

    async def read():
        async with httpx.AsyncClient(auth=auth) as client:
            return await client.get(url)

    assert asyncio.run(read()).json()["sessions"] == []


def test_auth_keeps_the_token_from_other_hosts(zoom, key, stand_in):
    """A request to a host that is neither Zoom's nor the configured one is refused before anything is sent."""
    with httpx.Client(auth=zoom.auth({**key, "api_url": Secret("https://api.zoom.us/v2")})) as client:
        for url in (stand_in.api_url, "http://api.zoom.us/v2", "https://zoom.us.example/", "https://notzoom.us/"):
            with pytest.raises(InvalidValue):
                client.get(url)
    assert stand_in.requests == ()


def test_asks_for_the_fields_in_order():
    """The provider asks for API Key and API Secret, both secret, and offers another URL."""
    assert [(f.name, f.secret, f.required, f.default) for f in ZOOM.fields] == [
        ("api_key", True, True, None),
        ("api_secret", True, True, None),
        ("api_url", False, False, "https://api.zoom.us/v2"),
    ]
    assert (ZOOM.name, ZOOM.label) == ("zoom", "Zoom (API Key and Secret)")
