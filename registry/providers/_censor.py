"""What a provider said, made fit to be kept: one bounded line in which no secret of ours is repeated."""

import re
from collections.abc import Iterable
from urllib.parse import quote

_LONGEST = 300
_HIDDEN = "…"


class Censor:
    """Knows the secrets of one connection test, tokens got on the way included, and leaves them out of what is said."""

    __slots__ = ("_secrets",)

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets: set[str] = set()
        for secret in secrets:
            self.also(secret)

    def also(self, secret: str) -> None:
        """Hide this too, as it is and as it would stand in a URL."""
        self._secrets |= {form for form in (secret, quote(secret, safe="")) if form}

    def say(self, text: str) -> str:
        """Return the text on one line of at most 300 characters, without control characters and secrets.

        The order matters: removing control characters last could join the pieces of a secret, and cutting first
        could leave the beginning of one.
        """
        line = " ".join("".join(c for c in text if c.isprintable() or c.isspace()).split())
        # Longest first: where one secret is part of another, the rest of the longer one would remain.
        for secret in sorted(self._secrets, key=len, reverse=True):
            line = re.sub(re.escape(secret), _HIDDEN, line, flags=re.IGNORECASE)
        return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
