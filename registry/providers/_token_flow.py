"""Zoom's access tokens: reading the answer that brings one, and using one for many requests.

The answer's form: developers.zoom.us/docs/internal-apps/s2s-oauth; the refusals' is that of RFC 6749, section 5.2, with
Zoom's ``reason`` in place of ``error_description``.
"""

import base64
import re
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from registry.errors import InvalidValue, ProviderRejected, ProviderUndecided
from registry.providers import _urls, _zoom
from registry.providers._censor import Censor
from registry.providers._http import Answer
from registry.providers.interface import Outcome, TestResult
from registry.values import Secret

if TYPE_CHECKING:
    import httpx

_TOKEN = re.compile(r"[!-~]{1,16384}\Z")
_LONGEST_LIFE = 86_400
_USUAL_LIFE = 3_600
_UNAUTHORIZED = 401
_PAUSE = 0.02


@dataclass(frozen=True, slots=True)
class Grant:
    """A token, for how many seconds it lasts, and where Zoom says it is to be used."""

    token: Secret
    life: int
    api_url: str | None

    @classmethod
    def of(cls, answer: Answer, censor: Censor) -> "Grant | TestResult":
        """Read the answer to a request for a token; whatever is no token is a result."""
        said = _zoom.Said.of(answer)
        body = said.body or {}
        token, error, reason = body.get("access_token"), body.get("error"), body.get("reason")
        if answer.status == 200 and isinstance(token, str) and _TOKEN.match(token):  # noqa: PLR2004  # HTTP's OK
            return cls(Secret(token), _life(body.get("expires_in")), _zooms_own(body.get("api_url")))
        if found := _zoom.rate_limited(answer, said, censor):
            return found
        if 400 <= answer.status < 500 and isinstance(error, str):  # noqa: PLR2004  # HTTP's range of refusals
            shown = f"{reason} ({error})" if isinstance(reason, str) else error
            return TestResult(Outcome.REJECTED, censor.say(shown))
        result = _zoom.verdict(answer, censor, None)
        if result.outcome in {Outcome.ACCEPTED, Outcome.ACCEPTED_MISSING_SCOPE}:
            return TestResult(Outcome.UNEXPECTED, f"answered {answer.status} without an access token")
        return result


