"""Opening and sealing a token's credentials: box, data key, fingerprints, and the readable copy someone chose."""

from collections.abc import Container, Mapping

from msgspec import Struct

from registry.domain.roster import FINGERPRINT, scope_audience
from registry.domain.token import Token
from registry.domain.token_events import SealedCredentials
from registry.errors import IntegrityError
from registry.providers.interface import Provider
from registry.sealing import credentials, tags
from registry.sealing.credentials import BoxPlace, Credentials, Wrapping
from registry.sealing.grants import AudienceKey
from registry.service.ledger import Ledger
from registry.store.rows import TokenRow
from registry.values import ApplicationId, Secret, TokenId

NEW, SAME, USED_BEFORE = "new", "same", "used before"


class Sealed(Struct, frozen=True):
    """New credentials, sealed: what the event says, and what the commit writes beside it."""

    facts: SealedCredentials
    data_key: bytes
    fingerprints: bytes
    """Those of these credentials and of all that the token had before."""


class Safe:
    """Opens and seals credentials with the keys of one member."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._wrappings: dict[tuple[str, int], Wrapping] = {}
        self._prints: dict[int, tags.Fingerprints] = {}

    def _under(self, key: AudienceKey) -> Wrapping:
        place = (key.audience, key.number)
        if place not in self._wrappings:
            self._wrappings[place] = Wrapping(key.key, key.audience, key.number)
        return self._wrappings[place]

    def _place(self, token: TokenId, revision: int) -> BoxPlace:
        return BoxPlace(self._ledger.registry, token, revision)

    def open(self, row: TokenRow) -> Credentials:
        """Return the present credentials of a row; ``NotPermitted`` without the key of its scope.

        ``StoreMoved`` if the registry goes on elsewhere: they may have been replaced there.
        """
        self._ledger.check_home()
        wrapped = row.wrapped
        if wrapped is None:
            raise IntegrityError(f"the data key of the token {row.token} is missing", "restore the store from a backup")
        place = self._place(row.token, row.box_revision)
        key = self._ledger.wrapping_key(row, wrapped)
        try:
            data_key = self._under(key).unwrap(place, wrapped)
            opened = credentials.open_box(data_key, place, row.box)
        except IntegrityError as error:
            raise IntegrityError(f"the credentials of the token {row.token}: {error}", error.hint) from None
        if row.plain is not None and row.plain != opened.encoded():
            raise IntegrityError(f"the readable credentials of the token {row.token} are not the ones committed")
        return opened

    def seal(
        self,
        provider: Provider,
        values: Mapping[str, Secret],
        *,
        token: TokenId,
        application: ApplicationId | None,
        revision: int,
        before: Credentials | None = None,
        known: bytes = b"",
    ) -> Sealed:
        """Return the values sealed under a fresh data key, with the verdict on each secret one.

        ``before`` are the token's credentials until now, and ``known`` the fingerprints of its current row, which the
        present vouches for: what else the store holds could be hidden while the verdict is worked out, and signed.
        """
        secret = {field.name for field in provider.fields if field.secret}
        fingerprints = self._fingerprints()
        former = tags.unpacked(known)
        public, prints = {}, {}
        for name in sorted(values):
            if name in secret:
                prints[name] = fingerprints.of(token, name, values[name])
            else:
                public[name] = values[name].reveal()
        wrapping = self._under(self._ledger.keyring.current(scope_audience(application)))
        box, wrapped = wrapping.seal(self._place(token, revision), Credentials(provider.name, values))
        facts = SealedCredentials(
            public=public,
            secret=tuple(prints),
            verdicts=_verdicts(prints, values, before, former),
            fingerprints={name: print_.hex() for name, print_ in prints.items()},
            box=box,
        )
        return Sealed(facts, wrapped, tags.packed({*former, *prints.values()}))

    def _fingerprints(self) -> tags.Fingerprints:
        key = self._ledger.keyring.current(FINGERPRINT)
        if key.number not in self._prints:
            self._prints[key.number] = tags.Fingerprints(key.key, self._ledger.registry)
        return self._prints[key.number]


def _verdicts(
    prints: Mapping[str, bytes], values: Mapping[str, Secret], before: Credentials | None, former: Container[bytes]
) -> dict[str, str]:
    if before is None:
        return dict.fromkeys(prints, NEW)
    verdicts = {}
    for name, print_ in prints.items():
        if before.fields.get(name) == values[name]:
            verdicts[name] = SAME
        else:
            verdicts[name] = USED_BEFORE if print_ in former else NEW
    return verdicts


def readable(token: Token, provider: str, values: Mapping[str, Secret]) -> bytes | None:
    """Return the copy that the current row of an unencrypted token holds; ``None`` for an encrypted one."""
    return None if token.encrypted else Credentials(provider, values).encoded()
