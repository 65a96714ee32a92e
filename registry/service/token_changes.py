"""Changing and using tokens: each use case loads what is there, lets the domain decide, and writes one commit."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from registry.domain import token_rules as rules
from registry.domain.roster import Roster
from registry.domain.token import Token
from registry.domain.token_events import TokenEvent
from registry.domain.token_rules import Change, folded
from registry.errors import (
    AlreadyExists,
    Conflict,
    IntegrityError,
    InvalidValue,
    NotPermitted,
    ProviderRejected,
    ProviderUndecided,
)
from registry.providers import catalogue
from registry.providers.fields import check_fields, with_defaults
from registry.providers.interface import Outcome, Provider, TestResult
from registry.sealing.credentials import Credentials
from registry.service.ledger import Ledger, Turn
from registry.service.safe import Safe, Sealed, readable
from registry.service.shown import shown
from registry.service.wishes import Changed, NewToken, TokenEdit
from registry.store.rows import TokenRow
from registry.values import ApplicationId, Secret, TokenId, parse_description, parse_token_name
from registry.views.current import TokenView

_STORABLE = (Outcome.ACCEPTED, Outcome.ACCEPTED_MISSING_SCOPE)
_REFUSED = (Outcome.REJECTED, Outcome.RETIRED)


class Written(Struct, frozen=True):
    """What one token adds to a commit: its events, and what its current row is made of."""

    events: list[TokenEvent]
    token: Token
    box: bytes
    plain: bytes | None
    sealed: Sealed | None
    before: TokenRow | None = None
    shred: bool = False

    def row(self, ledger: Ledger) -> TokenRow:
        """Return the current row: data key and fingerprints are new, or those that the row before has."""
        held = self.sealed or self.before
        assert held is not None  # noqa: S101 - a token without credentials is made of nothing
        wrapped = self.sealed.data_key if self.sealed else self.before.wrapped if self.before else None
        return ledger.row(self.token, box=self.box, plain=self.plain, fingerprints=held.fingerprints, wrapped=wrapped)


class TokenChanges:
    """Every use case of ``Tokens`` that writes; that class documents them."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._safe = Safe(ledger)

    def add(self, new: NewToken, *, test: bool = False, reason: str | None = None) -> Changed:
        """Create a token and return it.

        With ``test`` it is stored only if the provider accepts it (``ProviderRejected``, ``ProviderUndecided``).
        """
        ledger = self._ledger
        ledger.require_admin()
        scope = self._ledger.scope(new.application)
        provider = catalogue.load(new.provider)
        check_new(new, ledger.roster, provider)
        self.check_free(new.name, app=new.application)
        result = self._tested(provider, new.fields) if test else None
        with ledger.turn(reason) as turn:
            scope = self._ledger.scope(new.application)
            name = check_new(new, ledger.roster, provider)
            self._check_free(name, scope)
            written = self.created(turn, new, name=name, scope=scope, provider=provider, result=result)
            self.commit(turn, [written])
        return Changed(shown(self._ledger, written.token), True, result)

    def check_free(self, name: str, *, app: str | None = None) -> None:
        """Raise what ``add`` would for this name in this scope."""
        self._ledger.require_admin()
        with self._ledger.glance():
            self._check_free(name, self._ledger.scope(app))

    def created(
        self,
        turn: Turn,
        new: NewToken,
        *,
        name: str,
        scope: ApplicationId | None,
        provider: Provider,
        result: TestResult | None = None,
    ) -> Written:
        """Return what a new token adds to the commit; its name is the one that ``check_new`` returned."""
        token_id = TokenId(self._ledger.surroundings.new_id())
        sealed = self._safe.seal(provider, new.fields, token=token_id, application=scope, revision=1)
        events = rules.create(
            turn.context,
            token_id,
            name=name,
            application=scope,
            provider=provider.name,
            description=new.description,
            encrypted=new.encrypted,
            expires_at=new.expires_at,
            credentials=sealed.facts,
            tested=_verdict(result),
        )
        token = folded(None, events)
        return Written(events, token, sealed.facts.box, readable(token, provider.name, new.fields), sealed)

    def _check_free(self, name: str, scope: ApplicationId | None, but: TokenId | None = None) -> None:
        row = self._ledger.rows.found(self._ledger.name_tag(scope, parse_token_name(name)))
        if row is not None and row.token != but:
            raise AlreadyExists(f"the name {name!r} is taken", "names that differ only in case or form are the same")

    def edit(
        self,
        name: str,
        change: TokenEdit,
        *,
        app: str | None = None,
        expect_revision: int | None = None,
        test: bool = False,
        reason: str | None = None,
    ) -> Changed:
        """Change a token in one commit and one step of its revision.

        ``Conflict`` if ``expect_revision`` is not the revision it has; with ``test`` the new credentials are stored
        only if the provider accepts them.
        """
        ledger = self._ledger
        result = tested = None
        if test:
            ledger.require_admin()
            _, token, opened = self._opened(name, app)
            rules.check_revision(token, expect_revision)
            expect_revision, tested = token.revision, token.id
            result = self._tested(*self._wanted(token, opened, change))
        with ledger.turn(reason) as turn:
            row, token = self._found(name, app)
            if tested not in (None, token.id):
                raise Conflict("another token took the name during the test", "look at it, then decide anew")
            rules.check_revision(token, expect_revision)
            written = self.edited(turn, row, token, change, result)
            if written is None:
                return Changed(shown(self._ledger, token), False, result)
            self.commit(turn, [written])
        return Changed(shown(self._ledger, written.token), written.token.revision != token.revision, result)

    def _found(self, name: str, app: str | None) -> tuple[TokenRow, Token]:
        row, token = self._ledger.find(name, self._ledger.scope(app))
        return row, self._ledger.to_change(token)

    def _opened(self, name: str, app: str | None) -> tuple[TokenRow, Token, Credentials]:
        # Out of turn, a change by somebody else must not come between the row and its data key.
        with self._ledger.glance():
            row, token = self._ledger.find(name, self._ledger.scope(app))
            return row, token, self._credentials(row, token)

    def _credentials(self, row: TokenRow, token: Token) -> Credentials:
        opened = self._safe.open(row)
        if opened.provider != token.provider:
            raise IntegrityError(f"the credentials of the token {row.token} are another provider's")
        return opened

    def edited(
        self, turn: Turn, row: TokenRow, token: Token, change: TokenEdit, result: TestResult | None = None
    ) -> Written | None:
        """Return what the change adds to the commit; ``None`` if the token is that way already."""
        before = self._credentials(row, token)
        provider, values = self._wanted(token, before, change)
        check_plaintext(self._ledger.roster, change.encrypted is False)
        sealed = None
        if values != before.fields or provider.name != before.provider:
            revision = token.revision + 1
            scope = token.application
            sealed = self._safe.seal(
                provider,
                values,
                token=token.id,
                application=scope,
                revision=revision,
                before=before,
                known=row.fingerprints,
            )
        wish = Change(
            description=None if change.description is None else parse_description(change.description),
            provider=provider.name,
            credentials=sealed.facts if sealed else None,
            encrypted=change.encrypted,
            expiry=change.expiry,
            tested=_verdict(result),
        )
        events = rules.edit(turn.context, token, wish)
        if not events:
            return None
        after = folded(token, events)
        plain = readable(after, provider.name, values)
        forgotten = sealed is not None or (row.plain is not None and plain != row.plain)
        box = sealed.facts.box if sealed else row.box
        return Written(events, after, box, plain, sealed, before=row, shred=forgotten)

    def _wanted(self, token: Token, before: Credentials, change: TokenEdit) -> tuple[Provider, dict[str, Secret]]:
        """Return the provider and the values that the token would have after the change, checked."""
        provider = catalogue.load(change.provider or token.provider)
        known = {field.name for field in provider.fields}
        for name in change.unset:
            if name not in known:
                raise InvalidValue(
                    f"the provider {provider.name} has no field {name[:40]!r}",
                    f"its fields: {', '.join(sorted(known))}",
                )
        kept = {name: value for name, value in before.fields.items() if name in known and name not in change.unset}
        values = {**kept, **change.fields}
        if values != before.fields or provider.name != before.provider:
            check_fields(provider, values)
        return provider, values

    def commit(self, turn: Turn, written: Sequence[Written]) -> None:
        """Write what one token or many add to one commit."""
        self._ledger.commit(
            turn,
            [event for each in written for event in each.events],
            rows=[each.row(self._ledger) for each in written],
            replaced=[each.before for each in written if each.before],
            shred=any(each.shred for each in written),
        )

    def rename(self, name: str, new_name: str, *, app: str | None = None, reason: str | None = None) -> Changed:
        """Give a token another name; the former one is free at once."""
        ledger = self._ledger
        ledger.require_admin()
        new_name = parse_token_name(new_name)
        with ledger.turn(reason) as turn:
            row, token = self._found(name, app)
            self._check_free(new_name, token.application, but=token.id)
            events = rules.rename(turn.context, token, new_name)
            if not events:
                return Changed(shown(self._ledger, token), False)
            after = folded(token, events)
            ledger.commit(turn, events, rows=[ledger.row_after(after, row)], replaced=[row])
        return Changed(shown(self._ledger, after), True)

    def remove(self, name: str, *, app: str | None = None, reason: str | None = None) -> TokenView:
        """Delete a token and the only key that opens its credentials; return what it was."""
        ledger = self._ledger
        with ledger.turn(reason) as turn:
            row, token = self._found(name, app)
            ledger.commit(turn, rules.delete(turn.context, token), dropped=[token.id], replaced=[row], shred=True)
        return shown(self._ledger, token)

    def test(self, name: str, *, app: str | None = None, reason: str | None = None) -> TestResult:
        """Ask the provider about a token's present credentials, record what it said, and return it."""
        ledger = self._ledger
        ledger.require_admin()
        row, token, opened = self._opened(name, app)
        provider = catalogue.load(token.provider)
        result = provider.test(with_defaults(provider, opened.fields))
        with ledger.turn(reason) as turn:
            now = ledger.rows.by_id(token.id)
            if now is None or now.box_revision != row.box_revision:
                raise Conflict("the token's credentials changed during the test", "test it again")
            present = ledger.to_change(ledger.token(now))
            events = rules.record_test(turn.context, present, result.outcome, result.detail)
            after = folded(present, events)
            ledger.commit(turn, events, rows=[ledger.row_after(after, now)], replaced=[now])
        return result

    def _tested(self, provider: Provider, values: Mapping[str, Secret]) -> TestResult:
        result = provider.test(with_defaults(provider, values))
        if result.outcome in _STORABLE:
            return result
        hint = "nothing was stored"
        if result.outcome in _REFUSED:
            raise ProviderRejected(f"the provider says: {result.outcome} {result.detail}".rstrip(), hint)
        raise ProviderUndecided(f"the provider gave no verdict: {result.outcome} {result.detail}".rstrip(), hint)


def _verdict(result: TestResult | None) -> tuple[str, str] | None:
    return None if result is None else (result.outcome.value, result.detail)


def check_new(new: NewToken, roster: Roster, provider: Provider) -> str:
    """Return a new token's name; ``InvalidValue`` or ``NotPermitted`` for a token that could never be made."""
    name = parse_token_name(new.name)
    parse_description(new.description)
    check_plaintext(roster, not new.encrypted)
    check_fields(provider, new.fields)
    return name


def check_plaintext(roster: Roster, wanted: bool) -> None:  # noqa: FBT001 - the question itself
    """Raise ``NotPermitted`` if a token is to be kept readable where the registry's policy forbids it."""
    if wanted and roster.policy("allow-plaintext") != "yes":
        raise NotPermitted(
            "this registry keeps credentials encrypted only", "an admin can allow it: policy set allow-plaintext yes"
        )
