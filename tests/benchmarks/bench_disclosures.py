"""Measure what recording uses costs: bytes of the store and time for each, and what a year of them comes to.

::

    python -m tests.benchmarks.bench_disclosures [--quick] [--folder FOLDER]

Disclosures never shrink, so bytes are what counts. ``docs/apps.md`` keeps the results.
"""

import argparse
import platform
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from msgspec import Struct

from registry import (
    HistoryQuery,
    Identity,
    Registry,
    Settings,
    Wanted,
    init_registry,
    join,
    load_settings,
    open_registry,
)
from tests.benchmarks import subjects
from tests.benchmarks.harness import file_bytes

_YEAR = 365 * 24 * 3_600
_ROUND = 60
"""Uses in each measured opening of the registry, so that pages half full count for little."""

Use = Callable[[Registry], int]
"""Uses tokens through an open registry, and returns how often."""


class Cost(Struct, frozen=True):
    """What one recorded use costs."""

    bytes: float
    seconds: float


class Bench:
    """A registry with an admin and an app member, each with a home, and tokens to use."""

    def __init__(self, folder: Path) -> None:
        self.admin = load_settings({"home": str(folder / "admin")}, {})
        self.app = load_settings({"home": str(folder / "app"), "url": self.admin.url.value}, {})
        init_registry(self.admin, name="ada")
        identity = Identity.generate("payroll-server-1")
        identity.save(Path(self.app.identity.value))
        with open_registry(self.admin) as registry:
            registry.applications.register("Payroll", "process")
            registry.importing.run([subjects.new_token(number) for number in range(3)])
            invitation = registry.members.add("payroll-server-1", "app", identity.public, app="Payroll")
        join(self.app, invitation=invitation)

    def set(self, policy: str, value: str) -> None:
        """Set a policy."""
        with open_registry(self.admin) as registry:
            registry.policies.set(policy, value)

    def cost(self, settings: Settings, use: Use, uses: int) -> Cost:
        """Return what each of about so many uses costs; a first round takes what is taken once."""
        with open_registry(settings) as registry:
            use(registry)
        before, done, spent = file_bytes(settings.store_path()), 0, 0.0
        while done < uses:
            with open_registry(settings) as registry:
                began = time.perf_counter()
                done += use(registry)
                spent += time.perf_counter() - began
        return Cost((file_bytes(settings.store_path()) - before) / done, spent / done)


def revealing(registry: Registry) -> int:
    """Reveal one value, again and again."""
    for _ in range(_ROUND):
        registry.tokens.reveal("Token 1", "api_key")
    return _ROUND


def running(tokens: int) -> Use:
    """Return what hands out so many tokens to a program, again and again."""
    wanted = [Wanted(name=f"Token {number}", prefix=f"T{number}_", process="nightly") for number in range(tokens)]

    def use(registry: Registry) -> int:
        for _ in range(_ROUND // tokens):
            registry.tokens.run(wanted)
        return _ROUND // tokens * tokens

    return use


def resolving(together: int) -> Use:
    """Return what resolves a token again and again; so many uses come to each commit."""

    def use(registry: Registry) -> int:
        for number in range(max(1, _ROUND // together) * together):
            registry.resolve("Token 1", process="nightly")
            if (number + 1) % together == 0:
                assert registry._resolver._recorder.flush()
        return max(1, _ROUND // together) * together

    return use


def measured(bench: Bench, uses: int) -> dict[str, Cost]:
    """Return what each kind of use costs."""
    costs = {
        "`reveal` by an admin": bench.cost(bench.admin, revealing, uses),
        "`reveal` by an app": bench.cost(bench.app, revealing, uses),
        "`run` by an app, one token": bench.cost(bench.app, running(1), uses),
        "`run` by an app, three tokens in one commit, each": bench.cost(bench.app, running(3), uses),
    }
    bench.set("record-resolves", "every")
    for together in (1, 20, 200):
        what = "`resolve`, a commit of its own" if together == 1 else f"`resolve`, {together} in one commit, each"
        costs[what] = bench.cost(bench.app, resolving(together), max(uses, together * 5))
    return costs


def asking(bench: Bench) -> tuple[int, float, float]:
    """Return how many uses are recorded by now, and how long ``usage`` and ``list --unused`` take for each of them."""
    with open_registry(bench.admin) as registry:
        recorded = sum(1 for _ in registry.history(HistoryQuery(event="token.disclosed")))
        spent = []
        for ask in (lambda: registry.usage("Token 1"), lambda: list(registry.tokens.list(unused=timedelta(days=90)))):
            began = time.process_time()  # nothing waits for the disk here, and other programs do not count
            ask()
            spent.append((time.process_time() - began) / recorded)
    return recorded, *spent


def year(costs: dict[str, Cost]) -> list[tuple[str, str, str]]:
    """Return what a year comes to: what is done, how many uses are recorded, and how many bytes they take."""
    alone, some, many = (cost for what, cost in costs.items() if what.startswith("`resolve`"))
    run = costs["`run` by an app, one token"]
    daily = 10 * 5 * 365 + 10 * 5 * 4
    cases = [
        ("`off`, whatever is resolved", 0, alone),
        ("`first`: 10 processes, restarted daily, of 5 tokens that change quarterly", daily, alone),
        ("`first`: 1,000 short-lived processes a day, of 2 tokens", 1_000 * 2 * 365, alone),
        ("`every`: one use a minute", _YEAR // 60, alone),
        ("`every`: one use a second", _YEAR, alone),
        ("`every`: 100 uses a second by one process", _YEAR * 100, some),
        ("`every`: 1,000 uses a second by one process", _YEAR * 1_000, many),
        ("`run` of one token every five minutes", _YEAR // 300, run),
    ]
    return [(what, f"{uses:,}", _bytes(uses * cost.bytes)) for what, uses, cost in cases]


def _bytes(count: float) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:,.3g} {unit}" if count < size * 1_000 else f"{count / size:,.0f} {unit}"
    return f"{count:,.0f} B"


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer uses")
    parser.add_argument("--folder", help="where to work: the disk that is measured (default: the temporary folder)")
    arguments = parser.parse_args()
    print(f"{platform.system()} {platform.machine()}, Python {platform.python_version()}\n")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        bench = Bench(Path(folder))
        costs = measured(bench, 300 if arguments.quick else 1_800)
        recorded, usage, unused = asking(bench)
    print("| a recorded use | bytes | time |\n|---|---|---|")
    for what, cost in costs.items():
        print(f"| {what} | {cost.bytes:,.0f} | {cost.seconds * 1_000:.2f} ms |")
    print(f"\nof {recorded:,} recorded uses, each: `usage` {usage * 1e6:.0f} us, `list --unused` {unused * 1e6:.0f} us")
    print("\n| in a year | recorded uses | bytes |\n|---|---|---|")
    for line in year(costs):
        print(f"| {' | '.join(line)} |")


if __name__ == "__main__":
    main()
