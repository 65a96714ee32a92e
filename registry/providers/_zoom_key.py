"""Signing requests to Zoom with an API Key and an API Secret, and asking Zoom about them.

The token's form is that of Zoom's Build platform (developers.zoom.us/docs/build/api-request): a JWT (RFC 7519) signed
with HS256 whose claims are ``iss``, ``iat`` and ``exp``.
"""

import json
import time
from collections.abc import Generator, Mapping

import httpx
from jwt import PyJWS
from jwt.algorithms import HMACAlgorithm

from registry.errors import InvalidValue
from registry.providers import _http, _urls, _zoom
from registry.providers._censor import Censor
from registry.providers.interface import TestResult
from registry.values import Secret

# Zoom refuses a token from the future, so a clock may be this much ahead; its own samples do the same.
_LEEWAY = 30
# Zoom suggests at most one hour.
_LIFE = 1_800


def sign(api_key: str, api_secret: str) -> str:
    """Return a token that Zoom takes for the next half an hour."""

    class ZoomHmac(HMACAlgorithm):
        """HS256 over the secret as Zoom issued it: its length and its look are not ours to judge."""

        def prepare_key(self, key: str | bytes) -> bytes:
            return key.encode() if isinstance(key, str) else key

        def check_key_length(self, key: bytes) -> None:
            """Say nothing: a warning would come from inside somebody's request."""

    signer = PyJWS(algorithms=[])
    signer.register_algorithm("HS256", ZoomHmac(HMACAlgorithm.SHA256))
    issued = int(time.time()) - _LEEWAY
    claims = {"iss": api_key, "iat": issued, "exp": issued + _LIFE}
    return signer.encode(json.dumps(claims, separators=(",", ":")).encode(), api_secret, "HS256")


class ZoomKeyAuth(httpx.Auth):
    """Signs every request with a token of its own."""

    def __init__(self, credentials: Mapping[str, Secret]) -> None:
        self._key = credentials["api_key"]
        self._secret = credentials["api_secret"]
        self._api_url = credentials["api_url"].reveal()

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign the request; ``httpx`` calls this for sync and async clients alike."""
        # A client may be used for other hosts too, and whoever gets the token can act as this account.
        if not _urls.may_receive(str(request.url), [self._api_url]):
            raise InvalidValue(f"Zoom credentials are not sent to {request.url.host}", "set api_url to its URL")
        request.headers["Authorization"] = f"Bearer {sign(self._key.reveal(), self._secret.reveal())}"
        yield request


def probe(credentials: Mapping[str, Secret], session: _http.Session) -> TestResult:
    """Ask Zoom for the account's sessions, which it answers even where there are none."""
    key, secret = credentials["api_key"].reveal(), credentials["api_secret"].reveal()
    token = sign(key, secret)
    censor = Censor([key, secret, token])
    base = _urls.api_base(credentials["api_url"].reveal())
    answer = session.get(f"{base}/videosdk/sessions", token)
    if _zoom.is_unavailable(answer):
        # The key is known, but its account has no Video SDK: accounts for Zoom's AI services alone are like that.
        return _zoom.verdict(session.get(f"{base}/aiservices/scribe/jobs", token), censor, None)
    return _zoom.verdict(answer, censor, "sessions")
