"""Where the registry lies: ``store copy``, ``store reopen``, ``store backup``, ``store restore``, ``store sql``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

import registry
from cli import output, prompts
from cli.framework import Group, command
from cli.options import ROLES, reason_option, yes_option
from cli.session import Session, pass_session

if TYPE_CHECKING:
    from registry import Copied


@command(
    "copy",
    "store copy --to 'postgresql://db.example.com/tokens?schema=token_registry'",
    "store copy --move --to sqlite:////srv/registry.db --reason 'a server of its own'",
)
@click.option("--to", metavar="URL", required=True, help="Where the copy is to be; nothing may be there.")
@click.option("--move", is_flag=True, help="Go on in the copy alone: no commit is taken here any more.")
@reason_option
@pass_session
def copy(session: Session, *, to: str, move: bool, reason: str | None) -> None:
    """Copy the registry to another place, from SQLite to PostgreSQL or back.

    The copy is the same registry: its history, current tokens, keys and members. It is read at one moment, verified,
    and put in place when it is whole. This machine knows it there from then on.

    With --move an admin commits before that the registry goes on in the copy. What is here can then be looked at, but
    takes no change and hands nothing out, so that nobody uses the wrong one. If the copy cannot be made, it goes on
    here. Without --move, stop using one of the two: where both go on, that is noticed as two histories.
    """
    if reason is not None and not move:
        raise registry.InvalidValue("a copy is no change that would have a reason", "leave --reason out, or add --move")
    with output.progress("moving" if move else "copying") as progress:
        copied = registry.copy_store(
            session.settings(),
            to=to,
            move=move,
            reason=reason,
            passphrase=prompts.known_passphrase(),
            progress=progress,
        )
    output.message(f"{'moved' if move else 'copied'} the registry to {copied.store}: {_extent(copied)}")
    output.message("this machine knows it there: --url, TOKEN_REGISTRY_URL or 'url' in config.toml names it")
    output.message(f"each other machine: 'join' with that URL and --registry-id {copied.registry_id}")
    if copied.away:
        output.message("it takes no commits: the registry was moved before, and goes on where it was moved to")
    elif not move:
        output.message("go on with one of the two alone, and put the other away")
    if session.json():
        output.print_json({"store": copied.store, "moved": move, **_document(copied)})


@command("reopen", "store reopen --reason 'the new server did not last'")
@reason_option
@yes_option
@pass_session
def reopen(session: Session, *, reason: str | None, yes: bool) -> None:
    """Go on in this store, from which the registry was moved.

    This is for a move that came to nothing, or when the other store is lost. What was committed there is not here: if
    it is still in use, the two go on apart, and every machine that sees both refuses one of them.
    """
    with session.open("admin") as opened:
        if opened.is_away:
            prompts.confirm("Go on here, without what was committed where it was moved to?", yes=yes)
        opened.reopen(reason=reason)
    output.message("the registry goes on in this store")
    if session.json():
        output.print_json({"store": session.settings().url.value, "reopened": True})


@command(
    "backup",
    "store backup /backups/registry-2027-01-31.db",
    "store backup history.db --without-keys",
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--without-keys", is_flag=True, help="Leave out all that could ever open a credential.")
@pass_session
def backup(session: Session, *, file: Path, without_keys: bool) -> None:
    """Write the registry, as it is at this moment, to a new FILE.

    Nobody is kept from writing meanwhile. FILE is verified before it gets its name, and its owner alone may read it.
    With an identity it opens the credentials of today also after they were replaced in the registry: let backups end.

    Without keys it holds the history alone, from which nobody opens a credential: 'history', 'export' and 'evidence
    export' work on it, 'list', 'show', 'reveal' and 'resolve' do not, and 'verify' says what is missing.
    """
    with output.progress("backing up") as progress:
        copied = registry.back_up_store(
            session.settings(),
            to=file,
            with_keys=not without_keys,
            passphrase=prompts.known_passphrase(),
            progress=progress,
        )
    output.message(f"wrote {copied.store}: {_extent(copied)}{', without keys' if without_keys else ''}")
    if session.json():
        output.print_json({"file": copied.store, "with_keys": not without_keys, **_document(copied)})


@command(
    "restore",
    "store restore /backups/registry-2027-01-31.db",
    "store restore history.db --without-keys --url sqlite:///history-to-look-at.db",
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--without-keys", is_flag=True, help="FILE was made without keys, and is put in place as it is.")
@pass_session
def restore(session: Session, *, file: Path, without_keys: bool) -> None:
    """Put the backup in FILE in the registry's place, in SQLite or PostgreSQL.

    Nothing may be there: move the old one away first. The backup is verified before it is put in place. What this
    machine has seen stays as it is, so that an older state is refused until 'log accept-rollback' goes on from it.
    """
    with output.progress("restoring") as progress:
        restored = registry.restore_store(
            session.settings(),
            file=file,
            with_keys=not without_keys,
            passphrase=prompts.known_passphrase(),
            progress=progress,
        )
    output.message(f"restored {file} to {restored.store}: {_extent(restored)}")
    if restored.seen is None:
        output.message(f"this machine does not know it there: 'join' with --registry-id {restored.registry_id}")
    elif restored.seen > restored.commit:
        output.message(f"this machine has seen commit {restored.seen} there, and refuses what is older")
        output.message("'log accept-rollback' goes on from the backup, and lists what comes back with it")
    if session.json():
        output.print_json({"store": restored.store, "seen": restored.seen, **_document(restored)})


@command(
    "sql",
    "store sql --role admin ada_laptop > ada.sql",
    "store sql --role app payroll > payroll.sql",
)
@click.option("--role", type=click.Choice(ROLES), required=True, help="The member's role in the registry.")
@click.argument("name")
@pass_session
def sql(session: Session, role: str, name: str) -> None:
    """Print the SQL that grants the database role NAME what a member needs.

    NAME is an existing role of the PostgreSQL server, with which a member of that role in the registry connects. The
    owner of the schema that the store's URL names carries out what is printed. It takes away whatever else NAME may do
    there, so it is also how a member's database role follows when its role in the registry changes.

    Nothing is opened: only the URL is looked at.
    """
    output.print_text(registry.store_grants(session.settings(), role, name))


def _extent(copied: "Copied") -> str:
    return f"commit {copied.commit}, with {copied.size} events"


def _document(copied: "Copied") -> dict[str, object]:
    return {
        "registry_id": copied.registry_id,
        "commit": copied.commit,
        "size": copied.size,
        "checkpoint": copied.checkpoint,
        "away": copied.away,
    }


store = Group(
    "store",
    commands=[copy, reopen, backup, restore, sql],
    help="Where the registry lies: copies, backups, who may do what.",
)
