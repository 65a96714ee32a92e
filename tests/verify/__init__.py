"""Tests of verification: a rich registry, and what is found when something in it is changed by hand."""
