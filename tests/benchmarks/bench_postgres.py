"""Measure a registry in PostgreSQL against what one cannot do without there, on the same server in the same run.

::

    python -m tests.benchmarks.bench_postgres [--commits COMMITS] [--rounds ROUNDS]

The server is one of its own, on this machine, and waits for the disk. ``TOKEN_REGISTRY_TEST_URL`` names another one.
"""

import argparse
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from eventsourcing.cryptography import AESCipher

from registry import Registry, TokenEdit
from tests.benchmarks import subjects
from tests.benchmarks.bench_scale import rate_of
from tests.benchmarks.harness import Row, Side, interleaved, rate, spread, table
from tests.servers import Server, running

_TOKENS = 100
_ASKED = 2_000
_MANY = 16


class Bench:
    """A server, and a folder for the machines of those who use it."""

    def __init__(self, server: Server, folder: Path, rounds: int) -> None:
        self.server = server
        self.rounds = rounds
        self._folder = folder
        self._numbers = count()

    def home(self) -> Path:
        """Return the home of a machine whose store will be in a schema that is not there yet."""
        home = self._folder / str(next(self._numbers))
        home.mkdir()
        url = self.server.store_url(self.server.schema())
        (home / "config.toml").write_text(f'url = "{url}"\n', encoding="utf-8")
        return home

    @contextmanager
    def registry(self) -> Iterator[Registry]:
        """Found a registry with some tokens in it."""
        with subjects.registry_in(self.home()) as registry:
            registry.importing.run([subjects.new_token(number) for number in range(_TOKENS)])
            registry.policies.set("record-resolves", "off")
            yield registry

    def plain(self) -> subjects.Plain:
        """Return plain ``eventsourcing`` on the same server, encrypted by its own cipher."""
        host = parse_qs(urlsplit(self.server.url).query)["host"][0]
        schema = self.server.schema()
        self.server.sql(f'CREATE SCHEMA "{schema}"')
        return subjects.Plain(
            env={
                "PERSISTENCE_MODULE": "eventsourcing.postgres",
                "POSTGRES_DBNAME": "postgres",
                "POSTGRES_HOST": host,
                "POSTGRES_PORT": "5432",
                "POSTGRES_USER": "postgres",
                "POSTGRES_PASSWORD": "",
                "POSTGRES_SCHEMA": schema,
                "CIPHER_TOPIC": "eventsourcing.cryptography:AESCipher",
                "CIPHER_KEY": AESCipher.create_key(32),
            }
        )


def unchanged(bench: Bench) -> Row:
    """Compare ``resolve`` of a token in a store that nobody changes with the shortest question there is."""
    with bench.registry() as registry, bench.server.connect() as connection:
        cursor = connection.cursor()

        def ours(_: int) -> float:
            return 1 / rate(lambda: sum(bool(registry.resolve("Token 1")) for _ in range(_ASKED)))

        def theirs(_: int) -> float:
            return 1 / rate(lambda: sum(bool(cursor.execute("SELECT 1").fetchone()) for _ in range(_ASKED)))

        compared = interleaved(ours, theirs, bench.rounds)
    shown = [spread(side, "us", 1_000_000) for side in (compared.ours, compared.theirs)]
    return Row("`resolve`, nothing changed, against `SELECT 1`", *shown, f"{compared.ratio:.2f}", "<= 1.3")


def described(bench: Bench) -> Row:
    """Compare commits that change a description with those of plain ``eventsourcing``."""
    with bench.registry() as registry, bench.plain() as plain:
        records: list[UUID] = []
        for number in range(_TOKENS):
            record = subjects.record(number)
            plain.save(record)
            records.append(record.id)

        def ours(turn: int) -> float:
            return rate(lambda: sum(_described(registry, turn, number) for number in range(_TOKENS)))

        def theirs(turn: int) -> float:
            return rate(lambda: sum(_saved(plain, one, turn) for one in records))

        compared = interleaved(ours, theirs, bench.rounds)
    shown = [spread(side, "/s") for side in (compared.ours, compared.theirs)]
    return Row("commits that change a description", *shown, f"{compared.ratio:.2f}", ">= 0.5")


def store_bytes(bench: Bench, changes: int = 1_000) -> Row:
    """Return how much the tables and their indexes grow by one change of a description."""
    with bench.registry() as registry:
        schema = str(registry._ledger.store.place).rpartition("schema=")[2]

        def size() -> int:
            for name in ("tokens", "present_units"):
                bench.server.sql(f'VACUUM FULL "{schema}".{name}')
            statement = "SELECT SUM(pg_total_relation_size(oid))::bigint FROM pg_class WHERE relkind = 'r'"
            return int(bench.server.sql(f"{statement} AND relnamespace = '{schema}'::regnamespace")[0][0])

        before = size()
        for number in range(changes):
            _described(registry, number // _TOKENS, number % _TOKENS)
        grown = (size() - before) / changes
    return Row("bytes for a change of description of 100 characters, tables and indexes", f"{grown:,.0f} B")


def _described(registry: Registry, turn: int, number: int) -> int:
    change: TokenEdit = subjects.described(1_000 * (turn + 2) + number)
    registry.tokens.edit(f"Token {number}", change)
    return 1


def _saved(plain: subjects.Plain, record: UUID, turn: int) -> int:
    aggregate: subjects.Record = plain.repository.get(record)
    aggregate.describe(subjects.description(turn + 2))
    plain.save(aggregate)
    return 1


def together(bench: Bench, commits: int) -> Row:
    """Compare many processes that commit at once with one."""
    waits = []

    def side(processes: int) -> Side:
        def once(_: int) -> float:
            made, longest = rate_of(bench.home(), processes, commits)
            waits.append(longest)
            return made

        return once

    compared = interleaved(side(_MANY), side(1), max(1, bench.rounds // 3))
    what = f"{commits:,} commits from {_MANY} processes at once; the longest wait {max(waits):.2f} s"
    return Row(
        what, spread(compared.ours, "/s"), f"{spread(compared.theirs, '/s')} from one", f"{compared.ratio:.2f}", ">= 1"
    )


def main() -> None:
    """Run everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commits", type=int, default=800, help="how many commits are made at once")
    parser.add_argument("--rounds", type=int, default=9, help="how often each is measured")
    arguments = parser.parse_args()
    print(f"{platform.system()} {platform.machine()}, Python {platform.python_version()}\n")
    with running(lasting=True) as server, tempfile.TemporaryDirectory() as folder:
        bench = Bench(server, Path(folder), arguments.rounds)
        print(table([unchanged(bench), described(bench), together(bench, arguments.commits), store_bytes(bench)]))


if __name__ == "__main__":
    main()
