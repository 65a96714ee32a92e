"""CloudEvents 1.0.2, structured mode in JSON, one event on each line (https://github.com/cloudevents/spec).

``source`` and ``id`` together are unique and the same in every export, so that a receiver can drop what comes twice.
``sequence`` is the extension of that name: compared as text, it puts the events of one source in their order.
"""

from typing import Any
from urllib.parse import quote

from registry.exports.escaping import json_text
from registry.exports.record import Record
from registry.values import rfc3339

_TYPE = "token-registry."
_SEQUENCE_DIGITS = 20


def line(record: Record) -> str:
    """Return one event as a line."""
    return json_text(document(record)) + "\n"


def document(record: Record) -> dict[str, Any]:
    """Return one event as a CloudEvent; its data is the object of the format ``jsonl``."""
    about = record.subject
    return {
        "specversion": "1.0",
        "id": record.event_id,
        "source": record.origin,
        "type": _TYPE + record.entry.event,
        # Attributes may hold no control characters, and a hostile member chooses the name of a policy.
        "subject": f"{about.kind}/{quote(about.id, safe=':,')}",
        "time": rfc3339(record.entry.at),
        "datacontenttype": "application/json",
        "sequence": f"{record.entry.position:0{_SEQUENCE_DIGITS}}",
        "data": record.document(),
    }
