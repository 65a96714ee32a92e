"""The history for other tools: ``export``."""

import click

import registry
from cli import options, output
from cli.framework import command
from cli.session import Session, pass_session

FORMATS = ("jsonl", "csv", "cloudevents", "ocsf")


@command(
    "export",
    "export --format ocsf > history.ndjson",
    "export --format csv --since 90d --app 'HR Portal' > quarter.csv",
    "export --format jsonl --after 4711 > since.jsonl",
)
@click.option(
    "--format", "form", type=click.Choice(FORMATS), default="jsonl", show_default=True, help="The format of the lines."
)
@click.option("--since", metavar="DATE", help="2027-01-31 (its start), an RFC 3339 time, or 90d ago.")
@click.option("--until", metavar="DATE", help="2027-01-31 (its end), an RFC 3339 time, or 90d ago.")
@click.option(
    "--token", metavar="NAME|ID", shell_complete=options.complete_tokens, help="Only what happened to this token."
)
@click.option(
    "--app", metavar="APP", shell_complete=options.complete_applications, help="Only the tokens of this application."
)
@click.option("--actor", metavar="MEMBER", shell_complete=options.complete_members, help="Only what this member did.")
@click.option("--after", type=click.IntRange(min=0), metavar="POSITION", help="Only events behind this position.")
@pass_session
def export(
    session: Session,
    *,
    form: str,
    since: str | None,
    until: str | None,
    token: str | None,
    app: str | None,
    actor: str | None,
    after: int | None,
) -> None:
    """Print the history for other tools, one event on each line.

    Each line carries the event's position and its hash in the log. --after goes on where an earlier export ended;
    CSV then has no heading.
    """
    query = registry.HistoryQuery(
        token=token,
        app=app,
        since=options.parse_past(since, end_of_day=False),
        until=options.parse_past(until, end_of_day=True),
        actor=actor,
    )
    with session.open() as opened:
        output.print_parts(opened.export(query, format=form, after=after))
