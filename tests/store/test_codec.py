"""The codec: every kind of event comes back as it was, and what does not fit is refused."""

import types
import typing
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from registry.domain.token import Token
from registry.store import codec
from registry.store.topics import topics
from tests.golden import samples
from tests.golden.make import COLUMNS

KINDS = list(topics().values())
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.TOPIC)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
moments = st.datetimes(min_value=datetime(1000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the strategy adds the zone
PLAIN = {str: texts, bytes: st.binary(max_size=12), bool: st.booleans(), datetime: moments, type(None): st.none()}


def values(hint):
    """Return a strategy for everything a type hint allows."""
    hint = getattr(hint, "__supertype__", hint)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is int:
        return st.integers(0, 2**53)
    if hint in PLAIN:
        return PLAIN[hint]
    if origin in (typing.Union, types.UnionType):
        return st.one_of(*map(values, arguments))
    if origin is tuple:
        return st.lists(values(arguments[0]), max_size=3).map(tuple)
    if origin is not None and issubclass(origin, Mapping):
        return st.dictionaries(values(arguments[0]), values(arguments[1]), max_size=3)
    return structs(hint)


def structs(kind):
    """Return a strategy for the instances of a class, with and without its defaults."""
    hints = typing.get_type_hints(kind)
    fields = {field.name: values(hints[field.name]) for field in msgspec.structs.fields(kind)}
    needed = {field.name for field in msgspec.structs.fields(kind) if field.required}
    required = {name: fields[name] for name in needed}
    optional = {name: fields[name] for name in fields.keys() - needed}
    return st.fixed_dictionaries(required, optional=optional).map(lambda given: kind(**given))


def written(value, leave_out=frozenset()):
    """Return what a value is stored as, read back as JSON."""
    return codec.decode(codec.encode(codec.to_document(value, leave_out)))


@every_kind
@settings(max_examples=40)  # of each kind of event, every time other ones
@given(data=st.data())
def test_every_event_comes_back_as_it_was(kind, data):
    """Whatever an event holds, decoding what was encoded gives an equal event."""
    event = data.draw(structs(kind))
    place = {name: getattr(event, name) for name in COLUMNS}
    assert codec.from_document(kind, written(event, COLUMNS), **place) == event


@every_kind
@settings(max_examples=40)  # of each kind of event, every time other ones
@given(data=st.data())
def test_an_event_is_encoded_at_once_as_its_document_is(kind, data):
    """Leaving the columns out of the finished JSON gives the bytes of a document that never had them."""
    event = msgspec.structs.replace(data.draw(structs(kind)), originator_id=samples.TOKEN)
    assert codec.encode_event(event) == codec.encode(codec.to_document(event, COLUMNS))


@given(structs(Token))
def test_a_value_is_encoded_at_once_as_its_document_is(token):
    """A card is the same bytes whether it is made of the token or of its document."""
    assert codec.encode(token) == codec.encode(codec.to_document(token))


def test_columns_that_are_not_first_are_not_cut_off():
    """An id that JSON writes in another way than it is cannot make the wrong part of an event be left out."""
    event = samples.EVENTS["token.deleted"]
    with pytest.raises(ValueError, match="not its first fields"):
        codec.encode_event(msgspec.structs.replace(event, originator_id='a"b'))


@given(structs(Token))
def test_the_card_of_a_token_comes_back_as_it_was(token):
    """The state of a token survives the current row's card."""
    assert codec.from_document(Token, written(token)) == token


def document(kind):
    """Return the document of a sample event of a kind."""
    event = next(event for event in samples.EVENTS.values() if type(event) is kind)
    return written(event)


@every_kind
def test_unknown_keys_are_refused(kind):
    """An event's meaning does not depend on what a reader overlooks."""
    with pytest.raises(ValueError, match="unknown field"):
        codec.from_document(kind, document(kind) | {"surprise": 1})


@every_kind
def test_missing_keys_are_refused(kind):
    """A field without a default stands in every event ever stored."""
    whole = document(kind)
    for field in msgspec.structs.fields(kind):
        if field.required:
            with pytest.raises(ValueError, match="missing required field"):
                codec.from_document(kind, {name: value for name, value in whole.items() if name != field.name})


@every_kind
def test_values_of_another_type_are_refused(kind):
    """No field takes what its type does not say: numbers are no texts, texts no numbers or booleans."""
    whole = document(kind)
    for name in whole:
        for wrong in (1.5, {"surprise": {}}, [[]]):
            with pytest.raises(ValueError, match=r"Expected|unknown field|Invalid"):
                codec.from_document(kind, whole | {name: wrong})


@every_kind
def test_what_is_stored_is_sealed_signed_and_comes_back(kind, contents, founding):
    """Through sealing and signing, every kind of event comes back equal, and its text cannot be read."""
    event = next(event for event in samples.EVENTS.values() if type(event) is kind)
    stored = contents.stored(event)
    assert contents.event(stored) == event
    assert (stored.originator_id, stored.originator_version, stored.topic) == (samples.TOKEN, 1, kind.TOPIC)
    for text in (b"desk", b"token-registry/", b"Zoom", b"Payroll", b"alice", b"because", "L\u00f6hne".encode()):
        assert text not in stored.state


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"nul", b'{"a":1}x', b"[1,]"], ids=ascii)
def test_what_is_no_json_is_a_value_error(text):
    """Broken JSON is a ``ValueError``, which the callers turn into an integrity error."""
    with pytest.raises(ValueError, match=r".+"):
        codec.decode(text)
