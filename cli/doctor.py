"""What is wrong or risky on this machine: ``doctor``."""

from typing import TYPE_CHECKING

import click

import registry
from cli import output, prompts
from cli.framework import command
from cli.session import Session

if TYPE_CHECKING:
    from registry import Diagnosis


@command("doctor", "doctor", "doctor --format json")
@click.pass_context
def doctor(context: click.Context) -> None:
    """Say what is wrong or risky on this machine.

    Afterwards it shows the settings in force and where each comes from. The exit code is 0, or that of the error
    that keeps the registry from opening.
    """
    from cli.failures import exit_code  # noqa: PLC0415 - as in every command that chooses its code

    session = context.ensure_object(Session)
    diagnosis = registry.diagnose(session.settings(), passphrase=prompts.known_passphrase())
    if session.json():
        output.print_json(_document(diagnosis))
    else:
        _print(diagnosis)
    if diagnosis.error:
        context.exit(exit_code(type(diagnosis.error)))


def _print(diagnosis: "Diagnosis") -> None:
    findings = ((finding.level.value, finding.message, finding.hint or "-") for finding in diagnosis.findings)
    output.print_table(("Level", "Finding", "Hint"), findings)
    output.print_text("\n")
    settings = ((name, setting.value, setting.source) for name, setting in diagnosis.settings.items())
    output.print_table(("Setting", "Value", "From"), settings)


def _document(diagnosis: "Diagnosis") -> dict[str, object]:
    return {
        "findings": [
            {"level": finding.level.value, "message": finding.message, "hint": finding.hint}
            for finding in diagnosis.findings
        ],
        "settings": {
            name: {"value": setting.value, "from": setting.source} for name, setting in diagnosis.settings.items()
        },
    }
