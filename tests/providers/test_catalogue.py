"""Finding providers: the built-in ones, and those of other packages."""

import pytest

from registry.errors import InvalidValue, RegistryError
from registry.providers import catalogue
from registry.providers.zoom import ZOOM
from registry.providers.zoom_oauth import ZOOM_OAUTH

GOOD = """
from registry.providers.interface import Field
class Provider:
    name, label, fields = "acme", "Acme", (Field("key", "Key", secret=True),)
    def test(self, credentials): ...
    def auth(self, credentials): ...
ACME = Provider()
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Return what installs a package that offers providers."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(package, entries, code=GOOD):
        module = tmp_path / f"{package}.py"
        module.write_text(code)
        info = tmp_path / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        lines = [f"{name} = {package}:{attribute}" for name, attribute in entries.items()]
        (info / "entry_points.txt").write_text("\n".join(["[token_registry.providers]", *lines]))

    return install


def test_built_in_providers_are_found():
    """Both kinds of Zoom credentials are there, under the names that scripts use."""
    assert catalogue.load("zoom") is ZOOM
    assert catalogue.load("zoom-oauth") is ZOOM_OAUTH
    assert catalogue.names() == ["zoom", "zoom-oauth"]


def test_other_packages_bring_providers(install):
    """A provider of another package is listed after the built-in ones and loaded by name."""
    install("acme_provider", {"acme": "ACME"})
    assert catalogue.names() == ["zoom", "zoom-oauth", "acme"]
    assert catalogue.load("acme").label == "Acme"


def test_an_unknown_provider_is_named_with_the_known_ones():
    """A name that is not there is invalid, and the hint lists what is."""
    with pytest.raises(InvalidValue, match="no provider 'zom'") as caught:
        catalogue.load("zom")
    assert caught.value.hint == "known providers: zoom, zoom-oauth"


def test_nobody_replaces_a_built_in_provider(install):
    """A package that offers a provider called zoom is not asked for it."""
    install("impostor_provider", {"zoom": "ACME"}, "raise RuntimeError('ran')")
    assert catalogue.load("zoom") is ZOOM
    assert catalogue.names() == ["zoom", "zoom-oauth"]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("raise RuntimeError('x')", "cannot be loaded: RuntimeError"),
        ("syntax error", "cannot be loaded: SyntaxError"),
        ("import nowhere_to_be_found", "cannot be loaded: ModuleNotFoundError"),
        ("", "cannot be loaded: AttributeError"),
        ("ACME = 7", "is not a provider of that name"),
        (GOOD.replace('"acme"', '"other"'), "is not a provider of that name"),
        (GOOD.replace('(Field("key", "Key", secret=True),)', "['key']"), "is not a provider of that name"),
    ],
)
def test_a_broken_package_is_one_clear_error(install, request, code, message):
    """Whatever goes wrong in somebody else's package, the error names the package and no traceback comes of it."""
    package = f"broken_{abs(hash(request.node.name))}"
    install(package, {"acme": "ACME"}, code)
    with pytest.raises(RegistryError, match=message) as caught:
        catalogue.load("acme")
    assert package in str(caught.value)


def test_two_packages_with_one_name_are_refused(install):
    """Which of two packages gets the credentials is not left to chance."""
    install("first_provider", {"acme": "ACME"})
    install("second_provider", {"acme": "ACME"})
    with pytest.raises(RegistryError, match="more than one installed package"):
        catalogue.load("acme")
    assert catalogue.names().count("acme") == 1


def test_names_that_no_script_could_write_are_left_out(install):
    """An entry whose name has other characters than a provider's name may have is not offered."""
    install("odd_provider", {"Not A Name": "ACME"})
    assert catalogue.names() == ["zoom", "zoom-oauth"]
