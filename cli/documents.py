"""What the library returns, as rows and records for people."""

from typing import TYPE_CHECKING, Any

import registry
from cli.output import message
from cli.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from registry import (
        FieldChange,
        HistoryEntry,
        Registry,
        RegistryError,
        TestResult,
        TokenChange,
        TokenView,
        Usage,
        Whoami,
    )

    Exposed = Sequence[tuple[str, str | None]]

TOKEN_HEADER = ("Name", "Application", "Provider", "Revision", "Changed", "By", "Expires", "Last test")
EXPOSED_HEADER = ("Exposed", "Application")
USAGE_HEADER = ("Member", "Application", "Process", "Host", "Purposes", "Uses", "First use", "Last use", "Rev")
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
TOKEN_CHANGE_HEADER = ("Pos", "At", "Event", "Token id")


DIFF_HEADER = (*HISTORY_HEADER[:7], "Changes", "Reason")
_SECRET_VERDICTS = {
    "set": "set",
    "new": "has a new value",
    "same": "has the same value",
    "used before": "has a value that was used before",
    "unset": "unset",
    "unknown": "has some value",
}
_LONGEST_VALUE = 60
_MOST_USERS = 20


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


def token_document(view: "TokenView", as_of: "datetime | None") -> dict[str, object]:
    """Return a token as the JSON object of ``show``; what is not of today says of when it is."""
    return view.document() if as_of is None else {**view.document(), "as_of": registry.rfc3339(as_of)}


def token_record(view: "TokenView", as_of: "datetime | None" = None) -> list[tuple[str, str]]:
    """Return a token as labels and values."""
    pairs = [
        *([("As of", registry.rfc3339(as_of))] if as_of else []),
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


def token_change_row(change: "TokenChange", at: "datetime") -> tuple[str, ...]:
    """Return what an app member is told of an event as a row under ``TOKEN_CHANGE_HEADER``."""
    return str(change.position), f"{at:%Y-%m-%d %H:%M:%S}", change.event, change.token_id


def diff_row(entry: "HistoryEntry") -> tuple[str, ...]:
    """Return an event as a row under ``DIFF_HEADER``: what changed, or what else the event says."""
    *common, _, detail, reason = history_row(entry)
    return (*common, ", ".join(map(_change_text, entry.diff or ())) or detail, reason)


def _change_text(change: "FieldChange") -> str:
    """Return in words what became of a field."""
    if change.secret:
        return f"{change.field} {_SECRET_VERDICTS[change.verdict or 'unknown']}"
    before, after = _value_text(change.before), _value_text(change.after)
    if before is None:
        return f"{change.field} set to {after}"
    return f"{change.field} unset, was {before}" if after is None else f"{change.field} from {before} to {after}"


def _value_text(value: object) -> str | None:
    """Return a value as it is quoted in a sentence, ``None`` where there is none; long ones are cut, JSON has them."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not value:
        return None
    text = str(value)
    return repr(text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…")


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


def usage_row(usage: "Usage") -> tuple[str, ...]:
    """Return a user of a token as a row under ``USAGE_HEADER``."""
    return (
        usage.member if usage.present else f"{usage.member} (removed)",
        usage.application or "-",
        usage.process or "-",
        usage.host,
        ", ".join(usage.purposes),
        f"{usage.uses:,}",
        _minute(usage.first_use),
        _minute(usage.last_use),
        str(usage.revision),
    )


def show_users(token: str, usages: "Sequence[Usage]", *, asking: bool) -> "list[Usage]":
    """Tell people who uses a token that is to be removed, and return those users: the members there still are."""
    users = [usage for usage in usages if usage.present]
    for user in users[:_MOST_USERS]:
        parts = [user.member, user.application and f"of {user.application}", user.process and f"process {user.process}"]
        who = ", ".join(filter(None, [*parts, f"host {user.host}"]))
        message(f"{token} is used by {who}: last {_minute(user.last_use)}, {', '.join(user.purposes)}")
    if len(users) > _MOST_USERS:
        message(f"{token} is used by {len(users) - _MOST_USERS:,} more; 'usage' shows them")
    if asking and not users:
        message(f"no use of {token} is recorded")
    return users


def warn_unseen(opened: "Registry") -> None:
    """Tell people that apps use tokens without a trace, if the policy lets that be."""
    if opened.policies.list()["record-resolves"] == "off":
        message("the policy record-resolves is off: what apps resolve is not recorded")


def warn_unrecorded(error: "RegistryError") -> None:
    """Tell people that a use is not in the history, where the policy lets that be."""
    message(f"this use is not recorded: {error}")


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
