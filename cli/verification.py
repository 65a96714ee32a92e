"""Checking the whole registry: ``verify``."""

import base64
from pathlib import Path
from typing import TYPE_CHECKING

import click

import registry
from cli import output, prompts, sources
from cli.framework import command
from cli.session import Session

if TYPE_CHECKING:
    from registry import Verification

_HEADER = ("Position", "Kind", "Acknowledged", "What")


@command("verify", "verify", "verify --since checkpoint.txt --format json")
@click.option(
    "--since",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A signed checkpoint that is known to be right; only what came after it is verified.",
)
@click.pass_context
def verify(context: click.Context, since: Path | None) -> None:
    """Check everything the store holds, and say what is wrong.

    All is worked out anew from the raw rows. It works where nothing else does, because it does not open the registry.
    The exit code is 7 if anything is wrong that no admin has acknowledged.
    """
    from cli.failures import exit_code  # noqa: PLC0415 - as in every command that chooses its code

    session = context.ensure_object(Session)
    known = sources.read_file(since, "the checkpoint") if since is not None else None
    with output.progress("verifying") as progress:
        verified = registry.verify_registry(
            session.settings(), passphrase=prompts.known_passphrase(), since=known, progress=progress
        )
    if session.json():
        output.print_json(_document(verified))
    else:
        _print(verified)
    if not verified.ok:
        context.exit(exit_code(registry.IntegrityError))


def _print(verified: "Verification") -> None:
    pairs = [
        ("Size", str(verified.size)),
        ("Root", _base64(verified.root)),
        ("Members", str(verified.members)),
        ("Commits", str(verified.commits)),
        ("Result", "ok" if verified.ok else "not ok"),
    ]
    output.print_record(pairs)
    if verified.problems:
        output.print_text("\n")
        known = ("no", "yes")
        output.print_table(
            _HEADER,
            [(str(one.position), one.kind, known[one.acknowledged], one.message) for one in verified.problems],
        )
    for sentence in verified.unchecked:
        output.message(f"not checked: {sentence}")


def _document(verified: "Verification") -> dict[str, object]:
    return {
        "ok": verified.ok,
        "size": verified.size,
        "root": _base64(verified.root),
        "checkpoint": verified.checkpoint,
        "members": verified.members,
        "commits": verified.commits,
        "problems": [
            {
                "position": found.position,
                "kind": found.kind,
                "message": found.message,
                "acknowledged": found.acknowledged,
            }
            for found in verified.problems
        ],
        "unchecked": list(verified.unchecked),
    }


def _base64(root: bytes) -> str:
    return base64.b64encode(root).decode()
