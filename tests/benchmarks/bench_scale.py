"""Measure what does not show on one small registry: memory over a long history, and many processes at once.

::

    python -m tests.benchmarks.bench_scale [--events EVENTS] [--commits COMMITS] [--folder FOLDER]
"""

import argparse
import multiprocessing
import os
import platform
import subprocess
import sys
import tempfile
import time
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from statistics import median

from registry import open_registry
from tests.benchmarks import subjects
from tests.benchmarks.bench_log import grown
from tests.benchmarks.harness import Row, Side, interleaved, spread, table

_ROOT = Path(__file__).resolve().parents[2]
# Not what getrusage says: that counts what the process held before it became another program.
_PEAK = """
import sys
from cli.main import run
try:
    run()
finally:
    status = open("/proc/self/status").read()
    print(status.split("VmHWM:")[1].split()[0], file=sys.stderr)
"""
_PROCESSES = 8
_ROUNDS = 5
_TOKENS = 100


def peak(home: Path, *arguments: str) -> float:
    """Return the most memory that a command held, in MiB."""
    environment = {**os.environ, "TOKEN_REGISTRY_HOME": str(home), "PYTHONPATH": str(_ROOT)}
    command = [sys.executable, "-c", _PEAK, *arguments]
    ran = subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    return int(ran.stderr.split()[-1]) / 1024


def memory(folder: Path, events: int) -> list[Row]:
    """Compare what commands hold over a long history with what ``--version`` holds."""
    home = folder / "long"
    grown(home, events)
    start = median(peak(home, "--version") for _ in range(3))
    rows = []
    for command in (("list",), ("history",), ("export",)):
        over = peak(home, *command) - start
        what = f"`{command[0]}` of {events:,} events, memory over start-up"
        rows.append(Row(what, f"{over:.0f} MiB", f"{start:.0f} MiB", goal="<= 60 MiB"))
    return rows


def committing(home: Path, together: Barrier, count: int, number: int, results: "Queue[list[float]]") -> None:
    """Change a token as often as that; tell when that began, and how long each change waited and took."""
    with open_registry(subjects.settings_in(home)) as registry:
        registry.tokens.edit(f"Token {_TOKENS - 1}", subjects.described(number))  # loads what changing takes
        together.wait()
        taken = [time.time()]
        for turn in range(count):
            start = time.perf_counter()
            serial = number * 1_000_000 + turn
            registry.tokens.edit(f"Token {serial % _TOKENS}", subjects.described(serial))
            taken.append(time.perf_counter() - start)
        results.put([*taken, time.time()])


def rate_of(home: Path, processes: int, commits: int) -> tuple[float, float]:
    """Return how many commits a second several processes make together, and the longest wait."""
    with subjects.registry_in(home) as registry:
        registry.importing.run([subjects.new_token(number) for number in range(_TOKENS)])
        size = registry._ledger.head.size
    context = multiprocessing.get_context("spawn")
    barrier, results, each = context.Barrier(processes), context.Queue(), commits // processes
    running = [
        context.Process(target=committing, args=(home, barrier, each, number + 1, results))
        for number in range(processes)
    ]
    for process in running:
        process.start()
    told = [results.get(timeout=300) for _ in running]
    for process in running:
        process.join()
    seconds = max(one[-1] for one in told) - min(one[0] for one in told)
    with open_registry(subjects.settings_in(home)) as registry:
        assert registry._ledger.head.size == size + (each + 1) * processes, "a commit was lost"
        assert len(list(registry.history())) == registry._ledger.head.size
    return each * processes / seconds, max(max(one[1:-1]) for one in told)


def together(folder: Path, commits: int) -> Row:
    """Compare eight processes that commit at once with one."""
    waits = []

    def side(processes: int) -> Side:
        def once(number: int) -> float:
            rate, longest = rate_of(folder / f"{processes}-{number}", processes, commits)
            waits.append(longest)
            return rate

        return once

    compared = interleaved(side(_PROCESSES), side(1), _ROUNDS)
    what = f"{commits:,} commits from {_PROCESSES} processes at once; the longest wait {max(waits):.2f} s"
    ours, theirs = spread(compared.ours, "/s"), spread(compared.theirs, "/s")
    return Row(what, ours, f"{theirs} from one", f"{compared.ratio:.2f}", ">= 0.6, <= 2 s")


def main() -> None:
    """Run everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000, help="how long the history is")
    parser.add_argument("--commits", type=int, default=2_000, help="how many commits are made at once")
    parser.add_argument("--folder", help="where to work (default: the temporary folder)")
    arguments = parser.parse_args()
    print(f"{platform.system()} {platform.machine()}, Python {platform.python_version()}\n")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        rows = [together(Path(folder), arguments.commits)]
        rows += memory(Path(folder), arguments.events)
    print(table(rows))


if __name__ == "__main__":
    main()
