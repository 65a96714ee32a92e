"""What a commit writes beside its events, the same for every store: its own row, the log, the present, current rows."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from msgspec import structs

from registry.store.rows import Commit, LoggedCommit, Written
from registry.values import rfc3339

_PUT_ROW = (
    "INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (token_id) DO UPDATE SET"
    " version = excluded.version, revision = excluded.revision, box_revision = excluded.box_revision,"
    " position = excluded.position, card = excluded.card, box = excluded.box, plain = excluded.plain,"
    " fingerprints = excluded.fingerprints"
)
_PUT_UNIT = "INSERT INTO present_units VALUES (?, ?) ON CONFLICT (unit) DO UPDATE SET data = excluded.data"
_PUT_KEY = "INSERT INTO data_keys VALUES (?, ?) ON CONFLICT (token_id) DO UPDATE SET wrapped = excluded.wrapped"


class Cursor(Protocol):
    """What statements are given to, within the transaction of a commit."""

    def execute(self, statement: str, parameters: Sequence[Any] = (), /) -> object:
        """Have one statement carried out."""

    def executemany(self, statement: str, parameters: Iterable[Sequence[Any]], /) -> object:
        """Have one statement carried out for each of the parameters."""


def write_log(c: Cursor, written: Written) -> None:
    """Write the commit's own row, the nodes that the log grows by, and the units of the present that change."""
    c.execute("INSERT INTO commits VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", _columns(written.commit))
    c.executemany("INSERT INTO log_nodes VALUES (?, ?)", sorted(written.nodes.items()))
    gone = [(unit,) for unit, data in written.units.items() if data is None]
    if gone:
        c.executemany("DELETE FROM present_units WHERE unit = ?", gone)
    kept = [(unit, data) for unit, data in written.units.items() if data is not None]
    if kept:
        c.executemany(_PUT_UNIT, kept)


def _columns(made: LoggedCommit) -> tuple[object, ...]:
    return (
        made.number,
        made.author,
        rfc3339(made.at),
        made.size,
        made.root,
        made.present,
        made.roster_length,
        made.roster_head,
        made.shredded,
        made.signature,
    )


def write_rows(c: Cursor, commit: Commit) -> None:
    """Write the current rows, and take away those of tokens that are gone; with each goes its data key."""
    for token in commit.dropped:
        for table in ("tokens", "data_keys"):
            c.execute(f"DELETE FROM {table} WHERE token_id = ?", (token,))  # noqa: S608 - two constants
    known = commit.replaced
    renamed = [row for row in commit.rows if row.token in known and known[row.token].name_tag != row.name_tag]
    if renamed:
        # A name that one row of this commit gives up may be taken by another, so they are all given up first.
        statement = "UPDATE tokens SET name_tag = ? WHERE token_id = ?"
        c.executemany(statement, [(row.token.encode(), row.token) for row in renamed])
        c.executemany(statement, [(row.name_tag, row.token) for row in renamed])
    if commit.rows:
        c.executemany(_PUT_ROW, [structs.astuple(row)[:-1] for row in commit.rows])
    # A key that stays is not written again: only what is overwritten has to be shredded.
    keys = [row for row in commit.rows if row.token not in known or known[row.token].wrapped != row.wrapped]
    if keys:
        c.executemany(_PUT_KEY, [(row.token, row.wrapped) for row in keys])
