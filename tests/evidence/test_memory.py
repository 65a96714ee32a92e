"""Evidence of a long history takes no more memory than that of a short one."""

import gc
import tracemalloc

import pytest
from msgspec import structs

from registry import init_registry, load_settings, open_registry, verify_evidence
from registry.domain.token_events import TokenDescribed
from tests.evidence.subjects import new_token

TINY, SHORT, LONG, TOGETHER = 60, 1_100, 2_100, 50
MOST = 250_000
"""Bytes by which the longer history may take more; the states of its further events alone would be 850,000."""


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """Return the settings of two registries that differ in nothing but the number of their events."""
    found = {}
    for size in (TINY, SHORT, LONG):
        settings = load_settings({"home": str(tmp_path_factory.mktemp("log"))}, {})
        init_registry(settings, name="ada")
        with open_registry(settings) as registry:
            token = registry.tokens.add(new_token("Zoom")).token.id
            for first in range(2, size, TOGETHER):
                describe(registry._ledger, token, first)
        found[size] = settings
    return found


def describe(ledger, token, first):
    """Commit many events of a token at once, as an import would."""
    with ledger.turn() as turn:
        common = {"originator_id": token, "revision": 1, "description": "x" * 500, **structs.asdict(turn.context)}
        ledger.commit(turn, [TokenDescribed(originator_version=n, **common) for n in range(first, first + TOGETHER)])


def peak(work):
    """Return how many bytes the work held at most."""
    gc.collect()
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_history(logs, tmp_path):
    """Exporting, verifying and reading go through the history in small steps."""
    peaks = {"export": [], "verify": [], "read": []}
    for size, settings in logs.items():
        folder = tmp_path / str(size)
        with open_registry(settings) as registry:
            peaks["export"].append(peak(lambda registry=registry, folder=folder: registry.evidence.export(folder)))
        peaks["verify"].append(peak(lambda folder=folder: verify_evidence(folder)))
        report = verify_evidence(folder)
        assert report.size > size
        peaks["read"].append(peak(lambda report=report: sum(1 for _ in report.disclosed())))
    # The first is there for what is loaded once and kept.
    assert {what: long - short for what, (_, short, long) in peaks.items() if long - short > MOST} == {}
