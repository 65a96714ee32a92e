"""Parts of a verified log: whatever is read from the middle of it is proven, or refused before it is used."""

from itertools import groupby

import pytest
from msgspec import structs

from registry.errors import IntegrityError
from registry.store import proven
from registry.store.proven import ProvenLog

SIZES = (1, 3, 2, 7, 1, 1, 12, 4, 1, 5)


class Altered:
    """A store that shows something else in the place of one event, or nothing at all."""

    def __init__(self, store, position, instead):
        self.nodes = store.nodes
        self._store, self._position, self._instead = store, position, instead

    def events(self, start=0, topics=(), end=None):
        """Yield the events of the store, all but one."""
        for logged in self._store.events(start, topics, end):
            if logged.position != self._position:
                yield logged
            elif self._instead is not None:
                yield self._instead(logged)


ALTERATIONS = {
    "dropped": None,
    "another state": lambda e: structs.replace(e, stored=structs.replace(e.stored, state=b"other")),
    "another topic": lambda e: structs.replace(e, stored=structs.replace(e.stored, topic="token.deleted")),
    "another stream": lambda e: structs.replace(e, stored=structs.replace(e.stored, originator_id="e" * 32)),
    "another commit": lambda e: structs.replace(e, commit=e.commit + 1),
    "another author": lambda e: structs.replace(e, author="e" * 32),
    "another position": lambda e: structs.replace(e, position=e.position + 1),
}


@pytest.fixture
def log(store, writer, monkeypatch):
    """Return a store with commits of several sizes, of which few are checked at a time."""
    monkeypatch.setattr(proven, "_BATCH", 6)
    number = 0
    for size in SIZES:
        writer.put([writer.created(number + more) for more in range(size)])
        number += size
    return store


def reader(log, writer, source=None):
    """Return what reads the log, or what another source shows of it."""
    return ProvenLog(source or log, writer.registry, log.head())


def commits(log, start):
    """Return what is to be read from a position on."""
    return [list(events) for _, events in groupby(log.events(start), key=lambda logged: logged.commit)]


def test_any_part_is_read_by_commits(log, writer):
    """From each position on, all events come once, those of one commit together."""
    for start in range(log.size() + 1):
        assert list(reader(log, writer).commits(start)) == commits(log, start)


@pytest.mark.parametrize("alteration", ALTERATIONS.values(), ids=ALTERATIONS)
def test_what_was_altered_is_never_read(log, writer, alteration):
    """Nothing that is not the log's is yielded, wherever the reading begins, and it never ends as if all were well."""
    for position in range(0, log.size(), 3):
        for start in range(0, position + 1, 2):
            genuine, seen = commits(log, start), []
            with pytest.raises(IntegrityError):
                seen.extend(reader(log, writer, Altered(log, position, alteration)).commits(start))
            assert seen == genuine[: len(seen)]
            assert all(logged.position < position for commit in seen for logged in commit)


def test_nodes_that_were_changed_are_noticed(log, writer):
    """Nodes of the tree that do not lead to the verified root are refused, and so are missing ones."""
    for wrong in (lambda numbers: dict.fromkeys(numbers, b"\x07" * 32), lambda _: {}):
        source = Altered(log, -1, None)
        source.nodes = wrong
        with pytest.raises(IntegrityError):
            list(reader(log, writer, source).commits(5))
        with pytest.raises(IntegrityError):
            reader(log, writer, source).check(next(log.events(5)))


def test_single_events_are_proven_too(log, writer):
    """An event that is looked up by itself is checked at its own position, and none behind the head is believed."""
    checked = reader(log, writer)
    for logged in log.events():
        assert checked.check(logged) is logged
        for alteration in ALTERATIONS.values():
            if alteration is not None:
                with pytest.raises(IntegrityError):
                    checked.check(alteration(logged))


def test_what_came_behind_the_head_is_left_out(log, writer):
    """Whoever verified up to a commit reads up to it, whatever is there by now."""
    early = reader(log, writer)
    size = log.size()
    writer.put([writer.created(99)])
    assert [logged.position for commit in early.commits(0) for logged in commit] == list(range(size))
