"""Measure what a long history in PostgreSQL costs: opening, resolving and one commit, after 1,000 events and a million.

::

    python -m tests.benchmarks.bench_postgres_scale [--events EVENTS] [--rounds ROUNDS]

Both registries lie in schemas of the same server, which is one of its own and waits for the disk.
``TOKEN_REGISTRY_TEST_URL`` names another one. Rounds of both sides alternate. Goal: nothing costs more than 1.3 times
as much after a million events.
"""

import argparse
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from registry import Registry, Settings, open_registry
from tests.benchmarks.bench_log import committing, grown, opening
from tests.benchmarks.bench_postgres import Bench
from tests.benchmarks.harness import Row, Side, interleaved, process_seconds, rate, spread, table
from tests.servers import running

_ROOT = Path(__file__).resolve().parents[2]
_ASKED = 500
_SHORT = 1_000
_GOAL = "<= 1.3"
_AT_ONCE = 10
"""How many of what takes milliseconds make a round: the machine's moods are shorter than a round then."""


@contextmanager
def quiet(settings: Settings) -> Iterator[Registry]:
    """Open a registry whose uses are not recorded."""
    with open_registry(settings) as registry:
        registry.policies.set("record-resolves", "off")
        yield registry


def averaged(once: Side) -> Side:
    """Return what measures the same some times over, and returns the mean."""
    return lambda number: sum(once(number) for _ in range(_AT_ONCE)) / _AT_ONCE


def showing(settings: Settings) -> Side:
    """Return what runs ``show`` as a whole process, and says how long that took."""
    environment = {"TOKEN_REGISTRY_HOME": settings.home.value, "PYTHONPATH": str(_ROOT)}
    command = [sys.executable, "-m", "cli.main", "show", "Token 2", "--json"]
    return lambda _: process_seconds(command, {name: str(value) for name, value in environment.items()})


def unchanged(settings: Settings) -> Side:
    """Return what resolves a token again and again, and says how long each took."""
    registry = open_registry(settings)
    return lambda _: 1 / rate(lambda: sum(bool(registry.resolve("Token 1")) for _ in range(_ASKED)))


def first(settings: Settings) -> Side:
    """Return what resolves tokens that an open registry was not asked for yet, and says how long each took."""

    def once(_: int) -> float:
        with open_registry(settings) as registry:
            registry.resolve("Token 0")  # makes the connection by which it asks
            return 1 / rate(lambda: sum(bool(registry.resolve(f"Token {number}")) for number in range(1, 100)))

    return once


_MEASURED: tuple[tuple[str, Callable[[Settings], Side], str, float, float], ...] = (
    ("`show`, whole process", showing, "ms", 1_000, 0.3),
    ("opening, and one token shown", lambda settings: averaged(opening(settings)), "ms", 1_000, 1),
    ("`resolve`, nothing changed", unchanged, "us", 1_000_000, 1),
    ("first `resolve` of a token", first, "us", 1_000_000, 1),
    ("one commit, which changes a description", lambda settings: averaged(committing(settings)), "ms", 1_000, 1),
)


def main() -> None:
    """Run everything and print the table; the baseline is the short history."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000, help="how long the long history is")
    parser.add_argument("--rounds", type=int, default=30, help="how often each is measured")
    arguments = parser.parse_args()
    print(f"{platform.system()} {platform.machine()}, Python {platform.python_version()}\n")
    with running(lasting=True) as server, tempfile.TemporaryDirectory() as folder:
        bench = Bench(server, Path(folder), arguments.rounds)
        long, short = grown(bench.home(), arguments.events), grown(bench.home(), _SHORT)
        for settings in (long, short):
            with quiet(settings):
                pass
        rows = []
        for what, measured, unit, factor, share in _MEASURED:
            compared = interleaved(measured(long), measured(short), max(3, round(arguments.rounds * share)))
            shown = [spread(side, unit, factor) for side in (compared.ours, compared.theirs)]
            rows.append(Row(what, shown[0], f"{shown[1]} after {_SHORT:,}", f"{compared.ratio:.2f}", _GOAL))
    print(f"{arguments.events:,} events against {_SHORT:,}\n")
    print(table(rows))


if __name__ == "__main__":
    main()
