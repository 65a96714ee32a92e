"""What a stranger is told: proven, disproved, or that it cannot be told."""

import pytest

from registry import CannotTell, EvidenceQuery, IntegrityError, InvalidValue, rfc3339, verify_evidence
from registry.log import checkpoint, note
from tests.evidence.subjects import kinds, seen, verdict


def test_evidence_goes_on_from_an_earlier_checkpoint(subject):
    """Whoever knows a checkpoint of before can rely on all that came after it."""
    report = verify_evidence(subject.everything, subject.early)
    assert report.verdict.value == "proven"
    assert report.problems == ()
    report.check()
    assert report.known.size < report.size
    assert report.known.at < report.until


def test_evidence_ends_with_the_known_checkpoint(subject):
    """The checkpoint of the export itself proves it, and names who signed it."""
    report = verify_evidence(subject.everything, subject.head)
    assert (report.verdict.value, report.known.root, report.known.size) == ("proven", report.root, report.size)
    bob = next(member for member in report.members if member.name == "bob")
    assert report.known.signers == (bob.id,)
    assert report.known.at == report.until


def test_alone_it_proves_nothing_but_itself(subject):
    """Without anything from elsewhere the whole folder could be made up, and that is said."""
    report = verify_evidence(subject.everything)
    assert (report.verdict.value, report.known, report.problems) == ("cannot tell", None, ())
    with pytest.raises(CannotTell, match="itself"):
        report.check()


def test_a_newer_checkpoint_does_not_decide(subject):
    """Evidence that ends before what is known may be an honest older one, or lack what came between."""
    report = verify_evidence(subject.everything, subject.newer)
    assert (report.verdict.value, report.known.signers, report.known.at) == ("cannot tell", (), None)
    with pytest.raises(CannotTell, match="older"):
        report.check()


def test_another_registrys_checkpoint_contradicts(subject, other):
    """Evidence of another registry than the known one is none."""
    report = verify_evidence(subject.everything, other.early)
    assert kinds(report) == {"known"}
    with pytest.raises(IntegrityError, match="another registry"):
        report.check()


def test_a_fork_is_found_out(team, tmp_path):
    """Two copies of a store that went on by themselves disprove each other, and the older past proves both."""
    common, copy = seen(team, "alice", tmp_path / "common.txt"), team.backup()
    team.do("alice", lambda alice: alice.tokens.remove("Mail"))
    mine = seen(team, "alice", tmp_path / "mine.txt")
    team.restore(copy)
    team.forget("alice")
    team.do("alice", lambda alice: alice.evidence.export(tmp_path / "theirs"))
    theirs = seen(team, "alice", tmp_path / "theirs.txt")
    assert verdict(tmp_path / "theirs", common) == verdict(tmp_path / "theirs", theirs) == "proven"
    report = verify_evidence(tmp_path / "theirs", mine)
    assert (report.verdict.value, kinds(report)) == ("disproved", {"known"})


@pytest.mark.parametrize(
    "mangled",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: f"\n\n  {text}\n\n\n",
        lambda text: text.rstrip("\n"),
        lambda text: text + "— example.org/witness 0h0omgAAAABqgaU4brf/YXF7v0nCVgssTK9Cip6H9tFS8pM7dMECbl/atQ==\n",
    ],
    ids=["line ends", "space around", "no last line end", "a stranger's signature below"],
)
def test_a_mailed_checkpoint_may_be_mangled_where_the_signature_allows(subject, tmp_path, mangled):
    """Line ends, space around it and signatures of others change nothing of what a checkpoint says."""
    path = tmp_path / "mail.txt"
    path.write_bytes(mangled(subject.early.read_text(encoding="utf-8")).encode())
    assert verdict(subject.everything, path) == "proven"


def _other_text(text):
    """Return the note with its commit's tree changed under the old signature."""
    lines = text.split("\n")
    lines[2] = note.encode_base64(bytes(32))
    return "\n".join(lines)


def _other_signature(text):
    body, line = text.rstrip("\n").rsplit(" ", 1)
    signature = bytearray(note.decode_base64(line))
    signature[-1] ^= 1
    return f"{body} {note.encode_base64(bytes(signature))}\n"


@pytest.mark.parametrize("forged", [_other_text, _other_signature])
def test_a_forged_known_checkpoint_proves_nothing(subject, tmp_path, forged):
    """A checkpoint that no member of its moment signed, or of another tree, contradicts the evidence."""
    path = tmp_path / "forged.txt"
    path.write_text(forged(subject.early.read_text(encoding="utf-8")), encoding="utf-8")
    report = verify_evidence(subject.everything, path)
    assert (report.verdict.value, kinds(report), report.known.signers) == ("disproved", {"known"}, ())


