"""Damage anywhere: no changed byte passes for the evidence it was, and none is answered with a traceback."""

import random

import pytest

from registry import verify_evidence
from tests.evidence.subjects import files

PLACES = 8
"""How many places of a large file are tried; of a small one, all."""


def places(length, chance):
    """Return where a file of that length is changed: its ends, its beginning, and places all over it."""
    some = {0, 1, length // 2, length - 2, length - 1, *(chance.randrange(length) for _ in range(PLACES))}
    return sorted(place for place in (range(length) if length <= PLACES else some) if 0 <= place < length)


def damaged(data, chance):
    """Yield the ways in which a file can be damaged, each with its name."""
    for place in places(len(data), chance):
        bit = 1 << chance.randrange(8)
        yield f"flip {place}", data[:place] + bytes([data[place] ^ bit]) + data[place + 1 :]
        yield f"delete {place}", data[:place] + data[place + 1 :]
        yield f"insert {place}", data[:place] + bytes([chance.randrange(256)]) + data[place:]
        yield f"cut {place}", data[:place]
        yield f"zero {place}", data[:place] + bytes(min(8, len(data) - place)) + data[place + 8 :]
        yield f"fill {place}", data[:place] + b"\xff" * min(8, len(data) - place) + data[place + 8 :]
        yield f"double {place}", data[:place] + data[place : place + 40] + data[place:]
    yield "append a line", data + b"\n"
    yield "append itself", data + data


NAMES = (
    "checkpoint",
    "commits/000.p/{commits}",
    "manifest.json",
    "openings",
    "roster",
    "states/000.p/{size}",
    "tile/0/000.p/{size}",
    "tile/entries/000.p/{size}",
)


def judged(folder, known):
    """Return the verdict, with all that is disclosed read, as the command does."""
    report = verify_evidence(folder, known)
    assert all(entry.document() for entry in report.disclosed())
    report.document()
    return report.verdict.value


def test_there_are_no_other_files(subject):
    """Every file of the evidence is damaged below."""
    report = verify_evidence(subject.everything)
    named = [name.format(size=report.size, commits=report.commits) for name in NAMES]
    assert sorted(named) == files(subject.everything)


@pytest.mark.parametrize("name", NAMES)
def test_damage_is_found_out(subject, spoilt, name):
    """A flipped, lost, added or doubled byte anywhere in any file disproves the evidence."""
    whole = verify_evidence(subject.everything)
    path = spoilt / name.format(size=whole.size, commits=whole.commits)
    data, chance = path.read_bytes(), random.Random(name)  # noqa: S311 - the same damage each time
    passed = []
    for what, changed in damaged(data, chance):
        if changed != data:
            path.write_bytes(changed)
            if judged(spoilt, subject.early) != "disproved":
                passed.append(what)
    assert passed == []


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_is_not_there_is_missed(subject, spoilt, name):
    """Without any one of its files the evidence proves nothing, however empty the file's place is left."""
    whole = verify_evidence(subject.everything)
    path = spoilt / name.format(size=whole.size, commits=whole.commits)
    path.write_bytes(b"")
    assert judged(spoilt, subject.early) == "disproved"
    path.unlink()
    assert judged(spoilt, subject.early) == "disproved"
    path.mkdir()
    assert judged(spoilt, subject.early) == "disproved"


def test_no_two_files_can_be_exchanged(subject, spoilt):
    """Each file stands for itself: in the place of another it disproves the evidence."""
    names = files(spoilt)
    for number, first in enumerate(names):
        for second in names[number + 1 :]:
            one, two = (spoilt / first).read_bytes(), (spoilt / second).read_bytes()
            if one == two:
                continue
            (spoilt / first).write_bytes(two)
            (spoilt / second).write_bytes(one)
            assert judged(spoilt, subject.early) == "disproved", (first, second)
            (spoilt / first).write_bytes(one)
            (spoilt / second).write_bytes(two)
    assert judged(spoilt, subject.early) == "proven"


def test_no_file_of_another_export_fits(subject, other, spoilt, tmp_path):
    """Two exports cannot be merged: neither of two registries, nor of one registry at two moments."""
    for foreign in (other.everything, subject.of_token):
        for name in files(spoilt):
            path, mine = spoilt / name, (spoilt / name).read_bytes()
            matching = [f for f in files(foreign) if f.split(".p/")[0] == name.split(".p/")[0]]
            theirs = (foreign / matching[0]).read_bytes()
            if theirs != mine:
                path.write_bytes(theirs)
                assert judged(spoilt, subject.early) == "disproved", (foreign.name, name)
                path.write_bytes(mine)
    assert judged(spoilt, subject.early) == "proven"


def test_chance_damage_in_many_files_at_once(subject, spoilt):
    """Whatever several bytes of several files become, the answer is a verdict."""
    chance = random.Random(7)  # noqa: S311 - the same damage each time
    names = files(spoilt)
    originals = {name: (spoilt / name).read_bytes() for name in names}
    for _ in range(150):
        chosen = chance.sample(names, chance.randint(1, 3))
        for name in chosen:
            data = bytearray(originals[name])
            for _ in range(chance.randint(1, 4)):
                place = chance.randrange(len(data))
                data[place : place + chance.randint(0, 3)] = chance.randbytes(chance.randint(0, 3))
            (spoilt / name).write_bytes(data)
        changed = any((spoilt / name).read_bytes() != originals[name] for name in chosen)
        assert judged(spoilt, subject.early) == ("disproved" if changed else "proven")
        for name in chosen:
            (spoilt / name).write_bytes(originals[name])
