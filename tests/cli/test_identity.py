"""The identity file: its passphrase, from the terminal and from a file."""

import json
import stat

from tests.cli.harness import process, typed

ONE, TWO = "first pass phrase", "second pass phrase"


def lock(home, passphrase, *before):
    """Put the identity under a passphrase, as a person does."""
    answers = (*before, ("New passphrase: ", f"{passphrase}\n"), ("The same again: ", f"{passphrase}\n"))
    return typed(home, "identity", "passphrase", answers=answers)


def test_the_life_of_a_passphrase(cli):
    """A passphrase is set, asked for, changed and removed; the file stays private and is never half-written."""
    path = cli.home / "identity"
    assert lock(cli.home, ONE).code == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(cli.ok("identity", "show", "--format", "json"))["locked"]
    asked = ("Passphrase of the identity: ", f"{ONE}\n")
    ran = typed(cli.home, "list", answers=(asked,))
    assert (ran.code, ONE in ran.out) == (0, False)
    assert typed(cli.home, "list", answers=((asked[0], "wrong\n"),)).code == 10
    assert typed(cli.home, "list", answers=((asked[0], "\x03"),)).code == 130
    assert lock(cli.home, TWO, asked).code == 0
    gone = ((asked[0], f"{TWO}\n"), ("New passphrase: ", "\n"), ("The same again: ", "\n"))
    before = path.read_bytes()
    assert typed(cli.home, "identity", "passphrase", answers=(*gone, ("[y/N] ", "n\n"))).code == 130
    assert path.read_bytes() == before
    assert typed(cli.home, "identity", "passphrase", answers=(*gone, ("[y/N] ", "y\n"))).code == 0
    cli.ok("list")
    assert sorted(p.name for p in cli.home.iterdir() if "identity" in p.name) == ["identity"]


def test_passphrases_that_differ_are_asked_for_again(cli):
    """A passphrase counts when it was typed twice alike."""
    answers = (
        ("New passphrase: ", f"{ONE}\n"),
        ("The same again: ", f"{TWO}\n"),
        ("New passphrase: ", f"{ONE}\n"),
        ("The same again: ", f"{ONE}\n"),
    )
    assert "they differ" in typed(cli.home, "identity", "passphrase", answers=answers).out


def test_init_under_a_passphrase(empty, tmp_path):
    """A founding can put the new identity under a passphrase; Ctrl-C at the question leaves nothing behind."""
    empty.home.mkdir()
    assert typed(empty.home, "init", "--name", "ada", "--passphrase", answers=(("New", "\x03"),)).code == 130
    assert list(empty.home.iterdir()) == []
    answers = (
        ("New passphrase: ", "\n"),
        ("The same again: ", "\n"),
        ("New passphrase: ", f"{ONE}\n"),
        ("The same again: ", f"{ONE}\n"),
    )
    assert typed(empty.home, "init", "--name", "ada", "--passphrase", answers=answers).code == 0
    assert empty("list").code == 10
    (tmp_path / "phrase").write_text(f"{ONE}\n", encoding="utf-8")
    (tmp_path / "phrase").chmod(0o600)
    empty.ok("list", "--passphrase-file", str(tmp_path / "phrase"))
    empty.ok("list", TOKEN_REGISTRY_PASSPHRASE_FILE=str(tmp_path / "phrase"))
    (tmp_path / "phrase").chmod(0o644)
    assert empty("list", "--passphrase-file", str(tmp_path / "phrase")).code == 10


def test_a_passphrase_file_for_init(empty, tmp_path):
    """Off a terminal the passphrase of a new identity comes from its file."""
    assert empty("init", "--name", "ada", "--passphrase").code == 2
    assert not empty.home.exists()
    (tmp_path / "phrase").write_text(f"{ONE}\n", encoding="utf-8")
    (tmp_path / "phrase").chmod(0o600)
    empty.ok("init", "--name", "ada", "--passphrase", "--passphrase-file", str(tmp_path / "phrase"))
    assert empty("list").code == 10
    ran = process(empty.home, "list")
    assert (ran.code, "under a passphrase" in ran.err) == (10, True)
