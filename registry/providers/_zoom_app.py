"""Getting access tokens from Zoom with the credentials of a Server-to-Server app, and asking Zoom about them.

Requests and answers: developers.zoom.us/docs/internal-apps/s2s-oauth. The parameters travel in the body, because
Zoom's users report refusals where they stood in the query.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

import httpx

from registry.providers import _http, _urls, _zoom
from registry.providers._censor import Censor
from registry.providers._token_flow import Grant, TokenFlow, censor_for
from registry.providers.interface import Outcome, TestResult
from registry.values import Secret


class ZoomAppAuth(TokenFlow, httpx.Auth):
    """Gets a token when it needs one and uses it for all requests until it ends."""


def probe(credentials: Mapping[str, Secret], session: _http.Session) -> TestResult:
    """Get a token, then read the user it acts for."""
    censor = censor_for(credentials)
    grant = _mint(credentials, session, censor)
    if isinstance(grant, TestResult):
        return grant
    answer = session.get(f"{_base(credentials, grant)}/users/me", grant.token.reveal())
    if _zoom.is_stale(answer):
        # For years a token ended when the next one was issued, so another user of these credentials may have ended
        # this one in the moment since. Once is chance; twice is an answer.
        grant = _mint(credentials, session, censor)
        if isinstance(grant, TestResult):
            return grant
        answer = session.get(f"{_base(credentials, grant)}/users/me", grant.token.reveal())
    result = _zoom.verdict(answer, censor, "id")
    if result.outcome is Outcome.UNEXPECTED and _is_about_the_user(answer):
        # Zoom gave a token and took it; that it will not show "me" to this app is no fault of the credentials.
        return TestResult(Outcome.ACCEPTED, censor.say(f"the token works; reading its user {result.detail}"))
    return result


def _mint(credentials: Mapping[str, Secret], session: _http.Session, censor: Censor) -> Grant | TestResult:
    form = {"grant_type": "account_credentials", "account_id": credentials["account_id"].reveal()}
    basic = credentials["client_id"].reveal(), credentials["client_secret"].reveal()
    grant = Grant.of(session.post_form(credentials["oauth_url"].reveal(), form, basic), censor)
    if isinstance(grant, Grant):
        censor.also(grant.token.reveal())
    return grant


def _base(credentials: Mapping[str, Secret], grant: Grant) -> str:
    """Return where the token is taken: where the user says, else where Zoom says, else where Zoom always answers.

    What the answer says is believed only for Zoom's own hosts. Otherwise whoever can change that one answer could
    collect a token that opens the whole account, or make this machine call whatever its network can reach.
    """
    if "api_url" in credentials:
        return _urls.api_base(credentials["api_url"].reveal())
    if grant.api_url is not None:
        return _urls.api_base(grant.api_url)
    parts = urlsplit(credentials["oauth_url"].reveal())
    host = parts.hostname or ""
    if _urls.is_zoom(host):
        return "https://api.zoomgov.com/v2" if host.endswith("zoomgov.com") else "https://api.zoom.us/v2"
    # A gateway or a stand-in: it has issued the token, so it learns nothing by getting it back.
    return f"{parts.scheme}://{parts.netloc}/v2"


def _is_about_the_user(answer: _http.Answer) -> bool:
    return answer.status in {400, 404} and _zoom.Said.of(answer).code is not None
