"""Tables and progress on a terminal, drawn by ``rich``; nothing else imports it."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from cli.output import Row, printable


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
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number in shown:
        table.add_column(Text(header[number]), overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(row[number])) for number in shown))
    _console().print(table)


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
    with Progress(console=_console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
