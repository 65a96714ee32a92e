"""Rotating audiences: fresh keys for those who stay, and everything current that lay under the old ones sealed anew."""

from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct, structs

from registry.domain.roster import AUDIT, Generation, Grant, Roster, scope_audience
from registry.errors import IntegrityError
from registry.sealing import application_label, credentials, grants, tags
from registry.sealing.credentials import BoxPlace
from registry.sealing.grants import AudienceKey
from registry.service.ledger import Ledger
from registry.store.rows import TokenRow
from registry.values import ApplicationId, TokenId, fold

Progress = Callable[[int, int], None]
"""Called with the number of tokens done, and of all."""


class Rotation(Struct, frozen=True):
    """What a rotation adds to a commit: to its roster event, and to the rows beside it."""

    generations: tuple[Generation, ...]
    grants: tuple[Grant, ...]
    labels: dict[str, bytes]
    rows: tuple[TokenRow, ...]
    data_keys: dict[TokenId, bytes]

    def facts(self) -> dict[str, Any]:
        """Return the fields that the roster event takes from it."""
        return {"generations": self.generations, "grants": self.grants, "labels": self.labels}


def rotate(ledger: Ledger, after: Roster, audiences: Iterable[str], progress: Progress | None = None) -> Rotation:
    """Return fresh keys for the audiences, granted to those whom the roster ``after`` the commit entitles to them.

    ``fingerprint`` is never rotated: what was used before could not be recognised any more.
    """
    ledger.require_admin()
    chosen = [audience for audience in after_audiences(after) if audience in set(audiences)]
    made = {
        audience: grants.new_generation(ledger.registry, audience, ledger.keyring.current(audience))
        for audience in chosen
    }
    keys = {name: key for name, (_, key) in made.items()}
    rows, data_keys = _resealed(ledger, after, keys, progress)
    return Rotation(
        generations=tuple(generation for generation, _ in made.values()),
        grants=tuple(
            grants.grant(ledger.registry, key, member)
            for name, key in keys.items()
            for member in after.audience_members(name)
        ),
        labels=_labels(ledger, after, keys),
        rows=rows,
        data_keys=data_keys,
    )


def after_audiences(roster: Roster) -> list[str]:
    """Return every audience that can be rotated, in a fixed order."""
    return [AUDIT, *map(scope_audience, [None, *roster.applications])]


def _labels(ledger: Ledger, after: Roster, keys: dict[str, AudienceKey]) -> dict[str, bytes]:
    names = ledger.directory().applications
    return {
        application: application_label.seal(
            ledger.registry, application, keys[scope_audience(application)], names[application]
        )
        for application in after.applications
        if scope_audience(application) in keys
    }


def _resealed(
    ledger: Ledger, after: Roster, keys: dict[str, AudienceKey], progress: Progress | None
) -> tuple[tuple[TokenRow, ...], dict[TokenId, bytes]]:
    scopes: list[ApplicationId | None] = [None, *after.applications]
    affected = [row for scope in scopes if scope_audience(scope) in keys for row in ledger.store.rows_of(scope)]
    wrapped_keys = ledger.store.data_keys()
    rows, data_keys = [], {}
    for done, row in enumerate(affected, 1):
        key = keys[scope_audience(row.application)]
        rows.append(_retagged(ledger, row, key))
        data_keys[row.token] = _rewrapped(ledger, row, key, wrapped_keys)
        if progress:
            progress(done, len(affected))
    return tuple(rows), data_keys


def _retagged(ledger: Ledger, row: TokenRow, key: AudienceKey) -> TokenRow:
    folded = fold(ledger.token(row).name)
    return structs.replace(row, name_tag=tags.name_tag(key.key, ledger.registry, key.audience, folded))


def _rewrapped(ledger: Ledger, row: TokenRow, key: AudienceKey, wrapped_keys: dict[TokenId, bytes]) -> bytes:
    if row.token not in wrapped_keys:
        raise IntegrityError(f"the data key of the token {row.token} is missing", "restore the store from a backup")
    wrapped = wrapped_keys[row.token]
    place = BoxPlace(ledger.registry, row.token, row.box_revision)
    former = ledger.keyring.key(key.audience, credentials.wrap_generation(wrapped))
    data_key = credentials.unwrap(former.key, key.audience, place, wrapped)
    return credentials.wrap(key.key, key.audience, key.number, place, data_key)


def exposed(ledger: Ledger, roster: Roster, audiences: set[str]) -> dict[str, int]:
    """Return the tokens whose credentials the audiences' keys open, each with the revision of its credentials."""
    scopes: list[ApplicationId | None] = [None, *roster.applications]
    return {
        row.token: row.box_revision
        for scope in scopes
        if scope_audience(scope) in audiences
        for row in ledger.store.rows_of(scope)
    }
