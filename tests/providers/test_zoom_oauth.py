"""Zoom with Server-to-Server OAuth: what a connection test concludes, and how access tokens are got and used."""

import asyncio
import base64
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from registry.errors import InvalidValue, ProviderRejected, ProviderUndecided
from registry.providers import _token_flow, _zoom_app
from registry.providers._http import Answer
from registry.providers._token_flow import Grant
from registry.providers.interface import Outcome
from registry.testing.zoom_stand_in import Quirk, ZoomStandIn
from registry.values import Secret

TOKEN, ME = "POST /oauth/token", "GET /v2/users/me"


def test_accepts_what_zoom_accepts(zoom_oauth, app, stand_in):
    """Good credentials get a token, the token reads its user, and that is all."""
    assert zoom_oauth.test(app).outcome is Outcome.ACCEPTED
    assert stand_in.requests == (TOKEN, ME)


@pytest.mark.parametrize(
    ("field", "detail"),
    [
        ("client_id", "Invalid client_id or client_secret (invalid_client)"),
        ("client_secret", "Invalid client_id or client_secret (invalid_client)"),
        ("account_id", "Bad Request (invalid_request)"),
    ],
)
def test_rejects_what_zoom_rejects(zoom_oauth, app, stand_in, field, detail):
    """Each wrong credential is rejected with Zoom's reason, and the API is not called."""
    result = zoom_oauth.test({**app, field: Secret("wrong")})
    assert (result.outcome, result.detail) == (Outcome.REJECTED, detail)
    assert stand_in.requests == (TOKEN,)


def test_names_the_missing_scopes(zoom_oauth, app, stand_in, canary):
    """Credentials without a scope for reading the user are accepted, and the result names the scopes."""
    stand_in.add_app("q6gBJVO5TzexKYTb_I2rpg", app["client_id"].reveal(), canary, scopes=())
    result = zoom_oauth.test(app)
    assert result.outcome is Outcome.ACCEPTED_MISSING_SCOPE
    assert result.missing_scopes[:2] == ("user:read:user:admin", "user:read:user")


def test_an_unreadable_user_is_no_fault_of_the_credentials(zoom_oauth, app, stand_in):
    """Where Zoom takes the token but will not show "me", the credentials are accepted with a remark."""
    stand_in.behave(Quirk.USER_UNKNOWN, path="/v2")
    result = zoom_oauth.test(app)
    assert result.outcome is Outcome.ACCEPTED
    assert "User does not exist" in result.detail


def test_tolerates_one_token_that_ended_at_once(zoom_oauth, app, stand_in):
    """A token refused with code 124 is replaced once, as another user of the credentials may have ended it."""
    stand_in.behave(Quirk.WRONG_SIGNATURE, path="/v2", times=1)
    assert zoom_oauth.test(app).outcome is Outcome.ACCEPTED
    assert stand_in.requests == (TOKEN, ME, TOKEN, ME)


def test_does_not_tolerate_two(zoom_oauth, app, stand_in):
    """A second refusal in a row is an answer, and ends the test."""
    stand_in.behave(Quirk.WRONG_SIGNATURE, path="/v2")
    assert zoom_oauth.test(app).outcome is Outcome.REJECTED
    assert stand_in.requests == (TOKEN, ME, TOKEN, ME)


@pytest.mark.parametrize("path", ["/oauth", "/v2"])
@pytest.mark.parametrize(
    ("quirk", "outcome"),
    [
        (Quirk.RETIRED, Outcome.RETIRED),
        (Quirk.PER_SECOND_LIMIT, Outcome.RATE_LIMITED),
        (Quirk.DAILY_LIMIT, Outcome.RATE_LIMITED),
        (Quirk.SERVER_ERROR, Outcome.UNEXPECTED),
        (Quirk.PAGE, Outcome.UNEXPECTED),
        (Quirk.NOT_JSON, Outcome.UNEXPECTED),
        (Quirk.ERROR_IN_SUCCESS, Outcome.UNEXPECTED),
        (Quirk.CONTACT_CENTER, Outcome.UNEXPECTED),
        (Quirk.REDIRECT, Outcome.UNEXPECTED),
        (Quirk.HUGE, Outcome.UNEXPECTED),
        (Quirk.DROP, Outcome.UNREACHABLE),
        (Quirk.ECHO, Outcome.REJECTED),
    ],
)
def test_every_misbehaviour_has_its_outcome(zoom_oauth, app, stand_in, canary, quirk, outcome, path):
    """Both steps of the test map whatever comes back, and repeat no secret."""
    stand_in.behave(quirk, path=path)
    result = zoom_oauth.test(app)
    assert result.outcome is outcome
    encoded = base64.b64encode(f"{app['client_id'].reveal()}:{canary}".encode()).decode().rstrip("=")
    assert canary not in repr(result)
    assert encoded not in repr(result)


