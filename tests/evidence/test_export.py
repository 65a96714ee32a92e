"""Giving evidence: what is recorded, chosen, written, and left behind where it fails."""

import errno
import os
import stat
from datetime import timedelta

import pytest

from registry import (
    AlreadyExists,
    EvidenceQuery,
    HistoryQuery,
    IntegrityError,
    InvalidValue,
    NotFound,
    NotPermitted,
    TokenEdit,
    Unusable,
    verify_evidence,
)
from registry.domain.token_events import TokenDescribed
from registry.evidence import writing
from registry.log.tiles import tiles_of
from registry.service.evidence import Evidence
from registry.store.rows import Stored
from tests.evidence.subjects import acknowledge, commit, files, later, new_token, seen, verdict

TOPIC = "evidence.exported"


def exported(team, name, folder, **query):
    """Export as a member."""
    return team.do(name, lambda registry: registry.evidence.export(folder, EvidenceQuery(**query)))


def recorded(team):
    """Return what the history says of exports."""
    return [entry for entry in team.do("bob", lambda bob: list(bob.history())) if entry.event == TOPIC]


def opened(folder):
    """Return the positions of what a folder discloses."""
    return [entry.position for entry in verify_evidence(folder).disclosed()]


@pytest.mark.parametrize("name", ["alice", "bob"])
def test_an_export_is_recorded_with_what_it_discloses(team, tmp_path, name):
    """Who gave evidence of what, and why, stands in the history, and in the evidence itself as its last event."""
    size = team.do("bob", lambda bob: len(list(bob.history())))
    done = team.do(name, lambda r: r.evidence.export(tmp_path / "out", reason="the audit"))
    (entry,) = recorded(team)
    assert (entry.actor, entry.reason, entry.position) == (name, "the audit", size)
    assert entry.detail == {"size": size, "openings": size + 1, "since": None, "until": None}
    assert (done.size, done.openings, done.commits) == (size + 1, size + 1, verify_evidence(tmp_path / "out").commits)
    assert [e.event for e in verify_evidence(tmp_path / "out").disclosed()][-1] == TOPIC
    assert done.document()["registry"] == team.pin("alice").registry_id.hex()


def test_the_event_names_the_tokens_and_the_times(team, tmp_path):
    """The sealed record says which tokens and which time were asked for."""
    with team.open("bob") as bob:
        token = next(entry.token_id for entry in bob.history() if entry.token == "Mail")
        since, until = team.around.clock() - timedelta(days=1), team.around.clock()
        bob.evidence.export(tmp_path / "out", EvidenceQuery(token="mail", since=since, until=until))
        ledger = bob._ledger
        (logged,) = ledger.store.events(topics=[TOPIC])
        event = ledger.opened(logged)
    assert (event.tokens, event.since, event.until, event.openings) == ((token,), since, until, 1)
    assert logged.stored.originator_id == event.by == ledger.member.id


def test_apps_give_no_evidence(team, tmp_path):
    """Who reads no event contents discloses none, and leaves neither record nor folder."""
    with pytest.raises(NotPermitted):
        exported(team, "pay", tmp_path / "out")
    assert recorded(team) == []
    assert not (tmp_path / "out").exists()


def test_a_name_means_every_token_that_ever_bore_it(team, tmp_path):
    """Chosen is what 'history' shows: renamed and deleted bearers, and what members opened of them."""
    later(team)
    asked = {"token": "Zoom"}, {"token": "Old Zoom"}, {"token": "Zoom", "app": "Payroll"}, {"app": "payroll"}, {}
    for number, query in enumerate(asked):
        exported(team, "bob", tmp_path / str(number), **query)
        expected = team.do("bob", lambda bob, query=query: [e.position for e in bob.history(HistoryQuery(**query))])
        assert opened(tmp_path / str(number)) == expected, query
        assert verify_evidence(tmp_path / str(number)).openings == len(expected)


def test_times_are_those_of_the_commits(team, tmp_path):
    """Since and until take in the moments they name; the export itself is within them or not."""
    entries = team.do("bob", lambda bob: list(bob.history()))
    since, until = entries[3].at, entries[6].at
    within = [entry.position for entry in entries if since <= entry.at <= until]
    exported(team, "bob", tmp_path / "both", since=since, until=until)
    assert opened(tmp_path / "both") == within
    exported(team, "bob", tmp_path / "since", since=since)
    assert opened(tmp_path / "since") == list(range(3, len(entries) + 2))
    exported(team, "bob", tmp_path / "none", until=entries[0].at - timedelta(seconds=1))
    assert opened(tmp_path / "none") == []
    assert verdict(tmp_path / "none", seen(team, "bob", tmp_path / "known")) == "proven"


