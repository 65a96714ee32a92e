"""Tables and progress on a terminal, drawn by ``rich``; nothing else imports it."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic

from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from cli.text import Row, printable, width

_GAP = "  "
_NARROWEST = 12
_REDRAWN = 0.1
"""Seconds after which progress is drawn again."""


def _console(*, stderr: bool = False) -> Console:
    return Console(
        file=sys.stderr if stderr else sys.stdout,
        color_system=None if os.environ.get("NO_COLOR") else "auto",
        markup=False,
        emoji=False,
        highlight=False,
    )


def print_table(header: Row, rows: Sequence[Row]) -> None:
    """Print rows under a header; a cell that is too long goes on below, and columns that say nothing are left out."""
    shown = [number for number in range(len(header)) if any(row[number] != "-" for row in rows)]
    if not shown:
        return
    console = _console()
    cells = [[printable(row[number]) for number in shown] for row in rows]
    widths = [max(map(width, column)) for column in zip([header[number] for number in shown], *cells, strict=True)]
    whole = _unbroken(widths, console.width)
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for number, wide in zip(shown, widths, strict=True):
        table.add_column(Text(header[number]), overflow="fold", no_wrap=wide <= whole)
    for row in cells:
        table.add_row(*map(Text, row))
    console.print(table)


def _unbroken(widths: Sequence[int], room: int) -> int:
    """Return how wide a column may be to stay on one line, so that the wider ones still have some room."""
    for whole in sorted(widths, reverse=True):
        if sum(wide if wide <= whole else _NARROWEST for wide in widths) + len(_GAP) * len(widths) <= room:
            return whole
    return 0


def print_record(pairs: Sequence[tuple[str, str]]) -> None:
    """Print labels and values, one below the other."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for label, value in pairs:
        table.add_row(Text(label), Text("\n".join(printable(line) for line in value.splitlines())))
    _console().print(table)


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show how far a piece of work is, on standard error; call what is yielded with the number done and of all."""
    # Without a thread that draws it: work may be divided among processes, and forking with threads is not safe.
    with Progress(console=_console(stderr=True), transient=True, auto_refresh=False) as bar:
        task, drawn = bar.add_task(what, total=None), 0.0

        def advance(done: int, total: int) -> None:
            nonlocal drawn
            due = done == total or monotonic() - drawn > _REDRAWN
            bar.update(task, completed=done, total=total, refresh=due)
            drawn = monotonic() if due else drawn

        yield advance
