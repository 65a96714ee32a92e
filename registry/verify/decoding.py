"""Contents of events to records, in one step: the JSON is decoded straight into the event's fields, types checked.

A record is the event without its two columns, which stand in the row and not in the contents.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import NODEFAULT, Struct, structs

from registry.domain.events import Event
from registry.domain.roster_events import RosterEvent
from registry.domain.token import Token
from registry.errors import IntegrityError
from registry.sealing.roster_record import RosterRecord
from registry.store.topics import ROSTER_TOPICS, topics

CONTENTS_VERSION = 1
_COLUMNS = frozenset({"originator_id", "originator_version"})

Record = Any
"""A record has the fields of its event, which no type can say: its class is made when it is first needed."""
Decoder = msgspec.json.Decoder


def _parsed(kind: type, value: object) -> object:
    # Under a frozen clock the classes of events may have been defined with its subclass of datetime.
    if issubclass(kind, datetime) and isinstance(value, str):
        return kind.fromisoformat(value)
    msg = f"expected {kind.__name__}"
    raise ValueError(msg)


def _record(kind: type[Event], leave_out: frozenset[str]) -> type[Struct]:
    fields: list[Any] = []
    for field in structs.fields(kind):
        if field.name in leave_out:
            continue
        if field.default_factory is not NODEFAULT:
            fields.append((field.name, field.type, msgspec.field(default_factory=field.default_factory)))
        elif field.default is not NODEFAULT:
            fields.append((field.name, field.type, field.default))
        else:
            fields.append((field.name, field.type))
    return msgspec.defstruct(f"{kind.__name__}Record", fields, kw_only=True, frozen=True, forbid_unknown_fields=True)


def _decoder(kind: type[Event], leave_out: frozenset[str]) -> Decoder[Any]:
    return Decoder(_record(kind, leave_out), dec_hook=_parsed)


@cache
def decoders() -> Mapping[str, Decoder[Any]]:
    """Return what decodes the contents of each topic that is not the roster's."""
    kinds = {topic: kind for topic, kind in topics().items() if topic not in ROSTER_TOPICS}
    return MappingProxyType({topic: _decoder(kind, _COLUMNS) for topic, kind in kinds.items()})


@cache
def _roster_decoders() -> Mapping[str, tuple[Decoder[Any], Decoder[Any]]]:
    made = {}
    for topic, kind in ROSTER_TOPICS.items():
        sealed = kind.SEALED if issubclass(kind, RosterEvent) else frozenset()
        names = {field.name for field in structs.fields(kind)}
        made[topic] = (_decoder(kind, sealed | _COLUMNS), _decoder(kind, frozenset(names - sealed) | _COLUMNS))
    return MappingProxyType(made)


@cache
def card_decoder() -> Decoder[Token]:
    """Return what decodes the contents of cards."""
    return Decoder(Token, dec_hook=_parsed)


def decoded(decoder: Decoder[Any], contents: bytes) -> Record:
    """Return the record of unsealed contents; ``IntegrityError`` if they are not one."""
    if not contents or contents[0] != CONTENTS_VERSION:
        raise IntegrityError("its contents are in no known format")
    try:
        return decoder.decode(contents[1:])
    except (msgspec.MsgspecError, ValueError, UnicodeError):
        raise IntegrityError("it has other contents than its kind") from None


def roster_core(topic: str, state: bytes) -> Record:
    """Return what a roster event says in the clear; ``IntegrityError`` if it is in no known format."""
    return _part(_roster_decoders()[topic][0], RosterRecord.parse(state).core)


def roster_sealed(topic: str, contents: bytes) -> Record:
    """Return what a roster event says sealed; ``IntegrityError`` unless it is what its core leaves out, and no more."""
    return decoded(_roster_decoders()[topic][1], contents)


def _part(decoder: Decoder[Any], data: bytes) -> Record:
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, ValueError, UnicodeError):
        raise IntegrityError("it is in no known format") from None
