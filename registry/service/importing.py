"""Importing: many tokens in one commit, all of them or none."""

import enum
from collections.abc import Callable, Sequence

from msgspec import Struct

from registry.domain.token_events import TokenEvent
from registry.errors import AlreadyExists, InvalidValue, RegistryError
from registry.providers import catalogue
from registry.service.ledger import Ledger, Turn
from registry.service.token_changes import TokenChanges, Written, check_new
from registry.service.wishes import NewToken, TokenEdit
from registry.store.rows import TokenRow
from registry.values import ApplicationId, TokenId, fold, parse_token_name


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

        Errors begin with the ``place`` of the entry whose number, from 1, it is called with. ``progress`` is called
        with the number of entries done.
        """
        self._ledger.require_admin()
        with self._ledger.turn(reason) as turn:
            outcome: list[Imported] = []
            written: list[Written] = []
            seen: set[tuple[ApplicationId | None, str]] = set()
            for number, entry in enumerate(entries, 1):
                try:
                    imported, addition = self._one(turn, entry, on_conflict, seen)
                except RegistryError as error:
                    raise type(error)(f"{place(number)}: {error}", error.hint) from None
                outcome.append(imported)
                if addition:
                    written.append(addition)
                if progress:
                    progress(number)
            if written and not dry_run:
                self._commit(turn, written)
        return outcome

    def _one(
        self, turn: Turn, entry: NewToken, on_conflict: OnConflict, seen: set[tuple[ApplicationId | None, str]]
    ) -> tuple[Imported, Written | None]:
        provider = catalogue.load(entry.provider)
        check_new(entry, self._ledger.roster, provider)
        name = parse_token_name(entry.name)
        directory = self._ledger.directory()
        scope = None if entry.application is None else directory.find_application(entry.application)
        if (scope, fold(name)) in seen:
            raise InvalidValue(f"the name {name!r} stands in the file twice")
        seen.add((scope, fold(name)))
        row = self._ledger.store.row_by_tag(self._ledger.name_tag(scope, name))
        if row is None:
            return Imported(name, entry.application, Action.CREATE), self._changes.created(turn, entry, scope, provider)
        if on_conflict is OnConflict.SKIP:
            return Imported(name, entry.application, Action.SKIP), None
        if on_conflict is OnConflict.FAIL:
            raise AlreadyExists(f"the name {name!r} is taken", "--on-conflict skip|overwrite says what to do about it")
        addition = self._overwritten(turn, row, entry)
        action = Action.OVERWRITE if addition else Action.UNCHANGED
        return Imported(name, entry.application, action), addition

    def _overwritten(self, turn: Turn, row: TokenRow, entry: NewToken) -> Written | None:
        token = self._ledger.token(row)
        gone = {*token.public, *token.secret} - entry.fields.keys()
        known = {field.name for field in catalogue.load(entry.provider).fields}
        change = TokenEdit(
            fields=entry.fields,
            unset=tuple(sorted(gone & known)),
            provider=entry.provider,
            description=entry.description,
            encrypted=entry.encrypted,
            expiry=(entry.expires_at,),
        )
        return self._changes.edited(turn, row, token, change)

    def _commit(self, turn: Turn, written: Sequence[Written]) -> None:
        events: list[TokenEvent] = []
        data_keys: dict[TokenId, bytes] = {}
        for addition in written:
            events += addition.events
            data_keys |= addition.data_keys
        self._ledger.commit(
            turn,
            events,
            rows=[addition.row for addition in written],
            data_keys=data_keys,
            fingerprints=[pair for addition in written for pair in addition.fingerprints],
            shred=any(addition.shred for addition in written),
        )