def test_the_signer_must_have_been_a_member_then(subject, tmp_path):
    """Who joined later did not see the checkpoint of before: its signature under it is no member's."""
    with subject.team.open("bob") as bob:
        made = bob._ledger.store.commit(1)
        member, identity, registry = bob._ledger.member, bob._ledger.identity, bob._ledger.registry
    signed = checkpoint.sign(made.checkpoint(registry), member.id, member.keys.signing, identity.sign)
    path = tmp_path / "later.txt"
    path.write_bytes(signed.encode())
    assert kinds(verify_evidence(subject.everything, path)) == {"known"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\x00\xff",
        "hello\n",
        "example.org/log\n5\nfKo0Xb2JKmZFTWxlEuo8PqPw0+whvj/C4jdXBf049nI=\n",
        "example.org/log\n5\nfKo0Xb2JKmZFTWxlEuo8PqPw0+whvj/C4jdXBf049nI=\n\n— example.org/log 0h0omgAAAABq\n",
    ],
    ids=["nothing", "bytes", "a word", "unsigned", "another log's"],
)
def test_what_is_no_checkpoint_is_no_known_one(subject, tmp_path, text):
    """A file that holds no checkpoint of a registry is the caller's mistake, and says nothing about the evidence."""
    path = tmp_path / "none.txt"
    path.write_bytes(text.encode("latin-1", errors="replace") if "\xff" in text else text.encode())
    with pytest.raises(InvalidValue):
        verify_evidence(subject.everything, path)


def test_files_that_are_not_there_are_the_callers_mistake(subject, tmp_path):
    """No folder and no file are no verdict."""
    for folder, known in ((tmp_path / "none", None), (subject.early, None), (subject.everything, tmp_path / "none")):
        with pytest.raises(InvalidValue):
            verify_evidence(folder, known)
    with pytest.raises(InvalidValue):
        verify_evidence(subject.everything, tmp_path)


def test_a_known_checkpoint_larger_than_any_is_not_read(subject, tmp_path):
    """A file without end is refused after as much as a checkpoint can have."""
    with pytest.raises(InvalidValue, match="larger"):
        verify_evidence(subject.everything, "/dev/zero")


def test_the_report_says_what_is_proven(subject):
    """Registry, size, root, commits, members, times and how much is disclosed are there to be compared."""
    report = verify_evidence(subject.everything, subject.head)
    team = subject.team
    assert report.registry == team.pin("alice").registry_id.hex()
    with team.open("alice") as alice:
        made = alice._ledger.store.commit_of_size(report.size)
        first = alice._ledger.store.commit(0)
    assert (report.root, report.commits, report.since, report.until) == (made.root, made.number + 1, first.at, made.at)
    assert [(member.name, member.role) for member in report.members] == [
        ("alice", "admin"),
        ("bob", "auditor"),
        ("pay", "app"),
        ("carol", None),
    ]
    assert report.openings == report.size


def test_the_report_as_json(subject):
    """The document holds what scripts rely on, and of the known checkpoint how it fits in."""
    document = verify_evidence(subject.everything, subject.early).document()
    assert list(document) == ["verdict", "registry", "size", "root", "commits", "known", "problems"]
    assert document["verdict"] == "proven"
    assert document["problems"] == []
    assert list(document["known"]) == ["registry", "commit", "size", "root", "signers", "at"]
    assert verify_evidence(subject.everything).document()["known"] is None


def test_progress_is_told(subject):
    """Whoever waits is told how many events are verified, up to all of them."""
    told = []
    report = verify_evidence(subject.everything, progress=lambda done, of_all: told.append((done, of_all)))
    assert told == sorted(told)
    assert told[-1] == (report.size, report.size)


def test_the_history_is_told_by_name(subject):
    """Disclosed events say who, when, from where, why and what, with the names that disclosed events tell."""
    shown = list(verify_evidence(subject.everything, subject.head).disclosed())
    with subject.team.open("bob") as bob:
        known = {entry.position: entry for entry in bob.history()}
    assert [entry.position for entry in shown] == list(range(len(shown)))
    assert [entry.document() for entry in shown] == [known[entry.position].document() for entry in shown]
    assert shown[-1].event == "evidence.exported"
    assert shown[-1].reason == "the audit of the year"


def test_names_that_nothing_tells_are_ids(subject):
    """Where the roster is not disclosed, members are known by their ids, and tokens by what their own events tell."""
    report = verify_evidence(subject.of_token, subject.head)
    shown = list(report.disclosed())
    assert {member.name for member in report.members} == {None}
    assert {entry.actor for entry in shown} <= {member.id for member in report.members}
    assert [(entry.event, entry.token) for entry in shown] == [
        ("token.created", "Zoom"),
        ("token.renamed", "Old Zoom"),
        ("token.described", "Old Zoom"),
        ("token.credentials_changed", "Old Zoom"),
        ("token.disclosed", "Old Zoom"),
        ("token.disclosed", "Old Zoom"),
        ("token.deleted", "Old Zoom"),
    ]


def test_a_token_whose_beginning_is_not_disclosed(team, tmp_path):
    """A history that begins in the middle shows what it tells, and makes no name up."""
    with team.open("bob") as bob:
        created, renamed = (
            next(e for e in bob.history() if e.event == topic) for topic in ("token.created", "token.renamed")
        )
        bob.evidence.export(tmp_path / "late", EvidenceQuery(token=created.token_id, since=renamed.at))
        bob.evidence.export(tmp_path / "later", EvidenceQuery(since=renamed.at, until=renamed.at))
    late = list(verify_evidence(tmp_path / "late").disclosed())
    assert late[0].event == "token.renamed"
    assert {entry.token for entry in late} == {"Old Zoom"}
    assert [rfc3339(entry.at) for entry in verify_evidence(tmp_path / "later").disclosed()] == [rfc3339(renamed.at)]
