"""Values that are right by construction: parsed once at the edge, trusted everywhere behind it."""

import hmac
import re
import unicodedata
from datetime import UTC, datetime, time, timedelta
from typing import NewType, NoReturn

from msgspec import Struct

from registry.errors import InvalidValue

TokenId = NewType("TokenId", str)
"""32 hexadecimal digits; the name may change, the id never does."""
ApplicationId = NewType("ApplicationId", str)
"""32 hexadecimal digits."""
MemberId = NewType("MemberId", str)
"""32 hexadecimal digits."""

CLOCK_SKEW = timedelta(minutes=10)
"""By how much the clocks of two machines may differ."""
LONGEST_NAME = 100
LONGEST_DESCRIPTION = 4_000
LONGEST_REASON = 1_000
LONGEST_PROCESS = 200
LONGEST_VALUE = 16_384

_MEMBER_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?\Z")
_INSTANCE = re.compile(r"[0-9a-f]{32}\Z")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9 ]+\Z")
_RELATIVE = re.compile(r"(\d{1,5})d\Z")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}\Z")


class Secret:
    """A value that cannot be printed, logged, formatted, serialised or pickled; ``reveal()`` gives it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value itself: call it where the value leaves for its one destination."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('…')"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        # A value with half a character is invalid, but it is compared before anyone can say so.
        mine, others = self._value.encode(errors="surrogatepass"), other._value.encode(errors="surrogatepass")
        return hmac.compare_digest(mine, others)

    __hash__ = None  # type: ignore[assignment]  # a hash would be a fingerprint anyone could compute

    def __reduce__(self) -> NoReturn:
        msg = "a Secret cannot be pickled or copied into another process"
        raise TypeError(msg)


def _parse_name(text: str, what: str) -> str:
    name = unicodedata.normalize("NFC", text)
    if not name:
        raise InvalidValue(f"{what} is empty", "give it at least one letter or digit")
    if len(name) > LONGEST_NAME:
        raise InvalidValue(f"{what} is longer than {LONGEST_NAME} characters")
    for character in name if not _PLAIN_NAME.match(name) else "":
        category = unicodedata.category(character)
        if not (category[0] in "LM" or category == "Nd" or character == " "):
            shown = character if character.isprintable() else f"U+{ord(character):04X}"
            raise InvalidValue(f"{what} may not contain {shown!r}", "letters, digits and spaces are allowed")
    if name != name.strip(" ") or unicodedata.category(name[0])[0] == "M":
        raise InvalidValue(f"{what} must begin and end with a letter or digit", "remove the space around it")
    return name


def fold(name: str) -> str:
    """Return the form in which two names that look alike in case or Unicode form are equal.

    It is Unicode's compatibility caseless matching (D146 of the Unicode standard, chapter 3.13).
    """
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def parse_token_name(text: str) -> str:
    """Return the name in NFC, or raise ``InvalidValue``: letters, digits and inner spaces, 1 to 100 characters."""
    return _parse_name(text, "the token's name")


def parse_application_name(text: str) -> str:
    """Return the name in NFC, or raise ``InvalidValue``; the rule is that of token names."""
    return _parse_name(text, "the application's name")


def parse_member_name(text: str) -> str:
    """Return the name, or raise ``InvalidValue``: ASCII letters, digits, ``.``, ``_`` and ``-``, 1 to 64 characters."""
    if not _MEMBER_NAME.match(text):
        raise InvalidValue(
            "a member's name is made of letters, digits, '.', '_' and '-'",
            "it begins and ends with a letter or digit and has at most 64 characters",
        )
    return text


def _parse_text(text: str, what: str, longest: int, allowed: str) -> str:
    if len(text) > longest:
        raise InvalidValue(f"{what} is longer than {longest:,} characters")
    for character in text if not text.isprintable() else "":
        if unicodedata.category(character) in {"Cc", "Cs"} and character not in allowed:
            raise InvalidValue(f"{what} contains the control character U+{ord(character):04X}")
    return text


def parse_description(text: str) -> str:
    """Return the text unchanged, or raise ``InvalidValue``: several lines, at most 4,000 characters, no controls."""
    return _parse_text(text, "the description", LONGEST_DESCRIPTION, "\n\r\t")


def parse_reason(text: str | None) -> str | None:
    """Return the reason on one line, ``None`` if there is none; raise ``InvalidValue`` over 1,000 characters."""
    if text is None or not text.strip():
        return None
    return _parse_text(text.strip(), "the reason", LONGEST_REASON, "")


def parse_process(text: str | None) -> str | None:
    """Return the name of a process without space around it, or raise ``InvalidValue``: at most 200 characters."""
    if text is None:
        return None
    name = _parse_text(text.strip(), "the process's name", LONGEST_PROCESS, "")
    if not name:
        raise InvalidValue("the process's name is empty", "leave it out where no process asks")
    return name


def parse_expiry(text: str, now: datetime) -> datetime | None:
    """Return the moment that ``2027-01-31`` (its end, UTC), an RFC 3339 time or ``90d`` means; ``never`` has none."""
    if text == "never":
        return None
    return parse_moment(text, now, end_of_day=True)


def parse_moment(text: str, now: datetime, *, end_of_day: bool, past: bool = False) -> datetime:
    """Return the UTC moment a date, an RFC 3339 time or ``90d`` means: days from now, or before it where ``past``.

    A bare date is the start of that day, or where ``end_of_day`` its last second; where the day is past, the very end
    of it, so that nothing that happened on it is left out. Raises ``InvalidValue``.
    """
    hint = "write 2027-01-31, 2027-01-31T12:00:00Z or 90d"
    try:
        if match := _RELATIVE.match(text):
            days = timedelta(days=int(match[1]))
            return (now - days if past else now + days).replace(microsecond=0)
        moment = datetime.fromisoformat(text)
        if _DAY.match(text):
            moment = moment.replace(tzinfo=UTC)
            last = time(23, 59, 59, 999_999 if past else 0)
            return datetime.combine(moment, last, UTC) if end_of_day else moment
        if moment.tzinfo is None:
            raise InvalidValue(f"the time {text!r} has no time zone", hint)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidValue(f"{text!r} is not a date", hint) from None


def is_instance(text: str) -> bool:
    """Return whether a text can be the id of an instance of a registry's store."""
    return _INSTANCE.match(text) is not None


def rfc3339(moment: datetime) -> str:
    """Return the moment in UTC as RFC 3339 with ``Z``, with microseconds only where it has some."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return f"{moment.isoformat()[:-6]}Z"


class FieldValue(Struct, frozen=True):
    """What is known of one field of a token without opening its credentials: ``value`` only where not secret."""

    secret: bool
    set: bool
    value: str | None = None
