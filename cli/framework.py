"""The shape that all commands share: options that every one takes, examples in every help, commands loaded when named.

Help and version are answered without the library: a table says which commands there are, and a command's module is
imported only when that command runs.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import click

from cli.session import Session

PROGRAM = "token-registry"
FORMATS = ("table", "json")


@dataclass(frozen=True, slots=True)
class Entry:
    """A command in a table: ``module:attribute``, and the first line of its help."""

    target: str
    help: str


def _remember(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value is not None and parameter.name:
        context.ensure_object(Session).options[parameter.name] = value


def _remember_debug(context: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's form
    if value:
        context.ensure_object(Session).debug = True


def common_options(*, hidden: bool) -> list[click.Parameter]:
    """Return the options that every command takes; ``hidden`` shows only ``--format`` in its help."""
    path = click.Path()
    return [
        click.Option(
            ["--format"], type=click.Choice(FORMATS), expose_value=False, callback=_remember, help="How to print data."
        ),
        click.Option(
            ["--home"],
            type=path,
            metavar="FOLDER",
            hidden=hidden,
            expose_value=False,
            callback=_remember,
            help="Identity, store and local state lie together in this folder.",
        ),
        click.Option(
            ["--url"],
            metavar="URL",
            hidden=hidden,
            expose_value=False,
            callback=_remember,
            help="The store: sqlite:///relative or sqlite:////absolute.",
        ),
        click.Option(
            ["--identity"],
            type=path,
            metavar="FILE",
            hidden=hidden,
            expose_value=False,
            callback=_remember,
            help="The identity file.",
        ),
        click.Option(
            ["--passphrase-file"],
            type=path,
            metavar="FILE",
            hidden=hidden,
            expose_value=False,
            callback=_remember,
            help="A file whose first line is the identity's passphrase.",
        ),
        click.Option(
            ["--debug"],
            is_flag=True,
            hidden=hidden,
            expose_value=False,
            callback=_remember_debug,
            help="On an error, show where in the program it arose.",
        ),
    ]


class Command(click.Command):
    """A command with the common options and with examples in its help."""

    # Click would refuse left-over arguments by repeating them, and a secret may be among them.
    allow_extra_args = True

    def __init__(self, *args: Any, examples: Sequence[str] = (), **attributes: Any) -> None:  # noqa: ANN401 - click's own
        super().__init__(*args, **attributes)
        self.examples = tuple(examples)
        self.params += common_options(hidden=True)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse left-over arguments without repeating them."""
        rest = super().parse_args(ctx, args)
        if rest and not ctx.resilient_parsing:
            raise click.UsageError(f"there are {len(rest)} arguments too many; put quotes around what has spaces", ctx)
        return rest

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, and where the common options are explained."""
        if self.examples:
            formatter.write_paragraph()
            formatter.write("Examples:\n")
            for example in self.examples:
                formatter.write(f"  {PROGRAM} {example}\n")
        formatter.write_paragraph()
        formatter.write(f"The options of '{PROGRAM} --help' may stand here too.\n")
        super().format_epilog(ctx, formatter)


class Group(click.Group):
    """A group of commands with the common options."""

    command_class: ClassVar[type[click.Command]] = Command  # type: ignore[misc]  # click declares it on instances too

    def __init__(self, *args: Any, **attributes: Any) -> None:  # noqa: ANN401 - click's own
        super().__init__(*args, **attributes)
        self.params += common_options(hidden=True)


class LazyGroup(click.Group):
    """A group whose commands stand in a table and are imported when they are named."""

    def __init__(self, *args: Any, table: Mapping[str, Entry], **attributes: Any) -> None:  # noqa: ANN401 - click's own
        super().__init__(*args, **attributes)
        self.table = table

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's form
        """Return the names in the order of the table."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's form
        """Import the command of that name."""
        if cmd_name not in self.table:
            return None
        module, _, attribute = self.table[cmd_name].target.partition(":")
        return cast("click.Command", getattr(importlib.import_module(module), attribute))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's form
        """Write the table, without importing any command."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in self.table.items()])


def command(name: str, *examples: str) -> Callable[[Callable[..., None]], Command]:
    """Make a function a command; each example is a command line without the program's name."""
    return click.command(name, cls=Command, examples=examples)
