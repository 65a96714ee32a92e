"""Audience keys: how they are made, committed to, granted to members, and handed on to the next generation."""

import hashlib
import hmac

from msgspec import Struct

from registry.domain.roster import AUDIT, Generation, Grant, Member
from registry.errors import IntegrityError
from registry.sealing import aead, envelope, hpke, labels


class AudienceKey(Struct, frozen=True):
    """One generation of an audience's key, opened."""

    audience: str
    number: int
    key: bytes

    def __repr__(self) -> str:
        return f"AudienceKey({self.audience!r}, {self.number})"


def new_generation(registry: bytes, audience: str, former: AudienceKey | None = None) -> tuple[Generation, AudienceKey]:
    """Return a fresh generation of an audience: what everyone may know of it, and its key.

    The ``audit`` audience alone hands its former key on, so that new members read old history; credentials of an
    audience's past are nobody's business.
    """
    key = AudienceKey(audience, former.number + 1 if former else 1, aead.new_key())
    public = previous = None
    if audience == AUDIT:
        public = hpke.public_of(envelope.sealing_key(key.key))
        if former:
            associated = _former_place(registry, key.number)
            previous = aead.seal_under(key.key, labels.FORMER_KEY_KEY, labels.FORMER_KEY, former.key, associated)
    return Generation(audience, key.number, commitment(registry, key), public, previous), key


def _former_place(registry: bytes, number: int) -> bytes:
    return labels.joined(registry, AUDIT.encode(), number.to_bytes(4, "big"))


def former_key(registry: bytes, generation: Generation, key: AudienceKey) -> AudienceKey:
    """Return the key of the generation before, which this one hands on; ``IntegrityError`` if it does not."""
    if generation.previous is None:
        raise IntegrityError(f"generation {generation.number} of {generation.audience} hands no former key on")
    associated = _former_place(registry, generation.number)
    try:
        former = aead.open_under(key.key, labels.FORMER_KEY_KEY, labels.FORMER_KEY, generation.previous, associated)
    except IntegrityError as error:
        named = f"the former key in generation {generation.number} of {generation.audience}"
        raise IntegrityError(f"{named}: {error}") from None
    return AudienceKey(generation.audience, generation.number - 1, former)


def commitment(registry: bytes, key: AudienceKey) -> bytes:
    """Return the 32 bytes that fix the key without telling it."""
    message = labels.joined(labels.AUDIENCE_COMMITMENT, registry, key.audience.encode(), key.number.to_bytes(4, "big"))
    return hmac.digest(key.key, message, hashlib.sha256)


def _info(registry: bytes, audience: str, number: int, member: str) -> bytes:
    return labels.joined(
        labels.AUDIENCE_GRANT, registry, audience.encode(), number.to_bytes(4, "big"), bytes.fromhex(member)
    )


def grant(registry: bytes, key: AudienceKey, member: Member) -> Grant:
    """Return the key, sealed to one member."""
    info = _info(registry, key.audience, key.number, member.id)
    return Grant(key.audience, key.number, member.id, hpke.seal_to(member.keys.sealing, key.key, info))


def open_grant(registry: bytes, private: bytes, given: Grant, generation: Generation) -> AudienceKey:
    """Return the granted key; ``IntegrityError`` unless it is the very key that its generation commits to."""
    info = _info(registry, given.audience, given.number, given.member)
    try:
        key = AudienceKey(given.audience, given.number, hpke.open_with(private, given.sealed, info))
    except IntegrityError as error:
        raise IntegrityError(f"the grant of generation {given.number} of {given.audience}: {error}") from None
    check_commitment(registry, key, generation)
    return key


def check_commitment(registry: bytes, key: AudienceKey, generation: Generation) -> None:
    """Raise ``IntegrityError`` unless the generation commits to this key, and to its public half."""
    if not hmac.compare_digest(commitment(registry, key), generation.commitment):
        raise IntegrityError(
            f"the key of {key.audience}, generation {key.number}, is not the one all others were given"
        )
    if key.audience == AUDIT and generation.public != hpke.public_of(envelope.sealing_key(key.key)):
        raise IntegrityError(f"the public key of {key.audience}, generation {key.number}, belongs to another key")
