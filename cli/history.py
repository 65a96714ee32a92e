"""What happened: ``history``."""

import click

import registry
from cli import documents, options, output
from cli.framework import command
from cli.session import Session, pass_session


@command(
    "history",
    "history",
    "history 'Zoom Production' -n 20",
    "history --since 90d --event token. --format json",
    "history --actor alice --since 2027-01-01 --until 2027-01-31",
    "history 'Zoom Production' --diff",
    "history --as-of 2026-12-31 --app 'HR Portal'",
)
@click.argument("token", metavar="[NAME|ID]", required=False, shell_complete=options.complete_tokens)
@click.option(
    "--app", metavar="APP", shell_complete=options.complete_applications, help="The tokens of this application."
)
@click.option("--since", metavar="DATE", help="2027-01-31 (its start), an RFC 3339 time, or 90d ago.")
@click.option("--until", metavar="DATE", help="2027-01-31 (its end), an RFC 3339 time, or 90d ago.")
@click.option("--actor", metavar="MEMBER", shell_complete=options.complete_members, help="Only what this member did.")
@click.option("--event", metavar="TOPIC", help="Only this kind of event; 'token.' means all that begin so.")
@options.as_of_option("The history as it was known then.")
@click.option("--diff", is_flag=True, help="Say what each changed field was and is; of a secret, if it is new.")
@click.option("-n", "--number", "last", type=click.IntRange(min=0), metavar="N", help="Only the last N.")
@pass_session
def history(
    session: Session,
    *,
    token: str | None,
    app: str | None,
    since: str | None,
    until: str | None,
    actor: str | None,
    event: str | None,
    as_of: str | None,
    diff: bool,
    last: int | None,
) -> None:
    """Show what happened, newest last.

    A name means every token that ever bore it in that scope, deleted ones too; an id means one token.
    """
    query = registry.HistoryQuery(
        token=token,
        app=app,
        since=options.parse_past(since, end_of_day=False),
        until=options.parse_past(until, end_of_day=True),
        actor=actor,
        event=event,
        last=last,
        as_of=options.parse_past(as_of, end_of_day=True),
    )
    as_json = session.json()
    with session.open() as opened:
        entries = opened.history(query, diff=diff)
        if as_json:
            output.print_json_array(entry.document() for entry in entries)
        elif diff:
            output.print_table(documents.DIFF_HEADER, map(documents.diff_row, entries))
        else:
            output.print_table(documents.HISTORY_HEADER, map(documents.history_row, entries))
