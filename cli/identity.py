"""The identity file: ``identity show``, ``identity passphrase``."""

from pathlib import Path

import click

import registry
from cli import output, prompts
from cli.framework import Group, command
from cli.session import Session, pass_session


@command("new", "identity new --name bob", "identity new --name payroll-server --out app-identity --passphrase")
@click.option(
    "--name", metavar="NAME", required=True, help="How you call yourself; what counts is what the admin says."
)
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Where to; otherwise the usual place.")
@click.option("--passphrase", is_flag=True, help="Put it under a passphrase, asked for or from the passphrase file.")
@pass_session
def new_identity(session: Session, *, name: str, out: Path | None, passphrase: bool) -> None:
    """Make an identity of your own and print its public line.

    Only you can read the file, and it is never overwritten. The public line goes to an admin, who admits you with
    it; nothing secret ever has to be sent to anyone.
    """
    settings = session.settings()
    path = out.expanduser().absolute() if out else Path(settings.identity.value)
    made = registry.Identity.generate(name)
    if path.is_symlink() or path.exists():
        raise registry.AlreadyExists(f"the identity file {path} exists already", "it is never overwritten")
    made.save(path, prompts.chosen_passphrase(settings)() if passphrase else None)
    output.message(f"made an identity at {path}; an admin admits you by its public line")
    if session.json():
        output.print_json({"name": name, "public_key": made.public.line(), "identity": str(path)})
    else:
        output.print_text(f"{made.public.line()}\n")


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


identity = Group(
    "identity", commands=[new_identity, show_identity, change_passphrase], help="The identity file on this machine."
)
