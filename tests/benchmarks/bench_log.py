"""Measure what a long history costs: opening, a proof, and one commit, after 1,000 events and after a million.

::

    python -m tests.benchmarks.bench_log [--events EVENTS] [--folder FOLDER]

Goal: opening, everything checked that is checked then, is at most 2 ms dearer after a million events.
"""

import argparse
import platform
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

from registry import Registry, Settings, open_registry
from registry.domain.token_rules import folded, record_test
from tests.benchmarks import subjects
from tests.benchmarks.harness import Compared, Row, interleaved, rate, spread, table

_TOKENS = 100
_BATCH = 10_000


def grown(folder: Path, events: int) -> Settings:
    """Found a registry with a hundred tokens, and let it have that many events: connection tests, many to a commit."""
    with subjects.registry_in(folder) as registry:
        registry.importing.run([subjects.new_token(number) for number in range(_TOKENS)])
        while (size := registry._ledger.head.size) < events:
            _tested(registry, min(_BATCH, events - size))
    return subjects.settings_in(folder)


def _tested(registry: Registry, count: int) -> None:
    ledger = registry._ledger
    with ledger.turn() as turn:
        row, token = ledger.find("Token 1", None)
        made = []
        for _ in range(count):
            (event,) = record_test(turn.context, token, "accepted", "")
            made.append(event)
            token = folded(token, [event])
        new_row = ledger.row_after(token, row)
        ledger.commit(turn, made, rows=[new_row], replaced=[row])


def opening(settings: Settings) -> Callable[[int], float]:
    """Return what opens the registry and shows a token, and says how long that took."""

    def once() -> int:
        with open_registry(settings) as registry:
            registry.tokens.show("Token 2")
        return 1

    return lambda _: 1 / rate(once)


def proving(settings: Settings) -> Callable[[int], float]:
    """Return what proves an event in an open registry, and says how long that took."""
    registry = open_registry(settings)

    def once() -> int:
        registry.log.proof(123)
        return 1

    return lambda _: 1 / rate(once)


def committing(settings: Settings) -> Callable[[int], float]:
    """Return what changes a description in an open registry, and says how long that took."""
    registry = open_registry(settings)
    numbers = iter(range(1_000_000_000))

    def once() -> int:
        registry.tokens.edit("Token 3", subjects.described(next(numbers)))
        return 1

    return lambda _: 1 / rate(once)


def _row(what: str, compared: Compared, goal: str = "") -> Row:
    over = (median(compared.ours) - median(compared.theirs)) * 1_000
    shown = [spread(side, "ms", 1_000) for side in (compared.ours, compared.theirs)]
    return Row(what, *shown, f"{over:+.2f} ms", goal)


def main() -> None:
    """Run everything and print the table; the baseline is the short history."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000, help="how long the long history is")
    parser.add_argument("--folder", help="where to work (default: the temporary folder)")
    arguments = parser.parse_args()
    print(f"{platform.system()} {platform.machine()}, Python {platform.python_version()}\n")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        long, short = grown(Path(folder) / "long", arguments.events), grown(Path(folder) / "short", 1_000)
        rows = [
            _row("opening, and one token shown", interleaved(opening(long), opening(short), 60), "<= +2 ms"),
            _row("proof of one event", interleaved(proving(long), proving(short), 60)),
            _row("one commit", interleaved(committing(long), committing(short), 60)),
        ]
    print(f"{arguments.events:,} events against 1,000\n")
    print(table(rows))


if __name__ == "__main__":
    main()
