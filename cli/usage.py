"""Who uses a token: ``usage``."""

from cli import documents, output
from cli.framework import command
from cli.options import app_option, token_argument
from cli.session import Session, pass_session


@command("usage", "usage 'Zoom Production'", "usage Payroll --app 'HR Portal' --format json")
@token_argument
@app_option
@pass_session
def usage(session: Session, name: str, app: str | None) -> None:
    """Show who uses a token.

    There is a line for each member, application, process and host of which a use is recorded, the last use first.
    An app that resolves a token is recorded at its first use of each revision, if policy does not say otherwise.
    """
    with session.open() as opened:
        users = opened.usage(name, app=app)
        documents.warn_unseen(opened)
    if session.json():
        output.print_json([user.document() for user in users])
        return
    output.print_table(documents.USAGE_HEADER, map(documents.usage_row, users))
    if not users:
        output.message(f"no use of {name} is recorded")
