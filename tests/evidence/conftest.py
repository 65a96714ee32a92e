"""What the tests of evidence share: one team and its evidence, made once in each process and never changed."""

import pytest

from tests.evidence.subjects import copied, founded, subject as made_subject


@pytest.fixture(scope="session")
def subject(tmp_path_factory):
    """Return a team with evidence; no test changes it."""
    return made_subject(tmp_path_factory.mktemp("subject"))


@pytest.fixture(scope="session")
def other(tmp_path_factory):
    """Return another registry's team with evidence."""
    return made_subject(tmp_path_factory.mktemp("other"))


@pytest.fixture
def spoilt(subject, tmp_path):
    """Return a copy of the evidence of everything, for this test to spoil."""
    return copied(subject.everything, tmp_path / "spoilt")


@pytest.fixture
def team(tmp_path):
    """Return a team of this test's own, which has given no evidence yet."""
    return founded(tmp_path / "team")
