"""Tests of evidence for outsiders."""
