"""Bounded HTTP for connection tests: so much time, so many bytes, no redirects, verified certificates.

The transport is ``httpx`` (https://www.python-httpx.org); it is imported only when a test runs, because definitions
of providers are read by every command.
"""

import socket
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from registry.providers.interface import Outcome, TestResult

if TYPE_CHECKING:
    import ssl

    import httpx

_LOOPBACK_DIRECT = ("http://", "all://localhost", "all://127.0.0.1", "all://[::1]")


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long, in seconds, and how much, in bytes, a connection test may take."""

    whole: float = 18.0
    connect: float = 6.0
    read: float = 12.0
    size: int = 65_536


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: never shown, because a body may repeat what was sent."""

    status: int
    retry_after: str | None = None
    body: bytes = field(default=b"", repr=False)


class NoAnswer(Exception):  # it says what happened, and never leaves this package
    """There is no answer to judge; ``result`` says why, in words of our own."""

    def __init__(self, outcome: Outcome, detail: str) -> None:
        super().__init__(detail)
        self.result = TestResult(outcome, detail)


class Session:
    """The requests of one connection test."""

    def __init__(self, bounds: Bounds, tls: "ssl.SSLContext | None") -> None:
        import httpx  # noqa: PLC0415  # see the module's docstring

        self._bounds = bounds
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._over = False
        # The environment may name a proxy and, with SSL_CERT_FILE, more trusted authorities; nothing in it makes httpx
        # skip verification. What stays on this machine is kept away from proxies: plain HTTP would show them the token.
        self._client = httpx.Client(
            verify=True if tls is None else tls,
            timeout=httpx.Timeout(bounds.read, connect=bounds.connect),
            follow_redirects=False,
            mounts=dict.fromkeys(_LOOPBACK_DIRECT),
            # Compressed answers could be small on the wire and huge in memory.
            headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "token-registry"},
        )

    def get(self, url: str, token: str) -> Answer:
        """Read the URL with this bearer token; raises ``NoAnswer``."""
        return self._exchange("GET", url, headers={"Authorization": f"Bearer {token}"})

    def post_form(self, url: str, form: Mapping[str, str], basic: tuple[str, str]) -> Answer:
        """Post the form under HTTP Basic authentication; raises ``NoAnswer``."""
        return self._exchange("POST", url, data=form, auth=basic)

    def cut(self) -> None:
        """End all traffic, also what another thread is waiting for, for good."""
        with self._lock:
            self._over = True
            for connection in self._sockets:
                _shut(connection)

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def _exchange(self, method: str, url: str, **options: Any) -> Answer:  # noqa: ANN401  # httpx's own options
        import httpx  # noqa: PLC0415  # see the module's docstring

        try:
            with self._client.stream(method, url, extensions={"trace": self._watch}, **options) as response:
                return Answer(response.status_code, response.headers.get("Retry-After"), self._read(response))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # httpx's message may quote the server, and its cause carries the request with its credentials.
            raise _explain(error) from None

    def _read(self, response: "httpx.Response") -> bytes:
        body = bytearray()
        for chunk in response.iter_raw(chunk_size=4096):
            body += chunk
            if len(body) > self._bounds.size:
                raise NoAnswer(Outcome.UNEXPECTED, f"the answer is longer than {self._bounds.size:,} bytes")
        return bytes(body)

    def _watch(self, event: str, info: Mapping[str, Any]) -> None:
        """Keep hold of every connection that ``httpx`` opens, so that ``cut`` can end it."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            connection = info["return_value"].get_extra_info("socket")
            with self._lock:
                self._sockets.append(connection)
                if self._over:
                    _shut(connection)


def bounded(work: Callable[[Session], TestResult], bounds: Bounds, tls: "ssl.SSLContext | None") -> TestResult:
    """Return what the work finds out, or ``unreachable`` when the time for the whole of it is over.

    The work runs in a thread of its own, because no timeout of a socket covers a name server that is silent or a
    server that sends one byte a second. A daemon thread: what cannot be stopped does not keep the process alive.
    """
    import httpx  # noqa: PLC0415  # see the module's docstring

    try:
        session = Session(bounds, tls)
    except (OSError, ValueError, ImportError, httpx.InvalidURL):
        detail = "the proxy or the certificates that the environment names cannot be used"
        return TestResult(Outcome.UNREACHABLE, detail)
    future: Future[TestResult] = Future()
    threading.Thread(target=_fulfil, args=(future, work, session), name="connection-test", daemon=True).start()
    try:
        return future.result(bounds.whole)
    except TimeoutError:
        return TestResult(Outcome.UNREACHABLE, f"no complete answer within {bounds.whole:g} seconds")
    finally:
        session.cut()


def _fulfil(future: Future[TestResult], work: Callable[[Session], TestResult], session: Session) -> None:
    try:
        future.set_result(work(session))
    except NoAnswer as failure:
        future.set_result(failure.result)
    except BaseException as error:  # noqa: BLE001  # a mistake of ours is raised where it is waited for
        future.set_exception(error)
    finally:
        session.close()


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):
        # Not the connection's own method: that of a TLS socket tears down state its reader is still using.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


def _explain(error: Exception) -> NoAnswer:
    import httpx  # noqa: PLC0415  # see the module's docstring

    match error:
        case httpx.TimeoutException():
            return NoAnswer(Outcome.UNREACHABLE, "no answer in time")
        case httpx.ConnectError():
            return NoAnswer(Outcome.UNREACHABLE, _why_not_connected(error))
        case httpx.ProxyError():
            return NoAnswer(Outcome.UNREACHABLE, "the proxy refused the connection")
        case httpx.NetworkError():
            return NoAnswer(Outcome.UNREACHABLE, "the connection broke off")
        case httpx.RemoteProtocolError() if any(word in str(error) for word in ("disconnected", "closed")):
            return NoAnswer(Outcome.UNREACHABLE, "the connection broke off")
        case _:
            return NoAnswer(Outcome.UNEXPECTED, "the answer is not proper HTTP")


def _why_not_connected(error: BaseException) -> str:
    """Look for the reason among the causes: ``httpx`` keeps it there, and only its text in the message."""
    import ssl  # noqa: PLC0415  # see the module's docstring

    cause: BaseException | None = error
    while cause is not None:
        match cause:
            case ssl.SSLCertVerificationError():
                return "the server's certificate is not trusted"
            case ssl.SSLError():
                return "no TLS connection could be made"
            case socket.gaierror():
                return "the host's name is not known"
            case ConnectionRefusedError():
                return "the connection was refused"
        cause = cause.__cause__ or cause.__context__
    return "no connection could be made"
