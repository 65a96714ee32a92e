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


@command("set", "policy set allow-plaintext yes --reason 'a legacy reader'", "policy set allow-plaintext no")
@click.argument("name", metavar="POLICY")
@click.argument("value")
@reason_option
@pass_session
def set_policy(session: Session, name: str, value: str, reason: str | None) -> None:
    """Set a policy.

    allow-plaintext (yes or no): whether a token's credentials may be kept readable in the database.
    """
    with session.open() as opened:
        changed = opened.policies.set(name, value, reason=reason)
    output.message(f"{name} is {value} now" if changed else f"unchanged {name}: nothing was written")
    if session.json():
        output.print_json({"policy": name, "value": value, "changed": changed})


policy = Group("policy", commands=[list_policies, set_policy], help="What holds for the whole registry.")
