"""Running a program with tokens' values: ``run``."""

import math
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import click

import registry
from cli import children, documents, supervising
from cli.framework import Command
from cli.options import app_option, complete_tokens, global_option, process_option, reason_option, token_argument
from cli.session import Session

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_BEHIND = "--"


class _Wish(TypedDict):
    """What the options say of the tokens that are wanted."""

    name: str
    prefix: str
    more: tuple[str, ...]
    app: str | None
    only_global: bool
    process: str | None
    only: str | None
    reason: str | None


def _number(_context: click.Context, _parameter: click.Parameter, value: float) -> float:
    if math.isnan(value):  # which is not below any minimum, and never over
        raise click.BadParameter("nan is no number of seconds")
    return value


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
        "run Zoom --prefix ZOOM_ --restart-on-change --grace 30 -- ./server",
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
@click.option("--restart-on-change", "restarts", is_flag=True, help="Start it anew when the values change.")
@click.option(
    "--grace",
    type=click.FloatRange(min=0),
    callback=_number,
    default=supervising.GRACE,
    show_default=True,
    metavar="SECONDS",
    help="How long it has to end by itself when it is started anew.",
)
@reason_option
@click.pass_context
def run(
    context: click.Context,
    /,
    *,
    program: tuple[str, ...],
    restarts: bool,
    grace: float,
    pristine: bool,
    folder: Path | None,
    **wish: Unpack[_Wish],
) -> None:
    """Run a program with tokens' values; that is recorded.

    Each field is an environment variable: its name in capitals, behind the prefix. Two of one name are refused.
    The use stands in the history before the program starts.

    The program takes the place of this process, or, with --file or --restart-on-change, is its child. Signals reach
    it, and the exit code is its own; 127 if there is no such program, 126 if it cannot be run. The TOKEN_REGISTRY
    variables do not reach it.
    """
    with context.ensure_object(Session).open("admin", "app") as opened:
        file = children.find(program[0])
        wanted, hand_out = _wanted(opened, wish, as_files=folder is not None)
        if restarts:
            given = partial(_given, folder, hand_out, pristine=pristine)
            with opened.token_watch(wanted) as watch, children.starting(program[0]):
                status = supervising.supervise(program, given, watch.changed, file=file, grace=grace)
        else:
            handed = hand_out()
    if not restarts:
        if folder is None:
            children.become(file, program, handed.environment(os.environ, pristine=pristine))
        with children.starting(program[0]):
            given = partial(_given, folder, lambda: handed, pristine=pristine)
            status = supervising.supervise(program, given, file=file)
    supervising.end_likewise(status)


def _wanted(
    opened: registry.Registry, wish: _Wish, *, as_files: bool
) -> tuple[list[registry.Wanted], Callable[[], registry.HandedOut]]:
    """Return which tokens are wanted, and what hands out their values."""
    asked = partial(registry.Wanted, app=wish["app"], only_global=wish["only_global"], process=wish["process"])
    named = [(wish["prefix"], wish["name"]), *map(_prefixed, wish["more"])]
    wanted = [asked(name=name, prefix=prefix) for prefix, name in named]
    only = wish["only"]
    return wanted, lambda: opened.tokens.run(
        wanted,
        only=tuple(field.strip() for field in only.split(",")) if only is not None else (),
        as_files=as_files,
        reason=wish["reason"],
        unrecorded=documents.warn_unrecorded,
    )


def _prefixed(text: str) -> tuple[str, str]:
    """Return prefix and name of a further token; no name has ``=`` in it."""
    prefix, _, name = text.rpartition("=")
    return prefix, name


@contextmanager
def _given(
    folder: Path | None, hand_out: Callable[[], registry.HandedOut], *, pristine: bool
) -> Iterator[dict[bytes, bytes]]:
    """Yield the environment of a program, while the files that it names are there."""
    handed = hand_out()
    if folder is None:
        yield handed.environment(os.environ, pristine=pristine)
        return
    contents = {name: value.reveal().encode() for name, value in handed.values.items()}
    with ExitStack() as stack:
        try:
            places = stack.enter_context(children.private_files(folder, contents))
        except OSError as error:
            raise registry.Unusable(f"no files can be made in {folder}: {error.strerror}") from None
        yield handed.environment(os.environ, pristine=pristine, places=places)
