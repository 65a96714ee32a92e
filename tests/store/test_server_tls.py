"""Who a real server shows itself to be: its certificate is for its name, and from whom this machine trusts."""

import ssl
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
import trustme

from tests import servers
from tests.cli.harness import InProcess
from tests.tls_front import front

NAME = "db.example.test"
OURS, THEIRS = trustme.CA(), trustme.CA()
PAST = datetime(2001, 1, 1, tzinfo=UTC)
CERTIFICATES = {
    "right": OURS.issue_cert(NAME),
    "of another": OURS.issue_cert("other.example.test"),
    "expired": OURS.issue_cert(NAME, not_after=PAST),
    "foreign": THEIRS.issue_cert(NAME),
    "none": None,
}
UNTRUSTED = "its certificate is not one that this machine trusts"


@pytest.fixture(scope="module")
def own():
    """Return a server that these tests share."""
    with servers.private() as own:
        yield own


@pytest.fixture
def before(own):
    """Return what stands before the server and speaks TLS for it."""
    with front(("127.0.0.1", own.port)) as made:
        yield made


@pytest.fixture
def init(own, before, tmp_path, monkeypatch):
    """Return what founds a registry on the server: with a certificate of its own, by a URL that ends in some way."""
    for name in ("PGSSLMODE", "PGSSLROOTCERT", "PGHOSTADDR"):
        monkeypatch.delenv(name, raising=False)
    schema, run = own.schema(), InProcess(tmp_path / "home")
    authority = tmp_path / "ca.pem"
    authority.write_bytes(OURS.cert_pem.bytes())

    def init(certificate, more):
        shown = CERTIFICATES[certificate]
        if shown is not None:
            before.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            shown.configure_cert(before.context)
        more = more.replace("OURS", quote(str(authority), safe=""))
        url = f"postgresql://postgres@{NAME}:{before.port}/postgres?hostaddr=127.0.0.1&schema={schema}{more}"
        return run("init", "--name", "ada", TOKEN_REGISTRY_URL=url), run("list", TOKEN_REGISTRY_URL=url)

    return init


@pytest.mark.parametrize("more", ["&sslrootcert=OURS", "&sslrootcert=OURS&sslmode=verify-full"])
def test_a_server_that_shows_who_it_is(before, init, more):
    """With a certificate for its name, from the authority that the URL names, it is used, and over TLS alone."""
    assert [ran.code for ran in init("right", more)] == [0, 0]
    assert before.encrypted
    assert not before.plain


@pytest.mark.parametrize(
    ("certificate", "more", "said"),
    [
        ("of another", "&sslrootcert=OURS", "its certificate is for another name"),
        ("expired", "&sslrootcert=OURS", UNTRUSTED),
        ("foreign", "&sslrootcert=OURS", UNTRUSTED),
        ("right", "", UNTRUSTED),
        ("none", "", "there is no TLS as it was asked for"),
        ("none", "&sslrootcert=OURS", "there is no TLS as it was asked for"),
        ("right", "&sslrootcert=OURS.not", "there is no file of authorities where sslrootcert says"),
    ],
)
def test_a_server_that_may_be_another(init, certificate, more, said):
    """A server that does not show who it is ends a command with 10, and one line says what is wrong."""
    for ran in init(certificate, more):
        assert (ran.code, ran.out) == (10, "")
        assert f"cannot be reached: {said}" in ran.err.splitlines()[0]
        assert "Traceback" not in ran.err
