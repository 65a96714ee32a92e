"""Work that is divided among processes: as many as there are cores, forked, each with what the parent had prepared.

Nothing that was prepared is copied or sent; only small tasks and their results go through pipes. Where there is little
to do, or where forking is not safe because this process has threads, the work is done in this process.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack
from itertools import islice
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from registry.errors import Unusable

T = TypeVar("T")
R = TypeVar("R")
Worker = Callable[[T], R]
Prepare = Callable[[], AbstractContextManager[Worker[T, R]]]


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def workers_for(wished: int | None, tasks: int) -> int:
    """Return how many processes the work is worth; 1 stands for this one alone."""
    if threading.active_count() > 1 or "fork" not in multiprocessing.get_all_start_methods():
        return 1
    return max(1, min(wished or cores(), tasks))


class Crew(Generic[T, R]):
    """Processes that do tasks, or this process if it does them alone.

    ``prepare`` is entered once in each of them and gives what does a task.
    """

    def __init__(self, prepare: Prepare[T, R], workers: int) -> None:
        self._stack = ExitStack()
        self._alone: Worker[T, R] | None = self._stack.enter_context(prepare()) if workers == 1 else None
        self._processes: list[Any] = []
        self._ends: list[Connection] = []
        context = multiprocessing.get_context("fork") if workers > 1 else None
        for _ in range(workers if context else 0):
            assert context is not None  # noqa: S101 - there is one where there is more than one worker
            mine, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, prepare, [*self._ends, mine]), daemon=True)
            process.start()
            theirs.close()
            self._processes.append(process)
            self._ends.append(mine)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for end in self._ends:
            end.close()  # which ends them, unless they are busy
        for process in self._processes:
            process.terminate()
            process.join()
        self._stack.close()

    def do(self, tasks: Iterable[T]) -> Iterator[tuple[T, R]]:
        """Yield each task with its result, in the order in which they are done."""
        if self._alone is not None:
            for task in tasks:
                yield task, self._alone(task)
            return
        pending = iter(tasks)
        busy: dict[Connection, T] = {}
        idle = list(self._ends)
        while True:
            for task in islice(pending, len(idle)):
                end = idle.pop()
                _send(end, task)
                busy[end] = task
            if not busy:
                return
            for ready in wait(list(busy)):
                assert isinstance(ready, Connection)  # noqa: S101 - nothing else was waited for
                done, result = busy.pop(ready), _receive(ready)
                idle.append(ready)
                yield done, result

    def tell(self, everyone: T) -> None:
        """Give one task to each process, and forget the results."""
        if self._alone is not None:
            self._alone(everyone)
        for end in self._ends:
            _send(end, everyone)
        for end in self._ends:
            _receive(end)


_ENDED = "a process that helped to verify has ended"


def _send(end: Connection, task: object) -> None:
    try:
        end.send(task)
    except OSError:
        raise Unusable(_ENDED, "there may be too little memory; try again") from None


def _receive(end: Connection) -> Any:  # noqa: ANN401 - whatever the task came to
    try:
        result = end.recv()
    except (EOFError, OSError):
        raise Unusable(_ENDED, "there may be too little memory; try again") from None
    if isinstance(result, BaseException):
        raise result
    return result


def _serve(end: Connection, prepare: Prepare[Any, Any], others: list[Connection]) -> None:
    # Ctrl-C reaches every process of the terminal; the parent alone answers it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for other in others:
        other.close()
    try:
        with prepare() as work:
            while True:
                end.send(work(end.recv()))
    except (EOFError, BrokenPipeError):
        return
    except Exception as error:  # noqa: BLE001 - the parent raises it
        end.send(error)