@pytest.mark.parametrize(
    "hostile", ["https://evil.example", "https://zoom.us.evil.example", "http://api.zoom.us", "https://zoom.us@evil/"]
)
def test_the_answer_cannot_send_the_token_elsewhere(zoom_oauth, app, stand_in, hostile):
    """An api_url in the answer that is not Zoom's is not used, whatever it looks like."""
    stand_in.announced_api_url = hostile
    assert zoom_oauth.test(app).outcome is Outcome.ACCEPTED
    assert stand_in.requests == (TOKEN, ME)


def test_another_port_on_this_machine_is_elsewhere(zoom_oauth, app, stand_in):
    """The answer cannot make this machine call its own services with the token either."""
    with ZoomStandIn() as other:
        stand_in.announced_api_url = other.url
        zoom_oauth.test(app)
        assert other.requests == ()


def test_the_configured_api_url_wins(zoom_oauth, app, stand_in):
    """What the user has set is used even where Zoom names another host."""
    with ZoomStandIn() as gateway:
        stand_in.announced_api_url = "https://api-eu.zoom.us"
        zoom_oauth.test({**app, "api_url": Secret(gateway.api_url)})
        assert set(gateway.requests) == {ME}


@pytest.mark.parametrize(
    ("oauth_url", "announced", "base"),
    [
        ("https://zoom.us/oauth/token", None, "https://api.zoom.us/v2"),
        ("https://zoom.us/oauth/token", "https://api-eu.zoom.us", "https://api-eu.zoom.us/v2"),
        ("https://zoom.us/oauth/token", "https://vanity.zoom.us/", "https://vanity.zoom.us/v2"),
        ("https://zoom.us/oauth/token", "https://evil.example", "https://api.zoom.us/v2"),
        ("https://zoomgov.com/oauth/token", None, "https://api.zoomgov.com/v2"),
    ],
)
def test_where_the_token_is_used(oauth_url, announced, base):
    """Zoom's own hosts may be named by its answer; otherwise the API belongs to the cloud that issued the token."""
    body = httpx.Response(200, json={"access_token": "t", "expires_in": 3599, "api_url": announced}).content
    grant = Grant.of(Answer(200, body=body), _censor())
    assert _zoom_app._base({"oauth_url": Secret(oauth_url)}, grant) == base


def test_basic_authentication_matches_published_vectors():
    """Two encodings that other clients of Zoom publish in their tests come out the same."""
    for name, secret, encoded in (
        ("testclient", "testsecret", "dGVzdGNsaWVudDp0ZXN0c2VjcmV0"),
        ("bbb", "ccc", "YmJiOmNjYw=="),
    ):
        assert _token_flow._basic({"client_id": Secret(name), "client_secret": Secret(secret)}) == encoded


def test_auth_gets_one_token_for_many_requests(zoom_oauth, app, stand_in):
    """Eight threads and forty requests share one token."""
    auth = zoom_oauth.auth(app)
    with httpx.Client(auth=auth) as client, ThreadPoolExecutor(8) as pool:
        url = f"{stand_in.api_url}/users/me"
        assert {r.status_code for r in pool.map(lambda _: client.get(url), range(40))} == {200}
    assert stand_in.requests.count(TOKEN) == 1


def test_auth_works_in_tasks_of_several_loops(zoom_oauth, app, stand_in):
    """One object serves tasks of two event loops in two threads, and still gets one token."""
    auth = zoom_oauth.auth(app)

    async def read():
        async with httpx.AsyncClient(auth=auth) as client:
            return await asyncio.gather(*(client.get(f"{stand_in.api_url}/users/me") for _ in range(10)))

    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(asyncio.run, read()) for _ in range(2)]:
            assert {r.status_code for r in future.result()} == {200}
    assert stand_in.requests.count(TOKEN) == 1


