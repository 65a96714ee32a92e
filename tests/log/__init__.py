"""Tests of the tamper-evident log."""
