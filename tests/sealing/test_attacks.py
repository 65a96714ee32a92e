"""Every sealed format under attack: changed, cut, moved, opened with what is not its own."""

import itertools

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from registry.errors import IntegrityError
from registry.sealing import aead, envelope, labels
from tests.sealing.salamander import two_key_ciphertext
from tests.sealing.specimens import KEY, OTHER_KEY, PLACE, SPECIMENS

every_format = pytest.mark.parametrize("specimen", SPECIMENS.values(), ids=SPECIMENS)


@every_format
def test_it_opens_where_it_was_sealed(specimen):
    """Each specimen opens in its own place; else the attacks below would prove nothing."""
    assert specimen.open(specimen.sealed) == specimen.opened


@every_format
@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_every_changed_byte_is_noticed(specimen, mask):
    """Changing any byte, in one bit or in all, ends in an integrity error."""
    for at in range(len(specimen.sealed)):
        changed = bytearray(specimen.sealed)
        changed[at] ^= mask
        with pytest.raises(IntegrityError):
            specimen.open(bytes(changed))


@every_format
def test_every_cut_and_every_addition_is_noticed(specimen):
    """Each beginning, each end, and the whole with a byte more end in an integrity error."""
    sealed = specimen.sealed
    cuts = [sealed[:at] for at in range(len(sealed))] + [sealed[at:] for at in range(1, len(sealed))]
    for cut in [*cuts, sealed + b"\x00", b"\x00" + sealed, sealed + sealed]:
        with pytest.raises(IntegrityError):
            specimen.open(cut)


@pytest.mark.parametrize(
    ("name", "way"), [(name, way) for name, specimen in SPECIMENS.items() for way in specimen.wrong]
)
def test_it_opens_nowhere_else(name, way):
    """With another key, or as if it stood at another place, it is refused."""
    specimen = SPECIMENS[name]
    with pytest.raises(IntegrityError):
        specimen.wrong[way](specimen.sealed)


@pytest.mark.parametrize(
    ("name", "other"),
    [pair for pair in itertools.permutations(SPECIMENS, 2) if {*pair} != {"envelope_v1", "envelope_v2"}],
)
def test_no_format_passes_for_another(name, other):
    """What was sealed as one thing opens as no other, even under the same key."""
    with pytest.raises(IntegrityError):
        SPECIMENS[name].open(SPECIMENS[other].sealed)


def test_an_envelope_opens_under_one_event_key_only():
    """A ciphertext made to open under two keys is opened by the one its envelope commits to, and refused to the other.

    Plain AES-GCM opens it under both, as the test shows first.
    """
    header = envelope.seal(KEY, 1, PLACE, b"")[: 5 + 32]
    associated = header[:5] + PLACE.encoded()
    derived = [aead.derive(key, labels.EVENT_CONTENT) for key in (KEY, OTHER_KEY)]
    forged = two_key_ciphertext(derived[0][:32], derived[1][:32], associated)
    stories = {AESGCM(key[:32]).decrypt(bytes(12), forged, associated) for key in derived}
    assert len(stories) == 2

    for commitment, key, refused in ((derived[0], KEY, OTHER_KEY), (derived[1], OTHER_KEY, KEY)):
        crafted = header + commitment[32:] + forged
        assert envelope.open_with(key, PLACE, crafted) in stories
        with pytest.raises(IntegrityError):
            envelope.open_with(refused, PLACE, crafted)


def test_another_commitment_does_not_make_another_opening():
    """An honest envelope whose commitment is exchanged for a second key's opens under neither."""
    sealed = envelope.seal(KEY, 1, PLACE, b"contents")
    event_key = envelope.opening(KEY, PLACE, sealed)
    exchanged = sealed[:37] + aead.derive(OTHER_KEY, labels.EVENT_CONTENT)[32:] + sealed[69:]
    for key in (event_key, OTHER_KEY):
        with pytest.raises(IntegrityError):
            envelope.open_with(key, PLACE, exchanged)


def test_an_opening_opens_its_event_and_no_other():
    """The key that discloses one event does not open the next one of the same stream."""
    first = envelope.seal(KEY, 1, PLACE, b"first")
    second = envelope.seal(KEY, 1, PLACE, b"second")
    opening = envelope.opening(KEY, PLACE, first)
    assert envelope.open_with(opening, PLACE, first) == b"first"
    with pytest.raises(IntegrityError):
        envelope.open_with(opening, PLACE, second)


@pytest.mark.parametrize("name", ["envelope_v1", "envelope_v2", "wrapped", "label"])
def test_the_generation_in_the_header_is_bound(name):
    """A header that names another generation of the same key is refused."""
    specimen = SPECIMENS[name]
    renumbered = specimen.sealed[:1] + (2).to_bytes(4, "big") + specimen.sealed[5:]
    with pytest.raises(IntegrityError):
        specimen.open(renumbered)
