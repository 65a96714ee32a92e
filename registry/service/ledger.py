"""The registry as one member may change it: one's turn to write, and commits."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from msgspec import Struct, structs

from registry.domain.events import Context, Event
from registry.domain.roster import ADMIN
from registry.domain.roster_events import ProblemAcknowledged, RosterEvent
from registry.domain.token import Token
from registry.errors import ClockBehind, Conflict, IntegrityError
from registry.invitation import Invitation, checkpoint_hash
from registry.log import problems
from registry.sealing.envelope import Place
from registry.sealing.grants import AudienceKey
from registry.service.reader import CARD, Reader
from registry.store.contents import Contents
from registry.store.following import is_too_late
from registry.store.proven import ProvenLog
from registry.store.rows import Commit, LoggedCommit, TokenRow
from registry.values import CLOCK_SKEW, TokenId, parse_reason


class Turn(Struct, frozen=True):
    """One's turn to write: what stands at its beginning, and who acts now."""

    head: LoggedCommit
    context: Context
    at: datetime
    """The time of a commit that is made now."""


class Ledger(Reader):
    """Reads what is there, checks it, and writes commits. One instance serves one member and one store."""

    _own_version = 0
    """The version of the last event in the member's own stream that was committed here; 0 for none."""

    def invitation(self) -> Invitation:
        """Return what a newcomer must find in the store from now on."""
        named = checkpoint_hash(self.head.checkpoint(self.registry).text())
        return Invitation(self.registry, self.head.size, named, self.roster.version, self.roster.head)

    def context(self, reason: str | None = None) -> Context:
        """Return who acts, when, where and why."""
        around = self.surroundings
        return Context(self.member.id, around.clock(), around.host, around.client, parse_reason(reason))

    def require_admin(self) -> None:
        """Raise ``NotPermitted`` unless the member is an admin, ``StoreMoved`` if the registry goes on elsewhere."""
        super().require_admin()
        self.check_home()

    @contextmanager
    def turn(
        self,
        reason: str | None = None,
        *,
        roster: bool = False,
        roles: Sequence[str] = (ADMIN,),
        late: bool = False,
        anywhere: bool = False,
    ) -> Iterator[Turn]:
        """Wait for one's turn to write, and hold it: nothing that is read meanwhile is out of date.

        ``NotPermitted`` unless the member has one of the ``roles`` now: every other client would refuse the commit,
        even if it had the role when the caller looked. With ``roster`` the caller's decision rests on the roster as it
        knew it: ``Conflict`` if that has changed. With ``late`` the newest commit may be of a time that is not yet.
        ``StoreMoved`` if the registry goes on elsewhere, unless it is committed ``anywhere``.
        """
        parse_reason(reason)
        known = self.roster.version
        if self.member.role not in roles:  # it may have been given one meanwhile; if not, nobody waits for a turn
            self.require(*roles)
        with self.store.queued(self.refresh):
            self.store.check_in_place()
            self.refresh()
            self.check_role(*roles)
            if not anywhere:
                self.check_home()
            if roster and self.roster.version != known:
                raise Conflict("somebody else changed the roster meanwhile", "look at it again, then decide")
            head = self.head
            context = self.context(reason)
            at = context.at if is_too_late(head, self.roster) else max(context.at, head.at)
            if context.at < at - CLOCK_SKEW and not late:
                raise ClockBehind(
                    f"this machine's clock is behind the history, whose last commit is of {head.at:%Y-%m-%d %H:%M} UTC",
                    "set the clock; if it is right, 'verify' names the commit, and an admin acknowledges its time",
                )
            yield Turn(head, context, at)

    def commit(
        self,
        turn: Turn,
        events: Sequence[Event],
        *,
        rows: Sequence[TokenRow] = (),
        replaced: Sequence[TokenRow] = (),
        dropped: Sequence[TokenId] = (),
        shred: bool = False,
        audit: AudienceKey | None = None,
    ) -> int:
        """Write one commit and return the position of its first event. The turn is used up.

        ``replaced`` are the rows that ``rows`` take the place of, or that are dropped, as they were checked; ``audit``
        is the audience's key where the commit itself makes a new one.
        """
        commit = Commit(
            registry=self.registry,
            parent=turn.head,
            author=self.member.id,
            at=turn.context.at if any(_corrects(event, turn.head) for event in events) else turn.at,
            sign=self.identity.sign,
            frontier=self.log.frontier(self.store),
            nodes=self.rows.known().nodes,
            rows=rows,
            replaced={row.token: row for row in replaced},
            dropped=dropped,
            shred=shred,
        )
        self._put(events, commit, audit)
        if shred:
            self.store.shred()
        elif self.head.shred_due and self.store.shred_pending(self.head):
            self.store.shred(wait=False)
        return turn.head.size

    def _put(self, events: Sequence[Event], commit: Commit, audit: AudienceKey | None) -> None:
        contents = Contents(self.registry, self.identity, self.keyring, audit) if audit else self.contents
        written = self.store.put(contents, events, commit)
        if any(isinstance(event, RosterEvent) for event in events):
            self.refresh()
        else:
            known = self.rows.known()
            self.log.adopt(written)
            known.go_on(written.commit.present, written.units)
            self.store.expect(written.commit.number)
            self._store_version = self.store.version()  # this is one's turn: nobody else has committed since
            self._pin.keep(self.log, at_once=False)
        own = [event.originator_version for event in events if event.originator_id == self.member.id]
        self._own_version = max([self._own_version, *own])

    def roster_facts(self, turn: Turn) -> dict[str, Any]:
        """Return what the next event of the roster has in common with every other."""
        return {
            "originator_id": self.roster_stream,
            "originator_version": self.roster.version + 1,
            "previous": self.roster.head,
            **structs.asdict(turn.context),
        }

    def next_version(self, stream: str) -> int:
        """Return the version that the stream's next event takes; what it follows is proven to be in the log.

        Otherwise whoever holds the database could choose the version that is signed here.
        """
        newest = self.store.newest_of(stream, self.head.size)
        version = 0
        if newest is not None:
            version = ProvenLog(self.store, self.registry, self.head).check(newest).stored.originator_version
        if stream == self.member.id and version < self._own_version:
            raise IntegrityError(f"event {self._own_version} of {stream} is missing", "'verify' says more")
        return version + 1

    def to_change(self, token: Token) -> Token:
        """Return the token so that its next event comes behind all that stands in its stream.

        Only where something bad was acknowledged can that be more than what the token is made of.
        """
        if not self.roster.acknowledged:
            return token
        return structs.replace(token, version=max(token.version, self.next_version(token.id) - 1))

    def row(
        self, token: Token, *, box: bytes, plain: bytes | None, fingerprints: bytes, wrapped: bytes | None
    ) -> TokenRow:
        """Return the current row of a token."""
        place = Place(self.registry, token.id, token.version, CARD)
        return TokenRow(
            token=token.id,
            application=token.application,
            name_tag=self.name_tag(token.application, token.name),
            version=token.version,
            revision=token.revision,
            box_revision=token.box_revision,
            position=0,
            card=self.contents.seal(place, token),
            box=box,
            plain=plain,
            fingerprints=fingerprints,
            wrapped=wrapped,
        )

    def row_after(self, token: Token, before: TokenRow) -> TokenRow:
        """Return the current row of a token whose credentials are those of the row ``before``."""
        return self.row(
            token,
            box=before.box,
            plain=before.plain,
            fingerprints=before.fingerprints,
            wrapped=before.wrapped,
        )


def _corrects(event: Event, head: LoggedCommit) -> bool:
    """Return whether an event acknowledges that the commit before it is of a wrong time."""
    return isinstance(event, ProblemAcknowledged) and (event.position, event.kind) == (head.size - 1, problems.TIME)
