"""Events, cards and roster records to JSON documents and back, checked against their types.

A field that has its default value is left out; keys stand in the order of the class, without spaces, in UTF-8. Times
are RFC 3339 with ``Z``, bytes are standard base64, tuples are arrays. Unknown keys are refused: the meaning of an
event must not depend on what a reader overlooks. Whatever does not fit raises ``ValueError``, which the callers turn
into an ``IntegrityError`` that names the record.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from registry.domain.events import Event
from registry.values import rfc3339

T = TypeVar("T")


def encode(document: object) -> bytes:
    """Return a value, or a JSON object made of one, as compact JSON in UTF-8."""
    return msgspec.json.encode(document, enc_hook=_plain)


def decode(data: bytes) -> Any:  # noqa: ANN401 - whatever the JSON stands for
    """Return what the JSON stands for; ``ValueError`` if it is none, or nested deeper than can be read."""
    try:
        return msgspec.json.decode(data)
    except RecursionError:
        msg = "it is nested too deep"
        raise ValueError(msg) from None


def decode_value(kind: type[T], data: bytes) -> T:
    """Return ``from_document(kind, decode(data))`` at once, in half the time."""
    try:
        return msgspec.json.decode(data, type=kind, dec_hook=_parsed)
    except RecursionError:
        msg = "it is nested too deep"
        raise ValueError(msg) from None


def encode_event(event: Event) -> bytes:
    """Return ``encode(to_document(event))`` without the two fields that are columns, at once and in half the time."""
    encoded = encode(event)
    columns = f'{{"originator_id":"{event.originator_id}","originator_version":{event.originator_version},'.encode()
    if not encoded.startswith(columns):
        msg = "the columns of an event are not its first fields"
        raise ValueError(msg)
    return b"{" + encoded[len(columns) :]


def encode_value(value: msgspec.Struct) -> bytes:
    """Return a value as compact JSON."""
    return encode(value)


def to_document(value: msgspec.Struct, leave_out: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Return the value as a JSON object, without the fields named and those that have their default."""
    document: dict[str, Any] = msgspec.to_builtins(value, enc_hook=_plain)
    for name in leave_out:
        document.pop(name, None)
    return document


def from_document(kind: type[T], document: Mapping[str, Any], **given: object) -> T:
    """Return the value that the JSON object stands for; ``given`` fields are taken as they are."""
    return msgspec.convert({**document, **given}, kind, dec_hook=_parsed)


def _parsed(kind: type, value: object) -> object:
    # Under a frozen clock the classes themselves may have been defined with its subclass of datetime.
    if issubclass(kind, datetime) and isinstance(value, str):
        return kind.fromisoformat(value)
    msg = f"expected {kind.__name__}"
    raise ValueError(msg)


def _plain(value: object) -> object:
    # A subclass of datetime, such as a frozen clock's, is encoded as what it is.
    if isinstance(value, datetime):
        return rfc3339(value)
    msg = f"{type(value).__name__} has no place in an event"
    raise TypeError(msg)
