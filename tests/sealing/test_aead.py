"""The construction itself: what is computed faster is still what the formats say, and keys are what they should be."""

import hmac

import pytest
from cryptography.hazmat.primitives.hashes import SHA256, SHA512
from hypothesis import given, strategies as st

from registry.domain.roster import AUDIT, GLOBAL
from registry.errors import IntegrityError
from registry.sealing import aead, credentials, envelope, labels
from registry.sealing.aead import Keyed, LastingKey
from registry.sealing.credentials import Wrapping
from registry.sealing.envelope import Envelopes
from tests.sealing.specimens import BOX_PLACE, CREDENTIALS, KEY, OTHER_KEY, PLACE, REGISTRY, SPECIMENS, TOKEN

keys = st.binary(min_size=32, max_size=32)
messages = st.binary(max_size=300)


@given(keys, messages, messages)
def test_a_kept_key_hashes_as_hmac_does(key, beginning, rest):
    """What was hashed before changes nothing: the digest is HMAC's, the second time too."""
    for hashed, name in ((SHA256(), "sha256"), (SHA512(), "sha512")):
        keyed = Keyed(hashed, key, beginning)
        expected = hmac.digest(key, beginning + rest, name)
        assert keyed.digest(rest) == keyed.digest(rest) == expected


@given(keys, st.sampled_from([labels.EVENT_KEY, labels.BOX_CONTENT]), st.lists(messages, max_size=3))
def test_deriving_is_hmac_sha512(key, label, parts):
    """A derived key is HMAC-SHA512 of the label and the parts, each behind its length."""
    assert aead.derive(key, label, *parts) == hmac.digest(key, labels.joined(label, *parts), "sha512")


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=16, max_size=16), st.integers(0, 2**64 - 1))
def test_a_place_is_its_joined_parts(registry, identity, number):
    """Packed at once, a place is the same bytes as its parts joined one by one."""
    expected = labels.joined(registry, identity, number.to_bytes(8, "big"))
    assert labels.joined_place(registry, identity.hex(), number) == expected


@pytest.mark.parametrize(
    ("registry", "identity"), [(REGISTRY[:-1], TOKEN), (REGISTRY + b"R", TOKEN), (REGISTRY, "11"), (REGISTRY, "1" * 34)]
)
def test_a_place_of_another_length_is_refused(registry, identity):
    """Nothing is cut or filled up until it fits: two places would be one."""
    with pytest.raises(ValueError, match="32 bytes"):
        labels.joined_place(registry, identity, 1)


@pytest.mark.parametrize("key", [b"", KEY[:-1], KEY + b"K", KEY * 5], ids=len)
def test_a_key_of_another_length_is_refused(key):
    """Keys have 32 bytes; what a hostile member wraps or grants instead is an integrity error, no fault of ours."""
    for use in (
        lambda: aead.derive(key, labels.EVENT_KEY),
        lambda: aead.seal_once(key, labels.BOX_CONTENT, b"", b""),
        lambda: credentials.open_box(key, BOX_PLACE, SPECIMENS["box"].sealed),
        lambda: LastingKey(key, labels.EVENT_KEY, labels.EVENT_CONTENT),
        lambda: envelope.unseal(key, PLACE, SPECIMENS["envelope_v1"].sealed),
        lambda: credentials.unwrap(key, GLOBAL, BOX_PLACE, SPECIMENS["wrapped"].sealed),
    ):
        with pytest.raises(IntegrityError):
            use()


def test_a_lasting_key_seals_each_message_under_another_key():
    """Equal messages under one kept key are sealed differently, and each opens with that key alone."""
    lasting, other = (LastingKey(key, labels.EVENT_KEY, labels.EVENT_CONTENT) for key in (KEY, OTHER_KEY))
    sealed = [lasting.seal(b"contents", b"place") for _ in range(20)]
    assert len({one[:32] for one in sealed}) == len({one[32:64] for one in sealed}) == 20
    assert {lasting.open(one, b"place") for one in sealed} == {b"contents"}
    for one in sealed:
        with pytest.raises(IntegrityError):
            other.open(one, b"place")
        with pytest.raises(IntegrityError):
            lasting.open(one, b"elsewhere")


def test_kept_envelopes_open_what_is_theirs():
    """Both versions of the envelope open under the kept key of their generation; one renumbered does not."""
    kept = Envelopes(KEY, 1)
    assert envelope.unseal(KEY, PLACE, kept.seal(PLACE, b"contents")) == b"contents"
    assert kept.unseal(PLACE, SPECIMENS["envelope_v1"].sealed) == b"contents"
    assert kept.unseal(PLACE, SPECIMENS["envelope_v2"].sealed) == b"contents"
    for name in ("envelope_v1", "envelope_v2"):
        sealed = SPECIMENS[name].sealed
        with pytest.raises(IntegrityError):
            kept.unseal(PLACE, sealed[:4] + b"\x02" + sealed[5:])


def test_a_box_comes_with_its_fresh_data_key():
    """Credentials that are sealed twice lie under two data keys, and each wrapped key opens its own box alone."""
    wrapping = Wrapping(KEY, GLOBAL, 1)
    sealed = [wrapping.seal(BOX_PLACE, CREDENTIALS) for _ in range(2)]
    data_keys = [credentials.unwrap(KEY, GLOBAL, BOX_PLACE, wrapped) for _, wrapped in sealed]
    assert len(set(data_keys)) == 2
    for (box, _), data_key, other in zip(sealed, data_keys, reversed(data_keys), strict=True):
        assert credentials.open_box(data_key, BOX_PLACE, box) == CREDENTIALS
        with pytest.raises(IntegrityError):
            credentials.open_box(other, BOX_PLACE, box)


@pytest.mark.parametrize(
    "wrapping", [Wrapping(KEY, GLOBAL, 2), Wrapping(KEY, AUDIT, 1), Wrapping(OTHER_KEY, GLOBAL, 1)]
)
def test_a_kept_wrapping_unwraps_what_is_its_own(wrapping):
    """Another generation, audience or key does not unwrap."""
    sealed = SPECIMENS["wrapped"].sealed
    assert Wrapping(KEY, GLOBAL, 1).unwrap(BOX_PLACE, sealed) == b"D" * 32
    with pytest.raises(IntegrityError):
        wrapping.unwrap(BOX_PLACE, sealed)
