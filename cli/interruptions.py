"""What ends a command while it is at work, though nothing is wrong with the registry."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import click


class Interrupted(click.Abort):
    """Ctrl-C while a command was at work, not at a prompt."""


class Unread(click.Abort):
    """Whoever read the output went away, as ``head`` does."""


class CannotRun(Exception):
    """A program cannot be run; ``code`` is what a shell would end with."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


@contextmanager
def termination_interrupts() -> Iterator[None]:
    """Let a termination interrupt as Ctrl-C does, for a command that works until somebody ends it."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield  # it was told to ignore it, or runs within a program that has its own way to end
        return
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
