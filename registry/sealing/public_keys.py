"""Which public keys nobody may have: those under which a signature or a sealed key is anybody's.

Under an Ed25519 key of small order one constant signature verifies for many texts, so that everybody can sign for such
a member, and it can deny everything. What is sealed to an X25519 key of low order opens for all. And a key that can be
written in two ways would be two keys. The library that verifies signatures checks none of this.

The points are those that libsodium lists, in ``ge25519_has_small_order`` and in ``has_small_order`` of its
``scalarmult_curve25519``; the encodings in these lists that are not canonical are refused anyway. A test works the
points out anew from the curve alone.
"""

from registry.domain.roster import MemberKeys
from registry.errors import InvalidValue

_LENGTH = 32
_PRIME = 2**255 - 19
_SIGN_BIT = 2**255

SMALL_ORDER = frozenset(
    int.from_bytes(bytes.fromhex(y), "little")
    for y in (
        "0000000000000000000000000000000000000000000000000000000000000000",  # order 4
        "0100000000000000000000000000000000000000000000000000000000000000",  # order 1
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",  # order 8
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",  # order 8
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",  # order 2
    )
)
"""The y-coordinates of Ed25519's points of small order, whatever the sign of x."""
LOW_ORDER = frozenset(
    int.from_bytes(bytes.fromhex(u), "little")
    for u in (
        "0000000000000000000000000000000000000000000000000000000000000000",  # order 2
        "0100000000000000000000000000000000000000000000000000000000000000",  # order 4
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",  # order 8
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",  # order 8
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",  # order 4, on the twist
    )
)
"""The u-coordinates of X25519's points of low order, those of the twist included."""


def check_keys(keys: MemberKeys) -> None:
    """Raise ``InvalidValue`` unless both keys are such as honest identities have."""
    if len(keys.signing) != _LENGTH or len(keys.sealing) != _LENGTH:
        raise InvalidValue("a public key has another length than keys have")
    signing, sealing = (int.from_bytes(key, "little") for key in (keys.signing, keys.sealing))
    if signing % _SIGN_BIT >= _PRIME or signing % _SIGN_BIT in SMALL_ORDER:
        raise InvalidValue("a signing key is one under which anybody could sign")
    if sealing >= _PRIME or sealing in LOW_ORDER:
        raise InvalidValue("a sealing key is one to which nothing can be sealed")
