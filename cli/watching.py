"""What happens: ``watch``."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING

import click

import registry
from cli import documents, output
from cli.framework import command
from cli.interruptions import Unread, termination_interrupts
from cli.session import Session, pass_session
from cli.text import Row, json_text, table_text

if TYPE_CHECKING:
    from registry import CommitChange


@command("watch", "watch", "watch --after 4711 --format jsonl", "watch --after -1")
@click.option(
    "--after",
    type=click.IntRange(min=-1),
    metavar="POSITION",
    help="The last position you have seen; -1 for none. Without it, what is committed from now on is shown.",
)
@click.option("--format", "form", type=click.Choice(("table", "jsonl")), help="How to print data.")
@pass_session
def watch(session: Session, *, after: int | None, form: str | None) -> None:
    """Show every commit as soon as it is made.

    Ctrl-C or a termination is how it ends. App members are shown which of their tokens changed, and how; admins and
    auditors what 'history' shows. With jsonl each commit is one line, also one that shows nothing to you; its "last"
    is what to give to --after next time.
    """
    as_lines = session.json() if form is None else form == "jsonl"
    try:
        with termination_interrupts(), session.open() as opened, opened.changes(after, stop=output.unread) as changes:
            output.print_as_they_come(_json_lines(changes) if as_lines else _table(changes), exact=as_lines)
    except KeyboardInterrupt:
        # That is how it ends. What its reader does not take now, it gets from the last position that it has seen.
        output.stop_writing()
        return
    raise Unread


def _json_lines(changes: "Iterable[CommitChange]") -> Iterator[str]:
    for change in changes:
        yield f"{json_text(change.document(), indent=None)}\n"


def _table(changes: "Iterable[CommitChange]") -> Iterator[str]:
    rows = (_row(change, event) for change in changes for event in change.events)
    # Whoever gets another role meanwhile is shown something else from then on.
    for header, group in groupby(rows, key=lambda pair: pair[0]):
        yield from table_text([cell.upper() for cell in header], (row for _, row in group), chunk_size=1)


def _row(change: "CommitChange", event: "registry.HistoryEntry | registry.TokenChange") -> tuple[Row, Row]:
    if isinstance(event, registry.TokenChange):
        return documents.TOKEN_CHANGE_HEADER, documents.token_change_row(event, change.at)
    return documents.HISTORY_HEADER, documents.history_row(event)
