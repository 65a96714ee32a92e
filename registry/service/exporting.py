"""The use case of those who feed other tools: the history in their formats."""

from collections import deque
from collections.abc import Iterable, Iterator

from registry.errors import InvalidValue
from registry.exports.formats import ExportFormat, lines
from registry.exports.record import Record
from registry.log.checkpoint import origin
from registry.log.note import encode_base64
from registry.service.history import HistoryQuery, Reading
from registry.service.ledger import Ledger
from registry.store.rows import LoggedEvent
from registry.views.history import HistoryFilter, Told, told
from registry.views.names import NAMING_TOPICS, Names
from registry.views.subjects import subject


def export(ledger: Ledger, query: HistoryQuery | None, form: ExportFormat | str, after: int | None) -> Iterator[str]:
    """Return the wanted events behind a position as lines; nothing is kept but the names of tokens."""
    form, query = _known(form), query or HistoryQuery()
    reading = Reading(ledger, query.as_of)
    wanted = reading.wanted(query)
    records = _records(ledger.registry, reading, wanted, after)
    chosen: Iterable[Record] = records if query.last is None else deque(records, maxlen=query.last)
    return lines(chosen, form, begins=after is None)


def _known(form: str) -> ExportFormat:
    try:
        return ExportFormat(form)
    except ValueError:
        raise InvalidValue(f"there is no format {form!r}", f"the formats are: {', '.join(ExportFormat)}") from None


def _records(registry: bytes, reading: Reading, wanted: HistoryFilter, after: int | None) -> Iterator[Record]:
    names = Names(reading.directory, partial=reading.lenient)
    if after is None or after >= reading.size - 1:  # most often, nothing has happened since the last export
        log = reading.events(0 if after is None else after + 1)
    else:
        log = _behind(reading, wanted, names, after)
    for one in told(log, reading.opened, names, wanted):
        yield record(registry, one, names)


def record(registry: bytes, one: Told, names: Names) -> Record:
    """Return what is exported of an event."""
    stored = one.logged.stored
    return Record(
        entry=one.entry,
        event_id=f"{stored.originator_id}@{stored.originator_version}",
        commit=one.logged.commit,
        actor_id=one.event.by,
        subject=subject(one.event, names, registry.hex()),
        origin=origin(registry),
        leaf_hash=encode_base64(one.logged.leaf(registry).hashed()),
    )


def _behind(reading: Reading, wanted: HistoryFilter, names: Names, last: int) -> Iterator[LoggedEvent]:
    """Yield the events behind a position, where ``names`` have learnt what tokens are called.

    Nothing else before it needs to be opened, but all of it is read: only the whole history proves that no name was
    left out.
    """
    for logged in reading.events():
        if logged.position > last:
            yield logged
        elif logged.stored.topic in NAMING_TOPICS and wanted.may_concern(logged):
            names.follow(reading.opened(logged))
