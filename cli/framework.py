"""The shape that all commands share: options that every one takes, examples in every help, commands loaded when named.

Help and version are answered without the library: a table says which commands there are, and a command's module is
imported only when that command runs.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, cast

import click

from cli.session import Session

PROGRAM = "token-registry"
FORMATS = ("table", "json")
_PLACES = (
    ("--home", "FOLDER", "Identity, store and local state lie together in this folder."),
    ("--url", "URL", "The store: sqlite:///relative, sqlite:////absolute or postgresql://…"),
    ("--identity", "FILE", "The identity file."),
    ("--passphrase-file", "FILE", "A file whose first line is the identity's passphrase."),
)


class Entry(NamedTuple):
    """A command in a table: ``module:attribute``, and the first line of its help."""

    target: str
    help: str


def _remember(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value is not None and parameter.name:
        context.ensure_object(Session).options[parameter.name] = value


def _remember_debug(context: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's form
    if value:
        context.ensure_object(Session).debug = True


def _show_help(context: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's form
    if value and not context.resilient_parsing:
        click.echo(context.get_help(), color=context.color)
        context.exit()


class _Command(click.Command):
    """A command whose ``--help`` is ours: for its own, click looks for a translation of one sentence on the disk."""

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """Return ``--help``."""
        names = self.get_help_option_names(ctx)
        return click.Option(
            names,
            is_flag=True,
            expose_value=False,
            is_eager=True,
            callback=_show_help,
            help="Show this message and exit.",
        )


def common_options(*, hidden: bool) -> list[click.Parameter]:
    """Return the options that every command takes; ``hidden`` shows only ``--format`` in its help."""
    shape = click.Choice(FORMATS)
    return [
        click.Option(["--format"], type=shape, expose_value=False, callback=_remember, help="How to print data."),
        *(
            click.Option(
                [name],
                type=click.Path() if metavar in {"FILE", "FOLDER"} else None,
                metavar=metavar,
                hidden=hidden,
                expose_value=False,
                callback=_remember,
                help=text,
            )
            for name, metavar, text in _PLACES
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


class Command(_Command):
    """A command with the common options and with examples in its help.

    An option of its own takes the place of a common one of that name.
    """

    # Click would refuse left-over arguments by repeating them, and a secret may be among them.
    allow_extra_args = True
    advice: ClassVar[str] = "put quotes around what has spaces"

    def __init__(self, *args: Any, examples: Sequence[str] = (), **attributes: Any) -> None:  # noqa: ANN401 - click's own
        super().__init__(*args, **attributes)
        self.examples = tuple(examples)
        own = {option for parameter in self.params for option in parameter.opts}
        self.params += [option for option in common_options(hidden=True) if own.isdisjoint(option.opts)]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse left-over arguments without repeating them."""
        rest = super().parse_args(ctx, args)
        if rest and not ctx.resilient_parsing:
            too_many = "an argument" if len(rest) == 1 else f"{len(rest)} arguments"
            raise click.UsageError(f"there is {too_many} too many; {self.advice}", ctx)
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


class Group(_Command, click.Group):
    """A group of commands with the common options."""

    command_class: ClassVar[type[click.Command]] = Command  # type: ignore[misc]  # click declares it on instances too

    def __init__(self, *args: Any, **attributes: Any) -> None:  # noqa: ANN401 - click's own
        super().__init__(*args, **attributes)
        self.params += common_options(hidden=True)


class LazyGroup(_Command, click.Group):
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
