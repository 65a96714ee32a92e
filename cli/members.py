"""Members: ``member add``, ``member list``, ``member role``, ``member renew``, ``member remove``."""

from typing import TYPE_CHECKING

import click

import registry
from cli import documents, output, prompts, sources
from cli.framework import Group, command
from cli.options import ROLES, complete_applications, complete_members, reason_option, yes_option
from cli.session import Session, pass_session

if TYPE_CHECKING:
    from registry import Departure, Invitation, MemberView, PublicIdentity

_HEADER = ("Name", "Role", "Application", "Admitted", "By", "Id")
_app_option = click.option(
    "--app", metavar="APP", shell_complete=complete_applications, help="The application of a member of the role app."
)
_key_option = click.option(
    "--public-key",
    "source",
    required=True,
    metavar="LINE|@FILE|-",
    help="The line that the member's own 'identity new' or 'identity show' prints; - reads standard input.",
)


@command(
    "add",
    "member add bob --role auditor --public-key @bob.txt",
    "member add payroll-server --role app --app 'HR Portal' --public-key - < line.txt",
)
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), required=True, help="What the member may do.")
@_app_option
@_key_option
@reason_option
@pass_session
def add_member(session: Session, *, name: str, role: str, app: str | None, source: str, reason: str | None) -> None:
    """Admit a member and print its invitation.

    The name that counts is the one given here, whatever the public line says. An admin may do everything; an auditor
    reads lists and history, and opens no credential; an app opens the tokens of its own application and the global
    ones, and nothing else. The invitation is no secret: its owner runs 'join' with it.
    """
    with session.open("admin") as opened:
        public = _public(source)
        invitation = opened.members.add(name, role, public, app=app, reason=reason)
        view = opened.members.show(name)
    output.message(f"admitted {_described(view)}; its 'join' takes the invitation")
    _print_invitation(session, view, invitation)


@command("list", "member list", "member list --format json")
@pass_session
def list_members(session: Session) -> None:
    """List the members, in the order of their admission."""
    with session.open() as opened:
        views = opened.members.list()
    if session.json():
        output.print_json([_document(view) for view in views])
    else:
        output.print_table(_HEADER, map(_row, views))


@command("role", "member role bob admin", "member role carol app --app 'HR Portal' --reason 'runs it now'")
@click.argument("name", shell_complete=complete_members)
@click.argument("role", type=click.Choice(ROLES))
@_app_option
@reason_option
@pass_session
def change_role(session: Session, *, name: str, role: str, app: str | None, reason: str | None) -> None:
    """Give a member another role.

    Where that takes keys away, every key that it held is made anew, and the tokens that it could have opened are
    printed: their credentials should be changed at the provider.
    """
    with session.open("admin") as opened:
        with output.progress("sealing anew") as progress:
            departure = opened.members.change_role(name, role, app=app, reason=reason, progress=progress)
        view = opened.members.show(name)
    if departure.changed:
        output.message(f"changed to {_described(view)}")
    else:
        output.message(f"unchanged {view.name}: nothing was written")
    _print_departure(
        session,
        departure,
        {"member": view.name, "role": view.role, "application": view.application, "changed": departure.changed},
    )


@command("renew", "member renew bob --public-key @bob.txt --reason 'a new laptop'")
@click.argument("name", shell_complete=complete_members)
@_key_option
@reason_option
@pass_session
def renew(session: Session, *, name: str, source: str, reason: str | None) -> None:
    """Give a member other keys of its own and print its new invitation.

    It stays the same member. Whatever its former keys opened is sealed anew, so that they open nothing from now on.
    """
    with session.open("admin") as opened:
        view = opened.members.check_other(name)
        public = _public(source)
        with output.progress("sealing anew") as progress:
            invitation = opened.members.renew(name, public, reason=reason, progress=progress)
    output.message(f"renewed the keys of {_described(view)}; its 'join' takes the invitation")
    _print_invitation(session, view, invitation)


@command("remove", "member remove bob --reason 'left the company'", "member remove payroll-server --yes")
@click.argument("name", shell_complete=complete_members)
@yes_option
@reason_option
@pass_session
def remove_member(session: Session, *, name: str, yes: bool, reason: str | None) -> None:
    """Remove a member, and print which tokens it could have opened.

    Every key that it held is made anew. What it has seen it may have kept: the credentials of the tokens printed
    should be changed at the provider; 'list --exposed' shows those that are not changed yet. Its name is never given
    again.
    """
    with session.open("admin") as opened:
        view = opened.members.check_other(name)
        prompts.confirm(f"Remove {_described(view)} for ever?", yes=yes)
        with output.progress("sealing anew") as progress:
            departure = opened.members.remove(name, reason=reason, progress=progress)
    output.message(f"removed {_described(view)}")
    _print_departure(session, departure, {"member": view.name, "removed": True})


def _public(source: str) -> "PublicIdentity":
    return registry.PublicIdentity.parse(sources.read_line(source, "Public line"))


def _described(view: "MemberView") -> str:
    return f"{view.name}, {view.role} of {view.application}" if view.application else f"{view.name}, {view.role}"


def _row(view: "MemberView") -> tuple[str, ...]:
    admitted = f"{view.admitted_at:%Y-%m-%d %H:%M}"
    return view.name, view.role, view.application or "-", admitted, view.admitted_by, view.id


def _document(view: "MemberView") -> dict[str, object]:
    return {
        "id": view.id,
        "name": view.name,
        "role": view.role,
        "application": view.application,
        "public_key": view.public_key,
        "vkey": view.vkey,
        "admitted_at": registry.rfc3339(view.admitted_at),
        "admitted_by": view.admitted_by,
    }


def _print_invitation(session: Session, view: "MemberView", invitation: "Invitation") -> None:
    if session.json():
        output.print_json(
            {"name": view.name, "role": view.role, "application": view.application, "invitation": invitation.text()}
        )
    else:
        output.print_text(f"{invitation.text()}\n")


def _print_departure(session: Session, departure: "Departure", document: dict[str, object]) -> None:
    documents.warn_exposed(departure.exposed)
    if session.json():
        output.print_json({**document, "exposed": documents.exposed_document(departure.exposed)})
    else:
        output.print_table(documents.EXPOSED_HEADER, documents.exposed_rows(departure.exposed))


member = Group(
    "member",
    commands=[add_member, list_members, change_role, renew, remove_member],
    help="The members of the registry and their roles.",
)
