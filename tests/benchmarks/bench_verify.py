"""Measure what ``verify`` costs: events a second and core, and its signatures against a bare loop over Ed25519.

::

    python -m tests.benchmarks.bench_verify [--tokens TOKENS] [--changes CHANGES] [--edits EDITS] [--rounds ROUNDS]

Two stores are made: one of few commits with many events each (an import, and imports over it, of which every fourth
changes credentials), one of commits with a single event each. Goals: 40,000 events a second and core in the first,
contents, tree and rows included; in the second, 0.8 of the signatures that a bare loop verifies on all cores.
"""

import argparse
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from registry import NewToken, OnConflict, Settings, verify_registry
from registry.pins import Pins
from registry.store.raw import RawStore
from registry.store.sqlite import SQLitePlace
from registry.store.sqlite_raw import open_raw
from registry.verify.crew import Crew, cores
from registry.verify.spans import Span, spans
from registry.verify.taking import take
from registry.verify.walking import Walked, Walker
from tests.benchmarks.harness import Row, interleaved, spread, table
from tests.benchmarks.subjects import credentials, described, description, new_token, registry_in, settings_in

_TEXT = b"x" * 400
"""As long as the text of a checkpoint."""
_EACH = 100


def imported(folder: Path, tokens: int, changes: int) -> Settings:
    """Make a store by an import and several more over it."""
    with registry_in(folder) as registry:
        registry.importing.run([new_token(number) for number in range(tokens)])
        for change in range(1, changes + 1):
            entries = [
                NewToken(
                    name=f"Token {number}",
                    provider="zoom",
                    fields=credentials(number + change // 4),
                    description=description(number + change),
                )
                for number in range(tokens)
            ]
            registry.importing.run(entries, on_conflict=OnConflict.OVERWRITE)
    return settings_in(folder)


def edited(folder: Path, edits: int) -> Settings:
    """Make a store of commits with one event each."""
    with registry_in(folder) as registry:
        registry.importing.run([new_token(number) for number in range(_EACH)])
        for number in range(edits):
            registry.tokens.edit(f"Token {number % _EACH}", described(number + edits))
    return settings_in(folder)


def verifying(settings: Settings, workers: int) -> Callable[[int], float]:
    """Return what verifies a store and says how many events it did a second and core."""

    def once(_: int) -> float:
        start = time.perf_counter()
        outcome = verify_registry(settings, workers=workers)
        assert outcome.ok, outcome.problems
        return outcome.size / (time.perf_counter() - start) / workers

    return once


class Signatures:
    """The commits of one store, verified by as many processes as there are cores."""

    def __init__(self, settings: Settings) -> None:
        path = settings.store_path()
        pin = Pins(Path(settings.state.value)).get(SQLitePlace(path).url)
        assert pin is not None
        self._path = path
        with closing(open_raw(path)) as store:
            self._moment = take(store, pin.registry_id)
            outline = list(store.outline(self._moment.commits))
        self.commits = self._moment.commits
        self._pieces = list(spans(outline, 0, 0, self._moment.end))

    @contextmanager
    def _walking(self) -> Iterator[Callable[[Span], Walked]]:
        with closing(RawStore(self._path, lenient=False)) as store:
            yield Walker(store, self._moment.timeline, datetime.max.replace(tzinfo=UTC)).walk

    def ours(self, _: int) -> float:
        """Return how many commits a second are verified: their events' leaves, nodes, roots and signatures."""
        with Crew(self._walking, cores()) as crew:
            start = time.perf_counter()
            assert all(walked.after is not None for _, walked in crew.do(self._pieces))
            return self.commits / (time.perf_counter() - start)

    def bare(self, _: int) -> float:
        """Return how many signatures a second a loop over nothing else verifies."""
        with Crew(_loops, cores()) as crew:
            tasks = self.commits // _EACH
            start = time.perf_counter()
            done = sum(number for _, number in crew.do(range(tasks)))
            return done / (time.perf_counter() - start)


@contextmanager
def _loops() -> Iterator[Callable[[int], int]]:
    key = Ed25519PrivateKey.generate()
    public, signature = key.public_key(), key.sign(_TEXT)

    def work(_: int) -> int:
        for _ in range(_EACH):
            public.verify(signature, _TEXT)
        return _EACH

    yield work


def main() -> None:
    """Run everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=2_000, help="how many tokens the first store has")
    parser.add_argument("--changes", type=int, default=16, help="how often each of them is changed")
    parser.add_argument("--edits", type=int, default=10_000, help="how many commits the second store has")
    parser.add_argument("--rounds", type=int, default=7, help="how often each is measured")
    parser.add_argument("--folder", type=Path, default=None, help="where the stores are made")
    arguments = parser.parse_args()
    print(f"{platform.system()} {platform.machine()}, {cores()} cores, Python {platform.python_version()}\n")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        many = imported(Path(folder) / "many", arguments.tokens, arguments.changes)
        single = edited(Path(folder) / "single", arguments.edits)
        signatures = Signatures(single)
        both = interleaved(verifying(many, cores()), verifying(many, 1), arguments.rounds)
        signed = interleaved(signatures.ours, signatures.bare, arguments.rounds)
        whole = interleaved(verifying(single, cores()), verifying(single, 1), arguments.rounds)
    alone = "in one process"
    events = f"events of {arguments.changes + 1} commits, a core"
    ratio = f"{signed.ratio:.2f}"
    checked = f"signatures of {signatures.commits:,} commits"
    rows = [
        Row(
            events, spread(both.ours, "/s"), f"{spread(both.theirs, '/s')} {alone}", f"{both.ratio:.2f}", ">= 40,000 /s"
        ),
        Row(checked, spread(signed.ours, "/s"), f"{spread(signed.theirs, '/s')} bare", ratio, ">= 0.8"),
        Row("commits of one event, a core", spread(whole.ours, "/s"), f"{spread(whole.theirs, '/s')} {alone}"),
    ]
    print(table(rows))


if __name__ == "__main__":
    main()
