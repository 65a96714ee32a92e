"""What ends a command from outside while it is at work."""

import click


class Interrupted(click.Abort):
    """Ctrl-C while a command was at work, not at a prompt."""


class Unread(click.Abort):
    """Whoever read the output went away, as ``head`` does."""
