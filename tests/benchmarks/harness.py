"""Measuring fairly: two sides in turn, on one disk, in one run; medians, because disks have moods."""

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

Side = Callable[[int], float]
"""Runs one round, given its number, and returns what it measured."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What the rounds of two sides gave, in their order."""

    ours: Sequence[float]
    theirs: Sequence[float]

    @property
    def ratio(self) -> float:
        """Ours over theirs: the median over the rounds, so that a machine that slows down on its way slows both."""
        return median(ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True))


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the report."""

    what: str
    ours: str
    baseline: str = ""
    ratio: str = ""
    goal: str = ""


def interleaved(ours: Side, theirs: Side, rounds: int) -> Compared:
    """Run both sides in turn, the first to go changing from round to round; one round before counts for nothing."""
    ours(-1)
    theirs(-1)
    mine: list[float] = []
    other: list[float] = []
    for number in range(rounds):
        for side, into in ((ours, mine), (theirs, other)) if number % 2 else ((theirs, other), (ours, mine)):
            into.append(side(number))
    return Compared(mine, other)


def rate(work: Callable[[], int]) -> float:
    """Return how many things a second the work does; it returns how many it did."""
    start = time.perf_counter()
    done = work()
    return done / (time.perf_counter() - start)


def process_seconds(command: Sequence[str], environment: Mapping[str, str]) -> float:
    """Return how long a whole process takes, from its start to its end; it must succeed."""
    start = time.perf_counter()
    subprocess.run(command, env={**os.environ, **environment}, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def file_bytes(path: Path) -> int:
    """Return the size of a store that nobody has open."""
    return path.stat().st_size


def spread(values: Sequence[float], unit: str, factor: float = 1.0) -> str:
    """Return the median with the lowest and highest behind it."""
    shown = [f"{value * factor:,.{0 if value * factor >= 100 else 1}f}" for value in (median(values), *_ends(values))]
    return f"{shown[0]} {unit} ({shown[1]}-{shown[2]})"


def _ends(values: Sequence[float]) -> tuple[float, float]:
    return min(values), max(values)


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table."""
    cells = [("measured", "here", "baseline", "ratio", "goal")]
    cells += [(row.what, row.ours, row.baseline, row.ratio, row.goal) for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(5)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in cells
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])
