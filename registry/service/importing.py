"""Importing: many tokens in one commit, all of them or none."""

import enum
from collections.abc import Callable, Container, Sequence
from typing import TypeVar

from msgspec import Struct

from registry.errors import AlreadyExists, InvalidValue, RegistryError
from registry.providers import catalogue
from registry.providers.interface import Provider
from registry.service.ledger import Ledger, Turn
from registry.service.token_changes import TokenChanges, Written, check_new
from registry.service.wishes import NewToken, TokenEdit
from registry.store.rows import TokenRow
from registry.values import ApplicationId

T = TypeVar("T")
U = TypeVar("U")


class OnConflict(enum.StrEnum):
    """What happens to an entry whose name is taken."""

    FAIL = "fail"
    SKIP = "skip"
    OVERWRITE = "overwrite"


class Action(enum.StrEnum):
    """What an import does, or would do, about one entry."""

    CREATE = "create"
    OVERWRITE = "overwrite"
    SKIP = "skip"
    UNCHANGED = "unchanged"


class Imported(Struct, frozen=True):
    """What became of one entry."""

    name: str
    application: str | None
    action: Action


class _Wanted(Struct, frozen=True):
    """An entry that was checked: what it will be named, where, and what says which fields it has."""

    entry: NewToken
    name: str
    scope: ApplicationId | None
    provider: Provider
    tag: bytes
    """The tag of its name, under which its current row lies or will lie."""


class Importing:
    """Imports tokens into a registry."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._changes = TokenChanges(ledger)

    def run(
        self,
        entries: Sequence[NewToken],
        *,
        on_conflict: OnConflict = OnConflict.FAIL,
        dry_run: bool = False,
        reason: str | None = None,
        progress: Callable[[int], None] | None = None,
        place: Callable[[int], str] = "entry {}".format,
    ) -> list[Imported]:
        """Import the entries in one commit; return what became of each, in their order.

        Errors begin with the ``place`` of the entry whose number, from 1, it is called with: the first entry that no
        registry would take, or else the first whose name is taken. ``progress`` is called with the number of entries
        done.
        """
        self._ledger.require_admin()
        with self._ledger.turn(reason) as turn:
            # One step for all entries, then the next: what is refused costs no sealing, and repeating one step takes a
            # processor a third less time than going through all of them for each entry, whose code its caches cannot
            # hold.
            seen: set[bytes] = set()
            wanted = _each(entries, lambda entry: self._checked(entry, seen), place)
            with self._ledger.store.snapshot():
                held = self._ledger.rows.held([checked.tag for checked in wanted])
                found = _each(wanted, lambda checked: self._found(checked, held, on_conflict), place)
            done = _each(found, lambda pair: self._decided(turn, *pair, on_conflict), place, progress)
            written = [addition for _, addition in done if addition]
            if written and not dry_run:
                self._changes.commit(turn, written)
        return [imported for imported, _ in done]

    def _checked(self, entry: NewToken, seen: set[bytes]) -> _Wanted:
        provider = catalogue.load(entry.provider)
        name = check_new(entry, self._ledger.roster, provider)
        scope = self._ledger.scope(entry.application)
        tag = self._ledger.name_tag(scope, name)
        if tag in seen:
            raise InvalidValue(f"the name {name!r} stands in the file twice")
        seen.add(tag)
        return _Wanted(entry, name, scope, provider, tag)

    def _found(
        self, wanted: _Wanted, held: Container[bytes], on_conflict: OnConflict
    ) -> tuple[_Wanted, TokenRow | None]:
        row = self._ledger.rows.found(wanted.tag) if wanted.tag in held else None
        if row is not None and on_conflict is OnConflict.FAIL:
            hint = "--on-conflict skip|overwrite says what to do about it"
            raise AlreadyExists(f"the name {wanted.name!r} is taken", hint)
        return wanted, row

    def _decided(
        self, turn: Turn, wanted: _Wanted, row: TokenRow | None, on_conflict: OnConflict
    ) -> tuple[Imported, Written | None]:
        entry, name = wanted.entry, wanted.name
        if row is None:
            new = self._changes.created(turn, entry, name=name, scope=wanted.scope, provider=wanted.provider)
            return Imported(name, entry.application, Action.CREATE), new
        if on_conflict is OnConflict.SKIP:
            return Imported(name, entry.application, Action.SKIP), None
        addition = self._overwritten(turn, row, wanted)
        action = Action.OVERWRITE if addition else Action.UNCHANGED
        return Imported(name, entry.application, action), addition

    def _overwritten(self, turn: Turn, row: TokenRow, wanted: _Wanted) -> Written | None:
        entry, token = wanted.entry, self._ledger.to_change(self._ledger.named(row, wanted.name, wanted.scope))
        gone = {*token.public, *token.secret} - entry.fields.keys()
        known = {field.name for field in wanted.provider.fields}
        change = TokenEdit(
            fields=entry.fields,
            unset=tuple(sorted(gone & known)),
            provider=entry.provider,
            description=entry.description,
            encrypted=entry.encrypted,
            expiry=(entry.expires_at,),
        )
        return self._changes.edited(turn, row, token, change)


def _each(
    things: Sequence[T],
    work: Callable[[T], U],
    place: Callable[[int], str],
    progress: Callable[[int], None] | None = None,
) -> list[U]:
    """Return what the work makes of each thing; its errors begin with the place of the one that they are about."""
    made = []
    for number, thing in enumerate(things, 1):
        try:
            made.append(work(thing))
        except RegistryError as error:
            raise type(error)(f"{place(number)}: {error}", error.hint) from None
        if progress:
            progress(number)
    return made
