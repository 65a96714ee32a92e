"""The keys of audiences: ``key list``, ``key rotate``."""

from typing import TYPE_CHECKING

import click

import registry
from cli import output
from cli.framework import Group, command
from cli.options import complete_audiences, reason_option
from cli.session import Session, pass_session

if TYPE_CHECKING:
    from datetime import datetime

    from registry import KeyView

_HEADER = ("Audience", "Application", "Generation", "Made", "Days", "Holders")


@command("list", "key list", "key list --format json")
@pass_session
def list_keys(session: Session) -> None:
    """List the present keys, their ages, and how many members hold each.

    audit opens the contents of events, global and application the credentials of tokens; fingerprint recognises
    values that were used before.
    """
    with session.open() as opened:
        views = opened.members.keys()
    now = registry.Surroundings().clock()
    if session.json():
        output.print_json([_document(view, now) for view in views])
    else:
        output.print_table(_HEADER, (_row(view, now) for view in views))


@command("rotate", "key rotate --reason 'the yearly change'", "key rotate --audience 'HR Portal'")
@click.option(
    "--audience",
    metavar="NAME",
    shell_complete=complete_audiences,
    help="audit, global, or the name of an application; otherwise every one.",
)
@reason_option
@pass_session
def rotate(session: Session, audience: str | None, reason: str | None) -> None:
    """Make keys anew, and seal under them what lay under the old ones.

    All is done in one step. Old events stay readable to those who may read them.
    """
    with session.open("admin") as opened:
        with output.progress("sealing anew") as progress:
            rotated = opened.members.rotate(audience, reason=reason, progress=progress)
        names = {f"application:{view.id}": view.name for view in opened.applications.list()}
        made = [(name.partition(":")[0], names.get(name)) for name in rotated]
        present = opened.members.keys()
    views = [view for view in present if (view.audience, view.application) in made]
    output.message("made a new key" if len(views) == 1 else f"made {len(views)} new keys")
    now = registry.Surroundings().clock()
    if session.json():
        output.print_json([_document(view, now) for view in views])
    else:
        output.print_table(_HEADER, (_row(view, now) for view in views))


def _document(view: "KeyView", now: "datetime") -> dict[str, object]:
    return {
        "audience": view.audience,
        "application": view.application,
        "generation": view.generation,
        "made_at": registry.rfc3339(view.made_at),
        "age_days": _days(view, now),
        "holders": view.holders,
    }


def _row(view: "KeyView", now: "datetime") -> tuple[str, ...]:
    made = f"{view.made_at:%Y-%m-%d %H:%M}"
    age, holders = str(_days(view, now)), str(view.holders)
    return view.audience, view.application or "-", str(view.generation), made, age, holders


def _days(view: "KeyView", now: "datetime") -> int:
    return max(0, (now - view.made_at).days)


key = Group("key", commands=[list_keys, rotate], help="The keys that open events and credentials.")
