"""The transcripts: command lines, and exactly what they print."""

from pathlib import Path

import pytest

from tests.cli.play import TRANSCRIPTS, play

EVERY_ENGINE = True


@pytest.mark.parametrize("path", sorted(TRANSCRIPTS.glob("*.txt")), ids=lambda path: path.stem)
def test_transcript(path: Path, tmp_path):
    """The commands of a transcript print what stands in it; ``python -m tests.cli.play`` writes it anew."""
    assert play(path.read_text(encoding="utf-8"), tmp_path) == path.read_text(encoding="utf-8")
