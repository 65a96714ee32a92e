"""Folders made to mislead or to hurt whoever verifies them: links, pipes, foreign files, sizes without bound."""

import gc
import json
import os
import socket

import pytest

from registry import IntegrityError, Unusable, verify_evidence
from registry.evidence import findings, layout
from tests.evidence.subjects import files, kinds


def judged(folder, subject):
    """Return the verdict and the kinds of problems against a checkpoint that the true evidence proves."""
    report = verify_evidence(folder, subject.early)
    return report.verdict.value, kinds(report)


DISPROVED = ("disproved", {"folder"})


@pytest.mark.parametrize(
    "path",
    ["README", ".DS_Store", "tile/0/001", "tile/0/000", "tile/9/000.p/1", "tile/entries/000.p/1", "commits/x", "a/b"],
)
def test_a_file_that_does_not_belong_is_refused(subject, spoilt, path):
    """What no verifier looks at could be read by somebody as part of what was proven."""
    (spoilt / path).parent.mkdir(parents=True, exist_ok=True)
    (spoilt / path).write_bytes(b"")
    assert judged(spoilt, subject) == DISPROVED


@pytest.mark.parametrize("path", ["tile/1", "tile/0/x001", "states/001.p", "more", "more/and/more"])
def test_an_empty_folder_that_does_not_belong_is_refused(subject, spoilt, path):
    """Not even an empty folder may be added."""
    (spoilt / path).mkdir(parents=True)
    assert judged(spoilt, subject) == DISPROVED


def test_a_name_that_is_no_text_is_refused(subject, spoilt):
    """Names of files are bytes: those that are no text are reported like others."""
    (spoilt / os.fsdecode(b"\xff\xfe\n\x1b[2J")).write_bytes(b"")
    report = verify_evidence(spoilt, subject.early)
    assert kinds(report) == {"folder"}
    assert report.problems[0].message.isprintable()


def test_no_link_is_followed(subject, spoilt, tmp_path):
    """A link to the true file, within or outside, is no file of the evidence, wherever it stands on the way."""
    for name in files(spoilt):
        path = spoilt / name
        moved = tmp_path / "moved"
        path.rename(moved)
        path.symlink_to(moved)
        assert judged(spoilt, subject)[0] == "disproved", name
        path.unlink()
        moved.rename(path)
    for name in ("tile", "tile/0", "tile/entries", "commits", "states"):
        path = spoilt / name
        path.rename(tmp_path / "moved")
        path.symlink_to(tmp_path / "moved")
        assert judged(spoilt, subject)[0] == "disproved", name
        path.unlink()
        (tmp_path / "moved").rename(path)
    assert judged(spoilt, subject) == ("proven", set())


def test_the_folder_itself_may_be_reached_by_a_link(subject, tmp_path):
    """Where the evidence lies is the caller's to say."""
    (tmp_path / "link").symlink_to(subject.everything)
    assert judged(tmp_path / "link", subject) == ("proven", set())


@pytest.mark.parametrize("name", ["manifest.json", "checkpoint", "openings", "roster"])
def test_a_pipe_holds_nobody_up(subject, spoilt, name):
    """A pipe or a socket in the place of a file is not waited for."""
    (spoilt / name).unlink()
    os.mkfifo(spoilt / name)
    assert judged(spoilt, subject)[0] == "disproved"
    (spoilt / name).unlink()
    listening = socket.socket(socket.AF_UNIX)
    here = os.open(spoilt, os.O_RDONLY)
    try:
        listening.bind(f"/proc/self/fd/{here}/{name}")  # the path of a socket has to be short
        assert judged(spoilt, subject)[0] == "disproved"
    finally:
        os.close(here)
        listening.close()


def test_a_device_is_not_read(subject, spoilt):
    """Whatever has no end is not a file of the evidence."""
    (spoilt / "openings").unlink()
    (spoilt / "openings").symlink_to("/dev/zero")
    assert judged(spoilt, subject)[0] == "disproved"


@pytest.mark.parametrize("name", ["manifest.json", "checkpoint", "tile/0/000.p/{size}", "tile/entries/000.p/{size}"])
def test_a_file_without_bound_is_not_read_to_its_end(subject, spoilt, name):
    """A file that claims terabytes takes no more memory than a true one may have."""
    path = spoilt / name.format(size=verify_evidence(subject.everything).size)
    os.truncate(path, 1 << 40)
    assert judged(spoilt, subject)[0] == "disproved"


