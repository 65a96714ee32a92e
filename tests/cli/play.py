"""Play the transcripts, or write them anew.

::

    python -m tests.cli.play

A transcript's lines begin with ``#`` (a comment), ``%`` (something that happens outside), ``$`` (a command line), or
``bob$`` (one on Bob's machine); and, as the command prints them, ``|`` (standard output), ``!`` (standard error), ``?``
(the exit code, unless it is 0). A command line may end in ``> FILE``, and ``$(cat FILE)`` may be a word of it.
"""

import contextlib
import re
import shlex
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from registry.testing.zoom_stand_in import Quirk, ZoomStandIn
from tests.cli.harness import InProcess, Ran

TRANSCRIPTS = Path(__file__).parent / "transcripts"
_TYPED = re.compile(r"(\w*)\$ (.*)")
_CAT = re.compile(r"\$\(cat (.*)\)")
_CHANGING = (
    (re.compile(r"\b[0-9a-f]{64}\b"), "<registry>"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "<id>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "<time>"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?"), "<moment>"),
    (re.compile(r"http://127\.0\.0\.1:\d+"), "<zoom>"),
    (re.compile(r"trm1:[\w.-]+:[\w-]+"), "<public line>"),
    (re.compile(r"tri2:[\w-]+"), "<invitation>"),
    (re.compile(r'"host": "[^"]*"'), '"host": "<host>"'),
    (re.compile(r"(is used by .*)\bhost [^:]+:"), r"\1host <host>:"),
    (re.compile(r"token-registry/[\d.]+"), "token-registry/<version>"),
)


def play(text: str, folder: Path) -> str:
    """Return the transcript that the commands of a transcript really make."""
    with contextlib.chdir(folder), ZoomStandIn() as zoom:
        return "".join(f"{line}\n" for line in _played(text, folder, zoom))


def _played(text: str, folder: Path, zoom: ZoomStandIn) -> Iterator[str]:
    places = {"{zoom}": zoom.url, "{store}": f"sqlite:///{folder}/home/registry.db"}
    for line in text.splitlines():
        typed = _TYPED.match(line)
        if typed or line[:1] in {"#", "%", ""}:
            yield line
        if line.startswith("%"):
            _happen(shlex.split(line[1:]), zoom)
        elif typed:
            yield from _printed(_run(InProcess(folder / (typed[1] or "home")), shlex.split(typed[2]), places), folder)


def _run(cli: InProcess, words: list[str], places: Mapping[str, str]) -> Ran:
    for place, value in places.items():
        words = [word.replace(place, value) for word in words]
    words = [Path(found[1]).read_text("utf-8").strip() if (found := _CAT.match(word)) else word for word in words]
    if words[-2:-1] != [">"]:
        return cli(*words)
    ran = cli(*words[:-2])
    Path(words[-1]).write_text(ran.out, encoding="utf-8")
    return Ran(ran.code, "", ran.err)


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


def _printed(ran: Ran, folder: Path) -> Iterator[str]:
    for mark, text in (("|", ran.out), ("!", ran.err)):
        for line in text.splitlines():
            plain = re.sub(re.escape(str(folder)) + r"/(\w+)", r"<\1>", line)
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
