"""What one command line says for all commands: where things are, how to print, and whether to show our own faults."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from registry import Registry, Settings


class Session:
    """One command line. It is made by whoever runs the command, and filled while the options are read.

    ``environ`` stands for the process environment when settings are looked up; ``None`` is the environment itself.
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self.environ = environ
        self.options: dict[str, str | None] = {}
        self.debug = False

    def settings(self) -> "Settings":
        """Return the settings in force."""
        import registry  # noqa: PLC0415 - help must not wait for the library

        return registry.load_settings(self.options, self.environ)

    def json(self) -> bool:
        """Return whether the data is to be printed as JSON."""
        return self.settings().format.value == "json"

    def open(self, *roles: str) -> "Registry":
        """Open the registry; the identity's passphrase is asked for where there is a terminal.

        A command that reads or asks for anything names the roles that may run it, so that others hear of it before.
        """
        import registry  # noqa: PLC0415 - as above
        from cli import prompts  # noqa: PLC0415 - as above
        from cli.output import message  # noqa: PLC0415 - as above

        opened = registry.open_registry(self.settings(), passphrase=prompts.known_passphrase())
        try:
            if roles:
                opened.require(*roles)
            if opened.is_away:
                message("warning: the registry was moved to another store: what is here stands still")
        except BaseException:
            opened.close()
            raise
        return opened


pass_session = click.make_pass_decorator(Session, ensure=True)
