"""Completion by the shell: ``completion``."""

import click
from click.shell_completion import get_completion_class

from cli import output
from cli.framework import PROGRAM, command

_SHELLS = ("bash", "zsh", "fish")


@command(
    "completion",
    "completion bash > ~/.local/share/bash-completion/completions/token-registry",
    "completion zsh > ~/.zfunc/_token-registry",
    "completion fish > ~/.config/fish/completions/token-registry.fish",
)
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that completes commands and names.

    Names of tokens and applications are completed where the registry opens without a passphrase.
    """
    kind = get_completion_class(shell)
    if kind is None:  # pragma: no cover - click knows the three
        raise click.UsageError(f"there is no completion for {shell}")
    script = kind(context.find_root().command, {}, PROGRAM, "_TOKEN_REGISTRY_COMPLETE")
    output.print_text(script.source() + "\n")
