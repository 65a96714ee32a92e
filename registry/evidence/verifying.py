"""Verifying a folder of evidence, by itself and against what a stranger knows: no key, no settings, no registry."""

from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path

from registry.domain.roster import Member, Roster
from registry.errors import IntegrityError, InvalidValue
from registry.evidence.findings import KNOWN, MOST, Findings
from registry.evidence.folder import Folder
from registry.evidence.known import Known, read_known
from registry.evidence.layout import Manifest
from registry.evidence.log_check import LogCheck
from registry.evidence.report import EvidenceMember, EvidenceReport, KnownCheckpoint, Verdict
from registry.log import checkpoint
from registry.log.problems import Problem
from registry.store.rows import LoggedCommit
from registry.values import MemberId
from registry.views.directory import Directory, directory

_ITSELF = "it is whole and agrees with itself, but whoever made it may have made up all of it"
_NEWER = "it is whole, but older than the known checkpoint: what came between is not in it"
_PROVEN = "the history is whole and unchanged, and goes on from the known checkpoint"


Progress = Callable[[int, int], None]
"""Is told how many events are done, and of how many."""


def verify_evidence(
    folder: Path | str, known: Path | str | None = None, *, progress: Progress | None = None
) -> EvidenceReport:
    """Return what a folder of evidence proves.

    ``known`` is a file with a checkpoint that came another way: without it, or if it is newer than the evidence, the
    best verdict is *cannot tell*. Nothing is needed but the folder, and nothing else is read or written.
    ``InvalidValue`` if there is no such folder, or no checkpoint in the file; ``Unusable`` if they cannot be read.
    """
    return verify_against(Path(folder), None if known is None else read_known(Path(known)), progress)


def verify_against(folder: Path, known: Known | None, progress: Progress | None = None) -> EvidenceReport:
    """Return what a folder proves to whoever knows a checkpoint."""
    with Folder(folder) as source:
        try:
            manifest = source.manifest()
        except IntegrityError as error:
            findings = Findings()
            findings.folder(str(error))
            return _Verification(source, None, findings, known, progress).report()
        findings = Findings(manifest.size)
        for stranger in islice(source.strangers(manifest), MOST):
            findings.folder(stranger)
        return _Verification(source, manifest, findings, known, progress).report()


class _Verification:
    """The verification of one folder."""

    def __init__(
        self,
        source: Folder,
        manifest: Manifest | None,
        findings: Findings,
        known: Known | None,
        progress: Progress | None,
    ) -> None:
        self._source = source
        self._size = manifest.size if manifest else 0
        self._findings = findings
        self._known = known
        self._progress = progress
        self._met: tuple[LoggedCommit, Mapping[MemberId, Member]] | None = None
        """The commit of the known checkpoint's number, and the members of its moment."""
        self._since: LoggedCommit | None = None
        self._log = LogCheck(source, manifest, findings, self._see) if manifest else None

    def _see(self, made: LoggedCommit, members: Mapping[MemberId, Member]) -> None:
        self._since = self._since or made
        if self._known and made.number == self._known.checkpoint.commit:
            self._met = made, members
        if self._progress:
            self._progress(made.size, self._size)

    def report(self) -> EvidenceReport:
        """Verify everything and say what came of it."""
        log = self._log
        if log is not None:
            log.run()
        head, roster = (log.follower.head, log.follower.roster) if log else (None, Roster())
        known, newer = self._against(self._known, head, roster) if self._known else (None, False)
        acknowledged = self._findings.acknowledged(roster.acknowledged)
        verdict, reason = self._verdict(acknowledged, newer=newer)
        names = directory(log.contents.roster_events if log else ())
        return EvidenceReport(
            folder=self._source.path,
            verdict=verdict,
            reason=reason,
            registry=log.registry.hex() if log and head else None,
            size=head.size if head else 0,
            root=head.root if head else None,
            commits=head.number + 1 if head else 0,
            members=_members(roster, names),
            since=self._since.at if self._since else None,
            until=head.at if head else None,
            openings=log.contents.openings if log else 0,
            known=known,
            problems=tuple(sorted(self._findings.problems)),
            acknowledged=acknowledged,
            names=names,
            digest=log.contents.disclosure.digest() if log else b"",
        )

    def _against(self, known: Known, head: LoggedCommit | None, roster: Roster) -> tuple[KnownCheckpoint, bool]:
        """Return how the evidence stands to the known checkpoint, and whether that is newer."""
        point, newer = known.checkpoint, False
        signers: tuple[MemberId, ...] = ()
        if self._log is not None and point.registry != self._log.registry:
            self._findings.add(0, KNOWN, "the known checkpoint is another registry's")
        elif self._met is not None:
            signers = self._signers(known, *self._met, roster)
        elif head is not None and point.commit > head.number:
            newer = point.size > head.size
            if not newer:
                message = "the known checkpoint is of a later commit, but of a shorter history"
                self._findings.add(head.size, KNOWN, message)
        return KnownCheckpoint(
            registry=point.registry.hex(),
            commit=point.commit,
            size=point.size,
            root=point.root,
            signers=signers,
            at=self._met[0].at if self._met and signers else None,
        ), newer

    def _signers(
        self, known: Known, made: LoggedCommit, members: Mapping[MemberId, Member], roster: Roster
    ) -> tuple[MemberId, ...]:
        registry = known.checkpoint.registry
        if made.checkpoint(registry) != known.checkpoint:
            given_up = any(r.kept.commit < made.number <= r.lost.commit for r in roster.rollbacks)
            accepted = "; an admin accepted that a former history was given up there" if given_up else ""
            message = f"commit {made.number} is not the one that the known checkpoint is of{accepted}"
            self._findings.add(made.size, KNOWN, message)
            return ()
        try:
            keys = {member.id: member.keys.signing for member in members.values()}
            return checkpoint.verify(known.signed, registry, keys).signers
        except (IntegrityError, InvalidValue) as error:
            self._findings.add(made.size, KNOWN, f"the known checkpoint: {error}")
            return ()

    def _verdict(self, acknowledged: frozenset[Problem], *, newer: bool) -> tuple[Verdict, str]:
        alarms = [problem for problem in self._findings.problems if problem not in acknowledged]
        if alarms:
            first = min(alarms)
            more = f", and {len(alarms) - 1} more" if len(alarms) > 1 else ""
            return Verdict.DISPROVED, f"{first.message} (position {first.position}, kind {first.kind}{more})"
        if self._known is None or newer:
            return Verdict.CANNOT_TELL, _NEWER if newer else _ITSELF
        return Verdict.PROVEN, _PROVEN


def _members(roster: Roster, names: Directory) -> tuple[EvidenceMember, ...]:
    present = [(member.id, member.role) for member in roster.members.values()]
    former = [(member.id, None) for member in roster.former.values()]
    return tuple(EvidenceMember(id_, role, names.members.get(id_)) for id_, role in [*present, *former])
