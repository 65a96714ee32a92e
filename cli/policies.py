"""Policies: ``policy list``, ``policy set``."""

import click

from cli import output
from cli.framework import Group, command
from cli.options import reason_option
from cli.session import Session, pass_session


@command("list", "policy list", "policy list --format json")
@pass_session
def list_policies(session: Session) -> None:
    """List the policies and their values."""
    with session.open() as opened:
        policies = opened.policies.list()
    if session.json():
        output.print_json([{"policy": name, "value": value} for name, value in policies.items()])
    else:
        output.print_table(("Policy", "Value"), policies.items())


@command(
    "set",
    "policy set allow-plaintext yes --reason 'a legacy reader'",
    "policy set record-resolves every",
    "policy set fail-closed always",
)
@click.argument("name", metavar="POLICY")
@click.argument("value")
@reason_option
@pass_session
def set_policy(session: Session, name: str, value: str, reason: str | None) -> None:
    """Set a policy.

    allow-plaintext (no, yes): whether a token's credentials may be kept readable in the database.

    record-resolves (first, every, off): which uses by the library's 'resolve' are recorded: the first of each revision
    of a token by each process, every one, or none. 'reveal' and 'run' always are.

    fail-closed (commands, always, never): what happens when a use cannot be recorded, because the store is busy,
    full or may only be read: 'reveal' and 'run' refuse; 'resolve' does too; or none does, and the commands say that
    the use is not in the history.
    """
    with session.open() as opened:
        changed = opened.policies.set(name, value, reason=reason)
    output.message(f"{name} is {value} now" if changed else f"unchanged {name}: nothing was written")
    if session.json():
        output.print_json({"policy": name, "value": value, "changed": changed})


policy = Group("policy", commands=[list_policies, set_policy], help="What holds for the whole registry.")
