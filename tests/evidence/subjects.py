"""What the tests of evidence look at: a team with a history, its evidence, and checkpoints told by other ways."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from registry import EvidenceQuery, NewToken, Secret, Surroundings, TokenEdit, init_registry
from registry.domain.roster_events import ProblemAcknowledged
from registry.evidence.verifying import verify_evidence
from registry.store.rows import Commit
from tests.members.team import NOON, Clock, Team, fields, secret_of
from tests.store.commits import frontier

SECRETS = (secret_of("Zoom", None), secret_of("Mail", None), secret_of("Zoom", "Payroll"), "the-next-key")
REVEALED = secret_of("Zoom", "Payroll")


@dataclass(frozen=True)
class Subject:
    """A team whose history was given as evidence, and what strangers may know of it from elsewhere."""

    team: Team
    everything: Path
    """Evidence that discloses all events."""
    of_token: Path
    """Evidence of the same log, one commit longer, that discloses the events of the token Old Zoom."""
    early: Path
    """A checkpoint from the middle of the history."""
    head: Path
    """The checkpoint with which ``everything`` ends."""
    newer: Path
    """A checkpoint that came after either evidence."""


def new_token(name, app=None):
    """Return the wish for a token of the team."""
    return NewToken(name=name, application=app, provider="zoom", fields=fields(secret_of(name, app)))


def seen(team, name, path):
    """Write the checkpoint that a member's machine has pinned to a file, as it is mailed."""
    path.write_text(team.pin(name).seen.text(), encoding="utf-8")
    return path


def founded(root, now=NOON):
    """Found a registry with members of every role, global tokens and an application's, and some history."""
    team = Team(root)
    team.around = Surroundings(clock=Clock(now), host="host-of-tests", client="tests/1")
    init_registry(team.settings("alice"), name="alice", surroundings=team.around)
    with team.open("alice") as alice:
        alice.applications.register("Payroll", "process")
        alice.tokens.add(new_token("Zoom"), reason="first of all")
        alice.tokens.add(new_token("Mail"))
        alice.tokens.add(new_token("Zoom", "Payroll"))
    for name, role, app in (("carol", "admin", None), ("bob", "auditor", None), ("pay", "app", "Payroll")):
        team.admit(name, role, app)
    with team.open("carol") as carol:
        carol.tokens.rename("Zoom", "Old Zoom", reason="another will be Zoom")
        carol.tokens.edit("Old Zoom", TokenEdit(fields={"api_key": Secret("the-next-key")}, description="the old one"))
    team.do("pay", lambda pay: pay.resolve("Old Zoom", process="payroll run"))
    team.do("pay", lambda pay: pay.resolve("Zoom", process="payroll run"))
    return team


def later(team):
    """Have more happen: an admin leaves, so that every key is made anew, and a token goes."""
    with team.open("alice") as alice:
        alice.members.remove("carol", reason="left")
        alice.tokens.reveal("Old Zoom", "api_key", reason="a case")
        alice.tokens.add(new_token("Zoom"))
        alice.tokens.remove("Old Zoom")
    team.do("pay", lambda pay: pay.resolve("Zoom"))


def subject(root):
    """Make a subject in a folder."""
    team = founded(root / "team")
    early = seen(team, "alice", root / "early.txt")
    later(team)
    team.do("bob", lambda bob: bob.evidence.export(root / "everything", reason="the audit of the year"))
    head = seen(team, "bob", root / "head.txt")
    team.do("bob", lambda bob: bob.evidence.export(root / "token", EvidenceQuery(token="Old Zoom")))
    team.do("alice", lambda alice: alice.tokens.edit("Mail", TokenEdit(fields={}, description="after the audit")))
    return Subject(team, root / "everything", root / "token", early, head, seen(team, "alice", root / "newer.txt"))


def copied(folder, target):
    """Return a copy of evidence, to be spoilt."""
    shutil.copytree(folder, target)
    return target


def verdict(folder, known=None):
    """Return the verdict in a word."""
    return verify_evidence(folder, known).verdict.value


def kinds(report):
    """Return the kinds of the problems of a report, without those that an admin knew of."""
    return {problem.kind for problem in report.problems if problem not in report.acknowledged}


def files(folder):
    """Return the paths of all files of a folder, as evidence names them."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def commit(ledger, *events, rows=(), at=None, contents=None):
    """Commit as a patched client does: without asking anything."""
    head = ledger.store.head()
    made = Commit(
        registry=ledger.registry,
        parent=head,
        author=ledger.member.id,
        at=at or max(events[0].at, head.at),
        sign=ledger.identity.sign,
        frontier=frontier(ledger.store, head),
        rows=rows,
        replaced={before.token: before for before in (ledger.store.row(row.token) for row in rows) if before},
    )
    ledger.store.put(contents or ledger.contents, events, made)


def acknowledge(team, position, kind):
    """Have alice acknowledge a problem of the log."""
    with team.open("alice") as alice:
        ledger = alice._ledger
        with ledger.turn("a patched client", roster=True) as turn:
            ledger.commit(turn, [ProblemAcknowledged(**ledger.roster_facts(turn), position=position, kind=kind)])
