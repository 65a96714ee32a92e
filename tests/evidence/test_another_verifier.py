"""A verifier written from the documentation alone verifies what the library exported."""

import pytest

from registry import EvidenceQuery, TokenEdit, verify_evidence
from tests.evidence.another_verifier import Evidence, numbered
from tests.evidence.subjects import copied, seen


def test_every_disclosed_event_is_shown(subject):
    """Each event is in the tree, under a signed checkpoint, and opens to what the library says of it."""
    evidence = Evidence(subject.everything)
    evidence.check_signed()
    shown = {entry.position: entry for entry in verify_evidence(subject.everything).disclosed()}
    assert evidence.openings().keys() == shown.keys()
    for position, entry in shown.items():
        topic, said = evidence.opened(position)
        assert (topic, said.get("reason"), said["host"]) == (entry.event, entry.reason, entry.host)
    assert evidence.file("checkpoint") == evidence.note(evidence.manifest["commits"] - 1)


def test_the_known_checkpoint_is_one_of_the_commits(subject):
    """A checkpoint that came by another way stands among the commits, byte for byte."""
    evidence = Evidence(subject.everything)
    early = subject.early.read_bytes()
    assert early in [evidence.note(number) for number in range(evidence.manifest["commits"])]


def test_a_log_of_several_files(team, tmp_path):
    """Paths, partial files and the second level of tiles are where the page says."""
    with team.open("alice") as alice:
        for number in range(300):
            alice.tokens.edit("Mail", TokenEdit(fields={}, description=f"number {number}"))
        alice.evidence.export(tmp_path / "out", EvidenceQuery(token="Mail"))
    evidence = Evidence(tmp_path / "out")
    evidence.check_signed()
    for position in (0, 1, 254, 255, 256, 257, evidence.size - 1):
        evidence.check_included(position)
    last = max(evidence.openings())
    assert last > 256
    assert evidence.opened(last)[1]["description"] == "number 299"
    assert evidence.file("checkpoint") == evidence.note(evidence.manifest["commits"] - 1)
    assert evidence.file("checkpoint") == seen(team, "alice", tmp_path / "pin").read_bytes()


def test_numbers_are_written_in_groups():
    """The path of a file is made of groups of three digits, and says how many it holds if they are fewer."""
    assert numbered("tile/0", 1_234_067, 10**12) == "tile/0/x001/x234/067"
    assert numbered("states", 0, 256) == "states/000"
    assert numbered("states", 1, 300) == "states/001.p/44"
    assert numbered("commits", 1000, 256_001) == "commits/x001/000.p/1"


@pytest.mark.parametrize("place", [0, 40, 200])
def test_it_notices_damage(subject, tmp_path, place):
    """An entry that was changed does not lead to the root."""
    folder = copied(subject.everything, tmp_path / "copy")
    path = next((folder / "tile/entries").rglob("000.p/*"))
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises((AssertionError, ValueError, KeyError, IndexError)):
        Evidence(folder).opened(0)
