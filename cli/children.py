"""Running another program in the place of this process, and files that are there only as long as one runs.

Nothing here knows the registry. A program that is a child instead is the business of ``supervising``.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NoReturn

from cli.interruptions import CannotRun
from cli.output import message

NOT_FOUND, NOT_EXECUTABLE = 127, 126
"""The exit codes of shells for a program that is not there, or is none."""


def find(name: str) -> str:
    """Return the file of a program, found as a shell finds it; ``CannotRun`` if there is none."""
    if found := shutil.which(name):
        return found
    if shutil.which(name, os.F_OK) or ("/" in name and os.access(name, os.F_OK)):
        raise CannotRun(f"{name} is no program that may be run", NOT_EXECUTABLE)
    raise CannotRun(f"there is no program {name!r}", NOT_FOUND)


def become(file: str, command: tuple[str, ...], environment: Mapping[bytes, bytes]) -> NoReturn:
    """Run a program in the place of this process: nothing of this one is left but its number."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores these; a program dies of them, as from a shell
        signal.signal(number, signal.SIG_DFL)
    with starting(command[0]):
        os.execve(file, command, environment)  # noqa: S606 - without a shell on purpose


@contextlib.contextmanager
def starting(name: str) -> Iterator[None]:
    """Raise ``CannotRun`` where the system refuses to start a program."""
    try:
        yield
    except OSError as error:
        code = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
        raise CannotRun(f"{name} cannot be run: {error.strerror}", code) from None


@contextlib.contextmanager
def private_files(parent: Path, contents: Mapping[str, bytes]) -> Iterator[Mapping[str, Path]]:
    """Have files that nobody else can read, in a fresh folder that nobody else can enter; yield where they lie.

    Folder and files are gone when the block is left, and also when this process is killed meanwhile.
    """
    folder = Path(tempfile.mkdtemp(prefix="token-registry-", dir=parent.absolute()))
    try:
        folder.chmod(0o700)
        with _guarded(folder):  # before there is anything in it
            for name, data in contents.items():
                _write(folder / name, data)
            yield {name: folder / name for name in contents}
    finally:
        try:
            _remove(folder)
        except FileNotFoundError:
            pass  # the program has done so itself
        except OSError as error:
            message(f"the folder {folder} is still there, it cannot be removed: {error.strerror or error}")


def _write(path: Path, data: bytes) -> None:
    with open(path, "xb", opener=_private) as file:
        os.fchmod(file.fileno(), 0o600)  # whatever the mask
        file.write(data)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def _remove(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.chmod(0o700)
    shutil.rmtree(folder)


@contextlib.contextmanager
def _guarded(folder: Path) -> Iterator[None]:
    """Have another process remove the folder if this one is killed: then nothing of this one's own code would run."""
    watching, alive = os.pipe()
    guard = os.fork()
    if not guard:
        os.close(alive)
        _keep_watch(watching, folder)
    os.close(watching)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # it may have been killed itself
            os.write(alive, b"\n")
        os.close(alive)  # which also happens when this process ends, however it ends
        with contextlib.suppress(ChildProcessError):
            os.waitpid(guard, 0)


def _keep_watch(watching: int, folder: Path) -> NoReturn:
    try:
        watching = fcntl.fcntl(watching, fcntl.F_DUPFD, 3)  # whoever started this may have closed what is below
        os.setsid()  # what is sent to all the programs of a terminal is not for this one
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        os.chdir("/")
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(nowhere, stream)  # whoever reads the output is not to wait for this
        if not os.read(watching, 1):
            _remove(folder)
    finally:
        os._exit(0)
