"""What the verification of a folder of evidence came to."""

import enum
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from msgspec import Struct

from registry.errors import CannotTell, IntegrityError
from registry.evidence.disclosed import disclosed
from registry.log.note import encode_base64
from registry.log.problems import Problem
from registry.values import MemberId, rfc3339
from registry.views.directory import Directory
from registry.views.history import HistoryEntry


class Verdict(enum.StrEnum):
    """What a stranger may conclude."""

    PROVEN = "proven"
    """The history is whole and unchanged, and goes on from the checkpoint that the stranger knows."""
    DISPROVED = "disproved"
    """Something was changed, is missing, or contradicts the checkpoint that the stranger knows."""
    CANNOT_TELL = "cannot tell"
    """The history agrees with itself, but nothing that the stranger knows says that it is the right one."""


class KnownCheckpoint(Struct, frozen=True, kw_only=True):
    """The checkpoint that the stranger knows, and how the evidence stands to it."""

    registry: str
    commit: int
    size: int
    root: bytes
    signers: tuple[MemberId, ...]
    """The members of that moment who signed it; empty where it does not belong to this history."""
    at: datetime | None
    """When its commit was made; ``None`` where it does not belong to this history."""

    def document(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            "registry": self.registry,
            "commit": self.commit,
            "size": self.size,
            "root": encode_base64(self.root),
            "signers": list(self.signers),
            "at": rfc3339(self.at) if self.at else None,
        }


class EvidenceMember(Struct, frozen=True):
    """A member, with its role at the end, ``None`` if it was removed, and its name if an opened event tells it."""

    id: MemberId
    role: str | None
    name: str | None


class EvidenceReport(Struct, frozen=True, kw_only=True):
    """What was found. Where the verdict is *disproved*, the counts go as far as the history could be followed."""

    folder: Path
    verdict: Verdict
    reason: str
    """The verdict in a sentence."""
    registry: str | None
    size: int
    root: bytes | None
    commits: int
    members: tuple[EvidenceMember, ...]
    since: datetime | None
    """When the first commit was made."""
    until: datetime | None
    """When the last commit was made."""
    openings: int
    """How many events are disclosed."""
    known: KnownCheckpoint | None
    problems: tuple[Problem, ...]
    acknowledged: frozenset[Problem]
    """Those of the problems that an admin of the registry knew of: they are no alarm."""
    names: Directory
    digest: bytes
    """A hash over all that is disclosed, by which it is recognised when it is read again."""

    @property
    def shows(self) -> bool:
        """Whether there is anything that is disclosed and not disproved."""
        return bool(self.openings) and self.verdict is not Verdict.DISPROVED

    def disclosed(self) -> Iterator[HistoryEntry]:
        """Yield what happened in the disclosed events, oldest first; nothing where the verdict is *disproved*.

        It is read anew from the folder; ``IntegrityError`` at the end if that was changed since it was verified.
        """
        if self.shows and self.registry is not None:
            yield from disclosed(self.folder, bytes.fromhex(self.registry), self.size, self.names, self.digest)

    def document(self) -> dict[str, Any]:
        """Return it as the JSON object of ``evidence verify``, without what is disclosed."""
        return {
            "verdict": self.verdict.value,
            "registry": self.registry,
            "size": self.size,
            "root": encode_base64(self.root) if self.root is not None else None,
            "commits": self.commits,
            "known": self.known.document() if self.known else None,
            "problems": [
                {
                    "position": problem.position,
                    "kind": problem.kind,
                    "message": problem.message,
                    "acknowledged": problem in self.acknowledged,
                }
                for problem in self.problems
            ],
        }

    def check(self) -> None:
        """Raise ``IntegrityError`` if it is disproved, ``CannotTell`` if it is not proven."""
        if self.verdict is Verdict.DISPROVED:
            raise IntegrityError(self.reason, "do not rely on this folder; ask for another export")
        if self.verdict is Verdict.CANNOT_TELL:
            raise CannotTell(
                self.reason, "compare with a checkpoint that came another way, and is not newer: --known FILE"
            )
