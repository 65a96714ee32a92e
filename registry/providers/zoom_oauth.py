"""Zoom with Server-to-Server OAuth: the credentials buy an access token that lasts an hour."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from registry.providers import _checks
from registry.providers.fields import check_fields, with_defaults
from registry.providers.interface import Field, Provider, TestResult
from registry.values import Secret

if TYPE_CHECKING:
    import ssl

    import httpx

    from registry.providers._http import Bounds

OAUTH_URL: Final = "https://zoom.us/oauth/token"
_FIELDS: Final = (
    Field("account_id", "Account ID", secret=False, check=_checks.visible_ascii),
    Field("client_id", "Client ID", secret=False, check=_checks.client_id),
    Field("client_secret", "Client Secret", secret=True, check=_checks.visible_ascii),
    Field(
        "api_url",
        "API URL",
        secret=False,
        required=False,
        help="where it is not set, Zoom says with each token where the account's API is",
        check=_checks.url,
    ),
    Field(
        "oauth_url",
        "OAuth URL",
        secret=False,
        required=False,
        default=OAUTH_URL,
        help="https://zoomgov.com/oauth/token for Zoom for Government",
        check=_checks.url,
    ),
)


@dataclass(frozen=True, slots=True)
class ZoomOauthProvider:
    """The provider; a test's bounds and trusted authorities can be given, as the tests of this package do."""

    bounds: "Bounds | None" = None
    tls: "ssl.SSLContext | None" = None
    name: str = "zoom-oauth"
    label: str = "Zoom Server-to-Server OAuth"
    fields: tuple[Field, ...] = _FIELDS

    # The definition is read by every command that shows a token; what talks to Zoom, only by those that do.

    def test(self, credentials: Mapping[str, Secret]) -> TestResult:
        """Get a token, then read the user it acts for."""
        from registry.providers import _http, _zoom_app  # noqa: PLC0415

        check_fields(self, credentials)
        question = partial(_zoom_app.probe, with_defaults(self, credentials))
        return _http.bounded(question, self.bounds or _http.Bounds(), self.tls)

    def auth(self, credentials: Mapping[str, Secret]) -> "httpx.Auth":
        """Return what gets a token when it needs one and uses it for all requests until it ends."""
        from registry.providers._zoom_app import ZoomAppAuth  # noqa: PLC0415

        check_fields(self, credentials)
        return ZoomAppAuth(with_defaults(self, credentials))


ZOOM_OAUTH: Final[Provider] = ZoomOauthProvider()
