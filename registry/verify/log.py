"""The log of a store, verified: its pieces side by side and fast, and those that are odd one by one."""

from collections.abc import Callable, Iterable, Sequence

from registry.errors import StoreUnreadable
from registry.log import merkle
from registry.log.merkle import EMPTY_ROOT
from registry.log.problems import EVENT, NODE, Problem
from registry.store.raw import RawStore
from registry.verify.diagnosis import Diagnosis
from registry.verify.findings import Known
from registry.verify.guesses import MISSING
from registry.verify.judging import Findings
from registry.verify.spans import Edge, Span
from registry.verify.walking import Walked, folded

_LONGEST_LIST = 20
"""How many missing events or nodes in a row are named one by one."""
_OR = {EVENT: "", NODE: ", or are not the hash of what they cover"}


def joined(
    pieces: Sequence[Span], walked: Callable[[Span], Walked], edge: Edge, diagnosis: Callable[..., Diagnosis]
) -> Findings:
    """Return what is wrong in the log, given what became of its pieces when they were walked over by themselves.

    What a piece began with must be what the piece before led to. Where it is not, or where a piece was odd, it is
    looked at closely, from where all was right.
    """
    found = Findings()
    closer: Diagnosis | None = None
    for piece in pieces:
        result = walked(piece)
        if closer is not None and (known := closer.edge) is not None:
            edge, closer = known, None
        if closer is None and result.after is not None and result.before == edge:
            edge = result.after
            continue
        if closer is None:
            closer = diagnosis(edge, piece.start, found)
        closer.look(piece)
    if closer is not None:
        closer.finish()
    return found


def frontier_of(store: RawStore, size: int, root: bytes) -> tuple[bytes, ...] | None:
    """Return the complete subtrees that are stored of the tree of a size; ``None`` unless they make up the root."""
    try:
        nodes = [store.node(merkle.node_number(*place)) for place in merkle.complete_subtrees(size)]
    except StoreUnreadable:
        return None
    if not all(isinstance(node, bytes) for node in nodes):
        return None
    return tuple(nodes) if (folded(nodes) if nodes else EMPTY_ROOT) == root else None


def missing_together(found: Iterable[Problem]) -> list[Problem]:
    """Return the problems, with one in the place of many where a long row of events is missing, or of nodes wrong."""
    others, missing = list[Problem](), {EVENT: list[Problem](), NODE: list[Problem]()}
    for problem in found:
        together = problem.kind == NODE or (problem.kind, problem.message) == (EVENT, MISSING)
        (missing[problem.kind] if together else others).append(problem)
    for kind, lacking in missing.items():
        lacking.sort()
        start = 0
        for end in range(1, len(lacking) + 1):
            if end == len(lacking) or lacking[end].position > lacking[end - 1].position + 1:
                row = lacking[start:end]
                if len(row) > _LONGEST_LIST:
                    others.append(Problem(row[0].position, kind, f"from here on {len(row)} are missing{_OR[kind]}"))
                else:
                    others += row
                start = end
    return others


def known_of(found: Findings, behind: range) -> Known:
    """Return what the look at the streams must know: whose events are damaged, and which may count or not."""
    return Known(sorted({*found.damaged, *behind}), len(behind), frozenset(found.doubtful), found.commits)
