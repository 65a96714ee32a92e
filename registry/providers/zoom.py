"""Zoom with an API Key and an API Secret: each request carries a short-lived token that the secret has signed.

The token's form is that of Zoom's Build platform (developers.zoom.us/docs/build/api-request): a JWT (RFC 7519) signed
with HS256 whose claims are ``iss``, ``iat`` and ``exp``. Zoom switched off the older JWT apps, which had the same two
fields, in September 2023.
"""

import json
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from registry.errors import InvalidValue
from registry.providers import _http, _urls, _zoom
from registry.providers._censor import Censor
from registry.providers.fields import check_fields, with_defaults
from registry.providers.interface import Field, Provider, TestResult
from registry.values import Secret

if TYPE_CHECKING:
    import ssl

    import httpx

API_URL: Final = "https://api.zoom.us/v2"
# Zoom refuses a token from the future, so a clock may be this much ahead; its own samples do the same.
_LEEWAY = 30
# Zoom suggests at most one hour.
_LIFE = 1_800
_FIELDS: Final = (
    Field("api_key", "API Key", secret=True, check=_zoom.visible_ascii),
    Field("api_secret", "API Secret", secret=True, check=_zoom.visible_ascii),
    Field(
        "api_url",
        "API URL",
        secret=False,
        required=False,
        default=API_URL,
        help="https://api.zoomgov.com/v2 for Zoom for Government",
        check=_urls.check_url,
    ),
)


def sign(api_key: str, api_secret: str) -> str:
    """Return a token that Zoom takes for the next half an hour."""
    from jwt import PyJWS  # noqa: PLC0415  # definitions of providers are read by every command
    from jwt.algorithms import HMACAlgorithm  # noqa: PLC0415  # as above

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


class _Signing:
    """Signs every request with a token of its own."""

    def __init__(self, credentials: Mapping[str, Secret]) -> None:
        self._key = credentials["api_key"]
        self._secret = credentials["api_secret"]
        self._api_url = credentials["api_url"].reveal()

    def auth_flow(self, request: "httpx.Request") -> Generator["httpx.Request", "httpx.Response", None]:
        """Sign the request; ``httpx`` calls this for sync and async clients alike."""
        # A client may be used for other hosts too, and whoever gets the token can act as this account.
        if not _urls.may_receive(str(request.url), [self._api_url]):
            raise InvalidValue(f"Zoom credentials are not sent to {request.url.host}", "set api_url to its URL")
        request.headers["Authorization"] = f"Bearer {sign(self._key.reveal(), self._secret.reveal())}"
        yield request


@dataclass(frozen=True, slots=True)
class ZoomProvider:
    """The provider; a test's bounds and trusted authorities can be given, as the tests of this package do."""

    bounds: _http.Bounds = field(default_factory=_http.Bounds)
    tls: "ssl.SSLContext | None" = None
    name: str = "zoom"
    label: str = "Zoom (API Key and Secret)"
    fields: tuple[Field, ...] = _FIELDS

    def test(self, credentials: Mapping[str, Secret]) -> TestResult:
        """Ask Zoom for the account's sessions, which it answers even where there are none."""
        check_fields(self, credentials)
        return _http.bounded(partial(_probe, with_defaults(self, credentials)), self.bounds, self.tls)

    def auth(self, credentials: Mapping[str, Secret]) -> "httpx.Auth":
        """Return what signs each request anew."""
        import httpx  # noqa: PLC0415  # definitions of providers are read by every command

        check_fields(self, credentials)

        class ZoomAuth(_Signing, httpx.Auth):
            """Signing, as ``httpx`` wants it."""

        return ZoomAuth(with_defaults(self, credentials))


def _probe(credentials: Mapping[str, Secret], session: _http.Session) -> TestResult:
    key, secret = credentials["api_key"].reveal(), credentials["api_secret"].reveal()
    token = sign(key, secret)
    censor = Censor([key, secret, token])
    base = _urls.api_base(credentials["api_url"].reveal())
    answer = session.get(f"{base}/videosdk/sessions", token)
    if _zoom.is_unavailable(answer):
        # The key is known, but its account has no Video SDK: accounts for Zoom's AI services alone are like that.
        return _zoom.verdict(session.get(f"{base}/aiservices/scribe/jobs", token), censor, None)
    return _zoom.verdict(answer, censor, "sessions")


ZOOM: Final[Provider] = ZoomProvider()