@pytest.mark.parametrize("kind", [layout.STATES, layout.COMMITS])
def test_a_length_without_bound_is_not_believed(subject, spoilt, kind):
    """A part that says it has gigabytes is refused by its length."""
    path = next((spoilt / kind).rglob("000.p/*"))
    start = len(layout.magic(kind))
    data = path.read_bytes()
    path.write_bytes(data[:start] + b"\xff\xff\xff\xff" + data[start + 4 :])
    assert judged(spoilt, subject)[0] == "disproved"


def manifest(spoilt, **changes):
    """Write the manifest with some of its values changed."""
    path = spoilt / "manifest.json"
    path.write_text(f"{json.dumps(json.loads(path.read_bytes()) | changes, indent=2)}\n", encoding="utf-8")


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 2},
        {"version": True},
        {"format": "evidence"},
        {"registry": "0" * 64},
        {"registry": "../" * 21 + "0"},
        {"registry": "A" * 64},
        {"size": 2**63 - 1},
        {"size": 2**64},
        {"size": 1e3},
        {"size": 0},
        {"size": -1},
        {"size": "12"},
        {"commits": 2**63 - 1},
        {"commits": 0},
        {"commits": 1},
        {"roster": 0},
        {"openings": 0},
        {"openings": 2**63 - 1},
        {"another": 1},
    ],
    ids=str,
)
def test_a_manifest_that_lies_is_found_out(subject, spoilt, changes):
    """Whatever the manifest says is held against the rest, and unknown members or versions are refused."""
    manifest(spoilt, **changes)
    assert judged(spoilt, subject)[0] == "disproved"


@pytest.mark.parametrize(
    "rewritten",
    [
        lambda text: json.dumps(json.loads(text)),
        lambda text: text.rstrip("\n"),
        lambda text: text.replace("{", '{\n  "size": 1,', 1),
        lambda text: text.replace("\n}", ',\n  "size": 1\n}'),
        lambda text: "\ufeff" + text,
        lambda text: text + " ",
        lambda text: "[" * 100_000,
        lambda text: "null",
    ],
    ids=["compact", "no end", "double first", "double last", "mark", "space", "nested", "null"],
)
def test_the_manifest_has_one_form(subject, spoilt, rewritten):
    """Doubled keys, other spaces and what stands behind it are refused, so that all readers read the same."""
    path = spoilt / "manifest.json"
    path.write_text(rewritten(path.read_text(encoding="utf-8")), encoding="utf-8")
    assert judged(spoilt, subject) == DISPROVED


def test_so_many_problems_are_told_and_no_more(subject, spoilt, monkeypatch):
    """A folder made to be wrong everywhere fills no memory, and is still disproved."""
    monkeypatch.setattr(findings, "MOST", 5)
    for number in range(20):
        (spoilt / f"stranger{number}").touch()
    for tile in (spoilt / "tile").rglob("000.p/*"):
        tile.unlink()
    report = verify_evidence(spoilt, subject.early)
    assert report.verdict.value == "disproved"
    assert len(report.problems) == 6
    assert any("more problems" in problem.message for problem in report.problems)


def test_a_folder_that_changes_while_it_is_read_is_not_shown(subject, spoilt):
    """What is shown is what was verified: if an opening is exchanged between the two, the reading ends as a failure."""
    report = verify_evidence(spoilt, subject.early)
    path = spoilt / "openings"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(IntegrityError, match="changed while"):
        list(report.disclosed())
    path.write_bytes(layout.magic("openings") + (2**62).to_bytes(8, "big") + bytes(32))
    with pytest.raises(IntegrityError):
        list(report.disclosed())


def test_a_folder_that_may_not_be_read_is_no_verdict(subject, spoilt, monkeypatch):
    """That a disk or its rights fail says nothing about the evidence."""
    opening = os.open

    def refused(path, *arguments, **more):
        if path == "roster":
            raise PermissionError(13, "Permission denied")
        return opening(path, *arguments, **more)

    monkeypatch.setattr(os, "open", refused)
    with pytest.raises(Unusable, match="roster"):
        verify_evidence(spoilt, subject.early)


def test_no_descriptor_is_left_open(subject, spoilt):
    """Verifying, whatever comes of it, leaves no file open."""
    (spoilt / "roster").unlink()
    (spoilt / "tile/0").rename(spoilt / "elsewhere")
    gc.collect()  # what other tests left behind is not counted
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a folder of the kernel's
    for folder in (spoilt, subject.everything):
        list(verify_evidence(folder, subject.early).disclosed())
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - as above
