"""The use case of giving evidence: chosen events are disclosed to outsiders, on record; all of the log is proven."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import takewhile
from pathlib import Path
from typing import Any

from msgspec import Struct, structs

from registry.domain.evidence_events import EvidenceExported
from registry.domain.roster import ADMIN, AUDIT, AUDITOR
from registry.domain.token_events import TokenDisclosed
from registry.errors import IntegrityError, NotFound
from registry.evidence.contents import shown_event
from registry.evidence.known import Known
from registry.evidence.opening import envelope_of, place_of
from registry.evidence.report import Verdict
from registry.evidence.verifying import verify_against
from registry.evidence.writing import Writer, check_vacant, new_folder
from registry.log import checkpoint, problems
from registry.log.note import encode_base64
from registry.sealing import envelope
from registry.service.history import HistoryQuery, Reading
from registry.service.ledger import Ledger
from registry.store.rows import LoggedCommit, LoggedEvent
from registry.views.history import HistoryFilter

Progress = Callable[[int, int], None]


class EvidenceQuery(Struct, frozen=True, kw_only=True):
    """Which events are to be disclosed; what is ``None`` does not matter, and without any of it all are."""

    token: str | None = None
    """A token's name or id; a name means every token that ever bore it in the scope, deleted ones too."""
    app: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class ExportedEvidence(Struct, frozen=True, kw_only=True):
    """A folder of evidence that was written: what it proves, and how much it discloses."""

    folder: Path
    registry: str
    size: int
    """How many events it proves, that of the export included, which is the last."""
    root: bytes
    commits: int
    openings: int
    """How many events it discloses."""

    def document(self) -> dict[str, Any]:
        """Return it as the JSON object of ``evidence export``."""
        return structs.asdict(self) | {"folder": str(self.folder), "root": encode_base64(self.root)}


