"""What people are told where overwritten credentials have not left the files yet."""

import sqlite3
from contextlib import closing

from tests.cli.harness import process


def test_pending_shredding_is_said(tmp_path):
    """Where a reader holds the shredding up, the command says so, and the next one after it does not."""
    for name in ("old", "new"):
        (tmp_path / name).write_text(f"{name}-secret")
    assert process(tmp_path, "init", "--name", "ada").code == 0
    assert process(tmp_path, "add", "Zoom", "--field", "api_key=@old", "--field", "api_secret=@old").code == 0
    with closing(sqlite3.connect(tmp_path / "registry.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT COUNT(*) FROM data_keys").fetchone()
        held_up = process(tmp_path, "edit", "Zoom", "--field", "api_key=@new")
    assert (held_up.code, "shredding is pending" in held_up.err) == (0, True)
    after = process(tmp_path, "edit", "Zoom", "--field", "api_secret=@new")
    assert (after.code, "shredding is pending" in after.err) == (0, False)
