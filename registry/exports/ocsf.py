"""OCSF 1.8.0 (https://schema.ocsf.io/1.8.0): Entity Management for what changes or uses what the registry keeps.

What leaves the registry is API Activity: there, a class of its own asks who was told what. A kind of event that is
not in the table below is Entity Management's *Other*.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from msgspec import Struct

from registry.exports.escaping import json_text
from registry.exports.record import Record
from registry.values import rfc3339
from registry.views.subjects import Subject

VERSION = "1.8.0"
_PRODUCT = "token-registry"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class _Class(Struct, frozen=True):
    """A class of events, with its category."""

    uid: int
    name: str
    category_uid: int
    category: str


ENTITY_MANAGEMENT = _Class(3004, "Entity Management", 3, "Identity & Access Management")
API_ACTIVITY = _Class(6003, "API Activity", 6, "Application Activity")

CREATE, READ, UPDATE, DELETE, MOVE, OTHER = 1, 2, 3, 4, 5, 99
_CAPTIONS: Mapping[int, str] = MappingProxyType(
    {CREATE: "Create", READ: "Read", UPDATE: "Update", DELETE: "Delete", MOVE: "Move"}
)
ACTIVITIES: Mapping[str, tuple[_Class, int]] = MappingProxyType(
    {
        "roster.founded": (ENTITY_MANAGEMENT, CREATE),
        "application.registered": (ENTITY_MANAGEMENT, CREATE),
        "application.renamed": (ENTITY_MANAGEMENT, MOVE),
        "application.removed": (ENTITY_MANAGEMENT, DELETE),
        "policy.changed": (ENTITY_MANAGEMENT, UPDATE),
        "member.admitted": (ENTITY_MANAGEMENT, CREATE),
        "member.role_changed": (ENTITY_MANAGEMENT, UPDATE),
        "member.renewed": (ENTITY_MANAGEMENT, UPDATE),
        "member.removed": (ENTITY_MANAGEMENT, DELETE),
        "audience.rotated": (ENTITY_MANAGEMENT, UPDATE),
        "store.moved": (ENTITY_MANAGEMENT, MOVE),
        "token.created": (ENTITY_MANAGEMENT, CREATE),
        "token.credentials_changed": (ENTITY_MANAGEMENT, UPDATE),
        "token.provider_changed": (ENTITY_MANAGEMENT, UPDATE),
        "token.described": (ENTITY_MANAGEMENT, UPDATE),
        "token.renamed": (ENTITY_MANAGEMENT, MOVE),
        "token.encryption_changed": (ENTITY_MANAGEMENT, UPDATE),
        "token.expiry_set": (ENTITY_MANAGEMENT, UPDATE),
        "token.tested": (ENTITY_MANAGEMENT, OTHER),
        "token.deleted": (ENTITY_MANAGEMENT, DELETE),
        "token.disclosed": (API_ACTIVITY, READ),
    }
)
"""Class and activity of each topic; *Move* is OCSF's word for moving or renaming."""
_STATUSES: Mapping[str, tuple[int, str]] = MappingProxyType(
    {
        "accepted": (1, "Success"),
        "accepted_missing_scope": (1, "Success"),
        "rejected": (2, "Failure"),
        "retired": (2, "Failure"),
    }
)
"""Of connection tests by their outcomes; where the provider gave no verdict, the status is unknown."""


def line(record: Record) -> str:
    """Return one event as a line."""
    return json_text(document(record)) + "\n"


def document(record: Record) -> dict[str, Any]:
    """Return one event in its class."""
    entry = record.entry
    kind, activity = ACTIVITIES.get(entry.event, (ENTITY_MANAGEMENT, OTHER))
    verb = entry.event.rpartition(".")[2].replace("_", " ")
    caption = _CAPTIONS.get(activity, verb.capitalize())
    return {
        "class_uid": kind.uid,
        "class_name": kind.name,
        "category_uid": kind.category_uid,
        "category_name": kind.category,
        "activity_id": activity,
        "activity_name": caption,
        "type_uid": kind.uid * 100 + activity,
        "type_name": f"{kind.name}: {_CAPTIONS.get(activity, 'Other')}",
        "time": (entry.at - _EPOCH) // _MILLISECOND,
        "timezone_offset": 0,
        "severity_id": 1,
        "severity": "Informational",
        **_status(record),
        "message": f"{record.subject.kind} {record.subject.name or record.subject.id}: {verb} by {entry.actor}",
        "metadata": _metadata(record),
        "actor": {"user": {"uid": record.actor_id, "name": entry.actor}, "app_name": entry.client},
        "src_endpoint": {"hostname": entry.host},
        **(_call(record) if kind is API_ACTIVITY else _entity(record)),
        "unmapped": _unmapped(record),
    }


def _status(record: Record) -> dict[str, Any]:
    if record.entry.event != "token.tested":
        return {"status_id": 1, "status": "Success"}
    outcome, detail = record.entry.detail["outcome"], record.entry.detail["detail"]
    status_id, status = _STATUSES.get(outcome, (0, "Unknown"))
    told = {"status_id": status_id, "status": status, "status_code": outcome}
    return {**told, "status_detail": detail} if detail else told


def _metadata(record: Record) -> dict[str, Any]:
    return {
        "version": VERSION,
        "product": {"name": _PRODUCT},
        "uid": record.event_id,
        "sequence": record.entry.position,
        "event_code": record.entry.event,
        "log_name": record.origin,
        "original_time": rfc3339(record.entry.at),
        # The events of one command share a commit.
        "correlation_uid": f"{record.origin}#{record.commit}",
    }


def _entity(record: Record) -> dict[str, Any]:
    told = {"entity": _managed(record.subject)}
    if record.entry.revision is not None:
        told["entity"]["version"] = str(record.entry.revision)
    return told if record.entry.reason is None else {**told, "comment": record.entry.reason}


def _managed(about: Subject) -> dict[str, Any]:
    named = {"uid": about.id, "name": about.name or about.id}
    match about.kind:
        case "member":
            return {**named, "type_id": 2, "type": "User", "user": dict(named)}
        case "policy":
            return {**named, "type_id": 5, "type": "Policy", "policy": dict(named)}
    return {**named, "type_id": 99, "type": about.kind.capitalize()}


def _call(record: Record) -> dict[str, Any]:
    about = record.subject
    resource = {"uid": about.id, "name": about.name or about.id, "type": about.kind.capitalize()}
    if record.entry.revision is not None:
        resource["version"] = str(record.entry.revision)
    operation = record.entry.detail.get("purpose") or record.entry.event
    return {"api": {"operation": operation, "service": {"name": _PRODUCT}}, "resources": [resource]}


def _unmapped(record: Record) -> dict[str, Any]:
    entry = record.entry
    return {
        "application": entry.application,
        "revision": entry.revision,
        "changed": list(entry.changed),
        "reason": entry.reason,
        "detail": entry.detail,
        "commit": record.commit,
        "log": record.log(),
    }
