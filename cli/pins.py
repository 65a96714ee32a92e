"""What this machine has seen of the registry: ``pin show``, ``pin export``, ``pin check``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

import registry
from cli import output, sources
from cli.framework import Group, command
from cli.session import Session, pass_session

if TYPE_CHECKING:
    from registry import PinView


@command("show", "pin show", "pin show --format json")
@pass_session
def show_pin(session: Session) -> None:
    """Show the newest checkpoint that this machine has verified.

    The store is not opened for it. A store that does not hold this checkpoint is refused by every command.
    """
    view = registry.read_pin(session.settings())
    if session.json():
        output.print_json(_document(view))
        return
    output.print_record(
        [
            ("Registry", view.registry_id),
            ("Store", view.store),
            ("Commit", str(view.commit)),
            ("Size", str(view.size)),
            ("Root", output.base64_text(view.root)),
            ("Signed by", view.author),
            ("Checkpoint", view.signed),
        ]
    )


@command("export", "pin export checkpoint.txt")
@click.argument("file", type=click.Path(path_type=Path))
@pass_session
def export_pin(session: Session, file: Path) -> None:
    """Write the newest checkpoint that this machine has verified to a new file.

    It holds no secret. Sent to others, or kept where the holder of the database cannot reach it, it lets them notice
    a history that was cut short or replaced: 'pin check', 'verify --since' and 'evidence verify --known' take it.
    """
    view = registry.read_pin(session.settings())
    output.write_new_file(file, view.signed.encode())
    output.message(f"wrote the checkpoint of commit {view.commit}, with {view.size} events, to {file}")
    if session.json():
        output.print_json({**_document(view), "file": str(file)})


@command("check", "pin check checkpoint.txt")
@click.argument("file", type=click.Path(path_type=Path))
@pass_session
def check_pin(session: Session, file: Path) -> None:
    """Check that the log goes through a checkpoint that somebody else has seen.

    If it does not, two histories have been shown: the exit code is 7, and both checkpoints are shown.
    """
    signed = sources.read_file(file, "the checkpoint")
    with session.open() as opened:
        seen = opened.log.check(signed)
    output.message(f"the log goes through commit {seen.commit}, with {seen.size} events")
    if session.json():
        output.print_json({"commit": seen.commit, "size": seen.size, "root": output.base64_text(seen.root), "ok": True})


def _document(view: "PinView") -> dict[str, object]:
    return {
        "registry_id": view.registry_id,
        "store": view.store,
        "commit": view.commit,
        "size": view.size,
        "root": output.base64_text(view.root),
        "author": view.author,
        "checkpoint": view.signed,
    }


pin = Group("pin", commands=[show_pin, export_pin, check_pin], help="What this machine has seen of the registry.")
