"""Zoom with an API Key and an API Secret: each request carries a short-lived token that the secret has signed.

Zoom's Build platform issues such keys. Zoom switched off the older JWT apps, which had the same two fields, in
September 2023.
"""

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

API_URL: Final = "https://api.zoom.us/v2"
_FIELDS: Final = (
    Field("api_key", "API Key", secret=True, check=_checks.visible_ascii),
    Field("api_secret", "API Secret", secret=True, check=_checks.visible_ascii),
    Field(
        "api_url",
        "API URL",
        secret=False,
        required=False,
        default=API_URL,
        help="https://api.zoomgov.com/v2 for Zoom for Government",
        check=_checks.url,
    ),
)


@dataclass(frozen=True, slots=True)
class ZoomProvider:
    """The provider; a test's bounds and trusted authorities can be given, as the tests of this package do."""

    bounds: "Bounds | None" = None
    tls: "ssl.SSLContext | None" = None
    name: str = "zoom"
    label: str = "Zoom (API Key and Secret)"
    fields: tuple[Field, ...] = _FIELDS

    # The definition is read by every command that shows a token; what talks to Zoom, only by those that do.

    def test(self, credentials: Mapping[str, Secret]) -> TestResult:
        """Ask Zoom for the account's sessions, which it answers even where there are none."""
        from registry.providers import _http, _zoom_key  # noqa: PLC0415

        check_fields(self, credentials)
        question = partial(_zoom_key.probe, with_defaults(self, credentials))
        return _http.bounded(question, self.bounds or _http.Bounds(), self.tls)

    def auth(self, credentials: Mapping[str, Secret]) -> "httpx.Auth":
        """Return what signs each request anew."""
        from registry.providers._zoom_key import ZoomKeyAuth  # noqa: PLC0415

        check_fields(self, credentials)
        return ZoomKeyAuth(with_defaults(self, credentials))


ZOOM: Final[Provider] = ZoomProvider()
