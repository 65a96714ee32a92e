"""The answers that Zoom gives, one by one, in its own words.

From Zoom's documentation (developers.zoom.us: docs/internal-apps/s2s-oauth, docs/api/errors, docs/api/rate-limits,
docs/build/api-request) and from answers that its users quote in its developer forum. Where nobody quotes the HTTP
status, a comment says that it is a guess.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json;charset=UTF-8"


def reply(status: int, body: object, headers: Mapping[str, str] | None = None) -> Reply:
    """Return an answer whose body is this value as JSON."""
    return Reply(status, json.dumps(body, separators=(",", ":")).encode(), headers or {})


INVALID_TOKEN = reply(401, {"code": 124, "message": "Invalid access token."})
EXPIRED_TOKEN = reply(401, {"code": 124, "message": "Access token is expired."})
INVALID_CLIENT = reply(400, {"reason": "Invalid client_id or client_secret", "error": "invalid_client"})
WRONG_GRANT = reply(400, {"reason": "unsupported grant type", "error": "unsupported_grant_type"})
WRONG_ACCOUNT = reply(400, {"reason": "Bad Request", "error": "invalid_request"})
NOT_FOUND = reply(404, {"code": 404, "message": "The stand-in does not know this path."})
NO_SESSIONS = reply(
    200, {"from": "2022-09-01", "to": "2022-09-02", "page_size": 30, "next_page_token": "", "sessions": []}
)
NO_JOBS = reply(200, {"next_page_token": "", "jobs": []})
UNAVAILABLE = reply(
    400, {"code": 300, "message": "This API is not available for this account, please contact Zoom support."}
)
RETIRED = reply(400, {"code": 200, "message": "Account does not enabled REST API."})  # the status is a guess
WRONG_SIGNATURE = reply(  # the status and the code are guesses
    401,
    {
        "code": 124,
        "message": "The Token's Signature resulted invalid when verified using the Algorithm: HmacSHA256",
    },
)
USER_UNKNOWN = reply(404, {"code": 1001, "message": "User does not exist: me."})
ERROR_IN_SUCCESS = reply(200, {"code": 300, "message": "Validation Failed."})
CONTACT_CENTER = reply(401, {"status": False, "errorCode": 401})
SERVER_ERROR = reply(500, {"code": 500, "message": "Internal Server Error"})
UNAVAILABLE_NOW = reply(503, {"code": 503, "message": "Service Unavailable"})
PAGE = Reply(
    502, b"<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>", content_type="text/html; charset=UTF-8"
)
BROKEN_JSON = Reply(  # the quotes around the scopes are not escaped: Zoom Events does that
    400,
    b'{"code":104,"message":"Invalid access token, does not contain scopes:'
    b'["zoom_events_basic:read","zoom_events_basic:read:admin"]"}',
)
NOT_JSON = Reply(200, b'{"id": "zJKyaiAyTNC-MWjiWC18KQ", "email": ')
REDIRECT = Reply(302, b"", {"Location": "/v2/elsewhere"})
PER_SECOND = reply(
    429,
    {"code": 429, "message": "You have reached the maximum per-second rate limit for this API. Try again later."},
    {
        "X-RateLimit-Category": "Light",
        "X-RateLimit-Type": "QPS",
        "X-RateLimit-Limit": "30",
        "X-RateLimit-Remaining": "0",
    },
)


def daily_limit(retry_after: str) -> Reply:
    """Return the refusal for the rest of the day; Zoom writes its end as an ISO date."""
    message = (
        "You have reached the maximum daily rate limit for this API. "
        "Refer to the response header for details on when you can make another request."
    )
    headers = {
        "X-RateLimit-Category": "Heavy",
        "X-RateLimit-Type": "Daily-limit",
        "X-RateLimit-Limit": "30000",
        "X-RateLimit-Remaining": "0",
        "Retry-After": retry_after,
    }
    return reply(429, {"code": 429, "message": message}, headers)


def missing_scopes(scopes: Sequence[str]) -> Reply:
    """Return the refusal of a token that lacks these; Zoom sends 400 for it."""
    message = f"Invalid access token, does not contain scopes:[{', '.join(scopes)}]."
    return reply(400, {"code": 4711, "message": message})


def granted(token: str, lifetime: int, scopes: Sequence[str], api_url: str) -> Reply:
    """Return the answer that brings an access token."""
    body = {
        "access_token": token,
        "token_type": "bearer",
        "expires_in": lifetime,
        "scope": " ".join(scopes),
        "api_url": api_url,
    }
    return reply(200, body)


def user(account_id: str) -> dict[str, object]:
    """Return the user that Zoom's documentation shows, in this account."""
    return {
        "id": "zJKyaiAyTNC-MWjiWC18KQ",
        "first_name": "Jill",
        "last_name": "Chill",
        "email": "jchill@example.com",
        "type": 1,
        "role_name": "Admin",
        "account_id": account_id,
        "status": "active",
    }
