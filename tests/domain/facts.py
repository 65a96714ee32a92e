"""Facts to begin a test with."""

from datetime import UTC, datetime

from registry.domain import token_rules as rules
from registry.domain.events import Context
from registry.domain.token_events import SealedCredentials
from registry.values import MemberId, TokenId

ALICE, BOB = MemberId("a" * 32), MemberId("b" * 32)
TOKEN = TokenId("1" * 32)
AT = datetime(2027, 1, 31, 12, 0, tzinfo=UTC)
LATER = datetime(2027, 2, 1, 12, 0, tzinfo=UTC)
BY_ALICE = Context(by=ALICE, at=AT, host="desk", client="tests/1")
BY_BOB = Context(by=BOB, at=LATER, host="train", client="tests/2", reason="because")


def sealed(public=None, secret=("api_key", "api_secret"), verdicts=None, box=b"box 1"):
    """Return credentials as an event holds them."""
    verdicts = dict.fromkeys(secret, "new") if verdicts is None else verdicts
    return SealedCredentials(public=public or {}, secret=tuple(secret), verdicts=verdicts, box=box)


def created(**wished):
    """Return the events of a new token, by alice at noon."""
    facts = {
        "name": "Zoom",
        "application": None,
        "provider": "zoom",
        "description": "",
        "encrypted": True,
        "expires_at": None,
        "credentials": sealed(),
    }
    return rules.create(BY_ALICE, TOKEN, **(facts | wished))


def given(*events):
    """Return the token after the events."""
    return rules.folded(None, events)
