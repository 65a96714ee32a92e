"""The golden events: what was stored once decodes for ever, and is written today to the same bytes."""

import pytest

from registry.domain.roster_events import RosterEvent
from registry.store import codec
from registry.store.topics import topics
from tests.golden import make, samples

FILES = {path.name: path.read_bytes() for path in make.EVENTS.iterdir()}


def stored(name):
    """Return the document of a golden event: its clear core, where it has one, and what is sealed."""
    if f"{name}.json" in FILES:
        return codec.decode(FILES[f"{name}.json"])
    return codec.decode(FILES[f"{name}.core.json"]) | codec.decode(FILES[f"{name}.sealed.json"])


@pytest.mark.parametrize("name", samples.EVENTS)
def test_a_golden_event_decodes(name):
    """Every sample means today what it meant when it was stored."""
    sample = samples.EVENTS[name]
    decoded = codec.from_document(type(sample), stored(name), originator_id=samples.TOKEN, originator_version=1)
    assert decoded == sample


def test_golden_events_are_written_to_the_same_bytes():
    """Encoding the samples gives the files, byte by byte, and there is no file without a sample."""
    assert make.events() == FILES


def test_every_kind_of_event_has_a_golden_sample():
    """A new kind of event comes with a sample of its own."""
    assert {type(event) for event in samples.EVENTS.values()} == set(topics().values())


@pytest.mark.parametrize("name", [name for name, event in samples.EVENTS.items() if isinstance(event, RosterEvent)])
def test_the_clear_core_of_a_roster_event_names_nobody(name):
    """Names, reasons, hosts and clients stand in the sealed part alone."""
    core = FILES[f"{name}.core.json"]
    for sealed in (b"alice", b"Payroll", b"L\xc3\xb6hne", b"because", b"desk", b"token-registry"):
        assert sealed not in core
    assert not codec.decode(core).keys() & samples.EVENTS[name].SEALED
