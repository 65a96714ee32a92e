"""Measurements, run by hand: ``python -m tests.benchmarks.bench_registry``. They are no tests; nothing here fails."""
