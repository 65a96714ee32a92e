"""Many tokens at once: ``import``."""

from collections.abc import Sequence
from pathlib import Path

import click

import registry
from cli import import_lines, output
from cli.framework import command
from cli.options import reason_option
from cli.output import progress
from cli.session import Session, pass_session

_HEADER = ("Name", "Application", "Action")


@command(
    "import", "import tokens.jsonl --dry-run", "import tokens.jsonl --on-conflict overwrite --reason 'from the vault'"
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--on-conflict",
    type=click.Choice(("fail", "skip", "overwrite")),
    default="fail",
    show_default=True,
    help="What to do about a name that is taken.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@reason_option
@pass_session
def import_tokens(session: Session, *, file: Path, on_conflict: str, dry_run: bool, reason: str | None) -> None:
    """Create many tokens in one step, from JSON Lines.

    Each line of FILE is an object with "name" and any of "description", "provider", "application", "encrypted",
    "expires" and "fields"; the fields are given as with 'add --field', except from standard input. All lines are
    imported, or none.
    """
    with session.open("admin") as opened, progress("importing") as advance:
        entries = import_lines.read(file)
        done = opened.importing.run(
            [entry.token for entry in entries],
            on_conflict=registry.OnConflict(on_conflict),
            dry_run=dry_run,
            reason=reason,
            progress=(lambda number: advance(number, len(entries))) if advance else None,
            place=lambda number: f"line {entries[number - 1].line}",
        )
    _report(session, done, dry_run=dry_run)


def _report(session: Session, done: "Sequence[registry.Imported]", *, dry_run: bool) -> None:
    if session.json():
        output.print_json(
            [{"name": item.name, "application": item.application, "action": item.action.value} for item in done]
        )
    else:
        output.print_table(_HEADER, ((item.name, item.application or "-", item.action.value) for item in done))
    written = sum(item.action in {registry.Action.CREATE, registry.Action.OVERWRITE} for item in done)
    if dry_run:
        output.message(f"{written} of {len(done)} tokens would be written; this was a dry run, nothing was")
    else:
        output.message(f"{written} of {len(done)} tokens were written")
