"""Forged evidence: put together with care by somebody who knows the layout, and yet not what was committed."""

import os

import pytest

from registry import IntegrityError, verify_evidence
from registry.evidence.opening import envelope_of, opened_event
from registry.log.checkpoint import Checkpoint
from registry.log.note import encode_base64, parse
from registry.sealing import envelope
from tests.evidence.forging import Pieces, hashed, relabelled
from tests.evidence.subjects import kinds, verdict


@pytest.fixture
def pieces(subject):
    """Return the evidence of everything, taken apart."""
    return Pieces.of(subject.everything)


@pytest.fixture
def judged(subject, tmp_path):
    """Return what puts pieces together and says the verdict and the kinds of problems."""

    def judge(pieces, known=None, **more):
        report = verify_evidence(pieces.put(tmp_path / "forged", **more), known or subject.early)
        assert list(report.disclosed()) == [] or report.verdict.value != "disproved"
        return report.verdict.value, kinds(report)

    return judge


def test_the_tools_put_together_what_was_taken_apart(subject, pieces, judged, tmp_path):
    """Pieces that nobody changed are the evidence again, byte for byte."""
    assert judged(pieces) == ("proven", set())
    for path in subject.everything.rglob("*"):
        if path.is_file():
            assert (tmp_path / "forged" / path.relative_to(subject.everything)).read_bytes() == path.read_bytes()


def test_a_shorter_history_is_an_older_one(subject, pieces, judged):
    """Cut at a commit, evidence is that of an earlier day: true to who knows less, undecided to who knows more."""
    early = Checkpoint.parse(parse(subject.early.read_bytes()).text)
    pieces.cut(early.commit + 1)
    assert judged(pieces) == ("proven", set())
    assert judged(pieces, subject.head) == ("cannot tell", set())
    pieces.cut(early.commit)
    assert judged(pieces) == ("cannot tell", set())


def test_an_older_checkpoint_is_not_the_newest(pieces, judged, tmp_path, subject):
    """The checkpoint of an earlier commit in the place of the last one's is found out."""
    pieces.put(tmp_path / "forged")
    (tmp_path / "forged" / "checkpoint").write_bytes(pieces.notes[-2])
    assert verdict(tmp_path / "forged", subject.early) == "disproved"


def test_a_history_that_ends_within_a_commit_is_none(pieces, judged):
    """Events cannot be cut off behind the last commit that is kept, nor stand behind it."""
    pieces.entries.pop()
    pieces.states.pop()
    pieces.openings.pop(len(pieces.entries))
    assert judged(pieces)[0] == "disproved"
    pieces.notes.pop()
    assert judged(pieces)[0] == "proven"
    pieces.notes.pop()
    assert judged(pieces)[0] == "disproved"


@pytest.mark.parametrize("commit", [0, 1, 5, 9])
def test_no_commit_can_be_left_out(pieces, judged, commit):
    """Commits are dense: without one, the next is not followed."""
    start = ([0, *pieces.sizes()])[commit]
    end = pieces.sizes()[commit]
    del pieces.notes[commit], pieces.entries[start:end], pieces.states[start:end]
    pieces.openings = {}
    assert judged(pieces) == ("disproved", {"commit"})


def test_no_event_can_be_left_out_of_a_commit(pieces, judged):
    """Without an event, the rest of the history is at other positions than it says."""
    position = pieces.first_of("token.described")
    del pieces.entries[position], pieces.states[position]
    pieces.openings = {}
    verdict_, found = judged(pieces)
    assert verdict_ == "disproved"
    assert "event" in found


def test_no_two_commits_can_be_exchanged(pieces, judged):
    """The order of commits is part of what each of them vouches for."""
    pieces.notes[3], pieces.notes[4] = pieces.notes[4], pieces.notes[3]
    assert judged(pieces)[0] == "disproved"


def test_no_commit_can_be_repeated(pieces, judged):
    """A commit that stands there twice is not the next one."""
    pieces.notes.append(pieces.notes[-1])
    assert judged(pieces)[0] == "disproved"


def test_states_cannot_be_exchanged(pieces, judged):
    """A state is that of its entry, whatever is done to the entries; both are named."""
    pieces.states[2], pieces.states[3] = pieces.states[3], pieces.states[2]
    assert judged(pieces) == ("disproved", {"event"})
    for position in (2, 3):
        pieces.entries[position] = relabelled(pieces.entries[position], state_hash=hashed(pieces.states[position]))
    assert judged(pieces) == ("disproved", {"commit", "opening"})


@pytest.mark.parametrize(
    "lie",
    [
        {"at": "2020-01-01T00:00:00Z"},
        {"author": "0" * 32},
        {"topic": "token.deleted"},
        {"originator_id": "0" * 32},
        {"version": 9},
        {"commit": 9},
        {"position": 9},
        {"registry": bytes(32)},
        {"state_hash": bytes(32)},
    ],
    ids=lambda lie: next(iter(lie)),
)
def test_no_entry_can_say_anything_else(pieces, judged, lie):
    """Each part of an entry is under the root that its author signed."""
    pieces.entries[4] = relabelled(pieces.entries[4], **lie)
    assert judged(pieces)[0] == "disproved"


@pytest.mark.parametrize("entry", [b"", b"\x00" * 5, b"\xff" * 300, "hé".encode() * 40])
def test_an_entry_that_is_none_is_refused(pieces, judged, entry):
    """What is no leaf of an event is not taken for one."""
    pieces.entries[4] = entry
    assert judged(pieces)[0] == "disproved"


