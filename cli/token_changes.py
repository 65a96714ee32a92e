"""Creating and changing a token: ``add`` and ``edit``."""

from typing import TYPE_CHECKING

import click

import registry
from cli import asking, documents, options, output, prompts, sources
from cli.framework import command
from cli.options import app_option, reason_option, token_argument
from cli.session import Session, pass_session
from cli.sources import Assignments
from registry import providers

if TYPE_CHECKING:
    from registry import Changed, Registry

_FIELD_HELP = "A value; SOURCE is - (standard input), @FILE, env:NAME or, if not secret, the value. Repeatable."
_DESCRIPTION_HELP = "The description, - to read it from standard input, or @FILE."
_TEST_HELP = "Ask the provider first, and store nothing unless it accepts the credentials."


@command(
    "add",
    "add 'Zoom Production'",
    "add 'Zoom Production' --field api_key=@key.txt --field api_secret=@secret.txt --test",
    "add Payroll --app 'HR Portal' --field api_key=env:KEY --field api_secret=- < secret.txt",
)
@click.argument("name")
@click.option(
    "--app",
    metavar="APP",
    shell_complete=options.complete_applications,
    help="The application that the token belongs to; without it, it is global.",
)
@click.option("--provider", default="zoom", show_default=True, metavar="P", help="The kind of external system.")
@click.option("--description", metavar="TEXT|-|@FILE", help=_DESCRIPTION_HELP)
@click.option("--field", "fields", multiple=True, metavar="F=SOURCE", help=_FIELD_HELP)
@click.option("--expires", metavar="DATE", help="2027-01-31 (its end, UTC), an RFC 3339 time, or 90d from now.")
@click.option("--no-encrypt", is_flag=True, help="Keep the credentials readable in the database, if policy allows it.")
@click.option("--test", "tested", is_flag=True, help=_TEST_HELP)
@reason_option
@pass_session
def add(
    session: Session,
    *,
    name: str,
    app: str | None,
    provider: str,
    description: str | None,
    fields: tuple[str, ...],
    expires: str | None,
    no_encrypt: bool,
    tested: bool,
    reason: str | None,
) -> None:
    """Create a token.

    Without --field, on a terminal, it asks for everything, secrets unseen, and offers to test the connection before
    anything is stored.
    """
    given = Assignments.parse(fields)
    given.check_single_input(description)
    expiry = options.parse_expiry(expires)
    with session.open("admin") as opened:
        draft = asking.Draft(
            name=name,
            provider=providers.load(provider),
            application=app,
            description=None if description is None else sources.read_description(description),
            encrypted=False if no_encrypt else None,
            expires_at=expiry[0] if expiry else None,
            test=tested,
            reason=reason,
        )
        result = _added(opened, draft, given)
    _report(session, result, "added")


def _added(opened: "Registry", draft: asking.Draft, given: Assignments) -> "Changed":
    kind = draft.provider
    needed = [field for field in kind.fields if field.required and field.default is None]
    if given.sources or not needed:
        new = draft.complete(given.read(kind.fields, kind.name))
        return opened.tokens.add(new, test=draft.test, reason=draft.reason)
    if not prompts.on_terminal():
        raise registry.InvalidValue(
            "no --field was given, and there is no terminal to ask on",
            f"needed: {' '.join(f'--field {field.name}=@FILE' for field in needed)}",
        )
    return asking.add(opened, draft)


@command(
    "edit",
    "edit 'Zoom Production' --field api_secret=@new.txt --test --reason 'yearly change'",
    "edit 'Zoom Production' --expires 90d --description 'owned by IT'",
    "edit Payroll --app 'HR Portal' --unset api_url --expect-revision 3",
)
@token_argument
@app_option
@click.option("--field", "fields", multiple=True, metavar="F=SOURCE", help=_FIELD_HELP)
@click.option("--unset", multiple=True, metavar="F", help="Remove a field's value. Repeatable.")
@click.option("--provider", metavar="P", help="Another kind of external system.")
@click.option("--description", metavar="TEXT|-|@FILE", help=_DESCRIPTION_HELP)
@click.option("--expires", metavar="DATE|never", help="2027-01-31 (its end, UTC), an RFC 3339 time, 90d, or never.")
@click.option("--encrypt/--no-encrypt", "encrypted", default=None, help="How the database keeps the credentials.")
@click.option("--expect-revision", type=click.IntRange(min=1), metavar="N", help="Change nothing unless it is at N.")
@click.option("--test", "tested", is_flag=True, help=_TEST_HELP)
@reason_option
@pass_session
def edit(
    session: Session,
    *,
    name: str,
    app: str | None,
    fields: tuple[str, ...],
    unset: tuple[str, ...],
    provider: str | None,
    description: str | None,
    expires: str | None,
    encrypted: bool | None,
    expect_revision: int | None,
    tested: bool,
    reason: str | None,
) -> None:
    """Change a token; the change is effective at once.

    What is not named stays as it is. All changes of one command are one step of the revision. Replaced credentials
    are destroyed.
    """
    given = Assignments.parse(fields)
    given.check_single_input(description)
    _check_wishes(given, unset, provider, description, expires, encrypted)
    expiry = options.parse_expiry(expires)
    with session.open("admin") as opened:
        text = None if description is None else sources.read_description(description)
        kind = providers.load(provider or opened.tokens.show(name, app=app).provider)
        change = registry.TokenEdit(
            fields=given.read(kind.fields, kind.name),
            unset=unset,
            provider=provider,
            description=text,
            encrypted=encrypted,
            expiry=expiry,
        )
        result = opened.tokens.edit(name, change, app=app, expect_revision=expect_revision, test=tested, reason=reason)
        documents.warn_pending(opened)
    _report(session, result, "changed")


def _check_wishes(given: Assignments, unset: tuple[str, ...], *wishes: object) -> None:
    if not given.sources and not unset and all(wish is None for wish in wishes):
        raise registry.InvalidValue("nothing to change was given", "'edit --help' shows what can be changed")
    if contradictory := given.sources.keys() & set(unset):
        raise registry.InvalidValue(f"{', '.join(sorted(contradictory))} cannot be both set and unset")


def _report(session: Session, result: "Changed", done: str) -> None:
    if result.test:
        output.message(f"the provider says: {result.test.outcome} {result.test.detail}".rstrip())
    if result.changed:
        output.message(f"{done} {result.token.name} (revision {result.token.revision})")
    else:
        output.message(f"unchanged {result.token.name}: nothing was written")
    if session.json():
        output.print_json({**result.token.document(), "changed": result.changed})
