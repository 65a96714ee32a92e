"""The identity file: ``identity show``, ``identity passphrase``."""

from pathlib import Path

import click

import registry
from cli import output, prompts
from cli.framework import Group, command
from cli.session import Session, pass_session


@command("show", "identity show", "identity show --format json")
@pass_session
def show_identity(session: Session) -> None:
    """Print the public line of the identity, which others may have."""
    file = registry.read_identity(Path(session.settings().identity.value))
    public = file.public
    if session.json():
        output.print_json({"name": public.name, "public": public.line(), "file": str(file.path), "locked": file.locked})
    else:
        output.print_text(f"{public.line()}\n")


@command("passphrase", "identity passphrase")
@pass_session
def change_passphrase(session: Session) -> None:
    """Set, change or remove the passphrase of the identity.

    The file is replaced whole or not at all.
    """
    settings = session.settings()
    path = Path(settings.identity.value)
    identity = registry.open_identity(settings, prompts.known_passphrase())
    passphrase = prompts.new_passphrase()
    locked = bool(passphrase.reveal())
    if not locked and not prompts.agreed("Keep the identity under no passphrase?", default=False):
        raise click.Abort
    identity.replace(path, passphrase if locked else None)
    output.message(f"the identity {path} is under {'the new' if locked else 'no'} passphrase now")
    if settings.passphrase_file:
        output.message(f"the passphrase file {settings.passphrase_file.value} still holds the former one")
    if session.json():
        output.print_json({"identity": str(path), "locked": locked, "changed": True})


identity = Group("identity", commands=[show_identity, change_passphrase], help="The identity file on this machine.")
