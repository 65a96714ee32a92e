"""The credentials box: what its size tells, what is in it, and how often a key is used."""

import json

import pytest
from hypothesis import given, strategies as st

from registry.errors import IntegrityError
from registry.sealing import aead, credentials, labels
from registry.sealing.credentials import Credentials
from registry.values import Secret
from tests.sealing.specimens import BOX_PLACE, CREDENTIALS, KEY, SPECIMENS

OVERHEAD = 1 + 32 + 16
SPARE = 256 - 1 - len(Credentials("zoom", {"api_key": Secret("")}).encoded())
"""How long a secret can be in the first step of 256 bytes; one byte marks the padding's start."""


def size(length):
    """Return the size of the box that holds a secret of some length."""
    return len(credentials.seal_box(KEY, BOX_PLACE, Credentials("zoom", {"api_key": Secret("x" * length)})))


def test_secrets_of_one_step_have_boxes_of_one_size():
    """Every length within a step of 256 bytes gives the same size."""
    assert {size(length) for length in range(SPARE + 1)} == {OVERHEAD + 256}


def test_the_next_step_is_256_bytes_larger():
    """One byte more than a step holds takes the next one, whole."""
    assert size(SPARE + 1) == size(SPARE + 256) == OVERHEAD + 512


@given(st.dictionaries(st.text(max_size=8), st.text(st.characters(exclude_categories=["Cs"])), max_size=4), st.text())
def test_whatever_is_sealed_comes_back(fields, provider):
    """Any provider and fields open as they were, padding marks and NULs in them included."""
    sealed = Credentials(provider, {name: Secret(value) for name, value in fields.items()})
    opened = credentials.open_box(KEY, BOX_PLACE, credentials.seal_box(KEY, BOX_PLACE, sealed))
    assert (opened.provider, dict(opened.fields)) == (provider, dict(sealed.fields))


def test_a_box_is_canonical():
    """Equal credentials under the same key make the same bytes, whatever the order of their fields."""
    turned = Credentials("zoom", dict(reversed(CREDENTIALS.fields.items())))
    assert credentials.seal_box(KEY, BOX_PLACE, turned) == SPECIMENS["box"].sealed


@given(st.dictionaries(st.text(), st.text(st.characters()), max_size=3), st.text())
def test_a_box_holds_the_json_that_the_standard_library_writes(fields, provider):
    """Whatever the characters, halves of some included, the contents are those of ``json.dumps``, sorted by name."""
    made = Credentials(provider, {name: Secret(value) for name, value in fields.items()})
    expected = {"provider": provider, "fields": dict(sorted(fields.items()))}
    assert made.encoded() == json.dumps(expected, separators=(",", ":")).encode()


def test_opened_credentials_cannot_be_changed():
    """What was opened is read-only, and shows no value."""
    opened = credentials.open_box(KEY, BOX_PLACE, SPECIMENS["box"].sealed)
    with pytest.raises(TypeError):
        opened.fields["api_key"] = Secret("other")
    assert "SECRET" not in repr(opened)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80",
        b"{}",
        b"[]",
        b"null",
        b'{"provider":"zoom"}',
        b'{"provider":"zoom","fields":[]}',
        b"\xff",
        b"{",
        b'{"provider":"zoom","fields":{}}',
    ],
    ids=ascii,
)
@pytest.mark.parametrize("padding", [b"", b"\x00", b"\x80\x01", b"\x01\x00"], ids=bytes.hex)
def test_badly_padded_contents_are_refused(content, padding):
    """What a member sealed without the padding's mark, or with something behind it, is no box."""
    sealed = aead.seal_once(KEY, labels.BOX_CONTENT, content + padding, b"\x01" + BOX_PLACE.encoded())
    with pytest.raises(IntegrityError):
        credentials.open_box(KEY, BOX_PLACE, b"\x01" + sealed)


@pytest.mark.parametrize(
    "content", [{}, [], None, {"provider": "zoom"}, {"fields": {}}, {"provider": "zoom", "fields": []}, "x"], ids=repr
)
def test_contents_of_another_form_are_refused(content):
    """What opens but is no object of a provider and its fields is refused."""
    padded = credentials._pad(json.dumps(content).encode())
    sealed = aead.seal_once(KEY, labels.BOX_CONTENT, padded, b"\x01" + BOX_PLACE.encoded())
    with pytest.raises(IntegrityError):
        credentials.open_box(KEY, BOX_PLACE, b"\x01" + sealed)


def test_the_same_key_wrapped_twice_differs():
    """A fresh salt for every wrapping: nobody sees that a key is the same."""
    wraps = {credentials.wrap(KEY, "global", 1, BOX_PLACE, b"D" * 32) for _ in range(20)}
    assert len(wraps) == 20