@pytest.mark.parametrize("query", [{"token": "Nobody"}, {"app": "Nobody"}, {"token": "Mail", "app": "Payroll"}])
def test_what_there_never_was_is_not_found(team, tmp_path, query):
    """A name that nothing ever bore is refused before anything is recorded."""
    with pytest.raises(NotFound):
        exported(team, "bob", tmp_path / "out", **query)
    assert recorded(team) == []
    assert not (tmp_path / "out").exists()


def test_an_application_without_tokens_discloses_nothing(team, tmp_path):
    """An empty choice is no choice of everything."""
    team.do("alice", lambda alice: alice.applications.register("Empty", "form"))
    with pytest.raises(NotFound):
        exported(team, "bob", tmp_path / "out", app="Empty")
    assert recorded(team) == []


@pytest.mark.parametrize(
    "make",
    [lambda p: p.mkdir(), lambda p: p.touch(), lambda p: p.symlink_to("nowhere")],
    ids=["folder", "file", "link"],
)
def test_nothing_is_written_over(team, tmp_path, make):
    """Where there is anything, even a link to nothing, it stays, and nothing is recorded."""
    make(tmp_path / "out")
    with pytest.raises(AlreadyExists):
        exported(team, "bob", tmp_path / "out")
    assert recorded(team) == []
    assert not (tmp_path / "nowhere").exists()


def test_where_nothing_can_be_written_nothing_is_recorded(team, tmp_path):
    """A folder that cannot be made is found out before the history says that evidence was given."""
    for place in (tmp_path / "no" / "such" / "folder", team.store / "out"):
        with pytest.raises(Unusable, match="cannot be written"):
            exported(team, "bob", place)
    assert recorded(team) == []


def test_a_reason_that_can_never_be_right_leaves_nothing(team, tmp_path):
    """What the commit refuses leaves no folder."""
    with pytest.raises(InvalidValue):
        team.do("bob", lambda bob: bob.evidence.export(tmp_path / "out", reason="a\x07bell"))
    assert [path.name for path in tmp_path.iterdir()] == ["team"]


def test_the_layout_is_that_of_a_tiled_log(team, tmp_path):
    """There are just the tiles of a log of that size, the files that the documentation names, and nothing else."""
    size = exported(team, "bob", tmp_path / "out").size
    own = {"manifest.json", "checkpoint", "roster", "openings", f"states/000.p/{size}"}
    commits = verify_evidence(tmp_path / "out").commits
    assert set(files(tmp_path / "out")) == {tile.path() for tile in tiles_of(size)} | own | {f"commits/000.p/{commits}"}


def test_it_is_for_its_owner_alone(team, tmp_path):
    """Whom the evidence is for is decided by handing it on: until then nobody else reads it, whatever the umask."""
    old = os.umask(0)
    try:
        exported(team, "bob", tmp_path / "out")
    finally:
        os.umask(old)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    folders = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "out", *(tmp_path / "out").rglob("*/"))}
    assert (modes, folders) == ({0o600}, {0o700})


@pytest.mark.parametrize("step", ["create", "fsync", "rename"])
def test_nothing_is_left_where_the_disk_is_full(team, tmp_path, monkeypatch, step):
    """Evidence appears whole or not at all; that it was to be given stands in the history."""

    def full(*_args, **_more):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if step == "create":
        monkeypatch.setattr(writing._Files, "put", full)
    elif step == "fsync":
        monkeypatch.setattr(writing, "_sync", full)
    else:
        monkeypatch.setattr("pathlib.Path.rename", full)
    with pytest.raises(Unusable, match="No space left"):
        exported(team, "bob", tmp_path / "out")
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["team"]
    assert len(recorded(team)) == 1


