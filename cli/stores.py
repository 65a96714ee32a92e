"""Stores as such: ``store sql``."""

import click

import registry
from cli import output
from cli.framework import Group, command
from cli.options import ROLES
from cli.session import Session, pass_session


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


store = Group("store", commands=[sql], help="Where the registry lies, and who may do what there.")