class TokenFlow:
    """Gets a token when there is none, uses it until shortly before its end, and replaces a refused one once.

    One lock covers looking and getting, so that any number of threads and tasks get one token between them.
    """

    def __init__(self, credentials: Mapping[str, Secret], clock: Callable[[], float] = time.monotonic) -> None:
        self._credentials = credentials
        self._clock = clock
        self._lock = threading.Lock()
        self._token: str | None = None
        self._ends = 0.0

    def sync_auth_flow(self, request: "httpx.Request") -> Generator["httpx.Request", "httpx.Response", None]:
        """Sign for a ``httpx.Client``."""
        self._check_host(request)
        refused = None
        while True:
            with self._lock:
                if self._needs_token(refused):
                    answer = yield self._token_request(request)
                    answer.read()
                    self._keep(answer)
                token = self._token
            response = yield _signed(request, token)
            if refused is not None or not may_repeat(request, response):
                return
            response.read()
            if not _zoom.is_stale(_answer(response)):
                return
            refused = token

    async def async_auth_flow(self, request: "httpx.Request") -> AsyncGenerator["httpx.Request", "httpx.Response"]:
        """Sign for a ``httpx.AsyncClient``: the same steps, waiting without holding up the event loop."""
        self._check_host(request)
        refused = None
        while True:
            await self._acquire()
            try:
                if self._needs_token(refused):
                    answer = yield self._token_request(request)
                    await answer.aread()
                    self._keep(answer)
                token = self._token
            finally:
                self._lock.release()
            response = yield _signed(request, token)
            if refused is not None or not may_repeat(request, response):
                return
            await response.aread()
            if not _zoom.is_stale(_answer(response)):
                return
            refused = token

    async def _acquire(self) -> None:
        """Take the threads' lock from a task.

        The locks of event loops belong to one loop each, and this object may serve several, and threads besides; the
        lock is held for no longer than one request for a token, so asking again is cheap.
        """
        import anyio  # noqa: PLC0415  # httpx brings it along, and so it fits whichever event loop httpx runs on

        while not self._lock.acquire(blocking=False):  # noqa: ASYNC110  # an event belongs to one loop, too
            await anyio.sleep(_PAUSE)

    def _check_host(self, request: "httpx.Request") -> None:
        # A client may be used for other hosts too, and whoever gets the token can act as this account.
        configured = [
            self._credentials[name].reveal() for name in ("api_url", "oauth_url") if name in self._credentials
        ]
        if not _urls.may_receive(str(request.url), configured):
            raise InvalidValue(f"Zoom credentials are not sent to {request.url.host}", "set api_url to its URL")

    def _needs_token(self, refused: str | None) -> bool:
        # Where another thread has replaced the refused token meanwhile, its successor is used.
        return self._token is None or self._token == refused or self._clock() >= self._ends

    def _token_request(self, request: "httpx.Request") -> "httpx.Request":
        import httpx  # noqa: PLC0415  # definitions of providers are read by every command

        account = self._credentials["account_id"].reveal()
        # Without the timeouts of the request that needs it, this one would wait for ever.
        timeouts = {name: value for name, value in request.extensions.items() if name == "timeout"}
        return httpx.Request(
            "POST",
            self._credentials["oauth_url"].reveal(),
            data={"grant_type": "account_credentials", "account_id": account},
            headers={"Authorization": f"Basic {_basic(self._credentials)}", "Accept": "application/json"},
            extensions=timeouts,
        )

    def _keep(self, response: "httpx.Response") -> None:
        grant = Grant.of(_answer(response), censor_for(self._credentials))
        if isinstance(grant, Grant):
            self._token = grant.token.reveal()
            # A request on its way must still arrive before the end.
            self._ends = self._clock() + grant.life - min(60.0, grant.life / 10)
            return
        self._token = None
        if grant.outcome in {Outcome.REJECTED, Outcome.RETIRED}:
            raise ProviderRejected(f"Zoom refused the credentials: {grant.detail}", "test the token's connection")
        raise ProviderUndecided(f"Zoom gave no access token: {grant.detail}", "try again later")


def censor_for(credentials: Mapping[str, Secret]) -> Censor:
    """Return what hides these credentials, also in the form in which they travel."""
    return Censor([credentials["client_secret"].reveal(), _basic(credentials).rstrip("=")])


def _basic(credentials: Mapping[str, Secret]) -> str:
    client_id, secret = credentials["client_id"].reveal(), credentials["client_secret"].reveal()
    return base64.b64encode(f"{client_id}:{secret}".encode()).decode()


def _answer(response: "httpx.Response") -> Answer:
    return Answer(response.status_code, response.headers.get("Retry-After"), response.content)


def _signed(request: "httpx.Request", token: str | None) -> "httpx.Request":
    request.headers["Authorization"] = f"Bearer {token}"
    return request


def may_repeat(request: "httpx.Request", response: "httpx.Response") -> bool:
    """Return whether the request was refused for its credentials, and can be sent once more."""
    import httpx  # noqa: PLC0415  # definitions of providers are read by every command

    # A body that was streamed is gone; only one that was given whole can be sent again.
    return response.status_code == _UNAUTHORIZED and isinstance(request.stream, httpx.ByteStream)


def _life(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return min(value, _LONGEST_LIFE)
    return _USUAL_LIFE


def _zooms_own(url: object) -> str | None:
    """Return the URL if it is one of Zoom's over TLS; see ``zoom_oauth`` for what follows otherwise."""
    if not isinstance(url, str):
        return None
    try:
        _urls.check_url(url)
    except InvalidValue:
        return None
    return url if _urls.may_receive(url, []) and urlsplit(url).port in {None, 443} else None
