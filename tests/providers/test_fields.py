"""Which values a provider's fields may have, and what is said about those they may not have."""

import re
import unicodedata
from dataclasses import dataclass

import pytest
from hypothesis import example, given, strategies as st

from registry.errors import InvalidValue
from registry.providers._urls import check_url, may_receive
from registry.providers.fields import check_fields, with_defaults
from registry.providers.interface import Field
from registry.providers.zoom import ZOOM
from registry.providers.zoom_oauth import ZOOM_OAUTH
from registry.values import LONGEST_VALUE, Secret

KEY = {"api_key": "k", "api_secret": "s"}
APP = {"account_id": "a", "client_id": "c", "client_secret": "s"}


def _secrets(values):
    return {name: Secret(value) for name, value in values.items()}


@dataclass(frozen=True)
class _Provider:
    fields: tuple[Field, ...]
    name: str = "other"
    label: str = "Other"


def test_good_values_pass():
    """What a person would copy from Zoom's screens is accepted, with or without the optional fields."""
    check_fields(ZOOM, _secrets(KEY))
    check_fields(ZOOM, _secrets({**KEY, "api_url": "https://api.zoomgov.com/v2"}))
    check_fields(ZOOM_OAUTH, _secrets({**APP, "oauth_url": "http://127.0.0.1:8080/oauth/token"}))


@pytest.mark.parametrize(
    ("change", "message", "hint"),
    [
        ({"api_token": "x"}, "the provider zoom has no field 'api_token'", "its fields: api_key, api_secret, api_url"),
        ({"api_secret": None}, "API Secret (api_secret) is missing", "Zoom"),
        ({"api_secret": ""}, "API Secret (api_secret) is empty", "leave it out"),
        ({"api_secret": "sec\nret"}, "contains a line break or another control character", "copy it again"),
        ({"api_secret": "sec\0ret"}, "contains a line break or another control character", "copy it again"),
        ({"api_secret": "sec\u2028ret"}, "contains a line break or another control character", "copy it again"),
        ({"api_secret": "sec\ud800ret"}, "contains a line break or another control character", "copy it again"),
        ({"api_secret": "s" * (LONGEST_VALUE + 1)}, "is longer than 16,384 characters", None),
        ({"api_secret": "sec ret"}, "contains a space or a character outside ASCII", "copy it again"),
        ({"api_key": "secrét"}, "contains a space or a character outside ASCII", "copy it again"),
        ({"api_url": "http://api.zoom.us/v2"}, "plain http is allowed on this machine only", "use https"),
    ],
)
def test_bad_values_are_named_but_not_repeated(change, message, hint):
    """Each refusal says on one line which field is wrong and how, and never what its value is."""
    values = {name: value for name, value in {**KEY, **change}.items() if value is not None}
    with pytest.raises(InvalidValue) as caught:
        check_fields(ZOOM, _secrets(values))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "sec" not in str(caught.value).replace("api_secret", "")
    assert hint in caught.value.hint if hint else caught.value.hint is None


@given(st.text(st.characters()))
@example("\x1f")
@example("\x7f")
@example("\x85")
@example("\u2029")
@example("\u00a0")
@example("\u200b")
def test_values_are_judged_by_each_of_their_characters(value):
    """Asked of the whole value at once, the answer is what it is for its characters one by one."""
    controls = any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in value)
    anything = _Provider((Field("code", "Code", secret=True),))
    assert _is_refused(anything, {"code": value}) == (controls or not value)
    visible = all("!" <= character <= "~" for character in value)
    assert _is_refused(ZOOM, {**KEY, "api_secret": value}) == (not visible or not value)


def _is_refused(provider, values):
    try:
        check_fields(provider, _secrets(values))
    except InvalidValue:
        return True
    return False


def test_a_colon_ends_a_client_id():
    """HTTP Basic authentication separates name and secret with a colon, so a client ID has none; a secret may."""
    with pytest.raises(InvalidValue, match="contains a colon"):
        check_fields(ZOOM_OAUTH, _secrets({**APP, "client_id": "a:b"}))
    check_fields(ZOOM_OAUTH, _secrets({**APP, "client_secret": "a:b"}))


