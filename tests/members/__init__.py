"""Tests of members, roles and keys."""
