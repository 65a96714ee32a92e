"""No server can make a connection test long, large or trusting."""

import dataclasses
import gc
import os
import socket
import ssl
import subprocess
import sys
import threading
import time

import pytest
import trustme

from registry.providers._http import Bounds, bounded
from registry.providers.interface import Outcome
from registry.testing.zoom_stand_in import Quirk, ZoomStandIn, closed_port
from registry.values import Secret

SHORT = Bounds(whole=0.6, connect=0.3, read=0.3)


@pytest.fixture(scope="module")
def authority():
    """Return a certificate authority that nobody trusts yet."""
    return trustme.CA()


@pytest.fixture
def tls_stand_in(authority):
    """Return a stand-in behind TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with ZoomStandIn(tls=context) as zoom:
        yield zoom


@pytest.fixture
def tls_key(key, tls_stand_in, canary):
    """Return credentials that the stand-in behind TLS knows."""
    tls_stand_in.add_key(key["api_key"].reveal(), canary)
    return {**key, "api_url": Secret(tls_stand_in.api_url)}


@pytest.mark.parametrize("quirk", [Quirk.DRIP, Quirk.DRIP_ALL])
def test_a_dripping_server_cannot_outlast_the_deadline(zoom, key, stand_in, quirk):
    """However slowly bytes arrive, each within its own timeout, the whole test ends in time and leaves no thread."""
    stand_in.behave(quirk, pause=0.05)
    start = time.monotonic()
    result = dataclasses.replace(zoom, bounds=SHORT).test(key)
    assert time.monotonic() - start < 3
    assert (result.outcome, result.detail) == (Outcome.UNREACHABLE, "no complete answer within 0.6 seconds")
    _wait_for_end_of_tests()


def test_a_slow_server_runs_into_the_read_timeout(zoom, key, stand_in):
    """A server that says nothing is given up after the read timeout."""
    stand_in.behave(Quirk.SLOW, pause=5)
    result = dataclasses.replace(zoom, bounds=SHORT).test(key)
    assert (result.outcome, result.detail) == (Outcome.UNREACHABLE, "no answer in time")


def test_a_silent_name_server_cannot_outlast_the_deadline(zoom, key, monkeypatch):
    """No timeout of a socket covers the look-up of a name; the deadline does."""
    release = threading.Event()

    def never(*_args, **_kwargs):
        release.wait(5)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", never)
    start = time.monotonic()
    result = dataclasses.replace(zoom, bounds=SHORT).test({**key, "api_url": Secret("https://zoom.invalid")})
    assert time.monotonic() - start < 3
    assert result.outcome is Outcome.UNREACHABLE
    release.set()
    _wait_for_end_of_tests()


def test_an_unknown_host_is_unreachable(zoom, key, monkeypatch):
    """A name that does not exist is said to be unknown."""

    def unknown(*_args, **_kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    result = zoom.test({**key, "api_url": Secret("https://zoom.invalid")})
    assert (result.outcome, result.detail) == (Outcome.UNREACHABLE, "the host's name is not known")


def test_a_closed_port_is_unreachable(zoom, key):
    """A refused connection is said to be one."""
    result = zoom.test({**key, "api_url": Secret(f"http://127.0.0.1:{closed_port()}/v2")})
    assert (result.outcome, result.detail) == (Outcome.UNREACHABLE, "the connection was refused")


def test_what_is_not_http_is_unexpected(zoom, key):
    """A server of another protocol is neither Zoom nor absent."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet():
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"220 mail.example ESMTP\r\n\r\n")

        thread = threading.Thread(target=greet)
        thread.start()
        result = zoom.test({**key, "api_url": Secret(f"http://127.0.0.1:{server.getsockname()[1]}/v2")})
        thread.join()
    assert (result.outcome, result.detail) == (Outcome.UNEXPECTED, "the answer is not proper HTTP")


