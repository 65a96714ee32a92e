"""Public keys that nobody may have: the lists are worked out anew, and what they prevent is shown."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from registry.domain.roster import MemberKeys
from registry.errors import InvalidValue
from registry.sealing.identity import Identity, PublicIdentity
from registry.sealing.public_keys import LOW_ORDER, SMALL_ORDER, check_keys
from tests.sealing.specimens import ALICE

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
L = 2**252 + 27742317777372353535851937790883648493
GOOD = ALICE.public.keys
SIGN = 2**255


def encoded(number):
    """Return a coordinate as keys have it."""
    return number.to_bytes(32, "little")


def root(square):
    """Return a square root, ``None`` if there is none."""
    found = pow(square, (P + 3) // 8, P)
    if (found * found - square) % P:
        found = found * pow(2, (P - 1) // 4, P) % P
    return None if (found * found - square) % P else found


def plus(one, other):
    """Return the sum of two points of the Edwards curve."""
    (a, b), (c, d) = one, other
    both = D * a * b * c * d % P
    return (a * d + b * c) * pow(1 + both, -1, P) % P, (b * d + a * c) * pow(1 - both, -1, P) % P


def times(number, point):
    """Return a multiple of a point."""
    found = (0, 1)
    while number:
        found = plus(found, point) if number & 1 else found
        point, number = plus(point, point), number >> 1
    return found


def torsion():
    """Return the y-coordinates of all points whose order divides 8."""
    found = set()
    for y in range(2, 40):
        x = root((y * y - 1) * pow(D * y * y + 1, -1, P) % P)
        if x is not None:
            step = times(L, (x, y))
            found |= {times(number, step)[1] for number in range(8)}
    return found


def test_the_points_of_small_order_are_all_there_are():
    """The list is what the curve itself says: multiplied by the large prime, every point falls on one of these."""
    assert torsion() == SMALL_ORDER
    mapped = {(1 + y) * pow(1 - y, -1, P) % P for y in SMALL_ORDER - {1}}
    assert mapped | {P - 1} == LOW_ORDER


def test_a_key_of_small_order_verifies_what_nobody_signed():
    """That is why it is refused: one constant signature fits every text."""
    key = Ed25519PublicKey.from_public_bytes(encoded(1))
    for text in (b"one", b"other"):
        key.verify(encoded(1) + bytes(32), text)


@pytest.mark.parametrize("u", sorted(LOW_ORDER))
def test_no_secret_is_shared_with_a_key_of_low_order(u):
    """Whatever the private key, the secret is all zeros, which the library refuses."""
    with pytest.raises(ValueError, match="shared key"):
        X25519PrivateKey.generate().exchange(X25519PublicKey.from_public_bytes(encoded(u)))


WEAK = {
    **{f"small order {y}": (encoded(y | sign), GOOD.sealing) for y in sorted(SMALL_ORDER) for sign in (0, SIGN)},
    **{f"y above {y - P}": (encoded(y | sign), GOOD.sealing) for y in range(P, SIGN) for sign in (0, SIGN)},
    **{f"low order {u}": (GOOD.signing, encoded(u)) for u in sorted(LOW_ORDER)},
    **{f"u above {u - P}": (GOOD.signing, encoded(u)) for u in (*range(P, SIGN), SIGN + 9, 2 * SIGN - 1)},
    "a short signing key": (GOOD.signing[:31], GOOD.sealing),
    "a long sealing key": (GOOD.signing, GOOD.sealing + b"0"),
}


@pytest.mark.parametrize(("signing", "sealing"), WEAK.values(), ids=WEAK)
def test_weak_keys_are_refused(signing, sealing):
    """Points of small order are refused with either sign, and so is every encoding that is not canonical."""
    with pytest.raises(InvalidValue):
        check_keys(MemberKeys(signing, sealing))
    line = PublicIdentity("mallory", MemberKeys(signing, sealing)).line()
    with pytest.raises(InvalidValue):
        PublicIdentity.parse(line)


def test_honest_keys_are_accepted():
    """No identity comes by such keys by chance."""
    for identity in (ALICE, *(Identity.generate("bob") for _ in range(50))):
        check_keys(identity.public.keys)
