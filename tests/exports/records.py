"""What tests of exports share: one record of each kind of event from fixed facts, and one whose texts are chosen."""

from typing import Any

from msgspec import structs

from registry.domain.events import Event
from registry.exports.record import Record
from registry.service import exporting
from registry.store.rows import LoggedEvent, Stored
from registry.values import TokenId
from registry.views.directory import Directory
from registry.views.history import HistoryEntry, HistoryFilter, told
from registry.views.names import Names
from tests.golden import samples
from tests.golden.samples import APPLICATION, AT, MEMBER, REGISTRY, TOKEN

TEXTS = ("actor", "token", "application", "reason", "host", "client")
"""The texts of an entry that members choose, in its own order."""


def names() -> Names:
    """Return the names that fixed events are read with."""
    directory = Directory({MEMBER: "alice"}, {APPLICATION: "Löhne"}, {APPLICATION: "Löhne"}, {}, {}, {})
    return Names(directory, {TOKEN: ("Zoom", APPLICATION), "22" * 16: ("Mail", None)})


def record_of(event: Event, position: int = 41) -> Record:
    """Return what is exported of an event that lies at a fixed place."""
    stored = Stored(event.originator_id, event.originator_version, event.TOPIC, b"sealed")
    logged = LoggedEvent(position, 7, MEMBER, AT, stored)
    known = names()
    (one,) = told([logged], lambda _: event, known, HistoryFilter())
    return exporting.record(REGISTRY, one, known)


def sampled() -> dict[str, Record]:
    """Return a record of every sample, in the order of their names."""
    return {name: record_of(event) for name, event in sorted(samples.EVENTS.items())}


def record_with(**parts: Any) -> Record:
    """Return a record whose entry has these parts."""
    plain = {
        "position": 41,
        "at": AT,
        "actor": "alice",
        "event": "token.described",
        "token_id": TokenId(TOKEN),
        "token": "Zoom",
        "application": None,
        "revision": 2,
        "changed": ("description",),
        "reason": None,
        "host": "desk",
        "client": "tests/1",
        "detail": {"description": "text"},
    }
    return structs.replace(record_of(samples.EVENTS["token.described"]), entry=HistoryEntry(**{**plain, **parts}))
