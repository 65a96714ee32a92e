"""A small HTTP server for stand-ins: quiet, on loopback only, and gone without a trace when it stops."""

import secrets
import socket
import ssl
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer

from registry.testing._zoom_answers import Reply

_LARGEST_REQUEST = 65_536
_BLOCK = 65_536


class Exchange:
    """One request, and the ways to answer it."""

    def __init__(self, handler: "_Handler", body: bytes) -> None:
        self._handler = handler
        self.method = handler.command
        self.path = handler.path
        self.body = body

    def header(self, name: str) -> str:
        """Return the header, empty where there is none."""
        return self._handler.headers.get(name, "")

    def send(self, reply: Reply) -> None:
        """Answer."""
        self._write(self._head(reply, len(reply.body)) + reply.body)

    def wait(self, seconds: float) -> None:
        """Wait, but not longer than the server runs."""
        self._handler.server.stopping.wait(seconds)

    def drip(self, reply: Reply, pause: float, *, head: bool) -> None:
        """Answer one byte at a time."""
        start = self._head(reply, len(reply.body))
        slow = start + reply.body if head else reply.body
        if not head:
            self._write(start)
        for byte in slow:
            self._write(bytes([byte]))
            self.wait(pause)

    def send_without_end(self, start: bytes, filler: bytes) -> None:
        """Answer with a body that goes on for as long as anybody reads it."""
        self._write(self._head(Reply(200, b""), None) + start)
        while not self._handler.server.stopping.is_set():
            self._write(filler * _BLOCK)

    def cut_off(self, reply: Reply) -> None:
        """Answer with half of the body."""
        self._write(self._head(reply, len(reply.body)) + reply.body[: len(reply.body) // 2])
        self.drop()

    def drop(self) -> None:
        """Close the connection."""
        self._handler.close_connection = True

    def _head(self, reply: Reply, length: int | None) -> bytes:
        headers = {
            "Content-Type": reply.content_type,
            "Cache-Control": "no-store",
            "x-zm-trackingid": f"v=2.0;clid=us02;rid=WEB_{secrets.token_hex(16)}",
            **reply.headers,
        }
        if length is None:
            headers["Connection"] = "close"
            self._handler.close_connection = True
        else:
            headers["Content-Length"] = str(length)
        lines = [f"HTTP/1.1 {reply.status} Zoom", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        return "\r\n".join(lines).encode()

    def _write(self, data: bytes) -> None:
        self._handler.wfile.write(data)


class Server:
    """Runs a handler for each request until it is stopped."""

    def __init__(self, handle: Callable[[Exchange], None], tls: ssl.SSLContext | None) -> None:
        self._http = _Http(handle, tls)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), name="stand-in")
        scheme = "http" if tls is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._http.server_port}"

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Close every connection and end every thread."""
        self._http.stopping.set()
        self._http.shutdown()
        self._thread.join()
        self._http.close_all()
        self._http.server_close()


class _Http(ThreadingHTTPServer):
    # Threads that are not daemons are joined when the server closes.
    daemon_threads = False
    request_queue_size = 128

    def __init__(self, handle: Callable[[Exchange], None], tls: ssl.SSLContext | None) -> None:
        self.handle_exchange = handle
        self.stopping = threading.Event()
        self._tls = tls
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def server_bind(self) -> None:
        # The usual one asks a name server for this machine's name, which can take long and is of no use here.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", int(self.socket.getsockname()[1])

    def get_request(self) -> tuple[socket.socket, object]:
        connection, address = super().get_request()
        # Small writes are the point of some quirks; without this they would wait for each other.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is not None:
            # The handshake happens when the connection's own thread first reads, so that it cannot stop the others.
            connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        with self._lock:
            self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: "socket.socket | tuple[bytes, socket.socket]") -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def close_all(self) -> None:
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        # Whoever tests timeouts and certificates hangs up early; only mistakes of the stand-in itself are worth a word.
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # as it came


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Http

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name that the base class gives it
        """Keep quiet: a request's line may hold what a caller wrongly put into a URL."""

    def _exchange(self) -> None:
        length = self.headers.get("Content-Length", "0")
        size = int(length) if length.isascii() and length.isdigit() else _LARGEST_REQUEST + 1
        if size > _LARGEST_REQUEST:
            self.send_error(413)
            self.close_connection = True
            return
        self.server.handle_exchange(Exchange(self, self.rfile.read(size)))

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = _exchange  # noqa: N815  # the names the base class looks for
