"""A front with TLS for a PostgreSQL server that was built without it: it shows a certificate, and hands on the rest."""

import selectors
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from socketserver import BaseRequestHandler, ThreadingTCPServer

_ASKS_FOR_TLS = 80877103
_ASKS_FOR_GSS = 80877104
"""The first words of a client that would have its connection encrypted, before its startup message (protocol 3)."""


class Front(ThreadingTCPServer):
    """Listens on a port of this machine. ``context`` is what it speaks TLS with; ``None`` is for none."""

    daemon_threads = True

    def __init__(self, behind: tuple[str, int]) -> None:
        super().__init__(("127.0.0.1", 0), _Client)
        self.behind = behind
        self.context: ssl.SSLContext | None = None
        self.encrypted = 0
        """How many connections it handed on that were encrypted, and how many that were not."""
        self.plain = 0

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])


class _Client(BaseRequestHandler):
    server: Front

    def handle(self) -> None:
        try:
            client, first = self._begun()
        except (OSError, struct.error):
            return  # who does not trust the certificate hangs up
        with closing(client), socket.create_connection(self.server.behind) as behind:
            behind.sendall(first)
            _hand_on(client, behind)

    def _begun(self) -> tuple[socket.socket, bytes]:
        client = self.request
        while True:
            first = client.recv(8, socket.MSG_WAITALL)
            if struct.unpack("!ii", first) not in ((8, _ASKS_FOR_TLS), (8, _ASKS_FOR_GSS)):
                self.server.plain += 1
                return client, first
            if struct.unpack("!ii", first) == (8, _ASKS_FOR_TLS) and self.server.context is not None:
                client.sendall(b"S")
                encrypted = self.server.context.wrap_socket(client, server_side=True)
                self.server.encrypted += 1
                return encrypted, b""
            client.sendall(b"N")


def _hand_on(client: socket.socket, behind: socket.socket) -> None:
    with selectors.DefaultSelector() as waiting:
        for one, other in ((client, behind), (behind, client)):
            waiting.register(one, selectors.EVENT_READ, other)
        while True:
            for key, _ in waiting.select():
                if not _handed_on(key.fileobj, key.data):
                    return


def _handed_on(one: socket.socket, other: socket.socket) -> bool:
    """Hand on what has come; return whether more may come."""
    try:
        while data := one.recv(65_536):
            other.sendall(data)
            if not (isinstance(one, ssl.SSLSocket) and one.pending()):
                return True
    except OSError:
        pass
    return False


@contextmanager
def front(behind: tuple[str, int]) -> Iterator[Front]:
    """Have a front stand before a server until the end."""
    with Front(behind) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield made
        finally:
            made.shutdown()
            thread.join()
