"""The page on the first hour of a team: everything in it is typed, by the people it names, and does what it says."""

import contextlib
import re
import shlex
import shutil
from functools import partial

import pytest

from tests.cli.harness import InProcess, process
from tests.project.sources import DOCS

PAGE = (DOCS / "team.md").read_text(encoding="utf-8")
LINES = re.findall(r"^    ([\w-]+)\$ (.+?)(?:  # exit (\d+))?$", PAGE, flags=re.MULTILINE)
SECRETS = ("zoom-key", "zoom-secret", "new-key", "new-secret")


class People:
    """The people of the page, each with a machine of their own, and one store, one stick and one mail for all."""

    def __init__(self, folder):
        """Prepare what the page takes for granted."""
        self.folder, self.exported, self.registry = folder, {}, ""
        for name in ("srv/registry", "media/stick", "mail"):
            (folder / name).mkdir(parents=True)
        for name in SECRETS:
            (folder / "mail" / name).write_text(f"value-of-{name}\n")

    def type(self, person, line):
        """Type one line; return what became of it."""
        for place in ("/srv/", "/media/"):
            line = line.replace(place, f"{self.folder}{place}")
        words = shlex.split(re.sub(r"\bID\b", self.registry, line))
        if words[0] == "export":
            self.exported.setdefault(person, {}).update([words[1].split("=", 1)])
            return None
        if words[0] == "cp":
            shutil.copy(words[1], words[2])
            return None
        assert words.pop(0) == "token-registry"
        words, target = (words[:-2], words[-1]) if ">" in words else (words, None)
        # What takes the place of its process needs one of its own.
        how = partial(process, self.folder / person) if words[0] == "run" else InProcess(self.folder / person)
        ran = how(*words, **self.exported.get(person, {}))
        if target:
            (self.folder / "mail" / target).write_text(ran.out)
        if words[0] == "init":
            self.registry = ran.out.strip()
        return ran


@pytest.fixture(scope="module")
def typed(tmp_path_factory):
    """Return every command of the page with its person, the exit code it is to have, and what became of it."""
    people = People(tmp_path_factory.mktemp("team"))
    with contextlib.chdir(people.folder / "mail"):
        return [(person, line, int(code or 0), people.type(person, line)) for person, line, code in LINES]


def said(typed, person, beginning):
    """Return what a person's commands that begin so have printed, one text for each."""
    return [
        ran.out + ran.err
        for who, line, _, ran in typed
        if ran and who == person and line.startswith(f"token-registry {beginning}")
    ]


def test_every_command_of_the_page_ends_as_it_says(typed):
    """Each line succeeds, or is refused with the exit code behind it."""
    wrong = [(person, line, ran) for person, line, code, ran in typed if ran and ran.code != code]
    assert wrong == []
    assert len(typed) > 40


def test_the_exposed_tokens_are_shown_until_they_are_changed(typed):
    """After an admin left both tokens are exposed; the one that was changed is not shown any more."""
    before, after = said(typed, "ada", "list --exposed")
    assert before.count("Zoom") == 2
    assert after.count("Zoom") == 1


def test_newcomers_read_what_happened_before(typed):
    """The auditor's first look at the history shows the founding, and so does that of his new laptop."""
    assert "roster.founded" in said(typed, "bob", "history")[0]
    assert "member.admitted" in said(typed, "bob-new", "history")[0]


def test_an_id_alone_is_taken_on_trust_and_says_so(typed):
    """Whoever joins without an invitation is told what that means."""
    (joined,) = said(typed, "rescue", "join")
    assert "on trust" in joined


def test_no_command_of_the_page_prints_a_secret(typed):
    """Nothing but ``reveal`` prints a value of a token, and the page reveals none that is secret."""
    for _, line, _, ran in typed:
        assert ran is None or not re.search(r"value-of-(zoom|new)-secret", ran.out + ran.err), line


def test_the_page_has_no_other_commands():
    """Every line of the page that looks like a command is typed by somebody in these tests."""
    assert len(re.findall(r"^    .*token-registry ", PAGE, flags=re.MULTILINE)) == sum(
        line.startswith("token-registry ") for _, line, _ in LINES
    )
