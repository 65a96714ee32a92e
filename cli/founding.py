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
    from collections.abc import Callable

    from registry import Initialised, Secret, Settings


@command("init", "init", "init --name alice --passphrase")
@click.option("--name", metavar="MEMBER", help="How you are called here; otherwise as the identity or this account is.")
@click.option("--passphrase", is_flag=True, help="Put the new identity under a passphrase.")
@pass_session
def init(session: Session, *, name: str | None, passphrase: bool) -> None:
    """Found a registry and become its first admin.

    It makes the store and, unless there is one, an identity that only you can read. Its passphrase is asked for, or
    comes from the passphrase file if one is set. The registry's id is printed.
    """
    settings = session.settings()
    identity = Path(settings.identity.value)
    if passphrase and identity.exists():
        raise registry.InvalidValue(
            f"there is an identity at {identity} already, which keeps the passphrase it has or has not",
            "'identity passphrase' changes it",
        )
    founded = registry.init_registry(
        settings,
        name=name or _usual_name(identity),
        new_passphrase=_new_passphrase(settings) if passphrase else None,
        passphrase=prompts.known_passphrase(),
    )
    _report(session, founded)


def _usual_name(identity: Path) -> str:
    try:
        return registry.read_identity(identity).public.name
    except registry.IdentityMissing:
        pass
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise registry.InvalidValue("this account has no name", "--name says how you are to be called") from None


def _new_passphrase(settings: "Settings") -> "Callable[[], Secret]":
    if settings.passphrase_file:
        path = Path(settings.passphrase_file.value)
        return lambda: registry.read_passphrase(path)
    return _typed_passphrase


def _typed_passphrase() -> "Secret":
    while not (typed := prompts.new_passphrase()).reveal():
        output.message("an empty passphrase protects nothing")
    return typed


def _report(session: Session, founded: "Initialised") -> None:
    output.message(f"founded a registry at {founded.store}; {founded.member} is its admin")
    made = "made an identity" if founded.identity_created else "used the identity"
    output.message(f"{made} at {founded.identity}; keep a copy of it in a safe place")
    if session.json():
        output.print_json(
            {
                "registry_id": founded.registry_id,
                "member": founded.member,
                "identity": str(founded.identity),
                "identity_created": founded.identity_created,
                "store": str(founded.store),
            }
        )
    else:
        output.print_text(f"{founded.registry_id}\n")
