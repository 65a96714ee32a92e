"""The roster at each commit of the log: who was allowed what when an event was made."""

from bisect import bisect_left

from registry.domain.roster import Roster
from registry.domain.roster_rules import may_commit
from registry.errors import IntegrityError
from registry.sealing import roster_record
from registry.store import roster_chain
from registry.store.following import Follower
from registry.store.proven import ProvenLog
from registry.store.rows import LoggedEvent
from registry.store.store import Store
from registry.store.topics import ROSTER_TOPICS
from registry.values import MemberId


class RostersThen:
    """The rosters that led to that of a followed log, by the commits that brought them."""

    def __init__(self, store: Store, log: Follower) -> None:
        self.version = log.roster.version
        head, registry = log.head, log.registry
        assert head is not None  # noqa: S101 - whoever has events to look at has followed commits
        proven = ProvenLog(store, registry, head)
        placed = store.events_of(roster_record.stream_id(registry), tuple(ROSTER_TOPICS), head.size)
        if [logged.stored for logged in placed] != log.roster_events:
            raise IntegrityError("the events of the roster are not the ones that were followed", "'verify' says more")
        # Which commit brought each is not in what was followed; its leaf says so.
        self._commits = [proven.check(logged).commit for logged in placed]
        self._rosters = [Roster()]
        for stored in log.roster_events:
            self._rosters.append(roster_chain.follow(registry, self._rosters[-1], [stored], signed=False))

    def allowed(self, logged: LoggedEvent) -> bool:
        """Return whether the role that the event's author had before its commit allowed it."""
        # The founders are members from the first commit on.
        before = max(1, bisect_left(self._commits, logged.commit))
        author = self._rosters[before].members.get(MemberId(logged.author))
        return author is not None and may_commit(author, logged.stored.topic, logged.stored.originator_id)
