"""Reading what a provider says: whatever comes, the result is one of the outcomes, bounded and without secrets."""

from datetime import UTC, datetime

import pytest
from freezegun import freeze_time
from hypothesis import given, strategies as st

from registry.providers._censor import Censor
from registry.providers._http import Answer
from registry.providers._token_flow import Grant
from registry.providers._zoom import parse_retry_after, verdict
from registry.providers.interface import Outcome

NOBODY = Censor([])


def _outcome(status, body, expected="id"):
    return verdict(Answer(status, body=body.encode()), NOBODY, expected).outcome


@freeze_time("2026-01-02T03:04:05Z")
@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2030-05-31T00:00:00Z", datetime(2030, 5, 31, tzinfo=UTC)),
        ("2030-05-31T02:00:00+02:00", datetime(2030, 5, 31, tzinfo=UTC)),
        ("2030-05-31T00:00:00", datetime(2030, 5, 31, tzinfo=UTC)),
        ("55", datetime(2026, 1, 2, 3, 5, 0, tzinfo=UTC)),
        ("Wed, 21 Oct 2026 07:28:00 GMT", datetime(2026, 10, 21, 7, 28, tzinfo=UTC)),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("9" * 30, None),
        ("9" * 5_000, None),
        ("0001-01-01T00:00:00+14:00", None),
        (None, None),
    ],
)
def test_retry_after_in_all_its_forms(text, moment):
    """Seconds, HTTP dates and Zoom's ISO dates all become a moment in UTC; anything else becomes nothing."""
    assert parse_retry_after(text) == moment


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (401, '{"code":124,"message":"INVALID ACCESS TOKEN"}', Outcome.REJECTED),
        (401, '{"code":"124","message":"whatever"}', Outcome.REJECTED),
        (200, '{"code":124,"message":"Invalid access token."}', Outcome.REJECTED),
        (400, '{"code":200,"message":"Invalid api key or secret."}', Outcome.REJECTED),
        (400, '{"code":200,"message":"Webinar plan is missing."}', Outcome.UNEXPECTED),
        (400, '{"code":4717,"message":"The app has been disabled"}', Outcome.REJECTED),
        (401, '{"code":4700,"message":"Token cannot be empty."}', Outcome.REJECTED),
        (500, '{"code":124,"message":"Invalid access token."}', Outcome.UNEXPECTED),
        (200, '{"code":200,"message":"account DOES NOT ENABLED rest api"}', Outcome.RETIRED),
        (401, '{"code":200,"message":"Account does not enabled REST API."}', Outcome.RETIRED),
        (200, '{"code":429,"message":"slow down"}', Outcome.RATE_LIMITED),
        (429, "<html>", Outcome.RATE_LIMITED),
        (400, '{"code":4711,"message":"Does Not Contain Scopes:[a:b]."}', Outcome.ACCEPTED_MISSING_SCOPE),
        (200, '{"id":"x"}', Outcome.ACCEPTED),
        (200, '{"name":"x"}', Outcome.UNEXPECTED),
        (200, "[]", Outcome.UNEXPECTED),
        (200, "null", Outcome.UNEXPECTED),
        (200, "", Outcome.UNEXPECTED),
        (200, "[" * 60_000, Outcome.UNEXPECTED),
        (200, "9" * 60_000, Outcome.UNEXPECTED),
        (200, '{"code":true,"message":["x"]}', Outcome.UNEXPECTED),
        (200, "<p>does not contain scopes:[x]</p>", Outcome.UNEXPECTED),
        (204, "", Outcome.UNEXPECTED),
        (401, "", Outcome.UNEXPECTED),
        (418, '{"status":false,"errorCode":401}', Outcome.UNEXPECTED),
    ],
)
def test_each_known_answer_has_its_outcome(status, body, outcome):
    """Codes decide, messages where codes are ambiguous, in any case; success is only what has the expected member."""
    assert _outcome(status, body) is outcome


@given(st.integers(100, 599), st.binary(max_size=400), st.none() | st.text(max_size=80))
def test_no_answer_is_too_strange(status, body, retry_after):
    """Reading never raises, and the detail is always one short printable line."""
    answer = Answer(status, retry_after, body)
    for result in (verdict(answer, NOBODY, "id"), Grant.of(answer, NOBODY)):
        if not isinstance(result, Grant):
            assert len(result.detail) <= 300
            assert result.detail.isprintable()


@given(st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S")), min_size=6, max_size=40), st.text())
def test_a_censor_hides_its_secret_wherever_it_stands(secret, around):
    """A secret does not survive in a line, whatever stands around it, cut or not, in either case of letters."""
    line = Censor([secret]).say(f"{around}{secret} {secret.upper()}{around}" * 5)
    assert secret.lower() not in line.lower()
    assert len(line) <= 300


def test_a_censor_puts_pieces_together_first():
    """Control characters between the letters of a secret do not hide it from the censor."""
    assert Censor(["secret"]).say("a s\0e\x1bcr\u200bet b") == "a … b"


def test_a_censor_knows_encoded_forms_and_longer_secrets_first():
    """A secret is hidden as it stands in a URL too, and one that contains another leaves no rest."""
    assert Censor(["a+b/c"]).say("x=a%2Bb%2Fc") == "x=…"
    assert Censor(["abc", "abcdef"]).say("abcdef") == "…"


def test_scopes_are_bounded_and_clean():
    """A list of scopes keeps what can be one, at most twenty, without the secret."""
    scopes = ", ".join(f"scope:{number}" for number in range(50))
    message = f"does not contain scopes: [hunter22, bad scope, <b>, {scopes}]"
    body = f'{{"code":4711,"message":"{message}"}}'.encode()
    result = verdict(Answer(400, body=body), Censor(["hunter22"]), "id")
    assert len(result.missing_scopes) == 20
    assert result.missing_scopes[:2] == ("…", "scope:0")
