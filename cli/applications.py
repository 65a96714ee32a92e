"""Applications: ``app add``, ``app list``, ``app rename``, ``app remove``."""

from typing import TYPE_CHECKING

import click

from cli import documents, output, prompts
from cli.framework import Group, command
from cli.options import complete_applications, reason_option, yes_option
from cli.session import Session, pass_session

if TYPE_CHECKING:
    from registry import ApplicationView

_HEADER = ("Name", "Kind", "Tokens", "Id")


@command("add", "app add 'HR Portal' --kind process", "app add 'Leave Request' --kind form")
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice(("process", "form")),
    required=True,
    help="process: every process of it shares its tokens. form: they are used within that form application only.",
)
@reason_option
@pass_session
def add_app(session: Session, name: str, kind: str, reason: str | None) -> None:
    """Register an application."""
    with session.open() as opened:
        view = opened.applications.register(name, kind, reason=reason)
    output.message(f"registered the application {view.name}")
    if session.json():
        output.print_json({**_document(view), "changed": True})


@command("list", "app list", "app list --format json")
@pass_session
def list_apps(session: Session) -> None:
    """List the applications."""
    with session.open() as opened:
        views = opened.applications.list()
    if session.json():
        output.print_json([_document(view) for view in views])
        return
    output.print_table(_HEADER, ((view.name, view.kind, str(view.tokens), view.id) for view in views))
    if not views:
        output.message("no applications")


@command("rename", "app rename 'HR Portal' 'People Portal'")
@click.argument("name", shell_complete=complete_applications)
@click.argument("new")
@reason_option
@pass_session
def rename_app(session: Session, name: str, new: str, reason: str | None) -> None:
    """Give an application another name; its tokens stay its own."""
    with session.open() as opened:
        changed = opened.applications.rename(name, new, reason=reason)
        view = opened.applications.show(new)
    output.message(f"renamed to {view.name}" if changed else f"unchanged {view.name}: nothing was written")
    if session.json():
        output.print_json({**_document(view), "changed": changed})


@command("remove", "app remove 'HR Portal' --reason 'replaced'", "app remove 'HR Portal' --yes")
@click.argument("name", shell_complete=complete_applications)
@yes_option
@reason_option
@pass_session
def remove_app(session: Session, *, name: str, yes: bool, reason: str | None) -> None:
    """Remove an application and destroy all its tokens.

    Both happen in one step, and nobody can bring the credentials back. Its app members are removed too. The history
    stays. Before it asks, it shows the members that are recorded to use the tokens.
    """
    with session.open("admin") as opened:
        view = opened.applications.show(name)
        doomed = opened.applications.doomed(name)
        members = [one.name for one in opened.members.list() if one.application == view.name]
        usage = opened.applications.usage(name)
        users = [
            {"token": token, **user.document()}
            for token in doomed
            for user in documents.show_users(token, usage.get(token, ()), asking=not yes and prompts.on_terminal())
        ]
        for token in doomed:
            output.message(f"will be destroyed: {token}")
        for member in members:
            output.message(f"will be removed: the member {member}")
        prompts.confirm(f"Remove the application {view.name} and destroy its tokens ({len(doomed)})?", yes=yes)
        opened.applications.remove(name, expected=doomed, reason=reason)
        documents.warn_pending(opened)
        # Its members held the key of the global tokens too.
        exposed = [(token.name, None) for token in opened.tokens.list(only_global=True)] if members else []
    output.message(f"removed the application {view.name} and its tokens ({len(doomed)})")
    documents.warn_exposed(exposed)
    if session.json():
        done = {"removed": True, "destroyed": list(doomed), "members": members, "users": users}
        output.print_json({**_document(view), **done, "exposed": documents.exposed_document(exposed)})
    else:
        output.print_table(documents.EXPOSED_HEADER, documents.exposed_rows(exposed))


def _document(view: "ApplicationView") -> dict[str, object]:
    return {"id": view.id, "name": view.name, "kind": view.kind, "tokens": view.tokens}


app = Group(
    "app",
    commands=[add_app, list_apps, rename_app, remove_app],
    help="Applications that have tokens of their own.",
)
