"""A program that is started anew whenever what it was started with has changed.

Signals to this process are handed on to the program. Those that a terminal sends to all its programs reach it anyway.
"""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from types import FrameType
from typing import NoReturn

import registry
from cli.output import message

GRACE = 10.0
"""Seconds that a program has to end by itself when it is started anew."""
_STEP = 0.025
_FROM_TERMINALS = frozenset({signal.SIGINT, signal.SIGQUIT, signal.SIGWINCH})
_ENDING = frozenset({signal.SIGINT, signal.SIGQUIT, signal.SIGTERM})
_KEPT = frozenset(
    {
        *(signal.SIGKILL, signal.SIGSTOP),  # nobody can catch these
        *(signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGCONT),  # what terminals do to all their programs
        *(signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP, signal.SIGSYS),  # own faults
        *(signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD),  # what comes of one's own writing, and of the program's end
    }
)
_HANDED_ON = sorted(signal.valid_signals() - _KEPT)

Variables = Mapping[str, str] | Mapping[bytes, bytes]
Environment = Callable[[], AbstractContextManager[Variables]]


def supervise(
    command: Sequence[str],
    environment: Environment,
    changed: Callable[[], bool] = lambda: False,
    *,
    file: str | None = None,
    grace: float = GRACE,
) -> int:
    """Run a program until it ends by itself, and return its exit status: negative where a signal ended it.

    ``file`` is where it lies, if that is known; otherwise it is looked for as the first word of the command.
    ``environment`` gives the variables to start it with, each time anew, and is left when it has ended. ``changed`` is
    asked many times a second and must answer at once; when it says yes, the program is sent SIGTERM, after so many
    seconds of ``grace`` SIGKILL, and is started anew. An error that ``changed`` raises ends the program in the same
    way, and is raised; only while the store cannot be used does it run on. ``OSError`` if it cannot be started.
    """
    program = _Program(command, file, changed, grace)
    with program.signals_handed_on():
        while True:
            with environment() as variables:
                status = program.run(variables)
            if status is not None:
                return status


def end_likewise(status: int) -> NoReturn:
    """End this process as a program ended: by the same signal, or with the same code. Close what is open before."""
    if status < 0:
        with suppress(OSError):  # SIGKILL ends it without being told so
            signal.signal(-status, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the program has left its own, if any
        os.kill(os.getpid(), -status)
    sys.exit(status if status >= 0 else 128 - status)


class _Program:
    """The program, one process at a time, and the signals for it."""

    def __init__(self, command: Sequence[str], file: str | None, changed: Callable[[], bool], grace: float) -> None:
        self._command = command
        self._file = file
        self._changed = changed
        self._grace = grace
        self._process: subprocess.Popen[bytes] | None = None
        self._waiting: list[int] = []
        self._ending_until = 0.0
        self._unusable = False

    @contextmanager
    def signals_handed_on(self) -> Iterator[None]:
        """Hand signals on while the block lasts; what this process was told to ignore, the program ignores too."""
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # who ignores its children hands that down, and no status comes
        handled = [number for number in _HANDED_ON if signal.getsignal(number) != signal.SIG_IGN]
        former = {number: signal.signal(number, self._hand_on) for number in handled}
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)

    def _hand_on(self, number: int, _frame: FrameType | None) -> None:
        if number in _ENDING:
            self._ending_until = time.monotonic() + self._grace
        if self._process is None:
            self._waiting.append(number)
        elif not (number in _FROM_TERMINALS and _at_terminal()):
            self._process.send_signal(number)

    def _is_ending(self) -> bool:
        # A program that goes on for longer has its own use for such a signal.
        return time.monotonic() < self._ending_until

    def run(self, variables: Variables) -> int | None:
        """Start it, and return its exit status when it has ended by itself; ``None`` if it is to be started anew."""
        for number in self._waiting:
            if number in _ENDING:  # it came while there was no program
                return -number
        process = self._process = subprocess.Popen(self._command, executable=self._file, env=variables)  # noqa: S603 - what the user has named
        try:
            while self._waiting:
                process.send_signal(self._waiting.pop(0))
            if self._ends_by_itself(process):
                return process.returncode
            status = self._ended(process)
            return status if self._is_ending() else None
        except BaseException:
            self._ended(process)
            raise
        finally:
            self._process = None

    def _ends_by_itself(self, process: "subprocess.Popen[bytes]") -> bool:
        """Wait until it has ended, or something has changed; return whether it has ended."""
        while process.poll() is None:
            if not self._is_ending() and self._has_changed():
                return False
            time.sleep(_STEP)
        return True

    def _has_changed(self) -> bool:
        try:
            changed = self._changed()
        except registry.Unusable as error:
            # A store that is away for a moment says nothing about the credentials, and is no reason to end a service.
            if not self._unusable:
                message(f"the program runs on, but changes are not noticed now: {error}")
            self._unusable = True
            return False
        self._unusable = False
        return changed

    def _ended(self, process: "subprocess.Popen[bytes]") -> int:
        """Have it end, and return how it did."""
        process.terminate()
        try:
            return process.wait(self._grace)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


def _at_terminal() -> bool:
    """Return whether a terminal sends its signals to this process, and so to the program as well."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
