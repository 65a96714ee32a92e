"""Measure the registry against plain ``eventsourcing`` with its own cipher, on the same disk, in one run.

::

    python -m tests.benchmarks.bench_registry [--quick] [--folder FOLDER]

It prints a table in Markdown. ``docs/benchmarks.md`` says what each line means and keeps the results.
"""

import argparse
import platform
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

from registry import Registry, TokenEdit, open_registry
from tests.benchmarks import subjects
from tests.benchmarks.harness import Compared, Row, Side, file_bytes, interleaved, process_seconds, rate, spread, table

_ROOT = Path(__file__).resolve().parents[2]
_IMPORTS = """
import click, sqlite3, eventsourcing.application
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
"""
# What the installed script does, without depending on where it was installed.
_COMMAND = (sys.executable, "-c", "from cli.main import run; run()")
_TOKENS = 100
_BULK = 1_000


class Bench:
    """One run: where it works, and how long it takes its time."""

    def __init__(self, folder: Path, *, quick: bool) -> None:
        self.folder = folder
        self.quick = quick
        self._made = 0

    def fresh(self) -> Path:
        """Return a path nobody has used."""
        self._made += 1
        return self.folder / f"run{self._made}"

    def rounds(self, usual: int) -> int:
        """Return how many rounds to run."""
        return max(3, usual // 4) if self.quick else usual


def processes(bench: Bench) -> list[Row]:
    """Time commands as whole processes against an interpreter that only imports what they stand on."""
    home = bench.fresh()
    with subjects.registry_in(home) as registry:
        registry.tokens.add(subjects.new_token(1))
    environment = {"TOKEN_REGISTRY_HOME": str(home), "PYTHONPATH": str(_ROOT)}
    rows = []
    for what, command, imports, goal in (
        ("show", ("show", "Token 1", "--format", "json"), _IMPORTS, "<= 1.3"),
        ("reveal", ("reveal", "Token 1", "--field", "api_key", "--reason", "measured"), _IMPORTS, "<= 1.3"),
        ("--help", ("--help",), "import click", "<= 1.2"),
    ):
        ours, theirs = [*_COMMAND, *command], [sys.executable, "-c", imports]
        compared = interleaved(
            lambda _, run=ours: process_seconds(run, environment),  # type: ignore[misc]  # bound now, not later
            lambda _, run=theirs: process_seconds(run, environment),  # type: ignore[misc]
            bench.rounds(24),
        )
        rows.append(_row(f"`{what}`, whole process", compared, "ms", 1_000, goal))
    return rows


def changes(bench: Bench, what: str, change: Callable[[int], TokenEdit], goal: str) -> Row:
    """Count commits a second that change one token each, against ``repository.get`` and ``save`` of the baseline."""
    compared = interleaved(
        lambda n: _our_changes(bench, change, n), lambda n: _their_changes(bench, n), bench.rounds(12)
    )
    return _row(what, compared, "/s", 1, goal)


def _our_changes(bench: Bench, change: Callable[[int], TokenEdit], round_number: int) -> float:
    with subjects.registry_in(bench.fresh()) as registry:
        registry.importing.run([subjects.new_token(number) for number in range(_TOKENS)])

        def work() -> int:
            for turn in range(2):
                for number in range(_TOKENS):
                    serial = (round_number + 2) * 1_000_000 + turn * _TOKENS + number
                    registry.tokens.edit(f"Token {number}", change(serial))
            return 2 * _TOKENS

        return rate(work)


def _their_changes(bench: Bench, round_number: int) -> float:
    plain = subjects.plain_in(bench.fresh())
    records = [subjects.record(number) for number in range(_TOKENS)]
    plain.save(*records)

    def work() -> int:
        for turn in range(2):
            for number, saved in enumerate(records):
                serial = (round_number + 2) * 1_000_000 + turn * _TOKENS + number
                record: subjects.Record = plain.repository.get(saved.id)
                record.describe(subjects.description(serial))
                plain.save(record)
        return 2 * _TOKENS

    result = rate(work)
    plain.close()
    return result


def bulk(bench: Bench) -> Row:
    """Count tokens a second in one commit of a thousand, against one ``save`` of a thousand aggregates."""
    compared = interleaved(lambda _: _our_bulk(bench), lambda _: _their_bulk(bench), bench.rounds(12))
    return _row(f"import of {_BULK:,} tokens in one commit", compared, "/s", 1, ">= 0.5")


def _our_bulk(bench: Bench) -> float:
    with subjects.registry_in(bench.fresh()) as registry:
        return rate(lambda: len(registry.importing.run([subjects.new_token(number) for number in range(_BULK)])))


def _their_bulk(bench: Bench) -> float:
    plain = subjects.plain_in(bench.fresh())
    result = rate(lambda: len(plain.save(*[subjects.record(number) for number in range(_BULK)])))
    plain.close()
    return result


def store_bytes(bench: Bench) -> list[Row]:
    """Measure how much the file of the store grows by one change, pages and indexes included."""
    rows = []
    baseline = f"{_their_bytes(bench):,.0f} B"
    for what, change, goal in (
        ("description of 100 characters", subjects.described, "<= 1,300 B"),
        ("credentials", subjects.credentialed, "<= 1,700 B"),
    ):
        grown = _our_bytes(bench, change)
        rows.append(Row(f"store bytes for a change of {what}", f"{grown:,.0f} B", "" if rows else baseline, goal=goal))
    return rows


def _our_bytes(bench: Bench, change: Callable[[int], TokenEdit]) -> float:
    home, count = bench.fresh(), 200 if bench.quick else 1_000
    path = subjects.settings_in(home).store_path()

    def work(registry: Registry) -> None:
        for number in range(count):
            registry.tokens.edit(f"Token {number % _TOKENS}", change(1_000_000 + number))

    with subjects.registry_in(home) as registry:
        registry.importing.run([subjects.new_token(number) for number in range(_TOKENS)])
        work(registry)  # the current rows take their place once
    before = file_bytes(path)
    with open_registry(subjects.settings_in(home)) as registry:
        for number in range(count):
            registry.tokens.edit(f"Token {number % _TOKENS}", change(2_000_000 + number))
    return (file_bytes(path) - before) / count


def _their_bytes(bench: Bench) -> float:
    path, count = bench.fresh(), 200 if bench.quick else 1_000
    plain = subjects.plain_in(path)
    records = [subjects.record(number) for number in range(_TOKENS)]
    plain.save(*records)
    plain.close()
    before, plain = file_bytes(path), subjects.plain_in(path)
    for number in range(count):
        record = records[number % _TOKENS]
        record.describe(subjects.description(2_000_000 + number))
        plain.save(record)
    plain.close()
    return (file_bytes(path) - before) / count


def long_list(bench: Bench) -> Row:
    """Time ``list`` of many tokens as JSON, less what it takes where there are none."""
    home, empty, tokens = bench.fresh(), bench.fresh(), 1_000 if bench.quick else 10_000
    with subjects.registry_in(home) as registry, subjects.registry_in(empty):
        registry.importing.run([subjects.new_token(number) for number in range(tokens)])

    def listing(home: Path) -> Side:
        environment = {"TOKEN_REGISTRY_HOME": str(home), "PYTHONPATH": str(_ROOT)}
        return lambda _: process_seconds([*_COMMAND, "list", "--format", "json"], environment)

    compared = interleaved(listing(home), listing(empty), bench.rounds(8))
    over = median(compared.ours) - median(compared.theirs)
    each = over / tokens * 1_000_000
    return Row(
        f"`list` of {tokens:,} tokens as JSON, over start-up",
        f"{over * 1_000:,.0f} ms ({each:,.0f} us a token)",
        goal="<= 500 ms",
    )


def _row(what: str, compared: Compared, unit: str, factor: float, goal: str) -> Row:
    ours, theirs = spread(compared.ours, unit, factor), spread(compared.theirs, unit, factor)
    return Row(what, ours, theirs, f"{compared.ratio:.2f}", goal)


def main() -> None:
    """Run everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, in less than a minute")
    parser.add_argument("--folder", help="where to work: the disk that is measured (default: the temporary folder)")
    arguments = parser.parse_args()
    print(f"{platform.system()} {platform.machine()}, Python {platform.python_version()}\n")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        bench = Bench(Path(folder), quick=arguments.quick)
        rows = [
            *processes(bench),
            changes(bench, "commits that change a description", subjects.described, ">= 0.5"),
            changes(bench, "commits that change credentials", subjects.credentialed, ">= 0.25"),
            bulk(bench),
            *store_bytes(bench),
            long_list(bench),
        ]
    print(table(rows))


if __name__ == "__main__":
    main()
