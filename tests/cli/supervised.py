"""A program that supervises another, for the tests: ``python -m tests.cli.supervised GRACE -- COMMAND``.

The variable VALUE comes from the file ``value``; a file ``error`` names an error that looking for changes raises.
"""

import contextlib
import os
import sys
from pathlib import Path

import registry
from cli import supervising
from cli.failures import report

VALUE, ERROR, LEFT = Path("value"), Path("error"), Path("left")


class Watched:
    """The value that the program was started with."""

    given = ""

    @contextlib.contextmanager
    def environment(self):
        """Give the value as it is now, and note when the program has ended."""
        self.given = VALUE.read_text(encoding="utf-8")
        yield {**os.environ, "VALUE": self.given}
        with LEFT.open("a", encoding="utf-8") as file:
            file.write(f"{self.given}\n")

    def changed(self):
        """Return whether there is another value by now."""
        if ERROR.exists():
            raise getattr(registry, ERROR.read_text(encoding="utf-8"))("as the test wants it")
        return VALUE.read_text(encoding="utf-8") != self.given


def main():
    """Run the command."""
    watched = Watched()
    try:
        status = supervising.supervise(sys.argv[3:], watched.environment, watched.changed, grace=float(sys.argv[1]))
    except registry.RegistryError as error:
        sys.exit(report(error, debug=False))
    except OSError:
        sys.exit(127)
    supervising.end_likewise(status)


if __name__ == "__main__":
    main()
