"""Whether what was disclosed was there: each disclosure names a token and a revision that it had had by then."""

from array import array
from collections.abc import Iterator

from registry.log.problems import REPLAY, Problem
from registry.verify.findings import Known, Looked


class Disclosures:
    """Learns what revisions tokens had, and when; then checks what was disclosed of them."""

    def __init__(self, known: Known, *, whole: bool) -> None:
        self._known = known
        self._sure = whole and not known.damaged
        """Whether all tokens are known that there ever were."""
        self._tokens: dict[str, tuple[str | None, array[int], bool] | None] = {}

    def learn(self, looked: Looked) -> None:
        """Take in the tokens of some streams."""
        self._tokens |= looked.starts

    def check(self, looked: Looked) -> Iterator[Problem]:
        """Yield the disclosures that cannot be."""
        for position, token, revision, application in looked.disclosures:
            if token not in self._tokens:
                if self._sure:
                    yield Problem(position, REPLAY, f"it discloses the token {token}, which there never was")
                continue
            known = self._tokens[token]
            if known is None:
                continue  # what revisions it had cannot be known
            scope, starts, deleted = known
            # It is committed after it was made, so that a change may have come between; but never before what it names.
            if not (1 <= revision <= len(starts) - deleted and starts[revision - 1] < position):
                # A damaged event can have brought the revision.
                if not self._known.damaged_between(starts[-1], position):
                    yield Problem(position, REPLAY, f"it discloses revision {revision} of {token}, which was not then")
            elif application != scope:
                yield Problem(position, REPLAY, f"it says that {token} is of another application than it is")
