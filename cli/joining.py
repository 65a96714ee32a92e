"""This machine and its member: ``join`` and ``whoami``."""

import click

import registry
from cli import documents, output, prompts, sources
from cli.framework import command
from cli.session import Session, pass_session


@command(
    "join",
    "join sqlite:////srv/registry.db --invitation @invitation.txt",
    "join sqlite:////srv/registry.db --registry-id 5f0c2d… --identity ~/app-identity",
)
@click.argument("store", metavar="URL")
@click.option("--invitation", metavar="TEXT|@FILE", help="What 'member add' printed; - reads standard input.")
@click.option("--registry-id", metavar="ID", help="The registry's id alone; its newest history is taken on trust.")
@pass_session
def join(session: Session, *, store: str, invitation: str | None, registry_id: str | None) -> None:
    """Make the registry at URL known to this machine.

    Its founding statement must be the one that was told, and its history must hold what the invitation names. From
    then on this machine refuses any other store, and any older copy, in its place.
    """
    if (invitation is None) == (registry_id is None):
        raise click.UsageError("give either --invitation or --registry-id")
    session.options["url"] = store
    settings = session.settings()
    joined = registry.join(
        settings,
        invitation=None if invitation is None else _invitation(invitation),
        registry_id=registry_id,
        passphrase=prompts.known_passphrase(),
    )
    own = joined.member
    output.message(f"joined the registry at {own.store} as {own.member}, {own.role}")
    if joined.on_trust:
        output.message("its newest history is taken on trust: an id alone does not say how far it had come")
    _check_next_command(session, settings)
    if session.json():
        output.print_json({**documents.whoami_document(own), "on_trust": joined.on_trust})
    else:
        output.print_record(documents.whoami_record(own))


def _invitation(source: str) -> "registry.Invitation":
    return registry.Invitation.parse(sources.read_line(source, "Invitation"))


def _check_next_command(session: Session, settings: "registry.Settings") -> None:
    """Say so if a command that names no store would look elsewhere."""
    del session.options["url"]
    usual = session.settings()
    try:
        same = usual.url.value == settings.url.value or usual.store_path() == settings.store_path()
    except registry.RegistryError:
        same = False
    if not same:
        output.message(f"without --url, commands use {usual.url.value}, which the {usual.url.source} names")


@command("whoami", "whoami", "whoami --format json")
@pass_session
def whoami(session: Session) -> None:
    """Show who you are in the registry, and what you may open.

    An app member knows its name from its own identity file only.
    """
    with session.open() as opened:
        own = opened.whoami()
    if session.json():
        output.print_json(documents.whoami_document(own))
    else:
        output.print_record(documents.whoami_record(own))
