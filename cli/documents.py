"""What the library returns, as rows and records for people."""

from typing import TYPE_CHECKING, Any

import registry
from cli.output import message
from cli.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from registry import HistoryEntry, Registry, TestResult, TokenView, Whoami

    Exposed = Sequence[tuple[str, str | None]]

TOKEN_HEADER = ("Name", "Application", "Provider", "Revision", "Changed", "By", "Expires", "Last test")
EXPOSED_HEADER = ("Exposed", "Application")
HISTORY_HEADER = (
    "Pos",
    "At",
    "Actor",
    "Event",
    "Token",
    "Application",
    "Rev",
    "Changed",
    "Detail",
    "Reason",
)


def token_row(view: "TokenView") -> tuple[str, ...]:
    """Return a token as a row under ``TOKEN_HEADER``."""
    return (
        view.name,
        view.application or "-",
        view.provider,
        str(view.revision),
        _minute(view.changed_at),
        view.changed_by,
        _minute(view.expires_at),
        view.last_test.outcome if view.last_test else "-",
    )


def token_record(view: "TokenView") -> list[tuple[str, str]]:
    """Return a token as labels and values."""
    pairs = [
        ("Name", view.name),
        ("Id", view.id),
        ("Scope", f"application {view.application}" if view.application else "global"),
        ("Provider", view.provider),
        ("Description", view.description or "-"),
        ("Encrypted", "yes" if view.encrypted else "no, readable in the database"),
    ]
    for name, field in view.fields.items():
        value = "(secret, set)" if field.secret else (field.value or "")
        pairs.append((f"  {name}", value if field.set else "-"))
    pairs += [
        ("Revision", str(view.revision)),
        ("Created", f"{registry.rfc3339(view.created_at)} by {view.created_by}"),
        ("Changed", f"{registry.rfc3339(view.changed_at)} by {view.changed_by}"),
        ("Expires", registry.rfc3339(view.expires_at) if view.expires_at else "never"),
    ]
    if view.last_test:
        test = view.last_test
        pairs.append(("Last test", f"{test.outcome} at {registry.rfc3339(test.at)}, revision {test.revision}"))
        if test.detail:
            pairs.append(("", test.detail))
    else:
        pairs.append(("Last test", "never"))
    return pairs


def test_document(result: "TestResult") -> dict[str, object]:
    """Return a connection test as the JSON object of ``test``."""
    return {
        "outcome": result.outcome.value,
        "detail": result.detail,
        "missing_scopes": list(result.missing_scopes),
        "retry_at": registry.rfc3339(result.retry_at) if result.retry_at else None,
    }


def test_record(result: "TestResult") -> list[tuple[str, str]]:
    """Return a connection test as labels and values."""
    pairs = [("Outcome", result.outcome.value)]
    if result.detail:
        pairs.append(("Detail", result.detail))
    if result.missing_scopes:
        pairs.append(("Missing scopes", ", ".join(result.missing_scopes)))
    if result.retry_at:
        pairs.append(("Try again at", registry.rfc3339(result.retry_at)))
    return pairs


def history_row(entry: "HistoryEntry") -> tuple[str, ...]:
    """Return an event as a row under ``HISTORY_HEADER``."""
    return (
        str(entry.position),
        f"{entry.at:%Y-%m-%d %H:%M:%S}",
        entry.actor,
        entry.event,
        entry.token or "-",
        entry.application or "-",
        "-" if entry.revision is None else str(entry.revision),
        ", ".join(entry.changed) or "-",
        one_line(_telling(entry.detail)) or "-",
        entry.reason or "-",
    )


def _telling(detail: "Mapping[str, Any]") -> dict[str, object]:
    """Return of an event's detail what is worth a line: no long text, and of verdicts only what is remarkable."""
    telling = {name: value for name, value in detail.items() if name not in {"description", "verdicts"}}
    verdicts = detail.get("verdicts", {})
    if "exposed" in telling:
        telling["exposed"] = len(detail["exposed"]) or None  # they may be thousands
    return telling | {name: verdict for name, verdict in verdicts.items() if verdict not in {"new", "same"}}


def warn_pending(opened: "Registry") -> None:
    """Tell people if what was overwritten has not left the files yet."""
    if opened.shred_pending:
        message("shredding is pending: a reader of the store keeps what was replaced in its files; 'doctor' says more")


def warn_exposed(exposed: "Exposed") -> None:
    """Tell people what to do about tokens that a former holder of their keys could have opened."""
    if exposed:
        many = "one token" if len(exposed) == 1 else f"{len(exposed)} tokens"
        message(f"it could have opened {many}: change the credentials at the provider, then here")


def exposed_document(exposed: "Exposed") -> list[dict[str, str | None]]:
    """Return exposed tokens as a JSON array."""
    return [{"name": name, "application": application} for name, application in exposed]


def exposed_rows(exposed: "Exposed") -> list[tuple[str, ...]]:
    """Return exposed tokens as rows under ``EXPOSED_HEADER``."""
    return [(name, application or "-") for name, application in exposed]


def whoami_document(own: "Whoami") -> dict[str, object]:
    """Return who the caller is as the JSON object of ``whoami``."""
    return {
        "member": own.member,
        "role": own.role,
        "application": own.application,
        "registry_id": own.registry_id,
        "store": own.store,
        "may_open": list(own.may_open),
    }


def whoami_record(own: "Whoami") -> list[tuple[str, str]]:
    """Return who the caller is as labels and values."""
    return [
        ("Member", own.member),
        ("Role", f"{own.role} of {own.application}" if own.application else own.role),
        ("May open", ", ".join(own.may_open) or "nothing"),
        ("Registry", own.registry_id),
        ("Store", own.store),
    ]


def _minute(moment: "datetime | None") -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else "-"
