"""The registry as one member sees it: the roster, the member's keys, the current rows, and the way to commit."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

from msgspec import Struct, structs

from registry.domain.events import Context, Event
from registry.domain.roster import ADMIN, AUDITOR, Member, Roster, application_audience, scope_audience
from registry.domain.roster_events import RosterEvent
from registry.domain.token import Token
from registry.errors import ClockBehind, Conflict, IntegrityError, NotFound, NotPermitted
from registry.invitation import Invitation
from registry.pins import Pin
from registry.sealing import application_label, credentials, roster_record, tags
from registry.sealing.envelope import Place
from registry.sealing.grants import AudienceKey
from registry.sealing.identity import Identity
from registry.sealing.keyring import Keyring
from registry.service.surroundings import Surroundings
from registry.store import codec, roster_chain
from registry.store.contents import Contents
from registry.store.rows import Commit, Head, LoggedEvent, Stored, TokenRow
from registry.store.sqlite import SQLiteStore
from registry.store.topics import ROSTER_TOPICS
from registry.values import ApplicationId, TokenId, fold, parse_reason
from registry.views.directory import Directory, directory

T = TypeVar("T")

_CARD = "card"
_LATEST_CLOCK = timedelta(minutes=10)


class Turn(Struct, frozen=True):
    """One's turn to write: what stands at its beginning, and who acts now."""

    head: Head
    context: Context


