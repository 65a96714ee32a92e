"""What a verification finds wrong, collected."""

from collections.abc import Collection

from registry.log.problems import Problem

FOLDER = "folder"
"""A file of the folder is missing, too many, or in no known format."""
OPENING = "opening"
"""An opening opens no event, or one whose contents are none."""
KNOWN = "known"
"""The history is not the one that the known checkpoint is of."""

MOST = 1_000
"""How many problems are told one by one: a folder made to be wrong must not fill the memory."""


class Findings:
    """The problems so far; ``size`` is the position of what concerns no event."""

    def __init__(self, size: int = 0) -> None:
        self.problems: list[Problem] = []
        self._size = size
        self._of_history: set[Problem] = set()

    def add(self, position: int, kind: str, message: str) -> None:
        """Add a problem of the folder: nobody can have known of it before."""
        if len(self.problems) < MOST:
            self.problems.append(Problem(position, kind, message))
        elif len(self.problems) == MOST:
            self.problems.append(Problem(self._size, FOLDER, "there are more problems; these are the first"))

    def folder(self, message: str) -> None:
        """Add a problem that concerns no event."""
        self.add(self._size, FOLDER, message)

    def history(self, position: int, kind: str, message: str) -> None:
        """Add a problem of the history itself: it was committed so, and an admin may have acknowledged it."""
        self.add(position, kind, message)
        if len(self.problems) <= MOST:
            self._of_history.add(self.problems[-1])

    def acknowledged(self, known: Collection[tuple[int, str]]) -> frozenset[Problem]:
        """Return the problems that an admin knew of, by their position and kind."""
        return frozenset(problem for problem in self._of_history if (problem.position, problem.kind) in known)
