"""Running another program: in the place of this process, or as its child where something is to be tidied up behind it.

Either way whoever waits sees that program's own end: its exit code, or the signal that it died by; and what is sent to
this process reaches it. Nothing here knows the registry.
"""

import contextlib
import os
import resource
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NoReturn

from cli.interruptions import CannotRun
from cli.output import message

NOT_FOUND, NOT_EXECUTABLE = 127, 126
"""The exit codes of shells for a program that is not there, or is none."""

# Python ignores these; a program expects to die of them, as from a shell.
_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)
# What a terminal sends, it sends to the child as well.
_TYPED = {signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGWINCH}
_OWN = {
    signal.SIGKILL,
    signal.SIGSTOP,
    signal.SIGTSTP,
    signal.SIGTTIN,
    signal.SIGTTOU,
    signal.SIGCONT,
    signal.SIGCHLD,
    signal.SIGSEGV,
    signal.SIGBUS,
    signal.SIGFPE,
    signal.SIGILL,
    signal.SIGTRAP,
    signal.SIGABRT,
    signal.SIGSYS,
    signal.SIGPIPE,
}
"""Signals that are about this process itself: faults, job control, and what nobody can pass on."""


def find(name: str) -> str:
    """Return the file of a program, found as a shell finds it; ``CannotRun`` if there is none."""
    folders = [""] if "/" in name else os.get_exec_path()
    there = False
    for path in [os.path.join(folder, name) for folder in folders] if name else []:  # noqa: PTH118 - a name is no path
        if os.path.isfile(path) and os.access(path, os.X_OK):  # noqa: PTH113 - as above
            return path
        there = there or os.path.isfile(path) or ("/" in name and os.path.exists(path))  # noqa: PTH110, PTH113 - as above
    if there:
        raise CannotRun(f"{name} is no program that may be run", NOT_EXECUTABLE)
    raise CannotRun(f"there is no program {name!r}", NOT_FOUND)


def become(program: str, command: tuple[str, ...], environment: Mapping[bytes, bytes]) -> NoReturn:
    """Run a program in the place of this process: nothing of this one is left but its number."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    for number in _IGNORED_BY_PYTHON:
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execve(program, command, environment)  # noqa: S606 - without a shell on purpose
    except OSError as error:
        raise _cannot(command[0], error) from None


def _cannot(name: str, error: OSError) -> CannotRun:
    code = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
    return CannotRun(f"{name} cannot be run: {error.strerror}", code)


def run_with_files(
    program: str,
    command: tuple[str, ...],
    parent: Path,
    files: Mapping[str, bytes],
    environment: Callable[[Mapping[str, Path]], Mapping[bytes, bytes]],
) -> int:
    """Run a program as a child while there are files that nobody else can read; end as it ends.

    They lie in a fresh folder in ``parent``, and ``environment`` is told where. Return the child's exit code; where it
    died by a signal, die by the same.
    """
    # Nothing must end this process between making the folder and removing it. What comes later is not undone: a signal
    # that comes after the child's end must not be taken for that end.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _passed_on() | {signal.SIGCHLD})
    try:
        with _private_folder(parent) as folder:
            places = {name: folder / name for name in files}
            for name, data in files.items():
                _write_private(places[name], data)
            status = _waited(_started(program, command, environment(places), before, folder))
    except BaseException:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        raise
    return _ended_like(status)


def _started(
    program: str, command: tuple[str, ...], environment: Mapping[bytes, bytes], mask: set[int], folder: Path
) -> int:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # a parent that ignores its children passes that on
    try:
        child = os.posix_spawn(program, command, environment, setsigmask=mask, setsigdef=_IGNORED_BY_PYTHON)
    except OSError as error:
        raise _cannot(command[0], error) from None
    _leave_guard(child, folder)
    return child


def _passed_on() -> set[int]:
    return {int(number) for number in signal.valid_signals()} - _OWN


def _waited(child: int) -> int:
    while True:
        came = signal.sigwaitinfo(_passed_on() | {signal.SIGCHLD})
        if came.si_signo == signal.SIGCHLD:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                return status
        elif not (came.si_code > 0 and came.si_signo in _TYPED):  # a positive code says that the kernel sent it
            os.kill(child, came.si_signo)


def _ended_like(status: int) -> int:
    """Return the exit code of a child's end; if it died by a signal, die by the same."""
    if not os.WIFSIGNALED(status):
        return os.WEXITSTATUS(status)
    number = os.WTERMSIG(status)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # one image of the memory is enough, and this one's holds secrets
    with contextlib.suppress(OSError):  # SIGKILL has no other way than the default
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    return 128 + number


@contextlib.contextmanager
def _private_folder(parent: Path) -> Iterator[Path]:
    """Make a folder that nobody else can enter, and remove it with all that is in it in the end."""
    folder = Path(tempfile.mkdtemp(prefix="token-registry-", dir=parent.absolute()))
    try:
        folder.chmod(0o700)
        yield folder
    finally:
        try:
            _remove(folder)
        except OSError as error:
            message(f"the folder {folder} is still there, it cannot be removed: {error.strerror}")


def _write_private(path: Path, data: bytes) -> None:
    """Write a file that is not there yet and that nobody else can read."""
    with open(path, "xb", opener=_private) as file:
        os.fchmod(file.fileno(), 0o600)  # whatever the mask
        file.write(data)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def _remove(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.chmod(0o700)
    shutil.rmtree(folder)


def _leave_guard(child: int, folder: Path) -> None:
    """Leave a process that removes the folder if this one is killed: then nothing of this one's own code would run."""
    try:
        ended = os.pidfd_open(child)
    except (AttributeError, OSError):
        return  # an old kernel: there, kill -9 of this very process leaves the files
    watching, alive = os.pipe()
    if os.fork():
        os.close(watching)
        os.close(ended)
        return  # `alive` is closed when this process ends, however it ends
    os.close(alive)
    _keep_watch(watching, ended, folder)


def _keep_watch(watching: int, ended: int, folder: Path) -> NoReturn:
    import select  # noqa: PLC0415 - only the guard needs it

    try:
        os.setsid()
        os.chdir("/")
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(nowhere, stream)  # whoever reads the output is not to wait for this
        os.read(watching, 1)
        if folder.exists():
            end = select.poll()
            end.register(ended, select.POLLIN)
            end.poll()
            _remove(folder)
    finally:
        os._exit(0)
