"""The registry as one member sees it: the roster, the member's keys, the current rows, and the way to commit."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from msgspec import Struct

from registry.domain.events import Context, Event
from registry.domain.roster import ADMIN, AUDITOR, Member, Roster, scope_audience
from registry.domain.roster_events import RosterEvent
from registry.domain.token import Token
from registry.errors import ClockBehind, IntegrityError, NotFound, NotPermitted
from registry.sealing import roster_record, tags
from registry.sealing.envelope import Place
from registry.sealing.identity import Identity
from registry.sealing.keyring import Keyring
from registry.service.surroundings import Surroundings
from registry.store import codec, roster_chain
from registry.store.contents import Contents
from registry.store.rows import Commit, Head, LoggedEvent, TokenRow
from registry.store.sqlite import SQLiteStore
from registry.store.topics import ROSTER_TOPICS
from registry.values import ApplicationId, TokenId, fold, parse_reason
from registry.views.directory import Directory, directory

_CARD = "card"
_LATEST_CLOCK = timedelta(minutes=10)


class Turn(Struct, frozen=True):
    """One's turn to write: what stands at its beginning, and who acts now."""

    head: Head
    context: Context


class Ledger:
    """Reads what is there, checks it, and writes commits. One instance serves one member and one store."""

    def __init__(self, store: SQLiteStore, registry: bytes, identity: Identity, surroundings: Surroundings) -> None:
        self.store = store
        self.registry = registry
        self.identity = identity
        self.surroundings = surroundings
        self.roster_stream = roster_record.stream_id(registry)
        self._followed = store.stream(self.roster_stream)
        self.roster = roster_chain.follow(registry, Roster(), self._followed)
        self.member = self._find_member()
        self.keyring = Keyring(registry, identity, self.member.id, self.roster)
        self.contents = Contents(registry, identity, self.keyring)
        self._name_keys: dict[tuple[str, int], bytes] = {}
        self._directory: tuple[int, Directory] | None = None

    def _find_member(self) -> Member:
        if not self.roster.version:
            raise IntegrityError("the store has no founding statement", "it is not the registry this machine knows")
        for member in self.roster.members.values():
            if member.keys == self.identity.public.keys:
                return member
        raise NotPermitted(
            f"the identity '{self.identity.name}' is no member of this registry", "an admin can add its public line"
        )

    def refresh(self) -> None:
        """Follow the roster to its present end."""
        news = self.store.stream(self.roster_stream, after=self.roster.version)
        if news:
            self.roster = roster_chain.follow(self.registry, self.roster, news)
            self._followed += news
            self.member = self._find_member()
            self.keyring.follow(self.roster)

    def require(self, *roles: str) -> None:
        """Raise ``NotPermitted`` unless the member has one of the roles now. Every use case begins here."""
        self.refresh()
        if self.member.role not in roles:
            raise NotPermitted(f"this takes the role {' or '.join(roles)}; yours is {self.member.role}")

    def require_admin(self) -> None:
        """Raise ``NotPermitted`` unless the member is an admin."""
        self.require(ADMIN)

    def require_reader(self) -> None:
        """Raise ``NotPermitted`` unless the member may read event contents."""
        self.require(ADMIN, AUDITOR)

    def directory(self) -> Directory:
        """Return the names of members and applications."""
        if self._directory is None or self._directory[0] != self.roster.version:
            self._directory = (self.roster.version, directory(map(self.contents.event, self._followed)))
        return self._directory[1]

    def scope(self, application: str | None) -> ApplicationId | None:
        """Return the id of the application of that name; ``None`` is the global scope."""
        return None if application is None else self.directory().find_application(application)

    def context(self, reason: str | None = None) -> Context:
        """Return who acts, when, where and why."""
        around = self.surroundings
        return Context(self.member.id, around.clock(), around.host, around.client, parse_reason(reason))

    @contextmanager
    def turn(self, reason: str | None = None) -> Iterator[Turn]:
        """Wait for one's turn to write, and hold it: nothing that is read meanwhile is out of date."""
        parse_reason(reason)
        with self.store.queued():
            self.refresh()
            head = self.store.head()
            if head is None:
                raise IntegrityError("the store has lost its commits", "restore it from a backup")
            context = self.context(reason)
            if context.at < head.at - _LATEST_CLOCK:
                raise ClockBehind(
                    f"this machine's clock is behind the history, whose last commit is of {head.at:%Y-%m-%d %H:%M} UTC",
                    "set the clock",
                )
            yield Turn(head, context)

    def commit(
        self,
        turn: Turn,
        events: Sequence[Event],
        *,
        rows: Sequence[TokenRow] = (),
        data_keys: dict[TokenId, bytes] | None = None,
        fingerprints: Sequence[tuple[TokenId, bytes]] = (),
        dropped: Sequence[TokenId] = (),
        shred: bool = False,
    ) -> int:
        """Write one commit and return the position of its first event. The turn is used up."""
        commit = Commit(
            number=turn.head.number + 1,
            author=self.member.id,
            at=max(turn.context.at, turn.head.at),
            size=turn.head.size,
            rows=rows,
            data_keys=data_keys or {},
            fingerprints=fingerprints,
            dropped=dropped,
            shred=shred,
        )
        self.store.put(self.contents, events, commit)
        if any(isinstance(event, RosterEvent) for event in events):
            self.refresh()
        if shred:
            self.store.shred()
        elif self.store.shred_pending():
            self.store.shred(wait=False)
        return commit.size

    def next_version(self, stream: str) -> int:
        """Return the version that the stream's next event takes."""
        return self.store.stream_version(stream) + 1

    def opened(self, logged: LoggedEvent) -> Event:
        """Return the event of a log entry, opened; one of the roster only if it is the one that was checked."""
        if logged.stored.topic in ROSTER_TOPICS:
            version = logged.stored.originator_version
            if version > self.roster.version:
                self.refresh()
            if self._followed[version - 1 : version] != [logged.stored]:
                raise IntegrityError(f"the roster event at position {logged.position} is not the one that was signed")
        return self.contents.event(logged.stored)

    def name_tag(self, application: ApplicationId | None, name: str) -> bytes:
        """Return the tag under which a token of that name lies in its scope."""
        key = self.keyring.current(scope_audience(application))
        place = (key.audience, key.number)
        if place not in self._name_keys:
            self._name_keys[place] = tags.name_key(key.key, self.registry, key.audience)
        return tags.tag_under(self._name_keys[place], fold(name))

    def token(self, row: TokenRow) -> Token:
        """Return what is known of the token of a current row; ``IntegrityError`` if the row is not its own."""
        place = Place(self.registry, row.token, row.version, _CARD)
        try:
            token = codec.from_document(Token, self.contents.unseal(place, row.card))
        except IntegrityError as error:
            raise IntegrityError(f"the current row of the token {row.token}: {error}") from None
        except (ValueError, TypeError):
            raise IntegrityError(f"the current row of the token {row.token} is in no known format") from None
        if (token.id, token.application, token.revision, token.box_revision) != (
            row.token,
            row.application,
            row.revision,
            row.box_revision,
        ):
            raise IntegrityError(f"the current row of the token {row.token} contradicts itself")
        return token

    def find(self, name: str, application: ApplicationId | None) -> tuple[TokenRow, Token]:
        """Return the current row and token of that name in the scope; ``NotFound`` if there is none."""
        if self.keyring.holds(scope_audience(application)):
            row = self.store.row_by_tag(self.name_tag(application, name))
            if row is not None:
                return row, self._named(row, name, application)
        else:
            folded_name = fold(name)
            for row in self.store.rows():
                if row.application == application:
                    token = self.token(row)
                    if fold(token.name) == folded_name:
                        return row, token
        where = "in this application" if application else "among the global ones"
        raise NotFound(f"there is no token {name!r} {where}", "'list' shows the tokens there are")

    def _named(self, row: TokenRow, name: str, application: ApplicationId | None) -> Token:
        # The index of names is not sealed: whoever writes to the database can exchange what two names lead to.
        token = self.token(row)
        if (fold(token.name), token.application) != (fold(name), application):
            raise IntegrityError(f"the token {row.token} lies under a name that is not its own")
        return token

    def row(self, token: Token, box: bytes, plain: bytes | None) -> TokenRow:
        """Return the current row of a token."""
        place = Place(self.registry, token.id, token.version, _CARD)
        return TokenRow(
            token=token.id,
            application=token.application,
            name_tag=self.name_tag(token.application, token.name),
            version=token.version,
            revision=token.revision,
            box_revision=token.box_revision,
            card=self.contents.seal(place, codec.to_document(token)),
            box=box,
            plain=plain,
        )
