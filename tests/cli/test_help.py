"""Help, version and the table of commands: complete, true, and answered without the library."""

import json
import shlex
import subprocess
import sys

import click
import pytest

from cli import framework
from cli.main import COMMANDS, root
from tests.cli.harness import environment

CHANGING = {
    "add",
    "edit",
    "rename",
    "remove",
    "import",
    "test",
    "reveal",
    "run",
    "app add",
    "app rename",
    "app remove",
    "policy set",
    "member add",
    "member role",
    "member renew",
    "member remove",
    "key rotate",
}


def all_commands(group=root, path=()):
    """Yield every command that does something, with the words that call it."""
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        if isinstance(command, click.Group):
            yield from all_commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


EVERY = dict(all_commands())
EXAMPLES = [(name, example) for name, command in EVERY.items() for example in command.examples]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_table_says_what_each_command_says(name):
    """The help in the table, which is there before the command is loaded, is the command's own."""
    command = root.get_command(click.Context(root), name)
    assert command.name == name
    assert command.get_short_help_str(200) == COMMANDS[name].help


@pytest.mark.parametrize("name", EVERY)
def test_every_command_has_help_and_examples(empty, name):
    """The help of every command explains it and shows how it is called."""
    shown = empty.ok(*name.split(), "--help")
    assert "Examples:\n  token-registry " in shown
    assert EVERY[name].help
    assert all(example.startswith(name) for example in EVERY[name].examples)
    assert "--format" in shown


@pytest.mark.parametrize(("name", "example"), EXAMPLES)
def test_examples_are_command_lines(name, example):
    """Each example is taken by the command that it belongs to."""
    words = shlex.split(example.split(" > ")[0].split(" < ")[0])
    command = EVERY[name]
    with command.make_context(name, words[len(name.split()) :]) as context:
        assert context.command is command


@pytest.mark.parametrize("name", sorted(CHANGING))
def test_changing_commands_take_a_reason(name):
    """Whoever changes something can say why."""
    assert "reason" in {parameter.name for parameter in EVERY[name].params}


@pytest.mark.parametrize("name", [*EVERY, *(n for n in COMMANDS if n not in EVERY)])
def test_the_common_options_stand_in_every_command(name):
    """What the root takes, every command takes too."""
    common = {option for parameter in framework.common_options(hidden=True) for option in parameter.opts}
    command = EVERY.get(name) or root.get_command(click.Context(root), name)
    assert common <= {option for parameter in command.params for option in parameter.opts}


def test_no_environment_variable_is_clicks_business():
    """Options take nothing from the environment themselves, because one place decides what comes first."""
    assert [p.name for command in [root, *EVERY.values()] for p in command.params if p.envvar] == []


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["-h"]], ids=" ".join)
def test_help_waits_for_nothing(tmp_path, words):
    """Help and version come from click alone; the library's package may be asked for its version."""
    code = (
        "import json, sys\nfrom cli.main import run\n"
        f"sys.argv = ['token-registry', *{words!r}]\n"
        "try:\n    run()\nfinally:\n    print(json.dumps(sorted(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(tmp_path), capture_output=True, text=True, check=True
    )
    loaded = json.loads(done.stderr)
    allowed = {"registry", "registry._version"} if words == ["--version"] else set()
    assert {name for name in loaded if name.split(".")[0] == "registry"} <= allowed
    assert not {"httpx", "rich", "cryptography", "eventsourcing", "msgspec", "sqlite3"} & set(loaded)


def test_version(empty):
    """The version is the program's name and the library's version."""
    import registry  # noqa: PLC0415 - only this test compares with it

    assert empty.ok("--version") == f"token-registry {registry.__version__}\n"


def test_no_command_shows_the_help(empty):
    """A command line without a command is a usage error that shows what there is."""
    ran = empty()
    assert (ran.code, ran.out) == (2, "")
    assert "Commands:" in ran.err


@pytest.mark.parametrize(
    "words", [["bogus"], ["show"], ["show", "--bogus", "x"], ["app", "bogus"], ["app", "add", "x"]]
)
def test_usage_errors(empty, words):
    """A command line that cannot be understood is one line, a hint, and code 2."""
    ran = empty(*words)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: ")
    assert "hint: 'token-registry" in ran.err
    assert len(ran.err.splitlines()) == 2


def test_the_later_option_wins(cli):
    """An option after the command beats the same one before it."""
    assert json.loads(cli.ok("--format", "table", "list", "--format", "json")) == []


def test_options_beat_the_environment_and_that_beats_the_config(cli, home):
    """The order is option, environment, configuration, default."""
    (home / "config.toml").write_text('format = "json"\n', encoding="utf-8")
    assert cli.ok("list") == "[]\n"
    assert cli.ok("list", TOKEN_REGISTRY_FORMAT="table") == ""
    assert cli.ok("list", "--format", "json", TOKEN_REGISTRY_FORMAT="table") == "[]\n"


def test_an_unknown_format_in_the_environment(cli):
    """What the environment says is checked like an option."""
    ran = cli("list", TOKEN_REGISTRY_FORMAT="xml")
    assert (ran.code, ran.out) == (2, "")
    assert "table, json" in ran.err