def test_a_verified_certificate_is_accepted(zoom, tls_key, authority):
    """TLS works with authorities that the caller trusts."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    assert dataclasses.replace(zoom, tls=context).test(tls_key).outcome is Outcome.ACCEPTED


def test_the_environment_may_add_authorities(zoom, tls_key, authority, monkeypatch, tmp_path):
    """SSL_CERT_FILE names authorities, as elsewhere."""
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", os.fspath(tmp_path / "ca.pem"))
    assert zoom.test(tls_key).outcome is Outcome.ACCEPTED


def test_an_untrusted_certificate_is_unreachable(zoom, tls_key, tls_stand_in):
    """Nothing is sent to a server that cannot prove its name."""
    result = zoom.test(tls_key)
    assert (result.outcome, result.detail) == (Outcome.UNREACHABLE, "the server's certificate is not trusted")
    assert tls_stand_in.requests == ()


def test_a_certificate_for_another_name_is_unreachable(zoom, tls_key, tls_stand_in, authority):
    """A trusted authority is not enough: the certificate must be for this host."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    url = tls_stand_in.api_url.replace("127.0.0.1", "localhost")
    result = dataclasses.replace(zoom, tls=context).test({**tls_key, "api_url": Secret(url)})
    assert result.outcome is Outcome.UNREACHABLE
    assert tls_stand_in.requests == ()


def test_no_tls_at_all_is_unreachable(zoom, key, stand_in):
    """A server that does not speak TLS is not spoken to without."""
    result = zoom.test({**key, "api_url": Secret(stand_in.api_url.replace("http:", "https:"))})
    assert (result.outcome, result.detail) == (Outcome.UNREACHABLE, "no TLS connection could be made")
    assert stand_in.requests == ()


def test_a_proxy_never_sees_what_stays_on_this_machine(zoom, key, monkeypatch):
    """Plain HTTP to loopback goes there directly, because a proxy could read the token."""
    for name in ("HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")
    assert zoom.test(key).outcome is Outcome.ACCEPTED


def test_a_proxy_is_used_for_the_rest(zoom, key, monkeypatch):
    """The proxy that the environment names carries requests to other hosts, inside a tunnel."""
    with ZoomStandIn() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        result = zoom.test({**key, "api_url": Secret("https://zoom.invalid/v2")})
    assert (result.outcome, result.detail) == (Outcome.UNREACHABLE, "the proxy refused the connection")


@pytest.mark.parametrize(
    ("name", "value"), [("SSL_CERT_FILE", "/nowhere/ca.pem"), ("ALL_PROXY", "nonsense://127.0.0.1:1")]
)
def test_a_broken_environment_is_no_traceback(zoom, key, monkeypatch, name, value):
    """Settings of the environment that cannot be used are said to be that."""
    monkeypatch.setenv(name, value)
    result = zoom.test(key)
    assert result.outcome is Outcome.UNREACHABLE
    assert "environment" in result.detail


def test_a_mistake_of_ours_is_not_hidden():
    """What is not the network's doing is raised in the caller's thread."""

    def work(_session):
        raise LookupError

    with pytest.raises(LookupError):
        bounded(work, SHORT, None)


def test_the_whole_fits_into_twenty_seconds():
    """The deadline that is shipped leaves room below the promised twenty seconds."""
    assert Bounds().whole <= 19


def test_definitions_do_not_load_the_http_client():
    """Commands that test nothing do not pay for importing the HTTP client and the JWT library."""
    code = (
        "import sys\n"
        "from registry.providers import catalogue\n"
        "[catalogue.load(name).fields for name in ('zoom', 'zoom-oauth')]\n"
        "sys.exit(bool({'httpx', 'jwt'} & sys.modules.keys()))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code], check=False, env=environment).returncode == 0


def _wait_for_end_of_tests():
    deadline = time.monotonic() + 2
    while any(thread.name == "connection-test" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    gc.collect()
