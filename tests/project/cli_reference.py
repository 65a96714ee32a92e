"""Write ``docs/cli.md`` from the commands themselves.

::

    python -m tests.project.cli_reference
"""

import os
from collections.abc import Iterator

import click

import registry
from tests.project.sources import DOCS

TARGET = DOCS / "cli.md"
_WIDTH = 100
_HEAD = """\
# Command line

This page is generated from the commands: `python -m tests.project.cli_reference`.

- Data goes to standard output; messages, prompts and progress to standard error.
- The value of a secret field never stands on the command line. A `SOURCE` is `-` (standard input, one trailing newline
  cut, at most once in a command), `@FILE`, `env:NAME`, or, for a field that is not secret, the value itself; a value
  that is `-`, or begins with `@` or `env:`, is written with a leading `\\`.
- A name without `--app` means the global token; to an app member, its own application's token before a global one.
- A `DATE` is `2027-01-31` (the end of that day, UTC), an RFC 3339 time, or `90d` from now.
- Settings come from options, then the environment, then `config.toml`, then defaults; `doctor` shows which.

| environment | sets |
|---|---|
| `TOKEN_REGISTRY_HOME` | one folder for `config.toml`, `identity`, `registry.db` and `state/` |
| `TOKEN_REGISTRY_URL` | the store: `sqlite:///relative`, `sqlite:////absolute` or [`postgresql://…`](postgresql.md) |
| `TOKEN_REGISTRY_IDENTITY` | the identity file |
| `TOKEN_REGISTRY_PASSPHRASE_FILE` | a file whose first line is the passphrase; its owner alone may read it |
| `TOKEN_REGISTRY_FORMAT` | `table` or `json` |
| `NO_COLOR` | no colour |

## Exit codes

| code | means | error in the library |
|---|---|---|
"""
_CODES = {
    0: ("done", ""),
    1: ("a fault of ours", ""),
    2: ("usage, or a value that can never be right", "InvalidValue"),
    3: ("not found", "NotFound"),
    4: ("already exists, name taken", "AlreadyExists"),
    5: ("changed meanwhile; nothing was written", "Conflict"),
    6: ("not permitted: role, key or policy", "NotPermitted"),
    7: ("integrity failure", "IntegrityError"),
    8: ("the provider refused the credentials", "ProviderRejected"),
    9: ("the provider was not reached, or gave no verdict", "ProviderUndecided"),
    10: ("no registry, store or identity is usable", "Unusable"),
    11: ("found what `--fail` asked about", "Found"),
    12: ("cannot tell", "CannotTell"),
    126: ("`run`: the program cannot be run", ""),
    127: ("`run`: there is no such program", ""),
    130: ("aborted: Ctrl-C, end of input, or *no* at a question", ""),
    141: ("nobody reads the output any more", ""),
}
_BEHIND_THE_CODES = "Once `run` has started a program, the exit code is that program's own."


def documented_codes() -> dict[int, tuple[str, str]]:
    """Return each exit code with its meaning and, where there is one, its class of errors."""
    return dict(_CODES)


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield every command that does something, with the words that call it."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None, f"{name} is in the table, but there is no such command"
            yield from commands(found, (*path, name))
    else:
        yield path, command


def root() -> click.Group:
    """Return the root of all commands."""
    from cli.main import root as found  # noqa: PLC0415 - the rest of this module is of use without it

    return found


def help_of(command: click.Command, path: tuple[str, ...]) -> str:
    """Return the help of a command as its users see it, at a fixed width."""
    parent = None
    for name in ("token-registry", *path[:-1]):
        parent = click.Context(click.Group(name), info_name=name, parent=parent)
    context = click.Context(
        command,
        info_name=path[-1],
        parent=parent,
        terminal_width=_WIDTH,
        max_content_width=_WIDTH,
        help_option_names=["-h", "--help"],
    )
    return "\n".join(line.rstrip() for line in command.get_help(context).splitlines()).strip()


def reference() -> str:
    """Return the whole page."""
    lines = [f"| {code} | {meaning} | {f'`{kind}`' if kind else ''} |" for code, (meaning, kind) in _CODES.items()]
    parts = [_HEAD + "\n".join(lines), _BEHIND_THE_CODES, "## Every command"]
    top = click.Context(
        root(),
        info_name="token-registry",
        terminal_width=_WIDTH,
        max_content_width=_WIDTH,
        help_option_names=["-h", "--help"],
    )
    parts.append(f"```\n{root().get_help(top).strip()}\n```")
    for path, command in commands(root()):
        parts.append(f"## {' '.join(path)}\n\n```\n{help_of(command, path)}\n```")
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Write the page."""
    os.environ.pop("TOKEN_REGISTRY_HOME", None)
    TARGET.write_text(reference(), encoding="utf-8")
    print(f"{TARGET.name}: {registry.__version__}, {sum(1 for _ in commands(root()))} commands")


if __name__ == "__main__":
    main()