def test_a_pattern_covers_the_whole_value():
    """A field's pattern must match from the first to the last character."""
    provider = _Provider((Field("code", "Code", secret=False, pattern=re.compile("[a-z]+"), help="letters"),))
    check_fields(provider, _secrets({"code": "abc"}))
    with pytest.raises(InvalidValue, match="does not have the form") as caught:
        check_fields(provider, _secrets({"code": "abc1"}))
    assert caught.value.hint == "letters"


def test_a_careless_check_cannot_repeat_a_secret():
    """Where a provider's own check puts the secret into its message, the message is replaced."""

    def careless(value):
        raise InvalidValue(f"{value} is no good", f"not {value}")

    provider = _Provider((Field("code", "Code", secret=True, check=careless),))
    with pytest.raises(InvalidValue) as caught:
        check_fields(provider, _secrets({"code": "hunter2"}))
    assert (str(caught.value), caught.value.hint) == ("Code (code) is not valid", None)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_defaults_stand_where_nothing_is_set():
    """A default fills a gap and never replaces a value; an optional field without one stays away."""
    assert with_defaults(ZOOM, _secrets(KEY))["api_url"].reveal() == "https://api.zoom.us/v2"
    assert with_defaults(ZOOM, _secrets({**KEY, "api_url": "https://x"}))["api_url"].reveal() == "https://x"
    assert set(with_defaults(ZOOM_OAUTH, _secrets(APP))) == {*APP, "oauth_url"}


@pytest.mark.parametrize(
    "url",
    [
        "https://api.zoom.us/v2",
        "HTTPS://api-eu.zoom.us",
        "https://gateway.example:8443/zoom/v2/",
        "http://127.0.0.1:8000/v2",
        "http://127.9.9.9",
        "http://localhost:1/v2",
        "http://[::1]:8000/v2",
    ],
)
def test_urls_that_may_be_given_credentials(url):
    """TLS to anywhere, and plain HTTP inside this machine."""
    check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://api.zoom.us/v2",
        "http://128.0.0.1",
        "http://127.1",
        "http://localhost.example",
        "http://[::2]",
        "http://0.0.0.0",
        "ftp://api.zoom.us",
        "api.zoom.us/v2",
        "https://",
        "https:///v2",
        "https://user:password@api.zoom.us",
        "https://api.zoom.us?x=1",
        "https://api.zoom.us#x",
        "https://api.zoom.us\\@evil.example",
        "https://api.zoom.us:99999",
        "https://[::1",
        "https://[:::]",
        "https://zöom.us",
        "https://api.zoom.us/ v2",
        "https://api.zoom.us/v2\n",
        "",
    ],
)
def test_urls_that_may_not(url):
    """Anything else is refused, without repeating it: a URL may carry a password."""
    with pytest.raises(InvalidValue) as caught:
        check_url(url)
    assert "password" not in str(caught.value)


@given(st.text(max_size=60))
def test_any_text_is_a_url_or_invalid(text):
    """Checking never fails in another way than with InvalidValue."""
    for candidate in (text, f"https://{text}", f"http://127.0.0.1{text}"):
        try:
            check_url(candidate)
        except InvalidValue:
            continue
        assert may_receive(candidate, [candidate])


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://zoom.us/x", True),
        ("https://vanity.zoom.us/x", True),
        ("https://api.zoomgov.com/x", True),
        ("http://api.zoom.us/x", False),
        ("https://zoom.us.example/x", False),
        ("https://evilzoom.us/x", False),
        ("https://gateway.example/x", True),
        ("https://gateway.example:443/x", True),
        ("https://gateway.example:444/x", False),
        ("http://gateway.example/x", False),
    ],
)
def test_where_a_token_may_travel(url, allowed):
    """A token goes to Zoom over TLS, or to exactly the configured scheme, host and port."""
    assert may_receive(url, ["https://gateway.example/v2"]) is allowed
