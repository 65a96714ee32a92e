"""A ciphertext that AES-256-GCM opens under two keys: the attack that key commitment is there for.

The tag is a polynomial in the hash key, so one freely chosen block makes the polynomials of two keys agree (Dodis,
Grubbs, Ristenpart, Woodage: "Fast message franking", 2018, who named such a ciphertext an invisible salamander).
"""

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

_NONCE = bytes(12)


def _block(key: bytes, data: bytes) -> int:
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - the block itself is wanted
    return int.from_bytes(encryptor.update(data), "big")


def _times(x: int, y: int) -> int:
    product = 0
    for bit in range(127, -1, -1):
        product ^= x if y >> bit & 1 else 0
        x = x >> 1 ^ (0xE1 << 120 if x & 1 else 0)
    return product


def _power(x: int, exponent: int) -> int:
    result = 1 << 127
    while exponent:
        result = _times(result, x) if exponent & 1 else result
        x = _times(x, x)
        exponent >>= 1
    return result


def _hash(key: int, blocks: list[int]) -> int:
    total = 0
    for block in blocks:
        total = _times(total ^ block, key)
    return total


def _blocks(data: bytes) -> list[int]:
    padded = data + bytes(-len(data) % 16)
    return [int.from_bytes(padded[at : at + 16], "big") for at in range(0, len(padded), 16)]


def two_key_ciphertext(one: bytes, other: bytes, associated: bytes) -> bytes:
    """Return one block of ciphertext and a tag that AES-GCM accepts under both keys, for the zero nonce."""
    keys = [_block(key, bytes(16)) for key in (one, other)]
    masks = [_block(key, _NONCE + b"\x00\x00\x00\x01") for key in (one, other)]
    lengths = (len(associated) * 8) << 64 | 128
    known = [_hash(key, [*_blocks(associated), 0, lengths]) ^ mask for key, mask in zip(keys, masks, strict=True)]
    weight = _times(keys[0], keys[0]) ^ _times(keys[1], keys[1])
    free = _times(known[0] ^ known[1], _power(weight, 2**128 - 2))
    tag = _hash(keys[0], [*_blocks(associated), free, lengths]) ^ masks[0]
    return free.to_bytes(16, "big") + tag.to_bytes(16, "big")
