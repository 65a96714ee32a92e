"""The log: ``log checkpoint``, ``log proof``, ``log consistency``, ``log acknowledge``, ``log accept-rollback``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

import registry
from cli import output, prompts, sources
from cli.framework import Group, command
from cli.options import yes_option
from cli.session import Session, pass_session

if TYPE_CHECKING:
    from registry import RolledBack


@command("checkpoint", "log checkpoint", "log checkpoint > checkpoint.txt", "log checkpoint --format json")
@pass_session
def show_checkpoint(session: Session) -> None:
    """Print the newest checkpoint: a signed note that vouches for all history before it.

    Tools that know C2SP signed notes and transparency logs verify it with the members' keys; 'member list --format
    json' shows each member's vkey.
    """
    with session.open() as opened:
        made = opened.log.checkpoint()
    if session.json():
        output.print_json(made.document())
    else:
        output.print_text(made.signed)


@command("proof", "log proof 42", "log proof 42 > event.tlog-proof", "log proof 42 --format json")
@click.argument("position", type=click.IntRange(min=0))
@pass_session
def show_proof(session: Session, position: int) -> None:
    """Print the proof that the event at POSITION is in the log, as a C2SP tlog-proof.

    The newest checkpoint is part of it. Whoever checks it needs no access to the registry.
    """
    with session.open() as opened:
        proof = opened.log.proof(position)
    if session.json():
        output.print_json(proof.document())
    else:
        output.print_text(proof.text())


@command("consistency", "log consistency 100 250", "log consistency 100 250 --format json")
@click.argument("old", metavar="FROM", type=click.IntRange(min=1))
@click.argument("new", metavar="TO", type=click.IntRange(min=1))
@pass_session
def show_consistency(session: Session, old: int, new: int) -> None:
    """Print the proof that the log of FROM events begins that of TO events."""
    with session.open() as opened:
        proof = opened.log.consistency(old, new)
    if session.json():
        output.print_json(proof.document())
    else:
        output.print_text(proof.text())


@command("acknowledge", "log acknowledge 42 role --reason 'a faulty client, mended'")
@click.argument("position", type=click.IntRange(min=0))
@click.argument("kind")
@click.option("--reason", metavar="TEXT", required=True, help="How it came about; it stands in the history.")
@pass_session
def acknowledge(session: Session, *, position: int, kind: str, reason: str) -> None:
    """Say that a problem which 'verify' finds is known.

    It is still reported, and no longer an alarm: one bad commit does not make a registry unusable for ever. Only
    admins can, and only for a problem that is there.
    """
    with output.progress("verifying") as progress:
        changed = registry.acknowledge_problem(
            session.settings(), position, kind, reason=reason, passphrase=prompts.known_passphrase(), progress=progress
        )
    known = f"the problem of the kind {kind} at position {position}"
    output.message(f"acknowledged {known}" if changed else f"unchanged: {known} was acknowledged before")
    if session.json():
        output.print_json({"position": position, "kind": kind, "acknowledged": True, "changed": changed})


@command(
    "accept-rollback",
    "log accept-rollback --reason 'disk failure, restored the backup of Monday'",
    "log accept-rollback --lost seen-by-the-app.txt --kept 120 --reason 'as above'",
)
@click.option("--reason", metavar="TEXT", required=True, help="Why the older state is the right one now.")
@click.option(
    "--lost",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A checkpoint that another machine has seen, from its 'pin export'; otherwise what this machine has seen.",
)
@click.option(
    "--kept",
    type=click.IntRange(min=0),
    metavar="COMMIT",
    help="The last commit that both histories have; otherwise the newest there is.",
)
@yes_option
@pass_session
def accept_rollback(session: Session, *, reason: str, lost: Path | None, kept: int | None, yes: bool) -> None:
    """Go on from an older state of the registry, after a backup was restored.

    It lists what comes back to life: members that were removed since, and credentials as they were. All of it is as
    valid again as it was then, so look at it before you agree. Machines that have seen what is lost follow this.
    """
    signed = None if lost is None else sources.read_file(lost, "the lost checkpoint")
    with registry.open_rolled_back(
        session.settings(), lost=signed, kept=kept, passphrase=prompts.known_passphrase()
    ) as opened:
        _show_returning(opened)
        prompts.confirm(f"Give up the commits {opened.kept.commit + 1} to {opened.lost.commit}?", yes=yes)
        opened.accept(reason=reason)
    output.message(f"the log goes on from commit {opened.kept.commit}; change at the provider what should not be back")
    if session.json():
        output.print_json({"kept": opened.kept.commit, "lost": opened.lost.commit, "accepted": True})


def _show_returning(opened: "RolledBack") -> None:
    members, tokens = opened.members(), opened.tokens()
    output.message(
        f"lost are the commits {opened.kept.commit + 1} to {opened.lost.commit},"
        f" with {opened.lost.size - opened.kept.size} events"
    )
    for member in members:
        output.message(f"comes back to life: the member {member.name}, {member.role}")
    for token in tokens:
        where = f" of the application {token.application}" if token.application else ""
        moment = registry.rfc3339(token.credentials_changed_at)
        output.message(
            f"is as it was: the token {token.name}{where}, revision {token.revision}, credentials of {moment}"
        )


log = Group(
    "log",
    commands=[show_checkpoint, show_proof, show_consistency, acknowledge, accept_rollback],
    help="The log that nobody can rewrite: checkpoints, proofs, and what to do when it is wrong.",
)
