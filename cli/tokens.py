"""Commands on one token, or on the list of them: show, list, test, reveal, rename, remove."""

import click

import registry
from cli import documents, output, prompts
from cli.framework import command
from cli.options import (
    app_option,
    as_of_option,
    complete_applications,
    global_option,
    parse_past,
    process_option,
    reason_option,
    since,
    token_argument,
    until,
    yes_option,
)
from cli.session import Session, pass_session


@command(
    "show",
    "show 'Zoom Production'",
    "show Payroll --app 'HR Portal' --format json",
    "show 'Zoom Test' --as-of 2026-12-31",
)
@token_argument
@app_option
@as_of_option("Show the token that bore this name then, removed since or not.")
@pass_session
def show(session: Session, name: str, app: str | None, as_of: str | None) -> None:
    """Show a token, its secrets excepted."""
    moment = parse_past(as_of, end_of_day=True)
    with session.open() as opened:
        view = opened.tokens.show(name, app=app, as_of=moment)
    if session.json():
        output.print_json(documents.token_document(view, moment))
    else:
        output.print_record(documents.token_record(view, moment))


@command(
    "list",
    "list",
    "list --app 'HR Portal' --match zoom",
    "list --expiring 15d --fail",
    "list --stale 90d --format json",
    "list --unused 90d",
    "list --exposed",
)
@click.option("--app", metavar="APP", shell_complete=complete_applications, help="Only the tokens of this application.")
@click.option("--global", "only_global", is_flag=True, help="Only the global tokens.")
@click.option("--match", metavar="TEXT", help="Only tokens whose name or description contains this.")
@click.option("--expiring", metavar="15d", help="Only tokens that end within this time, or have ended.")
@click.option("--stale", metavar="90d", help="Only tokens whose credentials were not changed within this time.")
@click.option("--unused", metavar="90d", help="Only tokens of which no use is recorded within this time.")
@click.option("--exposed", is_flag=True, help="Only tokens that somebody who left could have opened.")
@click.option("--fail", is_flag=True, help="End with exit code 11 if there are any; for cron.")
@pass_session
def list_tokens(
    session: Session,
    *,
    app: str | None,
    only_global: bool,
    match: str | None,
    expiring: str | None,
    stale: str | None,
    unused: str | None,
    exposed: bool,
    fail: bool,
) -> None:
    """List tokens.

    A token is exposed when a member that could have opened it was removed, or was given a lesser role, until its
    credentials are changed. A use is what 'reveal', 'run' and the library's 'resolve' record; an export is none.
    """
    if app is not None and only_global:
        raise click.UsageError("--app and --global exclude each other")
    with session.open() as opened:
        found = opened.tokens.list(
            app=app,
            only_global=only_global,
            match=match,
            expiring=until(expiring),
            stale=since(stale),
            unused=since(unused),
            exposed=exposed,
        )
        views = list(found)
        if unused is not None:
            documents.warn_unseen(opened)
    _print_tokens(views, as_json=session.json())
    if fail and views:
        raise registry.Found("one token was found" if len(views) == 1 else f"{len(views):,} tokens were found")


def _print_tokens(views: "list[registry.TokenView]", *, as_json: bool) -> None:
    if as_json:
        output.print_json([view.document() for view in views])
        return
    output.print_table(documents.TOKEN_HEADER, map(documents.token_row, views))
    if not views:
        output.message("no tokens")


@command("test", "test 'Zoom Production'", "test Payroll --app 'HR Portal' --format json")
@token_argument
@app_option
@reason_option
@click.pass_context
def test(context: click.Context, name: str, app: str | None, reason: str | None) -> None:
    """Ask the provider whether it accepts a token's credentials.

    The outcome is recorded and printed. The exit code is 0 if they are accepted, 8 if they are rejected or of a
    kind that the provider has retired, 9 if there is no verdict.
    """
    from cli.failures import outcome_code  # noqa: PLC0415 - the commands that only read do without it

    session = context.ensure_object(Session)
    with session.open() as opened:
        result = opened.tokens.test(name, app=app, reason=reason)
    if session.json():
        output.print_json(documents.test_document(result))
    else:
        output.print_record(documents.test_record(result))
    context.exit(outcome_code(result.outcome))


@command(
    "reveal",
    "reveal 'Zoom Production' --field api_key --reason 'ticket 4711'",
    "reveal Zoom --field api_secret --explain",
    "reveal Zoom --field api_secret --global --process payroll",
)
@token_argument
@click.option("--field", required=True, metavar="F", help="The field whose value is printed.")
@click.option("--no-newline", is_flag=True, help="Print no newline after the value.")
@app_option
@global_option
@process_option
@click.option("--explain", is_flag=True, help="Say on standard error which token is meant, and why.")
@reason_option
@pass_session
def reveal(
    session: Session,
    *,
    name: str,
    field: str,
    no_newline: bool,
    app: str | None,
    only_global: bool,
    process: str | None,
    explain: bool,
    reason: str | None,
) -> None:
    """Print one value of a token; that is recorded.

    For an app member, a name without --app means its own application's token before a global one. The disclosure
    stands in the history before the value is printed. Nothing else goes to standard output, whatever the format.
    """
    if app is not None and only_global:
        raise click.UsageError("--app and --global exclude each other")
    with session.open() as opened:
        if explain:
            why = opened.tokens.explain(name, app=app, only_global=only_global, process=process)
            output.message(f"{name}: {why}")
        value = opened.tokens.reveal(
            name,
            field,
            app=app,
            only_global=only_global,
            process=process,
            reason=reason,
            unrecorded=documents.warn_unrecorded,
        )
    output.print_text(value.reveal() + ("" if no_newline else "\n"))


@command("rename", "rename 'Zoom Test' 'Zoom Staging'", "rename Payroll Salaries --app 'HR Portal'")
@token_argument
@click.argument("new")
@app_option
@reason_option
@pass_session
def rename(session: Session, name: str, new: str, app: str | None, reason: str | None) -> None:
    """Give a token another name.

    It stays the same token, with its history; the former name is free at once.
    """
    with session.open() as opened:
        result = opened.tokens.rename(name, new, app=app, reason=reason)
    if result.changed:
        output.message(f"renamed to {result.token.name} (revision {result.token.revision})")
    else:
        output.message(f"unchanged {result.token.name}: nothing was written")
    if session.json():
        output.print_json({**result.token.document(), "changed": result.changed})


@command("remove", "remove 'Zoom Test' --reason 'no longer used'", "remove Payroll --app 'HR Portal' --yes")
@token_argument
@app_option
@yes_option
@reason_option
@pass_session
def remove(session: Session, *, name: str, app: str | None, yes: bool, reason: str | None) -> None:
    """Delete a token and destroy its credentials.

    Nobody can bring the credentials back. The history stays, and the name is free at once. Before it asks, it shows
    the members that are recorded to use the token.
    """
    with session.open("admin") as opened:
        doomed = opened.tokens.show(name, app=app)
        users = documents.show_users(doomed.name, opened.usage(name, app=app), asking=not yes and prompts.on_terminal())
        where = f"of the application {doomed.application}" if doomed.application else "(global)"
        prompts.confirm(f"Destroy the credentials of {doomed.name} {where} for ever?", yes=yes)
        view = opened.tokens.remove(name, app=app, reason=reason)
        output.message(f"removed {view.name}; its credentials are destroyed")
        documents.warn_pending(opened)
    if session.json():
        output.print_json({**view.document(), "removed": True, "users": [user.document() for user in users]})
