"""The keys that the verifying member holds, each opened once and made ready for many values."""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from registry.domain.roster import AUDIT, Roster, scope_audience
from registry.errors import IntegrityError, RegistryError
from registry.sealing import labels, tags
from registry.sealing.credentials import BOX_VERSION, WRAP_VERSION, BoxPlace
from registry.sealing.identity import Identity
from registry.sealing.keyring import Keyring
from registry.sealing.labels import joined
from registry.values import TokenId
from registry.verify.unsealing import LongKey, Opener, open_single

_BOX_CONTENT = joined(labels.BOX_CONTENT)
_HEADER = 5
_STEP = 256


class Scope:
    """The present key of a scope, global or an application's: it finds names and opens data keys."""

    def __init__(self, registry: bytes, audience: str, number: int, key: bytes) -> None:
        self._registry = registry
        self._header = WRAP_VERSION + number.to_bytes(4, "big")
        self._audience = joined(audience.encode())
        self._wrapping = LongKey(key, labels.DATA_KEY_WRAP_KEY, labels.DATA_KEY_WRAP)
        self._names = tags.NameTags(key, registry, audience)

    def tag(self, folded_name: str) -> bytes:
        """Return the tag under which a token of that folded name lies."""
        return self._names.of(folded_name)

    def data_key(self, token: str, box_revision: int, wrapped: bytes) -> bytes:
        """Return the data key; ``IntegrityError`` unless it lies under the scope's present key."""
        if wrapped[:_HEADER] != self._header:
            raise IntegrityError("it lies under a key that was replaced, or in no known format")
        place = BoxPlace(self._registry, TokenId(token), box_revision).encoded()
        associated = self._header + self._audience + len(place).to_bytes(4, "big") + place
        return self._wrapping.open(wrapped[_HEADER:], associated)

    def box(self, token: str, box_revision: int, data_key: bytes, box: bytes) -> bytes:
        """Return the credentials as they were encoded; ``IntegrityError`` if the key does not open the box."""
        if box[:1] != BOX_VERSION:
            raise IntegrityError("its credentials are in no known format")
        associated = BOX_VERSION + BoxPlace(self._registry, TokenId(token), box_revision).encoded()
        opened = open_single(data_key, _BOX_CONTENT, box, 1, associated)
        unpadded, mark, zeros = opened.rpartition(b"\x80")
        if not mark or len(opened) % _STEP or zeros.strip(b"\x00"):
            raise IntegrityError("its credentials are padded in no known way")
        return unpadded


class Keys(Struct, frozen=True):
    """What the member can open: contents of events, and credentials of some scopes."""

    opener: Opener | None
    scopes: Mapping[str | None, Scope]
    """By application; ``None`` is the global one."""
    faults: tuple[str, ...] = ()
    """What is wrong with keys that were granted."""
    complete: bool = True
    """Whether the roster could be followed to its end, so that there are no keys beside these."""
    member: bool = True
    """Whether the identity is a member's."""


def keys_of(registry: bytes, identity: Identity, roster: Roster, *, complete: bool) -> Keys:
    """Return what the identity can open, by the roster as it is now; nothing if it is no member.

    If the roster could not be followed to its end, what it holds of the scopes' keys may have been replaced since.
    """
    member = next((m for m in roster.members.values() if m.keys == identity.public.keys), None)
    if member is None:
        return Keys(None, {}, complete=complete, member=False)
    keyring, faults = Keyring(registry, identity, member.id, roster), list[str]()

    def attempt(opened: Callable[[], Any]) -> Any:  # noqa: ANN401 - returns what it is given
        try:
            return opened()
        except RegistryError as error:
            faults.append(str(error))
            return None

    opener = None
    if keyring.holds(AUDIT):
        numbers = [generation.number for generation in roster.generations[AUDIT]]
        found = attempt(lambda: {number: keyring.key(AUDIT, number).key for number in reversed(numbers)})
        opener = Opener(registry, found) if found else None
    scopes: dict[str | None, Scope] = {}
    for application in (None, *roster.applications) if complete else ():
        audience = scope_audience(application)
        key = attempt(lambda name=audience: keyring.current(name)) if keyring.holds(audience) else None  # type: ignore[misc]  # a default binds the name
        if key is not None:
            scopes[application] = Scope(registry, audience, key.number, key.key)
    return Keys(opener, scopes, tuple(faults), complete)
