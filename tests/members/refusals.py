"""How machines refuse a store in which somebody changed the roster."""

import pytest

from registry import IntegrityError

LOG = (
    r"(an event of|events of) commit \d+(, at position \d+ or behind it, is not the one committed| are missing)"
    r"|the store holds \d+ events, its last commit says \d+|the event at position \d+ belongs to no commit"
)
"""How the log refuses what was changed, dropped or added behind what a machine has seen."""
SEEN = (
    r"the store holds another history: its commit \d+ is not the one that this machine has seen"
    r"|the store was cut or put back: it holds .*; this machine has seen commit \d+ and \d+"
)
"""How a machine refuses a history that was made anew."""


def refused(team, member, what):
    """Check that a machine refuses to open the store, and says in one line why."""
    with pytest.raises(IntegrityError, match=what) as caught:
        team.open(member)
    assert "\n" not in str(caught.value)


def tampering_refused(team, member, what, author="alice"):
    """Check that a machine refuses what was changed, as it stands and with all commits signed anew around it."""
    refused(team, member, f"{what}|{LOG}" if team.pin(member).seen else LOG)
    team.forger().rebuild(author=team.ids[author])
    refused(team, member, f"{SEEN}|{what}" if team.pin(member).seen else what)
