"""Copies and backups of a team's registry, and all that stands in a store."""

from contextlib import closing

from registry import back_up_store, copy_store, load_settings
from registry.store import sqlite
from registry.store.raw import COLUMNS


def at(team, name, url):
    """Return the settings of a member's machine, for a store elsewhere."""
    return load_settings({"home": str(team.root / name), "url": url}, {})


def copied(team, url, name="alice"):
    """Copy the team's registry to a place."""
    return copy_store(team.settings(name), to=url, surroundings=team.around)


def backed_up(team, name="alice", **wished):
    """Return the file of a backup of the team's registry."""
    file = team.root / f"backup{len(list(team.root.glob('backup*')))}.db"
    back_up_store(team.settings(name), to=file, surroundings=team.around, **wished)
    return file


def make_disk_small(monkeypatch):
    """Have no store grow beyond a few pages."""
    connect = sqlite.connect

    def small(path):
        connection = connect(path)
        connection.execute("PRAGMA max_page_count = 12")
        return connection

    monkeypatch.setattr(sqlite, "connect", small)


def rows_at(place):
    """Return every row of every table, and check that the schema is the one of a registry."""
    with closing(place.open_raw()) as raw, raw.snapshot():
        assert raw.differences() == []
        return {table: sorted(raw.table(table), key=repr) for table in COLUMNS}