class Ledger:
    """Reads what is there, checks it, and writes commits. One instance serves one member and one store."""

    def __init__(
        self,
        store: SQLiteStore,
        pin: Pin,
        identity: Identity,
        surroundings: Surroundings,
        remember: Callable[[Pin], None],
    ) -> None:
        self.store = store
        self.registry = pin.registry_id
        self.identity = identity
        self.surroundings = surroundings
        self.roster_stream = roster_record.stream_id(self.registry)
        self._pin = pin
        self._remember = remember
        self._roster_events: list[Stored] = []
        self.roster = self._first_roster()
        # Before anything else: who is told here that it was removed does not go back behind that.
        self._pin_roster(self.roster)
        self.member = self._find_member(self.roster)
        self.keyring = Keyring(self.registry, identity, self.member.id, self.roster)
        self.contents = Contents(self.registry, identity, self.keyring)
        self._name_keys: dict[tuple[str, int], bytes] = {}
        self._directory: tuple[int, Directory] | None = None

    def _first_roster(self) -> Roster:
        """Read the roster from its founding on; it must pass through what this machine has seen of it."""
        head = self.store.head()
        if (head.size if head else 0) < self._pin.size:
            raise IntegrityError(
                f"the store holds {head.size if head else 0} events; this machine has seen {self._pin.size}",
                "the store was cut or replaced by an older copy",
            )
        events = self.store.stream(self.roster_stream)
        seen, news = events[: self._pin.roster_version], events[self._pin.roster_version :]
        if len(seen) < self._pin.roster_version:
            raise IntegrityError(
                f"the roster ends at event {len(seen)}; this machine has seen event {self._pin.roster_version}",
                "the store was cut or replaced by an older copy",
            )
        roster = roster_chain.follow_seen(self.registry, seen, self._pin.roster_digest)
        if seen and roster.head != self._pin.roster_head:
            raise IntegrityError(
                f"roster event {roster.version} is not the one that this machine has seen", "the store was exchanged"
            )
        roster = roster_chain.follow(self.registry, roster, news)
        self._roster_events = events
        return roster

    def _pin_roster(self, roster: Roster) -> None:
        if roster.version > self._pin.roster_version:
            head = self.store.head()
            size = head.size if head else 0
            self._pin = Pin(self._pin.url, self.registry, size, roster.version, roster.head, roster.digest)
            self._remember(self._pin)

    def _find_member(self, roster: Roster) -> Member:
        if not roster.version:
            raise IntegrityError("the store has no founding statement", "it is not the registry this machine knows")
        for member in roster.members.values():
            if member.keys == self.identity.public.keys:
                return member
        raise NotPermitted(
            f"the identity '{self.identity.name}' is no member of this registry", "an admin can add its public line"
        )

    def refresh(self) -> None:
        """Follow the roster to its present end."""
        news = self.store.stream(self.roster_stream, after=self.roster.version)
        if news:
            roster = roster_chain.follow(self.registry, self.roster, news)
            self._pin_roster(roster)
            # Whoever is no member any more stays where it was, and is told so each time.
            self.member = self._find_member(roster)
            self.roster = roster
            self._roster_events += news
            self.keyring.follow(self.roster)

    def require(self, *roles: str) -> None:
        """Raise ``NotPermitted`` unless the member has one of the roles now. Nearly every use case begins here."""
        self.refresh()
        self.check_role(*roles)

    def check_role(self, *roles: str) -> None:
        """Raise ``NotPermitted`` unless the member has one of the roles by the roster as it is known here.

        Who changes the roster begins with this: its decision rests on what it has seen, not on what is news to it.
        """
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
            # Not read from the store again: what stands there now has been checked by nobody.
            events = map(self.contents.event, self._roster_events)
            self._directory = (self.roster.version, directory(events))
        return self._directory[1]

    def own_application(self) -> str | None:
        """Return the name of the application that the member belongs to, as its label says; ``None`` for none."""
        own = self.member.application
        if own is None:
            return None
        label = self.roster.application(own).label
        key = self.keyring.key(application_audience(own), application_label.generation(label))
        return application_label.unseal(self.registry, own, key, label)

    def invitation(self) -> Invitation:
        """Return what a newcomer must find in the store from now on."""
        head = self.store.head()
        return Invitation(self.registry, head.size if head else 0, self.roster.version, self.roster.head)

    def scope(self, application: str | None) -> ApplicationId | None:
        """Return the id of the application of that name; ``None`` is the global scope."""
        return None if application is None else self.directory().find_application(application)

    def context(self, reason: str | None = None) -> Context:
        """Return who acts, when, where and why."""
        around = self.surroundings
        return Context(self.member.id, around.clock(), around.host, around.client, parse_reason(reason))

    @contextmanager
    def glance(self) -> Iterator[None]:
        """Read one moment of the store in several steps, by the roster of that moment."""
        with self.store.snapshot():
            self.refresh()
            yield

    @contextmanager
    def turn(
        self, reason: str | None = None, *, roster: bool = False, roles: Sequence[str] = (ADMIN,)
    ) -> Iterator[Turn]:
        """Wait for one's turn to write, and hold it: nothing that is read meanwhile is out of date.

        ``NotPermitted`` unless the member has one of the ``roles`` now: every other client would refuse the commit,
        even if it had the role when the caller looked. With ``roster`` the caller's decision rests on the roster as it
        knew it: ``Conflict`` if that has changed.
        """
        parse_reason(reason)
        known = self.roster.version
        with self.store.queued():
            self.refresh()
            self.check_role(*roles)
            if roster and self.roster.version != known:
                raise Conflict("somebody else changed the roster meanwhile", "look at it again, then decide")
            head = self.store.head()
            if head is None:
                raise IntegrityError("the store has lost its commits", "restore it from a backup")
            if (size := self.store.size()) != head.size:
                raise IntegrityError(
                    f"the store holds {size} events, its last commit {head.number} says {head.size}",
                    "events were added or dropped without a commit",
                )
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
        audit: AudienceKey | None = None,
    ) -> int:
        """Write one commit and return the position of its first event. The turn is used up.

        ``audit`` is the audience's key where the commit itself makes a new one.
        """
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
        contents = Contents(self.registry, self.identity, self.keyring, audit) if audit else self.contents
        self.store.put(contents, events, commit)
        if any(isinstance(event, RosterEvent) for event in events):
            self.refresh()
        if shred:
            self.store.shred()
        elif self.store.shred_pending():
            self.store.shred(wait=False)
        return commit.size

    def roster_facts(self, turn: Turn) -> dict[str, Any]:
        """Return what the next event of the roster has in common with every other."""
        return {
            "originator_id": self.roster_stream,
            "originator_version": self.roster.version + 1,
            "previous": self.roster.head,
            **structs.asdict(turn.context),
        }

    def next_version(self, stream: str) -> int:
        """Return the version that the stream's next event takes."""
        return self.store.stream_version(stream) + 1

    def opened(self, logged: LoggedEvent) -> Event:
        """Return the event of a log entry, opened; one of the roster only if it is the one that was checked."""
        if logged.stored.topic in ROSTER_TOPICS:
            version = logged.stored.originator_version
            if version > self.roster.version:
                self.refresh()
            if self._roster_events[version - 1 : version] != [logged.stored]:
                raise IntegrityError(f"the roster event at position {logged.position} is not the one that was signed")
        return self._following(lambda: self.contents.event(logged.stored))

    def _following(self, read: Callable[[], T]) -> T:
        """Return what is read; if that fails, try again if the roster has gone on since it was followed."""
        try:
            return read()
        except IntegrityError:
            version = self.roster.version
            self.refresh()
            if self.roster.version == version:
                raise
            return read()

    def wrapping_key(self, row: TokenRow, wrapped: bytes) -> AudienceKey:
        """Return the key under which a token's data key lies; it must be the present one of the token's scope.

        A rotation wraps all of them anew, so whatever lies under a former key was put there by someone who knows no
        other: a member that was removed, or whoever brings an old row back.
        """
        key = self.keyring.current(scope_audience(row.application))
        if credentials.wrap_generation(wrapped) != key.number:
            raise IntegrityError(
                f"the data key of the token {row.token} lies under a key that was replaced", "the row was put back"
            )
        return key

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
            token = codec.from_document(Token, self._following(lambda: self.contents.unseal(place, row.card)))
        except IntegrityError as error:
            raise IntegrityError(f"the current row of the token {row.token}: {error}", error.hint) from None
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
                return row, self.named(row, name, application)
        else:
            folded_name = fold(name)
            for row in self.store.rows():
                if row.application == application:
                    token = self.token(row)
                    if fold(token.name) == folded_name:
                        return row, token
        where = "in this application" if application else "among the global ones"
        raise NotFound(f"there is no token {name!r} {where}", "'list' shows the tokens there are")

    def named(self, row: TokenRow, name: str, application: ApplicationId | None) -> Token:
        """Return the token of a row that was found under a name; ``IntegrityError`` if that is not its own."""
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
