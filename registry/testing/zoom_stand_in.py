"""A stand-in for Zoom on this machine: it checks credentials as Zoom does, and misbehaves on request.

What it answers is in ``_zoom_answers``, with its sources. It issues and checks real tokens, keeps no log, and never
shows a credential.
"""

import base64
import binascii
import enum
import secrets
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

import jwt

from registry.testing import _zoom_answers as answers
from registry.testing._zoom_answers import Reply
from registry.testing._zoom_server import Exchange, Server

_OAUTH_PATH = "/oauth/token"
_FOR_KEYS = {"/v2/videosdk/sessions": answers.NO_SESSIONS, "/v2/aiservices/scribe/jobs": answers.NO_JOBS}
_READ_ME = ("user:read:user:admin", "user:read:user", "user:read:user:master", "user:read", "user:read:admin")
_LIST_USERS = ("user:read:list_users:admin", "user:read:admin")
_FOR_APPS = {"/v2/users/me": _READ_ME, "/v2/users": _LIST_USERS}


class Quirk(enum.StrEnum):
    """How the stand-in can misbehave."""

    RETIRED = "retired"
    UNAVAILABLE = "unavailable"
    WRONG_SIGNATURE = "wrong signature"
    USER_UNKNOWN = "user unknown"
    PER_SECOND_LIMIT = "per-second limit"
    DAILY_LIMIT = "daily limit"
    SERVER_ERROR = "server error"
    UNAVAILABLE_NOW = "unavailable now"
    PAGE = "page"
    BROKEN_JSON = "broken JSON"
    NOT_JSON = "not JSON"
    ERROR_IN_SUCCESS = "error in success"
    CONTACT_CENTER = "contact center"
    REDIRECT = "redirect"
    ECHO = "echo"
    """Refuse, and repeat in the reason every credential of the request, and the secret of its key."""
    SLOW = "slow"
    """Answer rightly, but only after ``pause`` seconds."""
    DRIP = "drip"
    """Answer rightly, but send the body one byte every ``pause`` seconds."""
    DRIP_ALL = "drip all"
    """As ``DRIP``, beginning with the status line."""
    HUGE = "huge"
    """Send a body that does not end."""
    DROP = "drop"
    """Close the connection without an answer."""
    CUT_OFF = "cut off"
    """Close the connection in the middle of the answer."""


_FIXED = {
    Quirk.RETIRED: answers.RETIRED,
    Quirk.UNAVAILABLE: answers.UNAVAILABLE,
    Quirk.WRONG_SIGNATURE: answers.WRONG_SIGNATURE,
    Quirk.USER_UNKNOWN: answers.USER_UNKNOWN,
    Quirk.PER_SECOND_LIMIT: answers.PER_SECOND,
    Quirk.SERVER_ERROR: answers.SERVER_ERROR,
    Quirk.UNAVAILABLE_NOW: answers.UNAVAILABLE_NOW,
    Quirk.PAGE: answers.PAGE,
    Quirk.BROKEN_JSON: answers.BROKEN_JSON,
    Quirk.NOT_JSON: answers.NOT_JSON,
    Quirk.ERROR_IN_SUCCESS: answers.ERROR_IN_SUCCESS,
    Quirk.CONTACT_CENTER: answers.CONTACT_CENTER,
    Quirk.REDIRECT: answers.REDIRECT,
}


@dataclass(frozen=True, slots=True)
class _App:
    account_id: str
    secret: str = field(repr=False)
    scopes: tuple[str, ...]


@dataclass(slots=True)
class _Order:
    quirk: Quirk
    path: str
    times: int | None
    pause: float
    retry_after: str


