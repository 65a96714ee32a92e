"""The command ``token-registry``: the table of commands, and the one place where errors become exit codes."""

import contextlib
import gc
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import click

from cli.framework import PROGRAM, Entry, LazyGroup, common_options
from cli.interruptions import Interrupted, Unread
from cli.session import Session

COMMANDS: Mapping[str, Entry] = MappingProxyType(
    {
        "init": Entry("cli.founding:init", "Found a registry and become its first admin."),
        "app": Entry("cli.applications:app", "Applications that have tokens of their own."),
        "add": Entry("cli.token_changes:add", "Create a token."),
        "edit": Entry("cli.token_changes:edit", "Change a token; the change is effective at once."),
        "rename": Entry("cli.tokens:rename", "Give a token another name."),
        "remove": Entry("cli.tokens:remove", "Delete a token and destroy its credentials."),
        "show": Entry("cli.tokens:show", "Show a token, its secrets excepted."),
        "list": Entry("cli.tokens:list_tokens", "List tokens."),
        "test": Entry("cli.tokens:test", "Ask the provider whether it accepts a token's credentials."),
        "reveal": Entry("cli.tokens:reveal", "Print one value of a token; that is recorded."),
        "run": Entry("cli.running:run", "Run a program with tokens' values; that is recorded."),
        "usage": Entry("cli.usage:usage", "Show who uses a token."),
        "history": Entry("cli.history:history", "Show what happened, newest last."),
        "watch": Entry("cli.watching:watch", "Show every commit as soon as it is made."),
        "export": Entry("cli.exporting:export", "Print the history for other tools, one event on each line."),
        "log": Entry(
            "cli.log:log", "The log that nobody can rewrite: checkpoints, proofs, and what to do when it is wrong."
        ),
        "pin": Entry("cli.pins:pin", "What this machine has seen of the registry."),
        "evidence": Entry("cli.evidence:evidence", "Give outsiders proof of the history, and verify it."),
        "import": Entry("cli.importing:import_tokens", "Create many tokens in one step, from JSON Lines."),
        "member": Entry("cli.members:member", "The members of the registry and their roles."),
        "key": Entry("cli.keys:key", "The keys that open events and credentials."),
        "join": Entry("cli.joining:join", "Make the registry at URL known to this machine."),
        "whoami": Entry("cli.joining:whoami", "Show who you are in the registry, and what you may open."),
        "identity": Entry("cli.identity:identity", "The identity file on this machine."),
        "policy": Entry("cli.policies:policy", "What holds for the whole registry."),
        "verify": Entry("cli.verification:verify", "Check everything the store holds, and say what is wrong."),
        "store": Entry("cli.stores:store", "Where the registry lies: copies, backups, who may do what."),
        "doctor": Entry("cli.doctor:doctor", "Say what is wrong or risky on this machine."),
        "completion": Entry("cli.completion:completion", "Print the script that completes commands and names."),
        "demo": Entry("cli.demo:demo", "Tell the whole story on a throw-away registry."),
    }
)


class Root(LazyGroup):
    """The root of all commands."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own
        """Run the command named; what click would turn into code 1 is kept apart."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted from None
        except BrokenPipeError:
            raise Unread from None

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,  # noqa: ARG002 - it has one name, however it is started
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: FBT001, FBT002 - click's form
        windows_expand_args: bool = True,  # noqa: ARG002, FBT001, FBT002 - click's form
        **extra: Any,  # noqa: ANN401 - click's own
    ) -> Any:  # noqa: ANN401 - click's own
        """Run a command line and end the process with its exit code."""
        extra.setdefault("obj", Session())
        if not standalone_mode:
            return super().main(args, PROGRAM, complete_var, standalone_mode=False, **extra)
        sys.exit(self._exit_code(args, complete_var, extra))

    def _exit_code(self, args: Sequence[str] | None, complete_var: str | None, extra: dict[str, Any]) -> int:
        try:
            code = super().main(args, PROGRAM, complete_var, standalone_mode=False, **extra)
            if sys.stdout is not None:
                sys.stdout.flush()
        except Exception as error:  # noqa: BLE001 - the last line of defence
            from cli import failures  # noqa: PLC0415 - only what fails pays for it

            return failures.report(error, debug=extra["obj"].debug)
        return code if isinstance(code, int) else 0


def _show_version(context: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's form
    if not value or context.resilient_parsing:
        return
    import registry  # noqa: PLC0415 - help must not wait for the library

    click.echo(f"{PROGRAM} {registry.__version__}")
    context.exit()


root = Root(
    PROGRAM,
    table=COMMANDS,
    help="""Keep access tokens: named sets of credentials with which a platform calls external systems.

Settings come from options, then the environment (TOKEN_REGISTRY_HOME, _URL, _IDENTITY, _PASSPHRASE_FILE, _FORMAT),
then config.toml; 'doctor' shows them. Data goes to standard output, everything else to standard error.""",
    epilog="""Exit codes: 0 done, 1 a fault of ours, 2 usage or invalid value, 3 not found, 4 already exists, 5 changed
meanwhile, 6 not permitted, 7 integrity failure, 8 rejected by the provider, 9 no verdict from the provider, 10 no
usable registry, store or identity, 11 found what --fail asked about, 12 cannot tell, 126 and 127 no program to run,
130 aborted.""",
    context_settings={"help_option_names": ["-h", "--help"]},
    params=[
        *common_options(hidden=False),
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_show_version,
            help="Show the version and exit.",
        ),
    ],
)


def execute(arguments: Sequence[str], session: Session) -> int:
    """Run one command line in this process and return its exit code."""
    try:
        root.main(arguments, obj=session)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    return 0


def run() -> None:
    """Run this process's own command line."""
    # What a command makes is almost all needed until it is printed; searching it for garbage takes a fifth of its time.
    gc.set_threshold(100_000)
    for stream in (sys.stdout, sys.stderr):
        # A terminal that knows few characters must not turn a message into a fault.
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a replaced stream may lack it
    try:
        root()
    finally:
        # The interpreter ends with a search for garbage among all it has loaded, which takes a sixth of a short run.
        gc.freeze()
