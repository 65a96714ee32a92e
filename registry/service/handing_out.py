"""Use cases of those who take credentials out: revealing one value, and giving tokens' values to a program.

Each use is recorded before anything is handed out. What happens where it cannot be is the policy ``fail-closed``.
"""

from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import TypeVar

from msgspec import structs

from registry.domain.events import Context
from registry.domain.roster import ADMIN, APP
from registry.domain.token_events import TokenDisclosed
from registry.errors import ClockBehind, InvalidValue, NotFound, RegistryError, StoreBusy, StoreUnreadable
from registry.service.disclosing import Asked, Disclosing, Resolved, disclosed
from registry.service.ledger import Ledger, Turn
from registry.service.safe import Safe
from registry.service.variables import HandedOut, Wanted, variables
from registry.store.rows import TokenRow
from registry.values import Secret

T = TypeVar("T")
Unrecorded = Callable[[RegistryError], None]
"""Is told why a use could not be recorded, where the policy lets it go on all the same."""


class HandingOut:
    """Opens tokens for those who use them, after that was recorded."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._disclosing = Disclosing(ledger)
        self._safe = Safe(ledger)

    def reveal(
        self, asked: Asked, field: str, reason: str | None = None, unrecorded: Unrecorded | None = None
    ) -> Secret:
        """Return one value of a token; it is recorded that it was revealed."""

        def find() -> tuple[TokenRow, Secret]:
            row = self._disclosing.meant(asked).row
            fields = self._safe.open(row).fields
            if field not in fields:
                raise NotFound(f"the token has no field {field!r}", f"it has: {', '.join(fields)}")
            return row, fields[field]

        def facts(context: Context, found: tuple[TokenRow, Secret]) -> list[TokenDisclosed]:
            return [disclosed(context, found[0], asked, "reveal", (field,))]

        return self._recorded(find, facts, reason, unrecorded)[1]

    def run(
        self,
        wanted: Sequence[Wanted],
        only: Sequence[str] = (),
        *,
        as_files: bool = False,
        reason: str | None = None,
        unrecorded: Unrecorded | None = None,
    ) -> HandedOut:
        """Return the values of tokens for a program that is to be run with them; that is recorded, in one commit."""
        if not wanted:
            raise InvalidValue("no token is named")

        def find() -> tuple[list[TokenRow], HandedOut]:
            rows = [self._disclosing.meant(asked).row for asked in wanted]
            tokens = _chosen(wanted, [self._disclosing.opened(row) for row in rows], only)
            return rows, HandedOut(variables(wanted, tokens, as_files=as_files), tokens)

        def facts(context: Context, found: tuple[list[TokenRow], HandedOut]) -> list[TokenDisclosed]:
            named = [tuple(token.fields) if only else () for token in found[1].tokens]
            uses = zip(wanted, found[0], named, strict=True)
            return [disclosed(context, row, asked, "run", fields) for asked, row, fields in uses]

        return self._recorded(find, facts, reason, unrecorded)[1]

    def _recorded(
        self,
        find: Callable[[], T],
        facts: Callable[[Context, T], list[TokenDisclosed]],
        reason: str | None,
        unrecorded: Unrecorded | None,
    ) -> T:
        """Return what is found, once the facts about it are committed.

        Where nothing can be written it is refused, or found without one's turn to write if the policy says so.
        """
        ledger = self._ledger
        ledger.require(ADMIN, APP)
        try:
            with ledger.turn(reason, roles=(ADMIN, APP)) as turn:
                found = find()
                self._record(turn, facts(turn.context, found))
                return found
        except (StoreBusy, StoreUnreadable, ClockBehind) as error:
            why = error
        with ledger.glance():
            if ledger.roster.policy("fail-closed") != "never":
                raise type(why)(f"the use cannot be recorded, so nothing is handed out: {why}", why.hint)
            found = find()
        if unrecorded is not None:
            unrecorded(why)
        return found

    def _record(self, turn: Turn, events: Sequence[TokenDisclosed]) -> None:
        stream, version = self._ledger.member.id, self._ledger.next_version(self._ledger.member.id)
        placed = [
            structs.replace(event, originator_id=stream, originator_version=version + number)
            for number, event in enumerate(events)
        ]
        self._ledger.commit(turn, placed)


def _chosen(wanted: Sequence[Wanted], tokens: Sequence[Resolved], only: Sequence[str]) -> tuple[Resolved, ...]:
    """Return the tokens with the fields that were asked for; each must have one of them, and each be one of a token."""
    if not only:
        return tuple(tokens)
    known = dict.fromkeys(field for token in tokens for field in token.fields)
    for name in only:
        if name not in known:
            raise NotFound(f"there is no field {name!r}", f"there are: {', '.join(known)}")
    chosen = []
    for asked, token in zip(wanted, tokens, strict=True):
        fields = {name: value for name, value in token.fields.items() if name in only}
        if not fields:
            raise InvalidValue(f"no field of the token {asked.name!r} is asked for", "leave the token out")
        chosen.append(structs.replace(token, fields=MappingProxyType(fields)))
    return tuple(chosen)