def test_openings_cannot_be_exchanged(pieces, judged):
    """An opening opens its own event and no other: both are found out, the rest of the history stands."""
    pieces.openings[2], pieces.openings[3] = pieces.openings[3], pieces.openings[2]
    assert judged(pieces) == ("disproved", {"opening"})


@pytest.mark.parametrize("key", [bytes(32), b"\xff" * 32, os.urandom(32)], ids=["zeros", "ones", "chance"])
def test_an_opening_cannot_be_made_up(pieces, judged, key):
    """No key but the event's own opens it: it would have to fit the commitment in the envelope."""
    pieces.openings[2] = key
    assert judged(pieces) == ("disproved", {"opening"})


def test_an_opening_of_no_event_is_refused(pieces, judged):
    """Behind the last event there is nothing to open."""
    pieces.openings[len(pieces.entries)] = bytes(32)
    assert judged(pieces) == ("disproved", {"folder"})


def test_openings_may_be_left_out(pieces, judged, subject):
    """Whoever hands evidence on may disclose less of it: what is proven stays so."""
    pieces.openings = {2: pieces.openings[2]}
    assert judged(pieces) == ("proven", set())


def test_no_opening_opens_any_other_event(pieces):
    """An auditor who discloses one event discloses no second one, whichever it is tried at."""
    registry = bytes.fromhex(pieces.registry)
    stored = [pieces.stored(position) for position in range(len(pieces.entries))]
    for position, key in pieces.openings.items():
        for tried, event in enumerate(stored):
            if tried == position:
                assert opened_event(registry, event, key).by == pieces.leaf(position).author
            else:
                with pytest.raises(IntegrityError):
                    opened_event(registry, event, key)


def test_both_kinds_of_envelopes_are_among_them(pieces):
    """The evidence above has events sealed by holders of the key, under two generations of it, and by others."""
    found = set()
    for position in range(len(pieces.entries)):
        sealed = envelope_of(pieces.stored(position))
        found.add((envelope.addressed(sealed), envelope.generation(sealed)))
    assert found == {(False, 1), (True, 1), (False, 2), (True, 2)}


@pytest.mark.parametrize("roster", [[], [0], [0, 1, 2]])
def test_the_index_of_the_roster_is_checked(pieces, judged, roster):
    """The index leaves no event of the roster out, and names no other."""
    assert judged(pieces, roster=roster) == ("disproved", {"folder"})


def _resigned(text, pieces):
    """Return the last note with a line of its text changed, under its old signature."""
    before = pieces.notes[-1].decode()
    after = text(before)
    assert after != before
    return after.encode()


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("commit ", "commit 1", 1),
        lambda text: text.replace("\nshredded ", "\nshredded 1"),
        lambda text: text.replace("\nroster-length ", "\nroster-length 1"),
        lambda text: text.replace("\npresent ", "\npresent A"),
        lambda text: text.replace("\n\n", "\nanother line\n\n"),
        lambda text: text + text.split("\n\n")[1],
        lambda text: text.replace("/", "/./", 1),
        lambda text: text.rsplit(" ", 1)[0] + f" {encode_base64(bytes(68))}\n",
        lambda text: text.rsplit(" ", 1)[0] + f" {encode_base64(bytes(9))}\n",
        lambda text: text.rsplit("/", 1)[0] + f"/{'0' * 32} " + text.rsplit(" ", 1)[1],
        lambda text: text.rsplit("/", 1)[0] + "/nobody " + text.rsplit(" ", 1)[1],
    ],
    ids="commit shredded length present line twice origin zeros short stranger nobody".split(),  # noqa: SIM905 - as they stand above
)
def test_no_checkpoint_can_say_anything_else(pieces, judged, change):
    """Each line of a checkpoint and of its signature is the author's, as it was signed."""
    pieces.notes[-1] = _resigned(change, pieces)
    assert judged(pieces)[0] == "disproved"


def test_the_id_of_the_key_is_its_own(pieces, judged):
    """A signature line names the author's key: a valid signature under another id is refused."""
    head = pieces.notes[-1].decode().rpartition(" ")[0]
    signature = parse(pieces.notes[-1]).signatures[0].value
    pieces.notes[-1] = f"{head} {encode_base64(bytes(4) + signature)}\n".encode()
    assert judged(pieces) == ("disproved", {"commit"})


def test_two_registries_cannot_be_merged(pieces, other, judged):
    """The history of one registry does not go on in that of another, whoever its id is claimed to be."""
    theirs = Pieces.of(other.everything)
    mixed = Pieces(pieces.registry, theirs.entries, theirs.states, theirs.notes, theirs.openings)
    assert judged(mixed)[0] == "disproved"
    cut = pieces.sizes()[4]
    pieces.entries[cut:], pieces.states[cut:] = theirs.entries[cut:], theirs.states[cut:]
    pieces.notes[5:] = theirs.notes[5:]
    pieces.openings = {}
    assert judged(pieces)[0] == "disproved"


def test_another_founding_is_another_registry(pieces, other, judged):
    """The registry's id is the hash of its founding statement: no other statement stands under it."""
    theirs = Pieces.of(other.everything)
    pieces.states[0] = theirs.states[0]
    pieces.entries[0] = relabelled(pieces.entries[0], state_hash=hashed(pieces.states[0]))
    assert judged(pieces)[0] == "disproved"
