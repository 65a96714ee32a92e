"""Which URLs may be given a credential: TLS everywhere, plain HTTP only inside this machine.

The hosts of Zoom are those of its documentation of ``api_url`` (``api.zoom.us``, regional and vanity names under
``zoom.us``) and of its government cloud (``zoomgov.com``).
"""

import re
from collections.abc import Iterable
from urllib.parse import SplitResult, urlsplit

from registry.errors import InvalidValue

# Narrower than RFC 3986 on purpose: no user name, query or fragment has a meaning here, and with these characters
# no two URL parsers can disagree about which host is meant.
_URL = re.compile(
    r"[Hh][Tt][Tt][Pp][Ss]?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?(?:/[A-Za-z0-9._~/-]*)?\Z"
)
_ZOOM = ("zoom.us", "zoomgov.com")
_HINT = "write something like https://api.zoom.us/v2"


def check_url(text: str) -> None:
    """Raise ``InvalidValue`` unless the text is an ``https`` URL, or an ``http`` one on this machine."""
    if not _URL.match(text):
        raise InvalidValue("not a URL of scheme, host and path alone", _HINT)
    try:
        parts = urlsplit(text)
        origin(parts)
    except ValueError:
        raise InvalidValue("not a URL of scheme, host and path alone", _HINT) from None
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise InvalidValue("plain http is allowed on this machine only", "use https")


def is_loopback(host: str) -> bool:
    """Say whether the host can only be this machine: ``localhost``, ``127.0.0.0/8`` or ``::1``."""
    from ipaddress import AddressValueError, IPv4Address, IPv6Address  # noqa: PLC0415  # seldom needed at start-up

    if host == "localhost":
        return True
    try:
        return IPv6Address(host) == IPv6Address("::1") if ":" in host else IPv4Address(host).is_loopback
    except AddressValueError:
        return False


def is_zoom(host: str) -> bool:
    """Say whether the host belongs to one of Zoom's two domains."""
    return host in _ZOOM or host.endswith(tuple(f".{domain}" for domain in _ZOOM))


def origin(parts: SplitResult) -> tuple[str, str, int]:
    """Return scheme, host and port; a port that is no port raises ``ValueError``."""
    port = parts.port
    return parts.scheme, parts.hostname or "", port if port is not None else _default_port(parts.scheme)


def may_receive(url: str, configured: Iterable[str]) -> bool:
    """Say whether a token may travel to this URL: to Zoom itself over TLS, or where the credentials point to."""
    parts = urlsplit(url)
    if parts.scheme == "https" and is_zoom(parts.hostname or ""):
        return True
    return origin(parts) in {origin(urlsplit(other)) for other in configured}


def api_base(url: str) -> str:
    """Return the URL without a final slash and with Zoom's version: ``api_url`` in its answers has none."""
    bare = url.rstrip("/")
    return bare if urlsplit(bare).path else f"{bare}/v2"


def _default_port(scheme: str) -> int:
    return 443 if scheme == "https" else 80
