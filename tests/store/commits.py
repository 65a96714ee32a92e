"""Commits to fill a store with."""

from datetime import UTC, datetime, timedelta

from registry.domain.events import Context
from registry.domain.token_events import TokenCreated, TokenTested
from registry.store.rows import Commit, TokenRow
from registry.values import ApplicationId, TokenId
from tests.domain.facts import sealed

NOON = datetime(2027, 1, 31, 12, 0, tzinfo=UTC)
PAYROLL = ApplicationId("c" * 32)


def token_id(number):
    """Return the id of a token."""
    return TokenId(f"{number:032x}")


def row(number, *, tag=None, version=1, application=None, plain=None):
    """Return a current row."""
    return TokenRow(
        token=token_id(number),
        application=application,
        name_tag=tag or b"tag %d" % number,
        version=version,
        revision=1,
        box_revision=1,
        card=b"card %d" % number,
        box=b"box %d" % number,
        plain=plain,
    )


class Writer:
    """A member who commits to a store."""

    def __init__(self, store, contents, member):
        """Begin at the store's present end."""
        self.store, self.contents, self.member = store, contents, member

    def next(self, **wished):
        """Return the next commit, with what is wished."""
        head = self.store.head()
        number, size = (head.number + 1, head.size) if head else (0, 0)
        facts = {"number": number, "author": self.member, "at": NOON + timedelta(seconds=number), "size": size}
        return Commit(**(facts | wished))

    def put(self, events, **wished):
        """Commit the events."""
        self.store.put(self.contents, events, self.next(**wished))

    def context(self):
        """Return who acts."""
        return Context(self.member, NOON, "desk", "tests/1")

    def created(self, number, name="Zoom"):
        """Return the first event of a token."""
        common = {"by": self.member, "at": NOON, "host": "desk", "client": "tests/1"}
        return TokenCreated(
            originator_id=token_id(number),
            originator_version=1,
            revision=1,
            name=name,
            provider="zoom",
            credentials=sealed(),
            **common,
        )

    def tested(self, number, version):
        """Return a later event of a token."""
        common = {"by": self.member, "at": NOON, "host": "desk", "client": "tests/1"}
        return TokenTested(
            originator_id=token_id(number), originator_version=version, revision=1, outcome="accepted", **common
        )
