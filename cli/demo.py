"""The whole story on a throw-away registry, through the very same commands: ``demo``."""

import contextlib
import shlex
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli import output
from cli.framework import PROGRAM, command
from cli.session import Session

if TYPE_CHECKING:
    from registry.testing.zoom_stand_in import ZoomStandIn

_NAME = "Zoom Production"
_KEY = "Demo9Key22"


@command("demo", "demo")
def demo() -> None:
    """Tell the whole story on a throw-away registry.

    It works in a temporary folder and against a stand-in for Zoom on this machine; nothing of yours is read or
    changed, and nothing is left behind.
    """
    from registry.testing.zoom_stand_in import ZoomStandIn  # noqa: PLC0415 - only the demonstration needs a Zoom

    with (
        tempfile.TemporaryDirectory(prefix="token-registry-") as folder,
        ZoomStandIn() as zoom,
        # What people are told stands between what is printed, as it does on a terminal.
        contextlib.redirect_stderr(sys.stdout),
    ):
        Story(Path(folder), zoom).tell()


class Story:
    """The steps of the demonstration, each a command as anybody would type it."""

    def __init__(self, folder: Path, zoom: "ZoomStandIn") -> None:
        self.folder = folder
        self.zoom = zoom
        self.environment = {"TOKEN_REGISTRY_HOME": str(folder / "home")}

    def tell(self) -> None:
        """Run the commands one after the other."""
        old, new = "Tz4vQ8mK2pXw9LrB6nHs3JdF7gYc5Ae1", "Ue6wR9nL3qYx8MsC7oJt4KfG1hZd2Bv5"
        self.zoom.add_key(_KEY, old)
        self._secrets(key=_KEY, old=old, new=new, wrong="Not9The8Secret7That6Zoom5Issued4")
        self._say("Found a registry, and an application that has tokens of its own.")
        output.print_text(f"$ export TOKEN_REGISTRY_HOME={self.environment['TOKEN_REGISTRY_HOME']}\n")
        self._run("init", "--name", "alice")
        self._run("app", "add", "HR Portal", "--kind", "process")
        self._add()
        self._change(new)
        self._look()
        self._remove(old, new)
        output.print_text("\nThat was the whole story, on a registry that is gone now; 'init' founds a real one.\n")

    def _add(self) -> None:
        self._say("Add the token for Zoom, its secrets from files that only you can read, tested before it is stored.")
        self._run(
            "add",
            _NAME,
            *("--field", f"api_key=@{self.folder}/key", "--field", f"api_secret=@{self.folder}/old"),
            *("--field", f"api_url={self.zoom.api_url}", "--expires", "90d", "--test"),
        )
        self._run("show", _NAME)
        self._run("test", _NAME)

    def _change(self, new: str) -> None:
        self._say("Zoom issued a new secret: change it, effective at once. The old one is destroyed.")
        self.zoom.change_credentials(_KEY, new)
        self._run("edit", _NAME, "--field", f"api_secret=@{self.folder}/new", "--test", "--reason", "a new secret")
        self._say("A change that the provider refuses is not stored.")
        self._run("edit", _NAME, "--field", f"api_secret=@{self.folder}/wrong", "--test", expected=8)

    def _look(self) -> None:
        self._say("The application gets a token of the same name; what there is, one value of it, and what happened.")
        keys = "--field", f"api_key=@{self.folder}/key", "--field", f"api_secret=@{self.folder}/new"
        self._run("add", _NAME, "--app", "HR Portal", *keys)
        self._run("list")
        self._run("reveal", _NAME, "--field", "api_key", "--reason", "to show how")
        self._run("history", _NAME)

    def _remove(self, *secrets: str) -> None:
        self._say("Remove the token, and the application with its own: nobody can bring their credentials back.")
        self._run("remove", _NAME, "--yes")
        self._run("app", "remove", "HR Portal", "--yes")
        self._run("list")
        files = [path for path in (self.folder / "home").rglob("*") if path.is_file()]
        found = sum(secret.encode() in path.read_bytes() for path in files for secret in secrets)
        self._say(f"The secrets, looked for in every byte of the registry's {len(files)} files: found {found} times.")
        if found:
            raise click.ClickException("a secret stands in a file of the registry")

    def _secrets(self, **secrets: str) -> None:
        for name, secret in secrets.items():
            path = self.folder / name
            path.touch(mode=0o600)
            path.write_text(f"{secret}\n", encoding="utf-8")

    def _say(self, text: str) -> None:
        output.print_text(f"\n# {text}\n")

    def _run(self, *words: str, expected: int = 0) -> None:
        from cli.failures import ABORTED  # noqa: PLC0415 - the root knows this module, not the other way round
        from cli.main import execute  # noqa: PLC0415 - as above

        output.print_text(f"$ {PROGRAM} {shlex.join(words)}\n")
        code = execute(words, Session(environ=self.environment))
        if code == ABORTED:
            raise click.Abort
        if code:
            output.print_text(f"(exit code {code})\n")
        if code != expected:
            raise click.ClickException(f"this step was to end with the exit code {expected}")
