"""The tokens of a registry, as its member may use them."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from registry.errors import RegistryError
from registry.service.ledger import Ledger
from registry.service.shown import shown
from registry.values import fold
from registry.views.current import TokenFilter, TokenView

if TYPE_CHECKING:
    from registry.providers.interface import TestResult
    from registry.service.disclosing import Asked
    from registry.service.handing_out import HandingOut
    from registry.service.token_changes import TokenChanges
    from registry.service.variables import HandedOut, Wanted
    from registry.service.wishes import Changed, NewToken, TokenEdit
    from registry.store.rows import TokenRow
    from registry.values import Secret, TokenId


class Tokens:
    """The tokens of a registry, as its member may use them."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @cached_property
    def _changes(self) -> "TokenChanges":
        from registry.service.token_changes import TokenChanges  # noqa: PLC0415 - not on the way of those who read

        return TokenChanges(self._ledger)

    @cached_property
    def _handing_out(self) -> "HandingOut":
        from registry.service.handing_out import HandingOut  # noqa: PLC0415 - as above

        return HandingOut(self._ledger)

    def show(self, name: str, *, app: str | None = None, as_of: datetime | None = None) -> TokenView:
        """Return a token as it is now; ``NotFound`` if there is none of that name in the scope.

        With ``as_of`` it is the token that bore the name at that moment, renamed or deleted since or not, with what
        was known of it then: it is made from its events, and reads the history up to there.
        """
        if as_of is not None:
            from registry.service.history import token_as_of  # noqa: PLC0415 - as above

            return token_as_of(self._ledger, name, app, as_of)
        self._ledger.require_reader()
        with self._ledger.glance():
            return shown(self._ledger, self._ledger.find(name, self._ledger.scope(app))[1])

    def list(
        self,
        *,
        app: str | None = None,
        only_global: bool = False,
        match: str | None = None,
        expiring: timedelta | None = None,
        stale: timedelta | None = None,
        unused: timedelta | None = None,
        exposed: bool = False,
    ) -> Iterator[TokenView]:
        """Yield the tokens of a scope, or of all, whose name or description contains ``match``.

        ``expiring`` leaves only those that end within that time, or have ended; ``stale`` those whose credentials were
        last changed so long ago, or longer; ``unused`` those without a recorded use within that time; ``exposed``
        those that somebody could have opened who may not any more, until their credentials are changed.
        """
        self._ledger.require_reader()
        now = self._ledger.surroundings.clock()
        wanted = TokenFilter(
            match=match,
            ends_by=None if expiring is None else now + expiring,
            changed_by=None if stale is None else now - stale,
        )
        used = set() if unused is None else self._used_since(now - unused)
        found = []
        with self._ledger.glance():
            scope = self._ledger.scope(app)
            for row in self._ledger.rows.all():
                if (app is not None and row.application != scope) or (only_global and row.application is not None):
                    continue
                if row.token in used or (exposed and not self._is_exposed(row)):
                    continue
                token = self._ledger.token(row)
                if wanted.wants(token):
                    found.append(shown(self._ledger, token))
        yield from sorted(found, key=lambda view: (view.application is not None, view.application, fold(view.name)))

    def add(self, new: "NewToken", *, test: bool = False, reason: str | None = None) -> "Changed":
        """Create a token and return it; ``AlreadyExists`` if its name is taken in its scope.

        With ``test`` it is stored only if the provider accepts it (``ProviderRejected``, ``ProviderUndecided``).
        """
        return self._changes.add(new, test=test, reason=reason)

    def _used_since(self, moment: datetime) -> "set[TokenId]":
        from registry.service.usage import tokens_used_since  # noqa: PLC0415 - as above

        return tokens_used_since(self._ledger, moment)

    def _is_exposed(self, row: "TokenRow") -> bool:
        from registry.service.exposure import is_exposed  # noqa: PLC0415 - as above

        return is_exposed(self._ledger, row)

    def check_free(self, name: str, *, app: str | None = None) -> None:
        """Raise what ``add`` would for this name in this scope, before anybody types in credentials for it."""
        self._changes.check_free(name, app=app)

    def edit(
        self,
        name: str,
        change: "TokenEdit",
        *,
        app: str | None = None,
        expect_revision: int | None = None,
        test: bool = False,
        reason: str | None = None,
    ) -> "Changed":
        """Change a token in one commit and one step of its revision.

        ``Conflict`` if ``expect_revision`` is not the revision it has; with ``test`` the new credentials are stored
        only if the provider accepts them.
        """
        return self._changes.edit(name, change, app=app, expect_revision=expect_revision, test=test, reason=reason)

    def rename(self, name: str, new_name: str, *, app: str | None = None, reason: str | None = None) -> "Changed":
        """Give a token another name; the former one is free at once."""
        return self._changes.rename(name, new_name, app=app, reason=reason)

    def remove(self, name: str, *, app: str | None = None, reason: str | None = None) -> TokenView:
        """Delete a token and the only key that opens its credentials; return what it was."""
        return self._changes.remove(name, app=app, reason=reason)

    def test(self, name: str, *, app: str | None = None, reason: str | None = None) -> "TestResult":
        """Ask the provider about a token's present credentials, record what it said, and return it."""
        return self._changes.test(name, app=app, reason=reason)

    def reveal(
        self,
        name: str,
        field: str,
        *,
        app: str | None = None,
        only_global: bool = False,
        process: str | None = None,
        reason: str | None = None,
        unrecorded: Callable[[RegistryError], None] | None = None,
    ) -> "Secret":
        """Return one value of a token, after that was recorded; ``NotFound`` if the field is not set.

        For an app member a name without ``app`` means its own application's token before a global one.
        Where the use cannot be recorded the error says so, unless the policy ``fail-closed`` is ``never``: then the
        value is returned, and ``unrecorded`` called with that error.
        """
        asked = self._asked(name, app, only_global=only_global, process=process)
        return self._handing_out.reveal(asked, field, reason, unrecorded)

    def run(
        self,
        wanted: "Sequence[Wanted]",
        *,
        only: Sequence[str] = (),
        as_files: bool = False,
        reason: str | None = None,
        unrecorded: Callable[[RegistryError], None] | None = None,
    ) -> "HandedOut":
        """Return the values of tokens for a program that is to be run with them, after that was recorded in one commit.

        ``only`` names the fields that it needs; otherwise it is given all. With ``as_files`` the values are not for
        the environment, and may hold what that cannot. ``InvalidValue`` if two values would have one name. Names and
        ``unrecorded`` mean what they mean for ``reveal``.
        """
        return self._handing_out.run(wanted, only, as_files=as_files, reason=reason, unrecorded=unrecorded)

    def explain(
        self, name: str, *, app: str | None = None, only_global: bool = False, process: str | None = None
    ) -> str:
        """Return which token the name means to the caller, and why, in a line of words."""
        from registry.service.disclosing import Disclosing  # noqa: PLC0415 - as above

        return Disclosing(self._ledger).explain(self._asked(name, app, only_global=only_global, process=process))

    def _asked(self, name: str, app: str | None, *, only_global: bool, process: str | None) -> "Asked":
        from registry.service.disclosing import Asked  # noqa: PLC0415

        return Asked(name=name, app=app, only_global=only_global, process=process)
