"""Founding a registry: ``init``."""

import getpass
from pathlib import Path
from typing import TYPE_CHECKING

import click

import registry
from cli import output, prompts
from cli.framework import command
from cli.session import Session, pass_session

if TYPE_CHECKING:
    from registry import Initialised, Secret


@command("init", "init", "init --name alice --passphrase", "init --recovery /media/stick/recovery --passphrase")
@click.option("--name", metavar="MEMBER", help="How you are called here; otherwise as the identity or this account is.")
@click.option("--passphrase", is_flag=True, help="Put the new identity under a passphrase.")
@click.option(
    "--recovery",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Make a second founding admin's identity there, to be kept offline.",
)
@pass_session
def init(session: Session, *, name: str | None, passphrase: bool, recovery: Path | None) -> None:
    """Found a registry and become its first admin.

    It makes the store and, unless there is one, an identity that only you can read. Its passphrase is asked for, or
    comes from the passphrase file if one is set; that of the recovery identity is always asked for. The registry's id
    is printed.
    """
    settings = session.settings()
    recovery = recovery and recovery.expanduser().absolute()
    identity = Path(settings.identity.value)
    if passphrase and identity.exists():
        raise registry.InvalidValue(
            f"there is an identity at {identity} already, which keeps the passphrase it has or has not",
            "'identity passphrase' changes it",
        )
    founded = registry.init_registry(
        settings,
        name=name or _usual_name(identity),
        new_passphrase=prompts.chosen_passphrase(settings) if passphrase else None,
        recovery=recovery,
        recovery_passphrase=_recovery_passphrase if passphrase else None,
        passphrase=prompts.known_passphrase(),
    )
    _report(session, founded, recovery)


def _usual_name(identity: Path) -> str:
    try:
        return registry.read_identity(identity).public.name
    except registry.IdentityMissing:
        pass
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise registry.InvalidValue("this account has no name", "--name says how you are to be called") from None


def _recovery_passphrase() -> "Secret":
    """Return a passphrase of its own: the file of the first one stays on this machine, the recovery identity not."""
    return prompts.typed_passphrase("New passphrase of the recovery identity: ")


def _report(session: Session, founded: "Initialised", recovery: Path | None) -> None:
    output.message(f"founded a registry at {founded.store}; {founded.member} is its admin")
    made = "made an identity" if founded.identity_created else "used the identity"
    output.message(f"{made} at {founded.identity}; keep a copy of it in a safe place")
    if recovery is not None:
        output.message(f"made a recovery identity at {recovery}, a second admin: keep it offline, not on this machine")
    if session.json():
        output.print_json(
            {
                "registry_id": founded.registry_id,
                "member": founded.member,
                "identity": str(founded.identity),
                "identity_created": founded.identity_created,
                "store": str(founded.store),
                "recovery": None if recovery is None else str(recovery),
            }
        )
    else:
        output.print_text(f"{founded.registry_id}\n")
