"""Text that survives being cut into lines, shown on terminals and read by strict parsers.

Stored text was written by members, and one of them may be hostile. Letters stay as they are; what ends a line, turns
it around or is not seen at all is written as an escape of JSON; half a character, which no strict parser takes, becomes
U+FFFD.
"""

import json
import re

import msgspec

_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u0600-\u0605\u061c\u06dd\u070f\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0001-\U000e007f]"
)
_BACKSLASH_OR_UNSEEN = re.compile(rf"\\|{_UNSEEN.pattern}")
_HALF = "\ufffd"
_encode = msgspec.json.Encoder().encode


def json_text(document: object) -> str:
    """Return the document as JSON on one line."""
    try:
        text = _encode(document).decode()
    except UnicodeEncodeError:  # half a character, which the fast encoder does not take
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    # JSON itself has escaped the controls of ASCII, all but DEL.
    return text if text.isascii() and "\x7f" not in text else _UNSEEN.sub(_escaped, text)


def escaped(text: str) -> str:
    """Return the text as it stands between the quotes of a JSON string, with quotes themselves left alone."""
    if text.isascii() and text.isprintable() and "\\" not in text:
        return text
    return _BACKSLASH_OR_UNSEEN.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    character = found[0]
    return _HALF if "\ud800" <= character <= "\udfff" else json.dumps(character)[1:-1]
