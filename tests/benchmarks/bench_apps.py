"""Measure what a running app pays: ``resolve``, in a store that did not change, after a change, and for the first time.

::

    python -m tests.benchmarks.bench_apps [--tokens TOKENS] [--rounds ROUNDS] [--folder FOLDER]

Each is measured against what it cannot do without, in the same run: asking SQLite whether anything changed, verifying
one signature, and reading a row and opening what is sealed in it. The last line is what an application on plain
``eventsourcing`` pays for a read.
"""

import argparse
import os
import platform
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from statistics import median

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from registry import Registry, Settings, open_registry
from tests.benchmarks import subjects
from tests.benchmarks.harness import Compared, Row, Side, interleaved, rate, spread, table

_FEW = 10
_TEXT = b"x" * 400
"""As long as the text of a checkpoint."""


def founded(folder: Path, tokens: int) -> Settings:
    """Found a registry with that many tokens, in which no use is recorded: that is measured elsewhere."""
    with subjects.registry_in(folder) as registry:
        for start in range(0, tokens, 10_000):
            numbers = range(start, min(tokens, start + 10_000))
            registry.importing.run([subjects.new_token(number) for number in numbers])
        registry.policies.set("record-resolves", "off")
    return subjects.settings_in(folder)


def _repeated(work: Callable[[], object], times: int) -> Side:
    def once() -> int:
        for _ in range(times):
            work()
        return times

    return lambda _: 1 / rate(once)


def unchanged(registry: Registry, times: int = 5_000) -> Side:
    """Return what resolves one token again and again."""
    return _repeated(lambda: registry.resolve("Token 1"), times)


def pragma(path: Path, times: int = 5_000) -> Side:
    """Return what asks SQLite again and again whether anything changed."""
    connection = sqlite3.connect(path)
    return _repeated(lambda: connection.execute("PRAGMA data_version").fetchone(), times)


def changed(registry: Registry, other: Registry, times: int = 50) -> Side:
    """Return what times ``resolve`` right after somebody else has committed to another token."""
    numbers = iter(range(1_000_000_000))

    def once(_: int) -> float:
        taken = []
        for _ in range(times):
            other.tokens.edit("Token 2", subjects.described(next(numbers)))
            taken.append(1 / rate(lambda: registry.resolve("Token 1") is None or 1))
        return median(taken)

    return once


def signature(times: int = 500) -> Side:
    """Return what verifies one Ed25519 signature again and again."""
    key = Ed25519PrivateKey.generate()
    public, signed = key.public_key(), key.sign(_TEXT)
    return _repeated(lambda: public.verify(signed, _TEXT), times)


def first(settings: Settings, tokens: int, times: int = 200) -> Side:
    """Return what times the first ``resolve`` of tokens in an open registry."""

    def once(round_number: int) -> float:
        with open_registry(settings) as registry:
            registry.resolve("Token 0")
            start = 1 + (round_number + 1) * times
            names = [f"Token {1 + number % (tokens - 1)}" for number in range(start, start + times)]
            return 1 / rate(lambda: len([registry.resolve(name) for name in names]))

    return once


def raw(path: Path, times: int = 200) -> Side:
    """Return what reads a row by its id and opens one sealed value of the size of a box."""
    with closing(sqlite3.connect(path)) as connection:
        ids = [token for (token,) in connection.execute("SELECT token_id FROM tokens LIMIT ?", (times,))]
    connection, key = sqlite3.connect(path), os.urandom(32)
    sealed = AESGCM(key).encrypt(bytes(12), bytes(256), None)

    def once() -> int:
        for token in ids:
            connection.execute("SELECT * FROM tokens WHERE token_id = ?", (token,)).fetchone()
            AESGCM(key).decrypt(bytes(12), sealed, None)
        return len(ids)

    return lambda _: 1 / rate(once)


def plain(folder: Path, times: int = 500) -> Side:
    """Return what gets one aggregate again and again from plain ``eventsourcing``, as it is set up by default."""
    application = subjects.plain_in(folder)
    record = subjects.record(1)
    application.save(record)
    return _repeated(lambda: application.repository.get(record.id), times)


def _row(what: str, compared: Compared, goal: str) -> Row:
    ours, theirs = spread(compared.ours, "us", 1_000_000), spread(compared.theirs, "us", 1_000_000)
    return Row(what, ours, theirs, f"{compared.ratio:.2f}", goal)


def main() -> None:
    """Run everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=100_000, help="how many tokens the large registry has")
    parser.add_argument("--rounds", type=int, default=15, help="how often each is measured")
    parser.add_argument("--folder", type=Path, help="where to work (default: the temporary folder)")
    arguments = parser.parse_args()
    print(f"{platform.system()} {platform.machine()}, Python {platform.python_version()}\n")
    rows = []
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        for tokens in (_FEW, arguments.tokens):
            settings = founded(Path(folder) / str(tokens), tokens)
            path, many = settings.store_path(), f"{tokens:,} tokens"
            with open_registry(settings) as registry, open_registry(settings) as other:
                compared = interleaved(unchanged(registry), pragma(path), arguments.rounds)
                rows.append(_row(f"`resolve`, nothing changed, {many}", compared, "<= 2"))
                compared = interleaved(changed(registry, other), signature(), arguments.rounds)
                rows.append(_row(f"`resolve` after a commit to another token, {many}", compared, "<= 3"))
                if tokens == _FEW:
                    compared = interleaved(plain(Path(folder) / "plain"), unchanged(registry), arguments.rounds)
                    rows.append(_row("`repository.get` of plain `eventsourcing`, against `resolve`", compared, ">= 10"))
            if tokens > _FEW:
                compared = interleaved(first(settings, tokens), raw(path), arguments.rounds)
                rows.append(_row(f"first `resolve` of a token, {many}", compared, "<= 12"))
    print(table(rows))


if __name__ == "__main__":
    main()
