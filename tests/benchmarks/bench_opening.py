"""Measure what a large team costs whoever opens the registry: 50 members and 200 roster events against one member.

::

    python -m tests.benchmarks.bench_opening [--rounds ROUNDS] [--profile]

The library opens in one process, with everything imported before. Goal: the median is at most 40 ms over that of a
registry with a single member.
"""

import argparse
import cProfile
import platform
import pstats
import tempfile
from collections.abc import Callable
from pathlib import Path

from registry import Identity, Registry, Settings, init_registry, join, load_settings, open_registry
from tests.benchmarks.harness import Compared, Row, interleaved, rate, spread, table

MEMBERS = 50
EVENTS = 200
_APPS = 4


def settings_of(folder: Path, name: str) -> Settings:
    """Return the settings of one machine; all share the folder's store."""
    return load_settings({"home": str(folder / name), "url": f"sqlite:///{folder / 'registry.db'}"}, {})


def team_in(folder: Path) -> dict[str, Settings]:
    """Found a registry with the members and roster events that are measured; return one machine of each role.

    A team of admins, auditors and apps grows to its size; then members come and go, with a rotation now and then.
    """
    founder = settings_of(folder, "founder")
    init_registry(founder, name="founder")
    machines = {"admin": founder}
    with open_registry(founder) as registry:
        for number in range(_APPS):
            registry.applications.register(f"App {number}", "process")
        for number in range(MEMBERS - 1):
            _admit(registry, folder, number, machines)
        number, leaving = MEMBERS - 1, 3
        while (events := registry._ledger.roster.version) < EVENTS:
            if events % 10 == 0:
                registry.members.rotate()
            elif len(registry._ledger.roster.members) == MEMBERS:
                registry.members.remove(f"member-{leaving}")
                leaving += 1
            else:
                _admit(registry, folder, number, machines)
                number += 1
        roster = registry._ledger.roster
        print(f"{len(roster.members)} members, {roster.version} roster events, {len(roster.grants):,} grants")
    return machines


def _admit(registry: Registry, folder: Path, number: int, machines: dict[str, Settings]) -> None:
    role, app = ("app", f"App {number % _APPS}") if number % 5 > 1 else (("auditor", "admin")[number % 5], None)
    identity = Identity.generate(f"member-{number}")
    invitation = registry.members.add(identity.name, role, identity.public, app=app)
    if number in (0, 2):  # they stay: the first auditor, the first app
        machines[role] = settings_of(folder, identity.name)
        identity.save(Path(machines[role].identity.value))
        join(machines[role], invitation=invitation)


def opening(settings: Settings) -> Callable[[int], float]:
    """Return what opens the registry on a machine and says how long that took."""

    def once() -> int:
        open_registry(settings).close()
        return 1

    return lambda _: 1 / rate(once)


def profiled(settings: Settings, times: int = 100) -> None:
    """Print where the time of an opening goes."""
    profile = cProfile.Profile()
    profile.enable()
    for _ in range(times):
        open_registry(settings).close()
    profile.disable()
    pstats.Stats(profile).sort_stats("tottime").print_stats(14)


def _row(role: str, compared: Compared) -> Row:
    ours, theirs = spread(compared.ours, "ms", 1_000), spread(compared.theirs, "ms", 1_000)
    over = sorted(compared.ours)[len(compared.ours) // 2] - sorted(compared.theirs)[len(compared.theirs) // 2]
    return Row(f"opening as {role}", ours, theirs, f"+{over * 1_000:.1f} ms", "<= +40 ms")


def main() -> None:
    """Run everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60, help="how often each registry is opened")
    parser.add_argument("--profile", action="store_true", help="say where the time goes")
    arguments = parser.parse_args()
    print(f"{platform.system()} {platform.machine()}, Python {platform.python_version()}\n")
    with tempfile.TemporaryDirectory() as folder:
        alone = settings_of(Path(folder) / "alone", "founder")
        init_registry(alone, name="founder")
        machines = team_in(Path(folder) / "team")
        rows = [
            _row(role, interleaved(opening(settings), opening(alone), arguments.rounds))
            for role, settings in machines.items()
        ]
        if arguments.profile:
            profiled(machines["admin"])
    print(table(rows))


if __name__ == "__main__":
    main()
