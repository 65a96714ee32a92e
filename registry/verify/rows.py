"""One current row against what its token's events lead to, as far as the member's keys reach."""

import re
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from registry.domain.token import Token
from registry.errors import IntegrityError, RegistryError
from registry.log import present, problems
from registry.store.raw import Row
from registry.values import TokenId, fold
from registry.verify.decoding import card_decoder, decoded
from registry.verify.keys import Keys, Scope
from registry.verify.replay import State
from registry.verify.unsealing import ADDRESSED

_CARD = "card"
_ID = re.compile(r"[0-9a-f]{32}\Z")
_MOST_REVISIONS = 1_000


class CurrentRow(Struct, frozen=True):
    """A row of the table of tokens, and the data key beside it, both as they are stored."""

    token: str
    application: Any
    name_tag: Any
    version: Any
    revision: Any
    box_revision: Any
    position: Any
    card: Any
    box: Any
    plain: Any
    fingerprints: Any
    wrapped: Any

    @classmethod
    def of(cls, row: Row, wrapped: object) -> "CurrentRow":
        """Return a row of the table, with what lies beside it."""
        columns = (*row, wrapped)
        return cls(*columns)

    def digest(self, registry: bytes) -> bytes | None:
        """Return the digest by which the present knows the row; ``None`` if its columns are of other types."""
        if not is_id(self.token) or not (self.application is None or is_id(self.application)):
            return None
        blobs = (self.name_tag, self.card, self.box, self.fingerprints)
        if not all(type(column) is int for column in (self.version, self.revision, self.box_revision, self.position)):
            return None
        if not all(isinstance(column, bytes) for column in blobs) or len(self.name_tag) != present.TAG_LENGTH:
            return None
        if not all(column is None or isinstance(column, bytes) for column in (self.plain, self.wrapped)):
            return None
        try:
            return present.row_digest(
                registry=registry,
                token=self.token,
                application=self.application,
                name_tag=self.name_tag,
                version=self.version,
                revision=self.revision,
                box_revision=self.box_revision,
                position=self.position,
                card=self.card,
                box=self.box,
                plain=self.plain,
                fingerprints=self.fingerprints,
                wrapped=self.wrapped,
            )
        except IntegrityError:
            return None


class Fault(Struct, frozen=True):
    """What is wrong with a row by itself: a kind of problem, and why."""

    kind: str
    message: str


class RowChecker:
    """Checks rows with the keys of one member."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._decoder = card_decoder()

    def fault(self, row: CurrentRow, last: tuple[int, int] | None, states: Sequence[State]) -> Fault | None:
        """Return what is wrong with a row whose columns are of the right types; ``None`` if nothing can be seen.

        ``last`` is version and position of the token's last event, and ``states`` those that its events can have led
        to; where nobody knows, they are ``None`` and empty.
        """
        if last is not None and (row.version, row.position) != last:
            version, position = last
            what = f"its version is {row.version}, at {row.position}, that of the token's last event {version}"
            return Fault(problems.ROW, f"{what}, at {position}")
        try:
            token = self._card(row, states) if self._can_open(row) else None
        except RegistryError as error:
            return Fault(problems.ROW, str(error))
        scope = self._keys.scopes.get(row.application)
        if scope is None:
            return None
        if token is not None and scope.tag(fold(token.name)) != row.name_tag:
            return Fault(problems.ROW, "it lies under a name that is not its own")
        return self._credentials(row, scope)

    def _can_open(self, row: CurrentRow) -> bool:
        opener, complete = self._keys.opener, self._keys.complete
        return opener is not None and (complete or opener.knows(row.card))

    def _card(self, row: CurrentRow, states: Sequence[State]) -> Token:
        assert self._keys.opener is not None  # noqa: S101 - the caller has just looked
        if row.card[:1] == ADDRESSED:
            raise IntegrityError("its card was sealed without the key that its author must have")
        opener = self._keys.opener
        token: Token = decoded(self._decoder, opener.open(opener.place(row.token), row.version, _CARD, row.card))
        columns = (TokenId(row.token), row.application, row.version, row.revision, row.box_revision)
        if (token.id, token.application, token.version, token.revision, token.box_revision) != columns:
            raise IntegrityError("its columns contradict its card")
        if (row.plain is None) != token.encrypted:
            raise IntegrityError("it is readable where it must not be, or the other way round")
        if states and not any(state.as_token() == token for state in states):
            raise IntegrityError("its card says other things than the token's events")
        if states and not any(state.box == row.box for state in states):
            raise IntegrityError("its box is not the one of the token's last credentials")
        if states and not any(state.fingerprints() in (None, row.fingerprints) for state in states):
            raise IntegrityError("its fingerprints are not those that the token's events brought")
        return token

    def _credentials(self, row: CurrentRow, scope: Scope) -> Fault | None:
        if row.wrapped is None:
            return None  # that it is missing is said elsewhere
        try:
            data_key = scope.data_key(row.token, row.box_revision, row.wrapped)
        except RegistryError as error:
            kind = problems.ROW if self._opens_elsewhere(row, scope) else problems.DATA_KEY
            return Fault(kind, f"the data key does not open: {error}")
        try:
            opened = scope.box(row.token, row.box_revision, data_key, row.box)
        except RegistryError as error:
            return Fault(problems.ROW, f"its box does not open: {error}")
        if row.plain is not None and row.plain != opened:
            return Fault(problems.ROW, "its readable credentials are not those of its box")
        return None

    def _opens_elsewhere(self, row: CurrentRow, scope: Scope) -> bool:
        """Return whether the data key is sound and the row's revision is not, which no card may be there to tell."""
        for revision in range(1, min(row.version, _MOST_REVISIONS) + 2):
            try:
                scope.data_key(row.token, revision, row.wrapped)
            except RegistryError:
                continue
            return True
        return False


def is_id(value: object) -> bool:
    """Return whether a column holds an id."""
    return isinstance(value, str) and _ID.match(value) is not None
