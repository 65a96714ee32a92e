"""Play the transcripts, or write them anew.

::

    python -m tests.cli.play

A transcript's lines begin with ``#`` (a comment), ``%`` (something that happens outside), ``$`` (a command line);
and, as the command prints them, ``|`` (standard output), ``!`` (standard error), ``?`` (the exit code, unless it is 0).
"""

import contextlib
import re
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path

from registry.testing.zoom_stand_in import Quirk, ZoomStandIn
from tests.cli.harness import InProcess, Ran

TRANSCRIPTS = Path(__file__).parent / "transcripts"
_CHANGING = (
    (re.compile(r"\b[0-9a-f]{64}\b"), "<registry>"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "<id>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "<time>"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?"), "<moment>"),
    (re.compile(r"http://127\.0\.0\.1:\d+"), "<zoom>"),
    (re.compile(r"trm1:ada:[\w-]+"), "<public line>"),
    (re.compile(r'"host": "[^"]*"'), '"host": "<host>"'),
    (re.compile(r"token-registry/[\d.]+"), "token-registry/<version>"),
)


def play(text: str, folder: Path) -> str:
    """Return the transcript that the commands of a transcript really make."""
    with contextlib.chdir(folder), ZoomStandIn() as zoom:
        cli = InProcess(folder / "home")
        return "".join(f"{line}\n" for line in _played(text, cli, zoom))


def _played(text: str, cli: InProcess, zoom: ZoomStandIn) -> Iterator[str]:
    for line in text.splitlines():
        if line[:1] in {"#", "%", "$", ""}:
            yield line
        words = shlex.split(line[1:]) if line[:1] in {"%", "$"} else []
        if line.startswith("%"):
            _happen(words, zoom)
        elif line.startswith("$"):
            yield from _printed(cli(*(word.replace("{zoom}", zoom.url) for word in words)), cli.home)


def _happen(words: list[str], zoom: ZoomStandIn) -> None:
    match words:
        case ["file", name, content]:
            Path(name).write_text(f"{content}\n", encoding="utf-8")
            Path(name).chmod(0o600)
        case ["zoom", "issues", key, secret]:
            zoom.add_key(key, secret)
        case ["zoom", "does", quirk]:
            zoom.behave(Quirk(quirk.replace("-", " ")), times=1)
        case _:
            raise ValueError(words)


def _printed(ran: Ran, home: Path) -> Iterator[str]:
    for mark, text in (("|", ran.out), ("!", ran.err)):
        for line in text.splitlines():
            plain = line.replace(str(home), "<home>")
            for pattern, name in _CHANGING:
                plain = pattern.sub(name, plain)
            yield f"{mark} {plain}".rstrip()
    if ran.code:
        yield f"? {ran.code}"


def main() -> None:
    """Write every transcript anew."""
    for path in sorted(TRANSCRIPTS.glob("*.txt")):
        with tempfile.TemporaryDirectory() as folder:
            path.write_text(play(path.read_text(encoding="utf-8"), Path(folder)), encoding="utf-8")
        print(path.name)


if __name__ == "__main__":
    main()
