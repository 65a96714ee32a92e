"""How Zoom answers, for both kinds of its credentials.

Shapes and messages: Zoom's documentation of its API's errors and rate limits (developers.zoom.us/docs/api/errors,
/docs/api/rate-limits, /docs/internal-apps/s2s-oauth), and answers that users of Zoom quote in its developer forum.
Messages are compared without regard to case: Zoom writes the same one in several ways.
"""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from registry.providers._censor import Censor
from registry.providers._http import Answer
from registry.providers.interface import Outcome, TestResult

_RETIRED = "does not enabled rest api"
_REFUSALS = (
    "invalid access token",
    "access token is expired",
    "invalid api key or secret",
    "signature resulted invalid",
)
# 124, and those of Zoom's table of OAuth errors that are about the credentials rather than the request.
_REFUSAL_CODES = frozenset({124, 4702, 4704, 4717, 4724, 4735, 4737, 4738, 4741})
_SCOPES = re.compile(r"does not contain scopes:?\s*\[([^\]]{0,4000})", re.IGNORECASE)
_NO_SCOPES = "does not contain scopes"
_SCOPE = re.compile(r"[A-Za-z0-9_.:…-]{1,100}\Z")
_MOST_SCOPES = 20
_UNAVAILABLE = "not available for this account"
_CODE = re.compile(r"[0-9]{1,6}\Z")
_LARGEST_CODE = 1_000_000
_OK, _UNAUTHORIZED, _TOO_MANY, _SERVER_ERROR = 200, 401, 429, 500


@dataclass(frozen=True, slots=True)
class Said:
    """The parts of a Zoom answer's body that this package knows; ``body`` is ``None`` where it is no JSON object."""

    body: dict[str, object] | None
    code: int | None
    message: str

    @classmethod
    def of(cls, answer: Answer) -> "Said":
        """Read the body; anything that cannot be read is left out, nothing is raised."""
        try:
            body = json.loads(answer.body)
        except (ValueError, RecursionError):
            text = answer.body.decode(errors="replace")
            # Zoom Events forgets to escape quotes in exactly this message, which breaks its JSON.
            return cls(None, None, text if text.lstrip().startswith("{") and _NO_SCOPES in text.lower() else "")
        if not isinstance(body, dict):
            return cls(None, None, "")
        message = body.get("message")
        return cls(body, _code(body.get("code")), message if isinstance(message, str) else "")


def verdict(answer: Answer, censor: Censor, expected: str | None) -> TestResult:
    """Return what an answer of Zoom's API means; ``expected`` is a member that the answer to this call always has."""
    said = Said.of(answer)
    message = said.message.lower()
    if found := rate_limited(answer, said, censor):
        return found
    if _NO_SCOPES in message:
        detail = _reason(said) if said.body is not None else "the token lacks a scope"
        return TestResult(Outcome.ACCEPTED_MISSING_SCOPE, censor.say(detail), _scopes(said.message, censor))
    if _RETIRED in message:
        return TestResult(Outcome.RETIRED, censor.say(_reason(said)))
    if answer.status < _SERVER_ERROR and _is_refusal(answer, said):
        return TestResult(Outcome.REJECTED, censor.say(_reason(said)))
    if answer.status == _OK and _is_success(said, expected):
        return TestResult(Outcome.ACCEPTED)
    return unexpected(answer, said, censor)


def rate_limited(answer: Answer, said: Said, censor: Censor) -> TestResult | None:
    """Return the result where Zoom asks to come back later."""
    if _TOO_MANY not in (answer.status, said.code):
        return None
    return TestResult(Outcome.RATE_LIMITED, censor.say(_reason(said)), retry_at=parse_retry_after(answer.retry_after))


def unexpected(answer: Answer, said: Said, censor: Censor) -> TestResult:
    """Return the result of an answer that decides nothing; a body of unknown shape is not repeated."""
    if said.body is None:
        return TestResult(Outcome.UNEXPECTED, f"answered {answer.status} with something other than a JSON object")
    if not said.message:
        return TestResult(Outcome.UNEXPECTED, f"answered {answer.status} without a message")
    return TestResult(Outcome.UNEXPECTED, censor.say(f"answered {answer.status}: {_reason(said)}"))


def is_stale(answer: Answer) -> bool:
    """Say whether Zoom no longer takes the token, which a new one may cure."""
    said = Said.of(answer)
    return answer.status == _UNAUTHORIZED and said.code == 124  # noqa: PLR2004  # Zoom's code for it


def is_unavailable(answer: Answer) -> bool:
    """Say whether this account has no access to this part of the API, which says nothing about the credentials."""
    said = Said.of(answer)
    return said.code == 300 and _UNAVAILABLE in said.message.lower()  # noqa: PLR2004  # Zoom's code for it


def parse_retry_after(text: str | None) -> datetime | None:
    """Return the moment in UTC; seconds and HTTP dates are RFC 9110's forms, an ISO date is Zoom's."""
    if text is None or len(text) > 64:  # noqa: PLR2004  # longer than any date
        return None
    text = text.strip()
    try:
        if text.isascii() and text.isdigit():
            return (datetime.now(UTC) + timedelta(seconds=int(text))).replace(microsecond=0)
        moment = _parse_date(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _parse_date(text: str) -> datetime:
    from email.utils import parsedate_to_datetime  # noqa: PLC0415  # slow, and seldom needed

    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return parsedate_to_datetime(text)


def _code(value: object) -> int | None:
    if isinstance(value, str) and _CODE.match(value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGEST_CODE else None


def _is_refusal(answer: Answer, said: Said) -> bool:
    if said.code in _REFUSAL_CODES or any(refusal in said.message.lower() for refusal in _REFUSALS):
        return True
    return answer.status == _UNAUTHORIZED and said.code is not None and bool(said.message)


def _is_success(said: Said, expected: str | None) -> bool:
    if said.body is None or not said.body.keys().isdisjoint({"code", "errorCode", "error"}):
        return False
    return expected is None or expected in said.body


def _reason(said: Said) -> str:
    message = said.message or "no reason given"
    return message if said.code is None else f"{message} (code {said.code})"


def _scopes(message: str, censor: Censor) -> tuple[str, ...]:
    match = _SCOPES.search(message)
    items = match[1].replace("\\", "").replace('"', "").split(",") if match else []
    scopes = (censor.say(item) for item in items)
    return tuple(dict.fromkeys(scope for scope in scopes if _SCOPE.match(scope)))[:_MOST_SCOPES]
