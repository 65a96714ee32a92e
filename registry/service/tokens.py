"""The tokens of a registry, as its member may use them."""

from collections.abc import Iterator
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from registry.service.ledger import Ledger
from registry.service.shown import shown
from registry.values import fold
from registry.views.current import TokenView

if TYPE_CHECKING:
    from registry.providers.interface import TestResult
    from registry.service.disclosing import Asked, Disclosing
    from registry.service.token_changes import TokenChanges
    from registry.service.wishes import Changed, NewToken, TokenEdit
    from registry.store.rows import TokenRow
    from registry.values import Secret


class Tokens:
    """The tokens of a registry, as its member may use them."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @cached_property
    def _changes(self) -> "TokenChanges":
        from registry.service.token_changes import TokenChanges  # noqa: PLC0415 - not on the way of those who read

        return TokenChanges(self._ledger)

    @cached_property
    def _disclosing(self) -> "Disclosing":
        from registry.service.disclosing import Disclosing  # noqa: PLC0415 - as above

        return Disclosing(self._ledger)

    def show(self, name: str, *, app: str | None = None) -> TokenView:
        """Return a token as it is now; ``NotFound`` if there is none of that name in the scope."""
        self._ledger.require_reader()
        return shown(self._ledger, self._ledger.find(name, self._ledger.scope(app))[1])

    def list(
        self,
        *,
        app: str | None = None,
        only_global: bool = False,
        match: str | None = None,
        expiring: timedelta | None = None,
        exposed: bool = False,
    ) -> Iterator[TokenView]:
        """Yield the tokens of a scope, or of all, whose name or description contains ``match``.

        ``expiring`` leaves only those that end within that time, or have ended; ``exposed`` only those that somebody
        could have opened who may not any more, until their credentials are changed.
        """
        self._ledger.require_reader()
        scope = self._ledger.scope(app)
        until = None if expiring is None else self._ledger.surroundings.clock() + expiring
        found = []
        for row in self._ledger.store.rows():
            if (app is not None and row.application != scope) or (only_global and row.application is not None):
                continue
            if exposed and not self._is_exposed(row):
                continue
            token = self._ledger.token(row)
            if match is not None and fold(match) not in fold(token.name) + "\n" + fold(token.description):
                continue
            if until is not None and (token.expires_at is None or token.expires_at > until):
                continue
            found.append(shown(self._ledger, token))
        yield from sorted(found, key=lambda view: (view.application is not None, view.application, fold(view.name)))

    def add(self, new: "NewToken", *, test: bool = False, reason: str | None = None) -> "Changed":
        """Create a token and return it; ``AlreadyExists`` if its name is taken in its scope.

        With ``test`` it is stored only if the provider accepts it (``ProviderRejected``, ``ProviderUndecided``).
        """
        return self._changes.add(new, test=test, reason=reason)

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
    ) -> "Secret":
        """Return one value of a token, after that was recorded; ``NotFound`` if the field is not set.

        For an app member a name without ``app`` means its own application's token before a global one.
        """
        asked = self._asked(name, app, only_global=only_global, process=process)
        return self._disclosing.reveal(asked, field, reason)

    def explain(
        self, name: str, *, app: str | None = None, only_global: bool = False, process: str | None = None
    ) -> str:
        """Return which token the name means to the caller, and why, in a line of words."""
        return self._disclosing.explain(self._asked(name, app, only_global=only_global, process=process))

    def _asked(self, name: str, app: str | None, *, only_global: bool, process: str | None) -> "Asked":
        from registry.service.disclosing import Asked  # noqa: PLC0415

        return Asked(name=name, app=app, only_global=only_global, process=process)
