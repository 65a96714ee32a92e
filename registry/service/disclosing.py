"""What those who use credentials have in common, admins who reveal and apps that resolve.

Which token a name means, how it is opened, and what is recorded of its use, is decided here alone.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from msgspec import Struct, structs

from registry.domain.events import Context
from registry.domain.roster import ADMIN, APP, FORM
from registry.domain.token_events import TokenDisclosed
from registry.errors import IntegrityError, InvalidValue, NotFound, NotPermitted, RegistryError
from registry.providers import catalogue
from registry.providers.fields import with_defaults
from registry.service.ledger import Ledger
from registry.service.safe import Safe
from registry.store.rows import TokenRow
from registry.values import ApplicationId, Secret, TokenId, fold, parse_process, parse_token_name


class Asked(Struct, frozen=True, kw_only=True):
    """Which token is meant, and in whose name it is asked for."""

    name: str
    app: str | None = None
    only_global: bool = False
    """Whether the global token is meant even where one's own application has one of that name."""
    process: str | None = None
    """The process in whose name the caller asks."""


class Receipt(Struct, frozen=True):
    """By what a resolved value can be proven later: the log of ``size`` events says which token this was.

    ``position`` is that of the newest event that the token's row follows; ``log proof`` and evidence prove it.
    """

    token_id: TokenId
    revision: int
    position: int
    size: int


class Resolved(Struct, frozen=True):
    """A token's values as a running app needs them; they do not show when it is printed."""

    token_id: TokenId
    revision: int
    provider: str
    fields: Mapping[str, Secret]
    receipt: Receipt

    def __getitem__(self, field: str) -> Secret:
        """Return the value of a field; ``NotFound`` if the token has no such field."""
        try:
            return self.fields[field]
        except KeyError:
            raise NotFound(f"the token has no field {field!r}", f"it has: {', '.join(self.fields)}") from None


class Meant(Struct, frozen=True):
    """The token that a name means to the caller, and why it is that one."""

    row: TokenRow
    why: str


class Disclosing:
    """Finds the token that a caller means, and opens it; recording that comes first is the caller's business."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._safe = Safe(ledger)

    def meant(self, asked: Asked) -> Meant:
        """Return the token that is meant; ``NotFound`` if the caller has none of that name."""
        self._ledger.require(ADMIN, APP)
        name, process = parse_token_name(asked.name), parse_process(asked.process)
        if asked.only_global and asked.app is not None:
            raise InvalidValue("a token is global or belongs to an application", "give --app or --global")
        for application, why in self._scopes(asked):
            row = self._ledger.rows.by_tag(self._ledger.name_tag(application, name))
            if row is not None:
                if row.application != application:
                    raise IntegrityError(f"the token {row.token} lies in a scope that is not its own")
                self._check_process(row, process)
                return Meant(row, why)
        raise NotFound(f"there is no token {name!r} that is meant by this name here")

    def explain(self, asked: Asked) -> str:
        """Return why a name means the token that it means, in a line of words."""
        with self._ledger.glance():
            return self.meant(asked).why

    def _scopes(self, asked: Asked) -> Sequence[tuple[ApplicationId | None, str]]:
        """Return the scopes to look into, in their order, each with the reason why it answers."""
        ledger, own = self._ledger, self._ledger.member.application
        if asked.only_global:
            return [(None, "the global token was asked for")]
        if own is None:
            if asked.app is None:
                return [(None, "a name without an application means the global token")]
            return [(ledger.scope(asked.app), f"the token of the application {asked.app!r} was asked for")]
        name = ledger.own_application()
        if asked.app is None:
            return [
                (own, f"the token of one's own application {name!r} comes before a global one of the same name"),
                (None, f"one's own application {name!r} has no token of this name, so the global one is meant"),
            ]
        if name is None or fold(asked.app) != fold(name):
            # Not "not permitted": whether there is such an application, or such a token of it, is none of its business.
            raise NotFound(f"there is no token {asked.name!r} that is meant by this name here")
        return [(own, f"the token of one's own application {name!r} was asked for")]

    def _check_process(self, row: TokenRow, process: str | None) -> None:
        if process is None or row.application is None:
            return
        if self._ledger.roster.application(row.application).kind == FORM:
            raise NotPermitted(
                "the token of a form-based app serves that form alone, not a process", "ask without naming a process"
            )

    def opened(self, row: TokenRow) -> Resolved:
        """Return all values of a token's current row, defaults filled in."""
        opened = self._safe.open(row)
        try:
            fields = with_defaults(catalogue.load(opened.provider), opened.fields)
        except RegistryError:
            fields = dict(opened.fields)  # the package that brought the provider is not installed here
        return Resolved(row.token, row.revision, opened.provider, MappingProxyType(fields), self._receipt(row))

    def _receipt(self, row: TokenRow) -> Receipt:
        """Return by what the row can be proven; the present vouches for it, so for where its newest event stands."""
        return Receipt(row.token, row.revision, row.position, self._ledger.head.size)


def disclosed(
    context: Context, row: TokenRow, asked: Asked, purpose: str, changed: tuple[str, ...] = ()
) -> TokenDisclosed:
    """Return the fact that a token was handed out, not yet placed in its member's stream."""
    return TokenDisclosed(
        originator_id=context.by,
        originator_version=0,
        **structs.asdict(context),
        changed=changed,
        token=row.token,
        revision=row.revision,
        purpose=purpose,
        application=row.application,
        process=parse_process(asked.process),
    )
