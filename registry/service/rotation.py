"""Rotating audiences: fresh keys for those who stay, and everything current that lay under the old ones sealed anew."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from msgspec import Struct, structs

from registry.domain.roster import AUDIT, Generation, Grant, Roster, scope_audience
from registry.errors import IntegrityError
from registry.sealing import application_label, credentials, grants, tags
from registry.sealing.credentials import BoxPlace
from registry.sealing.grants import AudienceKey
from registry.service.ledger import Ledger
from registry.store.rows import TokenRow
from registry.values import fold

Progress = Callable[[int, int], None]
"""Called with the number of tokens done, and of all."""


class Rotation(Struct, frozen=True):
    """What a rotation adds to a commit: to its roster event, and to the rows beside it."""

    generations: tuple[Generation, ...]
    grants: tuple[Grant, ...]
    labels: dict[str, bytes]
    rows: tuple[TokenRow, ...]
    replaced: tuple[TokenRow, ...]
    """The rows in whose place these come."""
    audit: AudienceKey | None
    """The new key of ``audit``, if it has one: the commit is sealed under it."""

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
    affected = _affected(ledger, after, keys)
    return Rotation(
        generations=tuple(generation for generation, _ in made.values()),
        grants=tuple(
            grants.grant(ledger.registry, key, member)
            for name, key in keys.items()
            for member in after.audience_members(name)
        ),
        labels=_labels(ledger, after, keys),
        rows=_resealed(ledger, affected, keys, progress),
        replaced=affected,
        audit=keys.get(AUDIT),
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


def _affected(ledger: Ledger, after: Roster, keys: dict[str, AudienceKey]) -> tuple[TokenRow, ...]:
    # A row that is hidden here would stay open to whoever is to lose the key: the rows are proven to be all there are.
    scopes = {scope_audience(scope) for scope in (None, *after.applications)} & keys.keys()
    return tuple(row for row in ledger.rows.all() if scope_audience(row.application) in scopes)


def _resealed(
    ledger: Ledger, affected: Sequence[TokenRow], keys: dict[str, AudienceKey], progress: Progress | None
) -> tuple[TokenRow, ...]:
    rows = []
    for done, row in enumerate(affected, 1):
        rows.append(_rewrapped(ledger, row, keys[scope_audience(row.application)]))
        if progress:
            progress(done, len(affected))
    return tuple(rows)


def _rewrapped(ledger: Ledger, row: TokenRow, key: AudienceKey) -> TokenRow:
    if row.wrapped is None:
        raise IntegrityError(f"the data key of the token {row.token} is missing", "restore the store from a backup")
    folded = fold(ledger.token(row).name)
    place = BoxPlace(ledger.registry, row.token, row.box_revision)
    former = ledger.wrapping_key(row, row.wrapped)
    try:
        data_key = credentials.unwrap(former.key, key.audience, place, row.wrapped)
    except IntegrityError as error:
        raise IntegrityError(f"the data key of the token {row.token}: {error}", error.hint) from None
    return structs.replace(
        row,
        name_tag=tags.name_tag(key.key, ledger.registry, key.audience, folded),
        wrapped=credentials.wrap(key.key, key.audience, key.number, place, data_key),
    )


def exposed(ledger: Ledger, roster: Roster, audiences: set[str]) -> dict[str, int]:
    """Return the tokens whose credentials the audiences' keys open, each with the revision of its credentials."""
    there = {scope_audience(scope) for scope in (None, *roster.applications)} & audiences
    return {row.token: row.box_revision for row in ledger.rows.all() if scope_audience(row.application) in there}