def test_nothing_is_left_where_it_is_interrupted(team, tmp_path, monkeypatch):
    """Ctrl-C in the middle leaves no folder."""

    def pressed(*_args):
        raise KeyboardInterrupt

    monkeypatch.setattr(writing.Writer, "_opening", pressed)
    with pytest.raises(KeyboardInterrupt):
        exported(team, "bob", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["team"]


def test_every_file_is_on_the_disk_before_the_folder_is_in_place(team, tmp_path, monkeypatch):
    """A crash after the export is over takes no file of it away."""
    synced, fsync = set(), os.fsync

    def noticed(descriptor):
        synced.add(os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}")))  # noqa: PTH119, PTH115 - a link of the kernel's
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noticed)
    exported(team, "bob", tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").rglob("*")} <= synced
    assert tmp_path.name in synced


def test_what_others_commit_meanwhile_is_chosen_too(team, tmp_path, monkeypatch):
    """Between the choice and its record the history may go on; the choice goes on with it."""
    record = Evidence._record

    def late(self, *arguments):
        team.do("alice", lambda alice: alice.tokens.edit("Mail", TokenEdit(fields={}, description="meanwhile")))
        return record(self, *arguments)

    monkeypatch.setattr(Evidence, "_record", late)
    done = exported(team, "bob", tmp_path / "out", token="Mail")
    shown = list(verify_evidence(tmp_path / "out").disclosed())
    assert [entry.event for entry in shown] == ["token.created", "token.described"]
    assert done.openings == recorded(team)[0].detail["openings"] == 2


def test_what_others_commit_afterwards_is_not_in_it(team, tmp_path, monkeypatch):
    """The evidence ends with its own record, however long the writing takes."""
    write = writing.Writer.write

    def slow(self, *arguments):
        team.do("alice", lambda alice: alice.tokens.add(new_token("Other")))
        return write(self, *arguments)

    monkeypatch.setattr(writing.Writer, "write", slow)
    exported(team, "bob", tmp_path / "out")
    assert list(verify_evidence(tmp_path / "out").disclosed())[-1].event == TOPIC
    assert verdict(tmp_path / "out", seen(team, "bob", tmp_path / "known")) == "proven"


def test_evidence_that_does_not_verify_is_not_given(team, tmp_path):
    """What somebody changed in the database is found before anybody is given it."""
    with team.open("bob") as bob:
        list(bob.history())
        team.sql("UPDATE stored_events SET state = x'0100000001' WHERE position = 5")
        with pytest.raises(IntegrityError):
            bob.evidence.export(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_event_that_does_not_open_is_not_disclosed(team, tmp_path):
    """What a patched client wrote stops no export and stays sealed, acknowledged by an admin or not."""
    with team.open("alice") as alice:
        ledger = alice._ledger
        token = alice.tokens.show("Mail").id
        facts = {"by": ledger.member.id, "at": team.around.clock(), "host": "h", "client": "c", "revision": 1}
        event = TokenDescribed(originator_id=token, originator_version=2, description="x", **facts)
        commit(ledger, event, contents=_Garbage())
        position = ledger.store.size() - 1
    for name in ("before", "after"):
        done = exported(team, "bob", tmp_path / name)
        assert done.openings == done.size - 1
        assert position not in opened(tmp_path / name)
        exported(team, "bob", tmp_path / f"{name} of Mail", token="Mail")
        acknowledge(team, position, "contents")


class _Garbage:
    """Seals nothing, as no honest client does."""

    def stored(self, event):
        """Return a state that opens for nobody."""
        state = b"\x01\x00\x00\x00\x01" + bytes(100)
        return Stored(event.originator_id, event.originator_version, event.TOPIC, state)


def test_a_long_log_fills_many_files(team, tmp_path):
    """Files of 256 follow one another, and the tree has a second level of tiles; nothing is lost at the seams."""
    with team.open("alice") as alice:
        for number in range(260):
            alice.tokens.edit("Mail", TokenEdit(fields={}, description=f"number {number}"))
        done = alice.evidence.export(tmp_path / "out", EvidenceQuery(token="Mail"))
    known = seen(team, "alice", tmp_path / "known")
    found = files(tmp_path / "out")
    assert done.commits > 260
    assert {"states/000", "commits/000", "tile/entries/000", "tile/0/000", "tile/1/000.p/1"} <= set(found)
    assert {path.rpartition(".p/")[0] for path in found if ".p/" in path} == {
        "states/001",
        "commits/001",
        "tile/entries/001",
        "tile/0/001",
        "tile/1/000",
    }
    report = verify_evidence(tmp_path / "out", known)
    assert report.verdict.value == "proven"
    assert [entry.detail.get("description") for entry in report.disclosed()][1:] == [f"number {n}" for n in range(260)]