class ZoomStandIn:
    """Zoom at ``api_url`` and ``oauth_url`` while the ``with`` block lasts.

    ::

        with ZoomStandIn() as zoom:
            zoom.add_key("key", "secret")
            zoom.behave(Quirk.PER_SECOND_LIMIT, times=1)
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None, token_lifetime: int = 3_599) -> None:
        self._server = Server(self._handle, tls)
        self._lock = threading.Lock()
        self._lifetime = token_lifetime
        self._keys: dict[str, str] = {}
        self._apps: dict[str, _App] = {}
        self._tokens: dict[str, tuple[str, float]] = {}
        self._orders: list[_Order] = []
        self._requests: list[str] = []
        self.announced_api_url: str | None = self.url
        """What the answer with a token says as ``api_url``; ``None`` leaves it empty."""

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.stop()

    @property
    def url(self) -> str:
        """The server itself, without a path."""
        return self._server.url

    @property
    def api_url(self) -> str:
        """What to set a provider's ``api_url`` to."""
        return f"{self.url}/v2"

    @property
    def oauth_url(self) -> str:
        """What to set a provider's ``oauth_url`` to."""
        return f"{self.url}{_OAUTH_PATH}"

    @property
    def requests(self) -> tuple[str, ...]:
        """Methods and paths so far, such as ``GET /v2/users/me``; nothing that was secret in them is kept."""
        with self._lock:
            return tuple(self._requests)

    def add_key(self, api_key: str, api_secret: str) -> None:
        """Know an API Key from now on; secrets of 32 characters and more keep the JWT library from warning."""
        with self._lock:
            self._keys[api_key] = api_secret

    def add_app(
        self, account_id: str, client_id: str, client_secret: str, scopes: Sequence[str] = (_READ_ME[0],)
    ) -> None:
        """Know a Server-to-Server OAuth app from now on, which has been granted these scopes."""
        with self._lock:
            self._apps[client_id] = _App(account_id, client_secret, tuple(scopes))

    def change_credentials(self, name: str, secret: str) -> None:
        """Give the API Key or the app of this client ID another secret; the old one ends at once."""
        with self._lock:
            if name in self._keys:
                self._keys[name] = secret
            else:
                self._apps[name] = replace(self._apps[name], secret=secret)

    def revoke_tokens(self) -> None:
        """Forget every access token issued so far."""
        with self._lock:
            self._tokens.clear()

    def behave(
        self,
        quirk: Quirk,
        *,
        path: str = "/",
        times: int | None = None,
        pause: float = 1.0,
        retry_after: str = "2030-05-31T00:00:00Z",
    ) -> None:
        """Misbehave for paths that begin so, for so many requests or until ``behave_well``."""
        with self._lock:
            self._orders.append(_Order(quirk, path, times, pause, retry_after))

    def behave_well(self) -> None:
        """Misbehave no more."""
        with self._lock:
            self._orders.clear()

    def _handle(self, exchange: Exchange) -> None:
        path = urlsplit(exchange.path).path
        with self._lock:
            self._requests.append(f"{exchange.method} {path}")
            order = next((order for order in self._orders if path.startswith(order.path) and order.times != 0), None)
            if order is not None and order.times is not None:
                order.times -= 1
        if order is None:
            exchange.send(self._answer(exchange, path))
        elif order.quirk in _FIXED:
            exchange.send(_FIXED[order.quirk])
        else:
            self._misbehave(exchange, path, order)

    def _misbehave(self, exchange: Exchange, path: str, order: _Order) -> None:
        match order.quirk:
            case Quirk.DAILY_LIMIT:
                exchange.send(answers.daily_limit(order.retry_after))
            case Quirk.ECHO:
                exchange.send(self._echo(exchange, path))
            case Quirk.SLOW:
                exchange.wait(order.pause)
                exchange.send(self._answer(exchange, path))
            case Quirk.DRIP:
                exchange.drip(self._answer(exchange, path), order.pause, head=False)
            case Quirk.DRIP_ALL:
                exchange.drip(self._answer(exchange, path), order.pause, head=True)
            case Quirk.HUGE:
                exchange.send_without_end(b'{"id":"', b"x")
            case Quirk.CUT_OFF:
                exchange.cut_off(self._answer(exchange, path))
            case _:
                exchange.drop()

    def _answer(self, exchange: Exchange, path: str) -> Reply:
        if path == _OAUTH_PATH and exchange.method == "POST":
            return self._issue(exchange)
        kind, _, token = exchange.header("Authorization").partition(" ")
        if kind.lower() != "bearer" or not token:
            return answers.INVALID_TOKEN
        if path in _FOR_KEYS:
            return self._check_key(token) or _FOR_KEYS[path]
        if path in _FOR_APPS:
            return self._read(token, _FOR_APPS[path], alone=path.endswith("/me"))
        return answers.NOT_FOUND

    def _issue(self, exchange: Exchange) -> Reply:
        form = {**parse_qs(urlsplit(exchange.path).query), **parse_qs(exchange.body.decode(errors="replace"))}
        client_id, secret = _basic(exchange.header("Authorization"))
        with self._lock:
            app = self._apps.get(client_id)
        if app is None or not secrets.compare_digest(app.secret.encode(), secret.encode()):
            return answers.INVALID_CLIENT
        if form.get("grant_type") != ["account_credentials"]:
            return answers.WRONG_GRANT
        if form.get("account_id") != [app.account_id]:
            return answers.WRONG_ACCOUNT
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._tokens[token] = client_id, time.monotonic() + self._lifetime
        return answers.granted(token, self._lifetime, app.scopes, self.announced_api_url or "")

    def _check_key(self, token: str) -> Reply | None:
        """Return the refusal of a signed token, or ``None`` for a good one."""
        secret = self._secret_for(token)
        if not secret:
            return answers.INVALID_TOKEN
        try:
            jwt.decode(token, secret, algorithms=["HS256"], options={"require": ["iss", "iat", "exp"]})
        except jwt.ExpiredSignatureError:
            return answers.EXPIRED_TOKEN
        except jwt.InvalidTokenError:
            return answers.INVALID_TOKEN
        return None

    def _secret_for(self, token: str) -> str:
        try:
            issuer = jwt.decode(token, options={"verify_signature": False}).get("iss")
        except jwt.InvalidTokenError:
            return ""
        with self._lock:
            return self._keys.get(issuer, "") if isinstance(issuer, str) else ""

    def _read(self, token: str, any_of: Sequence[str], *, alone: bool) -> Reply:
        with self._lock:
            client_id, ends = self._tokens.get(token, ("", 0.0))
            app = self._apps.get(client_id)
        if app is None:
            return answers.INVALID_TOKEN
        if time.monotonic() >= ends:
            return answers.EXPIRED_TOKEN
        if not set(any_of) & set(app.scopes):
            return answers.missing_scopes(any_of)
        user = answers.user(app.account_id)
        if alone:
            return answers.reply(200, user)
        return answers.reply(200, {"page_count": 1, "page_size": 1, "total_records": 1, "users": [user]})

    def _echo(self, exchange: Exchange, path: str) -> Reply:
        credential = exchange.header("Authorization").partition(" ")[2]
        if path == _OAUTH_PATH:
            _, secret = _basic(exchange.header("Authorization"))
            reason = f"Invalid client_id or client_secret: {secret}, {credential}"
            return answers.reply(400, {"reason": reason, "error": "invalid_client"})
        message = f"Invalid access token: {self._secret_for(credential)}, {credential}"
        return answers.reply(401, {"code": 124, "message": message})


def _basic(header: str) -> tuple[str, str]:
    kind, _, encoded = header.partition(" ")
    try:
        text = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError):
        return "", ""
    client_id, _, secret = text.partition(":")
    return (client_id, secret) if kind.lower() == "basic" else ("", "")


def closed_port() -> int:
    """Return the number of a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
