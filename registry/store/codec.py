"""Dataclasses to JSON and back, by their type hints: the contents of events, roster records and cards.

A field that has its default value is left out; keys stand in the order of the class, without spaces, in UTF-8. Times
are RFC 3339 with ``Z``, bytes are standard base64, tuples are arrays. Whatever does not fit raises ``ValueError``,
``TypeError`` or ``KeyError``, which the callers turn into an ``IntegrityError`` that names the record.
"""

import base64
import json
import types
import typing
from collections.abc import Callable, Hashable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

from registry.values import rfc3339

Converter = Callable[[Any], Any]
Plan = tuple[tuple[str, Any, Converter, Converter], ...]
"""Of each field: its name, its default, and how it is encoded and decoded."""
T = TypeVar("T")


def dumps(document: object) -> bytes:
    """Return compact JSON in UTF-8."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def to_document(value: Any, leave_out: frozenset[str] = frozenset()) -> dict[str, Any]:  # noqa: ANN401 - any dataclass
    """Return a dataclass as a JSON object, without the fields named and those that have their default."""
    document = {}
    for name, default, encode, _ in _planned(type(value)):
        held = getattr(value, name)
        if name not in leave_out and held != default:
            document[name] = encode(held)
    return document


def from_document(kind: type[T], document: Mapping[str, Any], **given: object) -> T:
    """Return the dataclass that the JSON object stands for; ``given`` fields are taken as they are.

    Unknown keys are refused: an event's meaning must not depend on what a reader overlooks.
    """
    decoders = {name: decode for name, _, _, decode in _planned(kind)}
    values = {name: decoders[name](held) for name, held in document.items()}
    return kind(**values, **given)


def _planned(kind: type[Any]) -> Plan:
    return _plan(typing.cast("Hashable", kind))  # a class is hashable, whatever its instances are


@cache
def _plan(kind: Any) -> Plan:  # noqa: ANN401 - any dataclass
    hints = typing.get_type_hints(kind)
    return tuple((f.name, _default(f), *_converters(hints[f.name])) for f in fields(kind))


def _default(field: Field[Any]) -> Any:  # noqa: ANN401 - of whatever type the field has
    if field.default_factory is not MISSING:
        return field.default_factory()
    return field.default


def _same(value: Any) -> Any:  # noqa: ANN401 - strings, numbers and booleans pass as they are
    return value


def _converters(hint: Any) -> tuple[Converter, Converter]:  # noqa: ANN401 - a type hint has no type
    hint = getattr(hint, "__supertype__", hint)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        (inner,) = (a for a in arguments if a is not types.NoneType)
        return _optional(*_converters(inner))
    if origin is tuple:
        encode, decode = _converters(arguments[0])
        return (lambda items: [encode(i) for i in items]), (lambda items: tuple(decode(i) for i in items))
    if origin is not None and issubclass(origin, Mapping):
        return dict, _checked(dict)
    if is_dataclass(hint):
        return to_document, lambda document: from_document(typing.cast("type[Any]", hint), document)
    if issubclass(hint, datetime):
        return rfc3339, datetime.fromisoformat
    if issubclass(hint, bytes):
        return (lambda data: base64.b64encode(data).decode()), (lambda text: base64.b64decode(text, validate=True))
    return _same, _checked(hint)


def _checked(kind: type) -> Converter:
    def decode(value: object) -> object:
        if type(value) is not kind:
            msg = f"expected {kind.__name__}"
            raise TypeError(msg)
        return value

    return decode


def _optional(encode: Converter, decode: Converter) -> tuple[Converter, Converter]:
    return (lambda v: None if v is None else encode(v)), (lambda v: None if v is None else decode(v))
