"""Proof for outsiders: ``evidence export``, ``evidence verify``."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

import registry
from cli import documents, options, output
from cli.framework import Group, command
from cli.options import reason_option
from cli.session import Session, pass_session
from cli.text import json_members

if TYPE_CHECKING:
    from registry import EvidenceReport

_FOLDER = click.Path(path_type=Path)
_PROBLEM_HEADER = ("Pos", "Kind", "Problem", "Acknowledged")


@command(
    "export",
    "evidence export audit-2027 --reason 'for the auditors of the year'",
    "evidence export zoom-2027 --token 'Zoom Production' --since 2027-01-01 --until 2027-12-31",
)
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option(
    "--token", metavar="NAME|ID", shell_complete=options.complete_tokens, help="Disclose this token's events."
)
@click.option(
    "--app", metavar="APP", shell_complete=options.complete_applications, help="The tokens of this application."
)
@click.option("--since", metavar="DATE", help="2027-01-31 (its start), an RFC 3339 time, or 90d ago.")
@click.option("--until", metavar="DATE", help="2027-01-31 (its end), an RFC 3339 time, or 90d ago.")
@reason_option
@pass_session
def export(
    session: Session,
    folder: Path,
    *,
    token: str | None,
    app: str | None,
    since: str | None,
    until: str | None,
    reason: str | None,
) -> None:
    """Write proof of the whole history to DIR, with the chosen events readable.

    Whoever gets the folder can verify all of the history without a key, and reads what the chosen events say: names,
    reasons, hosts, descriptions and the values of fields that are not secret; never a credential. Without --token,
    --app, --since and --until all events are chosen. That it was given stands in the history.
    """
    query = registry.EvidenceQuery(
        token=token,
        app=app,
        since=options.parse_past(since, end_of_day=False),
        until=options.parse_past(until, end_of_day=True),
    )
    with session.open("admin", "auditor") as opened, output.progress("exporting") as advance:
        exported = opened.evidence.export(folder, query, reason=reason, progress=advance)
    document = exported.document()
    if session.json():
        output.print_json(document)
    else:
        output.print_record([(name.capitalize(), str(value)) for name, value in document.items()])
    output.message(f"{exported.openings} of {exported.size} events can be read by whoever gets {folder}")


@command(
    "verify",
    "evidence verify audit-2027 --known checkpoint.txt",
    "evidence verify audit-2027 --known checkpoint.txt --format json",
)
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option(
    "--known", metavar="FILE", type=click.Path(path_type=Path), help="A checkpoint of the registry that you trust."
)
@pass_session
def verify(session: Session, folder: Path, *, known: Path | None) -> None:
    """Say what the folder DIR proves, and show the history that it discloses.

    It works anywhere: no registry, identity or setting is read, and nothing is written. The exit code is 0 if the
    history is proven to go on from the known checkpoint, 7 if anything contradicts that or itself, and 12 if it can
    not be told: without --known, or if the checkpoint is newer than the evidence.
    """
    with output.progress("verifying") as advance:
        report = registry.verify_evidence(folder, known, progress=advance)
    # Settings are this machine's business with its registries: the option alone counts here.
    if session.options.get("format") == "json":
        output.print_parts(json_members(report.document(), "disclosed", (e.document() for e in report.disclosed())))
    else:
        output.print_record(list(_record(report)))
        _print_tables(report)
    report.check()


def _record(report: "EvidenceReport") -> Iterator[tuple[str, str]]:
    document = report.document()
    yield "Verdict", f"{report.verdict}: {report.reason}"
    yield "Registry", report.registry or "-"
    yield "History", f"{report.size} events in {report.commits} commits"
    yield "Root", document["root"] or "-"
    if report.since and report.until:
        yield "Time", f"{registry.rfc3339(report.since)} to {registry.rfc3339(report.until)}"
    for number, member in enumerate(report.members):
        name = f" ({member.name})" if member.name else ""
        yield "" if number else "Members", f"{member.id} {member.role or 'removed'}{name}"
    if report.known:
        at = f" of {registry.rfc3339(report.known.at)}" if report.known.at else ""
        yield "Known", f"commit {report.known.commit}, {report.known.size} events{at}"
        for signer in report.known.signers:
            yield "", f"signed by {signer}"
    yield "Disclosed", f"{report.openings} of {report.size} events"


def _print_tables(report: "EvidenceReport") -> None:
    problems = [
        (str(p.position), p.kind, p.message, "yes" if p in report.acknowledged else "no") for p in report.problems
    ]
    if problems:
        output.print_text("\n")
        output.print_table(_PROBLEM_HEADER, problems)
    if report.shows:
        output.print_text("\n")
        rows = ((*documents.history_row(entry), entry.host or "-") for entry in report.disclosed())
        output.print_table((*documents.HISTORY_HEADER, "Host"), rows)


evidence = Group("evidence", commands=[export, verify], help="Give outsiders proof of the history, and verify it.")