def test_auth_renews_before_the_end(app, stand_in):
    """A token is replaced a little before its life is over, so that no request arrives after it."""
    now = [0.0]
    auth = _clocked(app, lambda: now[0])
    with httpx.Client(auth=auth) as client:
        for moment, tokens in ((0, 1), (3_530, 1), (3_545, 2)):
            now[0] = float(moment)
            client.get(f"{stand_in.api_url}/users/me")
            assert stand_in.requests.count(TOKEN) == tokens


@pytest.mark.parametrize("asynchronous", [False, True])
def test_auth_replaces_a_revoked_token_once(zoom_oauth, app, stand_in, asynchronous):
    """A token that Zoom no longer takes is replaced and the request repeated; a second refusal is returned."""
    auth = zoom_oauth.auth(app)

    async def read():
        async with httpx.AsyncClient() as client:
            return await client.get(f"{stand_in.api_url}/users/me", auth=auth)

    def get():
        return asyncio.run(read()) if asynchronous else httpx.get(f"{stand_in.api_url}/users/me", auth=auth)

    assert get().status_code == 200
    stand_in.revoke_tokens()
    assert get().status_code == 200
    assert stand_in.requests == (TOKEN, ME, ME, TOKEN, ME)
    stand_in.behave(Quirk.WRONG_SIGNATURE, path="/v2")
    assert get().status_code == 401
    assert stand_in.requests[5:] == (ME, TOKEN, ME)


def test_auth_does_not_repeat_a_streamed_body(zoom_oauth, app, stand_in):
    """A body that can be read only once cannot be sent again, so the refusal is returned."""
    stand_in.behave(Quirk.WRONG_SIGNATURE, path="/v2")
    with httpx.Client(auth=zoom_oauth.auth(app)) as client:
        url = f"{stand_in.api_url}/users/me"
        assert client.post(url, content=iter([b"x"]), headers={"Content-Length": "1"}).status_code == 401
    assert stand_in.requests.count(TOKEN) == 1


@pytest.mark.parametrize(("quirk", "error"), [(Quirk.ECHO, ProviderRejected), (Quirk.SERVER_ERROR, ProviderUndecided)])
def test_auth_says_why_there_is_no_token(zoom_oauth, app, stand_in, canary, quirk, error):
    """Where no token is to be had the caller gets an error of the registry, without the secret, and can try again."""
    auth = zoom_oauth.auth(app)
    stand_in.behave(quirk, path="/oauth", times=1)
    with pytest.raises(error) as caught:
        httpx.get(f"{stand_in.api_url}/users/me", auth=auth)
    assert canary not in str(caught.value)
    assert httpx.get(f"{stand_in.api_url}/users/me", auth=auth).status_code == 200


@pytest.mark.parametrize("asynchronous", [False, True])
def test_auth_asks_for_a_token_under_the_callers_timeout(zoom_oauth, app, stand_in, asynchronous):
    """The request for a token ends when the caller's own request would have, and the next caller can try again."""
    auth = zoom_oauth.auth(app)
    url = f"{stand_in.api_url}/users/me"

    async def read(seconds):
        async with httpx.AsyncClient(timeout=seconds) as client:
            return await client.get(url, auth=auth)

    def get(seconds):
        return asyncio.run(read(seconds)) if asynchronous else httpx.get(url, auth=auth, timeout=seconds)

    stand_in.behave(Quirk.SLOW, path="/oauth", pause=5)
    with pytest.raises(httpx.TimeoutException):
        get(0.2)
    stand_in.behave_well()
    assert get(5).status_code == 200


def test_auth_keeps_the_token_from_other_hosts(zoom_oauth, app, stand_in):
    """A request to a host that is neither Zoom's nor a configured one is refused before a token is got."""
    with pytest.raises(InvalidValue):
        httpx.get("http://127.0.0.1:1/v2/users/me", auth=zoom_oauth.auth(app))
    assert stand_in.requests == ()


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "ümlaut", 7, None])
def test_a_token_that_is_none_is_not_used(token):
    """What could not stand in a header is not taken for a token."""
    body = httpx.Response(200, json={"access_token": token}).content
    assert Grant.of(Answer(200, body=body), _censor()).outcome is Outcome.UNEXPECTED


def _censor():
    return _token_flow.Censor([])


def _clocked(app, clock):
    class Auth(_token_flow.TokenFlow, httpx.Auth):
        pass

    return Auth(app, clock)