class Evidence:
    """What outsiders are given of a registry."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def export(
        self,
        folder: Path | str,
        query: EvidenceQuery | None = None,
        *,
        reason: str | None = None,
        progress: Progress | None = None,
    ) -> ExportedEvidence:
        """Write evidence of the whole log, and the chosen events readable, into a folder that does not exist yet.

        That it is given stands in the history before anything is written. ``AlreadyExists`` where something is;
        nothing is left where it fails. ``progress`` is called with the number of events written, and of all.
        """
        ledger, path = self._ledger, Path(folder)
        ledger.require(ADMIN, AUDITOR)
        check_vacant(path)
        chosen = _Chosen(ledger, _wanted(ledger, query or EvidenceQuery()))
        with new_folder(path) as partial:
            chosen.follow(ledger.events())
            head = self._record(chosen, reason)
            events = _counted(ledger.store.events(end=head.size), head.size, progress)
            commits = takewhile(lambda made: made.number <= head.number, ledger.store.commits())
            written = Writer(partial, ledger.registry, head).write(commits, events, chosen.opening)
            self._check(partial, head)
        return ExportedEvidence(
            folder=path,
            registry=written.registry,
            size=written.size,
            root=head.root,
            commits=written.commits,
            openings=written.openings,
        )

    def _record(self, chosen: "_Chosen", reason: str | None) -> LoggedCommit:
        """Commit that the chosen events are disclosed, and return that commit, with which the evidence ends."""
        ledger = self._ledger
        with ledger.turn(reason, roles=(ADMIN, AUDITOR)) as turn:
            # What others committed while the choice was made belongs to it too.
            chosen.follow(ledger.events(chosen.size))
            own = chosen.includes_own(turn.at)
            event = EvidenceExported(
                originator_id=ledger.member.id,
                originator_version=ledger.next_version(ledger.member.id),
                **structs.asdict(turn.context),
                size=turn.head.size,
                openings=chosen.count + own,
                tokens=tuple(sorted(chosen.wanted.tokens or ())),
                since=chosen.wanted.since,
                until=chosen.wanted.until,
            )
            position = ledger.commit(turn, [event])
            if own:
                chosen.add(position)
            return ledger.head

    def _check(self, folder: Path, head: LoggedCommit) -> None:
        """Raise ``IntegrityError`` unless the evidence proves what this machine knows of the log."""
        ledger = self._ledger
        point, signing = head.checkpoint(ledger.registry), ledger.identity.public.keys.signing
        signed = checkpoint.restored(point, head.author, signing, head.signature)
        report = verify_against(folder, Known(signed, point))
        if report.verdict is not Verdict.PROVEN:
            raise IntegrityError(f"no evidence can be given: {report.reason}", "'verify' says more")


def _wanted(ledger: Ledger, query: EvidenceQuery) -> HistoryFilter:
    asked = HistoryQuery(token=query.token, app=query.app, since=query.since, until=query.until)
    found = Reading(ledger).wanted(asked)
    if found.tokens is not None and not found.tokens:
        raise NotFound("the application never had a token", "without --app, all events are disclosed")
    return found


def _counted(events: Iterable[LoggedEvent], of_all: int, progress: Progress | None) -> Iterator[LoggedEvent]:
    for number, logged in enumerate(events, 1):
        yield logged
        if progress:
            progress(number, of_all)


class _Chosen:
    """Which events are disclosed: one bit for each event of the log."""

    def __init__(self, ledger: Ledger, chosen: HistoryFilter) -> None:
        self.wanted = chosen
        self.count = 0
        self.size = 0
        """How many events were looked at."""
        self._ledger = ledger
        self._bits = bytearray()

    def add(self, position: int) -> None:
        """Choose the event at a position."""
        self._bits.extend(bytes(max(0, position // 8 + 1 - len(self._bits))))
        self._bits[position // 8] |= 1 << position % 8
        self.count += 1

    def __contains__(self, position: int) -> bool:
        return position // 8 < len(self._bits) and bool(self._bits[position // 8] >> position % 8 & 1)

    def follow(self, events: Iterable[LoggedEvent]) -> None:
        """Look at the events that come next."""
        for logged in events:
            if self._wants(logged):
                self.add(logged.position)
            self.size = logged.position + 1

    def _wants(self, logged: LoggedEvent) -> bool:
        if not self.wanted.wants(logged) or not self.wanted.may_concern(logged):
            return False
        if (logged.position, problems.CONTENTS) in self._ledger.roster.acknowledged or not self._can_be_read(logged):
            return False  # there is nothing in it that could be shown
        if self.wanted.tokens is None or logged.stored.topic != TokenDisclosed.TOPIC:
            return True
        return self.wanted.concerns(self._ledger.opened(logged))  # whose disclosure it is stands in its contents alone

    def includes_own(self, at: datetime) -> bool:
        """Return whether the event of the export itself, which is about no token, is among what is asked for."""
        since, until = self.wanted.since, self.wanted.until
        return self.wanted.tokens is None and not ((since and at < since) or (until and at > until))

    def opening(self, logged: LoggedEvent) -> bytes | None:
        """Return the event key of a chosen event, ``None`` for any other."""
        return self._key(logged) if logged.position in self else None

    def _can_be_read(self, logged: LoggedEvent) -> bool:
        """Return whether an event says what a stranger can be shown.

        One that does not is proven like any other: else whoever signed for it could deny all evidence for ever.
        """
        key = self._key(logged)
        try:
            return key is not None and bool(shown_event(self._ledger.registry, logged, key))
        except IntegrityError:
            return False

    def _key(self, logged: LoggedEvent) -> bytes | None:
        """Return the event key of an event; ``None`` if its state is no envelope under a key that there is."""
        ledger, stored = self._ledger, logged.stored
        try:
            sealed = envelope_of(stored)
            number = envelope.generation(sealed)
        except IntegrityError:
            return None
        if not 1 <= number <= ledger.roster.current(AUDIT).number:
            return None
        audience = ledger.keyring.key(AUDIT, number)  # where one's own keys do not open, that is no fault of the event
        try:
            return envelope.opening(audience.key, place_of(ledger.registry, stored), sealed)
        except IntegrityError:
            return None
