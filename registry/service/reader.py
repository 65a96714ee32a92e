"""The registry as one member reads it: the log, the roster, the member's keys, the current rows, and their contents."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self, TypeVar

from registry.domain.events import Event
from registry.domain.roster import ADMIN, AUDIT, AUDITOR, Member, Roster, application_audience, scope_audience
from registry.domain.token import Token
from registry.errors import IntegrityError, NotFound, NotPermitted, StoreMoved
from registry.log import problems
from registry.log.problems import Problem
from registry.pins import Pin, Pins
from registry.sealing import application_label, credentials, roster_record, tags
from registry.sealing.envelope import Place
from registry.sealing.grants import AudienceKey
from registry.sealing.identity import Identity
from registry.sealing.keyring import Keyring
from registry.service.current_rows import CurrentRows
from registry.service.keeping import PinKeeper
from registry.service.recalling import pin_of, recall
from registry.service.rosters_then import RostersThen
from registry.service.surroundings import Surroundings
from registry.store import codec
from registry.store.contents import Contents
from registry.store.following import Follower, verified_events
from registry.store.proven import ProvenLog
from registry.store.rows import LoggedCommit, LoggedEvent, TokenRow
from registry.store.store import Store
from registry.store.topics import ROSTER_TOPICS
from registry.values import ApplicationId, fold
from registry.views.directory import Directory, directory
from registry.views.disregarded import Disregarded

T = TypeVar("T")

CARD = "card"
"""What stands in the place of a topic where a current row's card is sealed."""


