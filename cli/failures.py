"""What went wrong, as one line for a person and an exit code for scripts. The codes are mapped here and nowhere else.

0 done · 1 a fault of ours · 2 usage or invalid value · 3 not found · 4 already exists · 5 changed meanwhile ·
6 not permitted · 7 integrity failure · 8 provider rejected · 9 provider undecided · 10 nothing usable ·
11 found what ``--fail`` asked about · 12 cannot tell · 126 not executable · 127 no such program · 130 aborted ·
141 nobody reads the output; once ``run`` has started a program, the code is that one's
"""

import traceback
from collections.abc import Iterator
from pathlib import Path

import click

import registry
from cli.interruptions import CannotRun, Interrupted, Unread
from cli.output import OutputFailed, message, stop_writing

FAULT, USAGE, ABORTED, UNREAD = 1, 2, 130, 141


def exit_code(kind: type[BaseException]) -> int:
    """Return the exit code of a kind of error; a kind that is not here has its parent's."""
    codes: dict[type[BaseException], int] = {
        registry.InvalidValue: USAGE,
        registry.NotFound: 3,
        registry.AlreadyExists: 4,
        registry.Conflict: 5,
        registry.NotPermitted: 6,
        registry.IntegrityError: 7,
        registry.ProviderRejected: 8,
        registry.ProviderUndecided: 9,
        registry.Unusable: 10,
        registry.Found: 11,
        registry.CannotTell: 12,
    }
    return next((codes[parent] for parent in kind.__mro__ if parent in codes), FAULT)


def outcome_code(outcome: str) -> int:
    """Return the exit code of a connection test that came out like this."""
    match registry.Outcome(outcome):
        case registry.Outcome.ACCEPTED | registry.Outcome.ACCEPTED_MISSING_SCOPE:
            return 0
        case registry.Outcome.REJECTED | registry.Outcome.RETIRED:
            return exit_code(registry.ProviderRejected)
    return exit_code(registry.ProviderUndecided)


def report(error: Exception, *, debug: bool) -> int:
    """Print what went wrong to standard error and return the exit code."""
    try:
        return _report(error, debug=debug)
    except BrokenPipeError:
        stop_writing()
        return UNREAD


def _report(error: Exception, *, debug: bool) -> int:
    if isinstance(error, BrokenPipeError | Unread):
        stop_writing()
        return UNREAD
    if isinstance(error, click.Abort):
        return _report_abort(error)
    if debug and not isinstance(error, click.ClickException):
        for line in _trace(error):
            click.echo(line, err=True)
    if isinstance(error, click.ClickException):
        return _report_usage(error)
    if isinstance(error, registry.RegistryError):
        _say(str(error), error.hint, error.detail)
        return exit_code(type(error))
    if isinstance(error, CannotRun):
        _say(str(error), None)
        return error.code
    if isinstance(error, OutputFailed):
        stop_writing()
        _say(str(error), "what the command did stands; 'history' shows it")
        return FAULT
    _say(f"a fault of ours: {type(error).__name__} {_place(error)}", "run it again with --debug, and report it")
    return FAULT


def _say(text: str, hint: str | None, detail: str | None = None) -> None:
    message(f"error: {text}")
    for line in (detail or "").splitlines():
        message(f"  {line}".rstrip())
    if hint:
        message(f"hint: {hint}")


def _report_abort(error: click.Abort) -> int:
    if isinstance(error, Interrupted) or isinstance(error.__cause__, KeyboardInterrupt):
        _say("interrupted", "a change is made whole or not at all; 'history' shows whether it was")
    else:
        message("aborted; nothing was changed")
    return ABORTED


def _report_usage(error: click.ClickException) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return USAGE
    context = error.ctx if isinstance(error, click.UsageError) else None
    text = " ".join(error.format_message().split()).rstrip(".")
    _say(text[:1].lower() + text[1:], f"'{context.command_path} --help' explains it" if context else None)
    return USAGE


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""


def _trace(error: BaseException) -> Iterator[str]:
    """Yield where an error and its causes arose: never a local variable, nor what a foreign error says of values."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        yield from _trace(cause)
        yield "which led to:"
    for entry in traceback.format_tb(error.__traceback__):
        yield entry.rstrip("\n")
    yield f"{type(error).__module__}.{type(error).__qualname__}"
