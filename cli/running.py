"""Running a program with tokens' values: ``run``."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

import registry
from cli import children, documents
from cli.framework import Command
from cli.options import app_option, complete_tokens, global_option, process_option, reason_option, token_argument
from cli.session import Session

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_BEHIND = "--"


class _Runner(Command):
    """A command whose last arguments are another command line, behind ``--``: the options there are that one's."""

    advice = "put -- before the program"

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep what stands behind the first ``--`` as it is."""
        at = args.index(_BEHIND) if _BEHIND in args else len(args)
        rest = super().parse_args(ctx, args[:at])
        program = tuple(args[at + 1 :])
        if not program and not ctx.resilient_parsing:
            raise click.UsageError("there is no program to run; it stands behind --", ctx)
        ctx.params["program"] = program
        ctx.meta[__name__] = at < len(args)
        return rest

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Return how the command is called."""
        return [*super().collect_usage_pieces(ctx), "-- PROGRAM [ARGUMENT]..."]

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """Return what completes a word; behind ``--``, files."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - only when TAB is pressed

        if ctx.meta.get(__name__):
            return [CompletionItem(incomplete, type="file")]
        return super().shell_complete(ctx, incomplete)


@click.command(
    "run",
    cls=_Runner,
    examples=(
        "run 'Zoom Production' --prefix ZOOM_ -- ./payroll --month 7",
        "run Zoom --app 'HR Portal' --only api_key,api_secret --pristine -- env",
        "run Zoom --prefix ZOOM_ --token 'MAIL_=Mail Relay' --reason 'ticket 4711' -- make report",
        "run Zoom --file /dev/shm -- sh -c 'exec ./payroll --key-file \"$API_KEY\"'",
    ),
)
@token_argument
@app_option
@global_option
@process_option
@click.option("--prefix", default="", metavar="ZOOM_", help="What the token's variables begin with.")
@click.option(
    "--token",
    "more",
    multiple=True,
    metavar="[PREFIX=]NAME",
    shell_complete=complete_tokens,
    help="A further token, in the same scope; its variables begin with PREFIX, or nothing. Repeatable.",
)
@click.option("--only", metavar="F,F", help="Only these fields.")
@click.option("--pristine", is_flag=True, help="Let it inherit only PATH, HOME, TERM, the locale and the like.")
@click.option(
    "--file",
    "folder",
    metavar="FOLDER",
    type=click.Path(exists=True, file_okay=False, writable=True, path_type=Path),
    help="Put the values into files in a fresh folder there; the variables hold their paths. They go when it ends.",
)
@reason_option
@click.pass_context
def run(
    context: click.Context,
    *,
    name: str,
    app: str | None,
    only_global: bool,
    process: str | None,
    prefix: str,
    more: tuple[str, ...],
    only: str | None,
    pristine: bool,
    folder: Path | None,
    reason: str | None,
    program: tuple[str, ...],
) -> None:
    """Run a program with tokens' values; that is recorded.

    Each field is an environment variable: its name in capitals, behind the prefix. Two of one name are refused.
    The use stands in the history before the program starts.

    The program takes the place of this process, or, with --file, is its child. Signals reach it, and the exit code
    is its own; 127 if there is no such program, 126 if it cannot be run. The TOKEN_REGISTRY variables do not reach it.
    """
    with context.ensure_object(Session).open("admin", "app") as opened:
        file = children.find(program[0])
        handed = opened.tokens.run(
            _wanted([(prefix, name), *map(_prefixed, more)], app, process, only_global=only_global),
            only=tuple(field.strip() for field in only.split(",")) if only is not None else (),
            as_files=folder is not None,
            reason=reason,
            unrecorded=documents.warn_unrecorded,
        )
    if folder is None:
        children.become(file, program, handed.environment(os.environ, pristine=pristine))
    context.exit(_run_with_files(file, program, folder, handed, pristine=pristine))


def _prefixed(text: str) -> tuple[str, str]:
    """Return prefix and name of a further token; no name has ``=`` in it."""
    prefix, _, name = text.rpartition("=")
    return prefix, name


def _wanted(
    named: list[tuple[str, str]], app: str | None, process: str | None, *, only_global: bool
) -> list[registry.Wanted]:
    return [
        registry.Wanted(name=name, prefix=prefix, app=app, only_global=only_global, process=process)
        for prefix, name in named
    ]


def _run_with_files(
    file: str, program: tuple[str, ...], folder: Path, handed: registry.HandedOut, *, pristine: bool
) -> int:
    try:
        return children.run_with_files(
            file,
            program,
            folder,
            {name: value.reveal().encode() for name, value in handed.values.items()},
            lambda places: handed.environment(os.environ, pristine=pristine, places=places),
        )
    except OSError as error:
        raise registry.Unusable(f"no files can be made in {folder}: {error.strerror}") from None