class Reader:
    """Reads what is there, and checks it. One instance serves one member and one store.

    ``pins`` is ``None`` where this machine is not to remember what is seen; ``log`` is given where it was followed
    already; ``tolerant`` goes on where something is wrong that an admin can acknowledge.
    """

    def __init__(
        self,
        store: Store,
        pin: Pin,
        identity: Identity,
        surroundings: Surroundings,
        pins: Pins | None,
        *,
        log: Follower | None = None,
        tolerant: bool = False,
    ) -> None:
        self.store = store
        self.registry = pin.registry_id
        self.identity = identity
        self.surroundings = surroundings
        self.roster_stream = roster_record.stream_id(self.registry)
        self._pin = PinKeeper(pins, pin, store)
        self._tolerant = tolerant
        self._store_version = 0
        """As of which change of the store the log was followed to its end; 0 for none."""
        store.expect(max(pin.commit, log.head.number if log and log.head else -1))
        with store.snapshot():
            self.log = log or recall(store, pin)[0]
        self.check_problems()
        # Before anything else: who is told here that it was removed does not go back behind that.
        self._pin.keep(self.log, at_once=True)
        self.member, self._member_as_of = self._find_member(self.roster), self.roster.version
        self.keyring = Keyring(self.registry, identity, self.member.id, self.roster)
        self.contents = Contents(self.registry, identity, self.keyring)
        self.rows = CurrentRows(store, self.log)
        self._names: dict[tuple[str, int], tags.NameTags] = {}
        self._directory: tuple[int, Directory] | None = None
        self._then: RostersThen | None = None

    @property
    def roster(self) -> Roster:
        """The roster as far as it was followed."""
        return self.log.roster

    @property
    def head(self) -> LoggedCommit:
        """The newest commit that was verified."""
        if self.log.head is None:
            raise IntegrityError("the store has lost its commits", "restore it from a backup")
        return self.log.head

    @property
    def followed(self) -> int:
        """As of which change of the store the log was followed to its end; 0 for none."""
        return self._store_version

    def _unacknowledged(self) -> list[Problem]:
        known = self.roster.acknowledged
        return [problem for problem in self.log.problems if (problem.position, problem.kind) not in known]

    def check_problems(self) -> None:
        """Raise ``IntegrityError`` for the first thing wrong in the log that no admin has acknowledged."""
        for problem in self._unacknowledged() if self.log.problems and not self._tolerant else ():
            raise IntegrityError(
                f"{problem.message} (position {problem.position}, kind {problem.kind})",
                "an admin who knows how it came about: 'log acknowledge' names position and kind",
            )

    def twin(self, *, remembers: bool = False) -> Self:
        """Return another reader of the same member, with a connection of its own, as far along the log as this one.

        It serves another thread, and moves no pin unless it ``remembers``.
        """
        store = self.store.again()
        try:
            log = Follower(self.registry, self.log.head, self.roster, self.log.roster_events)
            pins, pin = self._pin.parts() if remembers else (None, self._seen())
            return type(self)(store, pin, self.identity, self.surroundings, pins, log=log)
        except BaseException:
            store.close()
            raise

    def _seen(self) -> Pin:
        return pin_of("", self.log).knowing(self._pin.accepted)

    def moved(self) -> Self:
        """Return a reader of the store that lies in its place now; it must go on from what was verified here."""
        store = self.store.anew()
        try:
            pin = self._seen()
            store.expect(pin.commit)
            with store.snapshot():
                log, _ = recall(store, pin)
            return type(self)(store, pin, self.identity, self.surroundings, None, log=log)
        except BaseException:
            store.close()
            raise

    def remember(self) -> None:
        """Pin how far the log was followed, if that was not done within the last second."""
        self._pin.keep(self.log, at_once=False)

    def close(self) -> None:
        """Pin how far the log was followed, and let go of the store."""
        try:
            if not self._unacknowledged():
                self._pin.keep(self.log, at_once=True)
        finally:
            self.store.close()

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
        """Follow the log to its present end."""
        version = self.store.version()
        if version != self._store_version:
            with self.store.snapshot():
                version = self.store.version()
                self.log.advance(self.store)
            self._store_version = version
            self.store.expect(self.head.number)
        self.check_problems()
        if self.roster.version != self._member_as_of:
            self._pin.keep(self.log, at_once=True)
            # Whoever is no member any more stays where it was, and is told so each time.
            self.member = self._find_member(self.roster)
            self.keyring.follow(self.roster)
            self._member_as_of = self.roster.version

    def check_home(self) -> None:
        """Raise ``StoreMoved`` if the registry goes on elsewhere: what is here may have been replaced there since."""
        if self.is_away():
            raise StoreMoved(
                "the registry was moved: it goes on in another store, and this one takes no commits",
                "'history' says where, and 'join' makes it known there; 'store reopen' is for what came to nothing",
            )

    def is_away(self) -> bool:
        """Return whether the registry goes on in another instance of its store, by the roster as it is known here."""
        return bool(self.roster.home) and self.store.instance() != self.roster.home

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
            events = map(self.contents.event, self.log.roster_events)
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

    def scope(self, application: str | None) -> ApplicationId | None:
        """Return the id of the application of that name; ``None`` is the global scope."""
        return None if application is None else self.directory().find_application(application)

    @contextmanager
    def glance(self) -> Iterator[None]:
        """Read one moment of the store in several steps, by the roster of that moment."""
        with self.store.snapshot():
            self.refresh()
            yield

    def opened(self, logged: LoggedEvent) -> Event:
        """Return the event of a log entry, opened; one of the roster only if it is the one that was checked.

        What its author could not do, or did in no way that anybody could read, is ``Disregarded``: it is there, stops
        nobody from reading on, and what it says counts for nothing.
        """
        if logged.stored.topic in ROSTER_TOPICS:
            version = logged.stored.originator_version
            if version > self.roster.version:
                self.refresh()
            if self.log.roster_events[version - 1 : version] != [logged.stored]:
                raise IntegrityError(f"the roster event at position {logged.position} is not the one that was signed")
        if not self._was_allowed(logged):
            return self._disregarded(logged, problems.ROLE)
        try:
            event = self._following(lambda: self.contents.event(logged.stored))
        except IntegrityError:
            for generation in self.roster.generations.get(AUDIT, ()):
                self.keyring.key(AUDIT, generation.number)  # a false one raises: that is not this event's fault
            return self._disregarded(logged, problems.CONTENTS)
        return event if event.by == logged.author else self._disregarded(logged, problems.ACTOR)

    def _disregarded(self, logged: LoggedEvent, problem: str) -> Event:
        """Return what stands for an event that was committed with a problem; one changed since is an alarm at once."""
        return Disregarded.of(ProvenLog(self.store, self.registry, self.head).check(logged), problem)

    def _was_allowed(self, logged: LoggedEvent) -> bool:
        """Return whether the event's author had a role that allowed it; no other is met unless one is acknowledged.

        What an admin acknowledged is not asked: whoever could void an event could hide who used a token.
        """
        if all(kind != problems.ROLE for _, kind in self.roster.acknowledged):
            return True
        if self._then is None or self._then.version != self.roster.version:
            self._then = RostersThen(self.store, self.log)
        return self._then.allowed(logged)

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

    def events(self, start: int = 0) -> Iterator[LoggedEvent]:
        """Yield the events from a position on, in order; at the end ``IntegrityError`` unless they are the log's."""
        return verified_events(self.store, self.registry, self.head, start)

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
        if place not in self._names:
            self._names[place] = tags.NameTags(key.key, self.registry, key.audience)
        return self._names[place].of(fold(name))

    def token(self, row: TokenRow) -> Token:
        """Return what is known of the token of a current row; ``IntegrityError`` if the row is not its own."""
        place = Place(self.registry, row.token, row.version, CARD)
        try:
            token = codec.decode_value(Token, self._following(lambda: self.contents.unsealed(place, row.card)))
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
            row = self.rows.by_tag(self.name_tag(application, name))
            if row is not None:
                return row, self.named(row, name, application)
        else:
            folded_name = fold(name)
            for row in self.rows.all():
                if row.application == application:
                    token = self.token(row)
                    if fold(token.name) == folded_name:
                        return self.rows.check(row), token
        where = "in this application" if application else "among the global ones"
        raise NotFound(f"there is no token {name!r} {where}", "'list' shows the tokens there are")

    def named(self, row: TokenRow, name: str, application: ApplicationId | None) -> Token:
        """Return the token of a row that was found under a name; ``IntegrityError`` if that is not its own."""
        # The index of names is not sealed: whoever writes to the database can exchange what two names lead to.
        token = self.token(row)
        if (fold(token.name), token.application) != (fold(name), application):
            raise IntegrityError(f"the token {row.token} lies under a name that is not its own")
        return token
