"""Keyed tags: what makes them differ, and what does not."""

import itertools

import pytest

from registry.errors import IntegrityError
from registry.sealing import tags
from registry.values import Secret
from tests.sealing.specimens import KEY, OTHER_KEY, OTHER_REGISTRY, OTHER_TOKEN, REGISTRY, TOKEN


def test_a_name_has_one_tag_in_one_scope():
    """The tag of a name is the same at every look-up, 32 bytes long."""
    assert tags.name_tag(KEY, REGISTRY, "global", "zoom") == tags.name_tag(KEY, REGISTRY, "global", "zoom")
    assert len(tags.name_tag(KEY, REGISTRY, "global", "zoom")) == 32


def test_another_key_registry_audience_or_name_has_another_tag():
    """A tag tells nothing across keys, registries, scopes and names."""
    places = itertools.product((KEY, OTHER_KEY), (REGISTRY, OTHER_REGISTRY), ("global", "application:1"), ("zoom", "z"))
    made = [tags.name_tag(*place) for place in places]
    assert len(set(made)) == len(made) == 16


def test_equal_secrets_of_two_tokens_or_fields_have_unequal_fingerprints():
    """Key, registry, token, field and value all count; the fingerprint is 16 bytes."""
    places = itertools.product(
        (KEY, OTHER_KEY), (REGISTRY, OTHER_REGISTRY), (TOKEN, OTHER_TOKEN), ("api_key", "api_secret"), ("x", "y")
    )
    made = [tags.fingerprint(*place[:-1], Secret(place[-1])) for place in places]
    assert len(set(made)) == len(made) == 32
    assert {len(fingerprint) for fingerprint in made} == {tags.FINGERPRINT_LENGTH}


def test_a_fingerprint_separates_field_from_value():
    """A letter cannot pass from the field's name to its value."""
    assert tags.fingerprint(KEY, REGISTRY, TOKEN, "ab", Secret("c")) != tags.fingerprint(
        KEY, REGISTRY, TOKEN, "a", Secret("bc")
    )


def test_fingerprints_are_packed_in_one_way():
    """A row has each fingerprint once and in order, however they came; so one set has one form."""
    one, other = b"a" * 16, b"b" * 16
    assert tags.packed([other, one, other]) == one + other
    assert tags.unpacked(one + other) == {one, other}
    assert (tags.packed([]), tags.unpacked(b"")) == (b"", frozenset())


@pytest.mark.parametrize("column", [b"a" * 15, b"a" * 17, b"b" * 16 + b"a" * 16, b"a" * 32])
def test_fingerprints_in_another_form_are_refused(column):
    """What is cut, out of order or there twice is no set of fingerprints."""
    with pytest.raises(IntegrityError, match="in no known format"):
        tags.unpacked(column)
