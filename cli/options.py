"""Options and arguments that several commands share, with what completes them."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import click

import registry
from cli.session import Session

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from click.shell_completion import CompletionItem

Decorated = TypeVar("Decorated", bound=Callable[..., object])
ROLES = ("admin", "auditor", "app")


def reason_option(function: Decorated) -> Decorated:
    """Add ``--reason``."""
    return click.option("--reason", metavar="TEXT", help="Why; it stands in the history.")(function)


def yes_option(function: Decorated) -> Decorated:
    """Add ``--yes``."""
    return click.option("--yes", is_flag=True, help="Do not ask.")(function)


def app_option(function: Decorated) -> Decorated:
    """Add ``--app``."""
    return click.option(
        "--app",
        metavar="APP",
        shell_complete=complete_applications,
        help="The application whose token is meant; without it, the global one.",
    )(function)


def global_option(function: Decorated) -> Decorated:
    """Add ``--global``."""
    return click.option(
        "--global", "only_global", is_flag=True, help="The global token, even where one's own app has one."
    )(function)


def process_option(function: Decorated) -> Decorated:
    """Add ``--process``."""
    return click.option(
        "--process", metavar="NAME", help="The process that asks; the token of a form-based app serves none."
    )(function)


def as_of_option(text: str) -> Callable[[Decorated], Decorated]:
    """Return what adds ``--as-of``, with its help."""
    return click.option("--as-of", metavar="TIME", help=f"{text} 2027-01-31 (its end), an RFC 3339 time, or 90d ago.")


def token_argument(function: Decorated) -> Decorated:
    """Add ``NAME``, a token's."""
    return click.argument("name", shell_complete=complete_tokens)(function)


def complete_tokens(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> "list[CompletionItem[str]]":
    """Return the names of tokens in the scope that the command line has named so far."""
    app = context.params.get("app")
    return _complete(
        context,
        incomplete,
        lambda opened: [view.name for view in opened.tokens.list(app=app, only_global=app is None)],
    )


def complete_applications(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> "list[CompletionItem[str]]":
    """Return the names of applications."""
    return _complete(context, incomplete, lambda opened: [view.name for view in opened.applications.list()])


def complete_members(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> "list[CompletionItem[str]]":
    """Return the names of members."""
    return _complete(context, incomplete, lambda opened: [view.name for view in opened.members.list()])


def complete_audiences(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> "list[CompletionItem[str]]":
    """Return what keys can be rotated for."""
    return _complete(
        context,
        incomplete,
        lambda opened: ["audit", "global", *(view.name for view in opened.applications.list())],
    )


def _complete(
    context: click.Context, incomplete: str, names: "Callable[[registry.Registry], list[str]]"
) -> "list[CompletionItem[str]]":
    session = context.find_object(Session) or Session()
    try:
        with registry.open_registry(session.settings()) as opened:
            found = names(opened)
    except Exception:  # noqa: BLE001 - whoever presses TAB is typing, and must not be answered with errors
        return []
    return [_item(name) for name in found if name.casefold().startswith(incomplete.casefold())]


def _item(name: str) -> "CompletionItem[str]":
    from click.shell_completion import CompletionItem  # noqa: PLC0415 - only when TAB is pressed

    # Bash puts the word into the line as it is, after its script has taken one backslash away; zsh and fish quote it.
    in_bash = os.environ.get("_TOKEN_REGISTRY_COMPLETE", "").startswith("bash")
    return CompletionItem(name.replace(" ", r"\\ ") if in_bash else name)


def parse_expiry(text: str | None) -> "tuple[datetime | None] | None":
    """Return what ``--expires`` says, as a tuple of one; ``None`` where it was not given."""
    return None if text is None else (registry.parse_expiry(text, registry.Surroundings().clock()),)


def parse_past(text: str | None, *, end_of_day: bool) -> "datetime | None":
    """Return the moment of ``--since``, ``--until`` or ``--as-of``; ``90d`` is so long ago."""
    if text is None:
        return None
    return registry.parse_moment(text, registry.Surroundings().clock(), end_of_day=end_of_day, past=True)


def until(text: str | None) -> "timedelta | None":
    """Return how long it is until the moment of ``--expiring``; ``15d`` is that long."""
    now = registry.Surroundings().clock().replace(microsecond=0)
    return None if text is None else registry.parse_moment(text, now, end_of_day=True) - now


def since(text: str | None) -> "timedelta | None":
    """Return how long ago the moment of ``--stale`` or ``--unused`` is; ``90d`` is that long."""
    now = registry.Surroundings().clock().replace(microsecond=0)
    return None if text is None else now - registry.parse_moment(text, now, end_of_day=False, past=True)
