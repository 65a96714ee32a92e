"""Bad input of every kind: one clear line, a hint where there is one, the documented code, nothing half-written."""

import json
import shutil
import sqlite3
import stat

import pytest

import registry
from cli import failures
from tests.cli.conftest import SECRET
from tests.cli.harness import process

NAMES = {
    "": 2,
    " ": 2,
    " Zoom2": 2,
    "Zoom-2": 2,
    "Zoom/2": 2,
    "Zoom\t2": 2,
    "Zoom\n2": 2,
    "Zoom\x1b[31m": 2,
    "Zoom\u202e": 2,
    "Zoom\u200b": 2,
    "\u0301Zoom": 2,
    "x" * 101: 2,
    "zoom": 4,
    "ZOOM": 4,
    "\uff3aoom": 4,
    "Zoom 2": 0,
    "漢字": 0,
    "x" * 100: 0,
}


def refused(ran, code):
    """Check the form of a refusal: nothing on standard output, one line of error, at most one of hint.

    Between them, what was found stands indented; only an integrity failure has anything to show.
    """
    assert (ran.code, ran.out) == (code, ""), ran
    first, *lines = ran.err.splitlines()
    assert first.startswith("error: ")
    detail = lines[:-1] if lines and lines[-1].startswith("hint: ") else lines
    assert all(line.startswith("  ") for line in filter(None, detail))
    assert code == 7 or not detail
    assert ran.err.replace("\n", "").isprintable()
    assert "Traceback" not in ran.err
    return ran.err


def test_every_kind_of_error_has_its_code():
    """Each error of the library's tree has the code that the documentation gives it, alone or by its parent."""
    expected = {
        "InvalidValue": 2,
        "NotFound": 3,
        "AlreadyExists": 4,
        "Conflict": 5,
        "NotPermitted": 6,
        "IntegrityError": 7,
        "ProviderRejected": 8,
        "ProviderUndecided": 9,
        "Unusable": 10,
        "Found": 11,
        "CannotTell": 12,
        "RegistryError": 1,
    }
    kinds = [kind for name in registry.__all__ if isinstance(kind := getattr(registry, name), type)]
    errors = [kind for kind in kinds if issubclass(kind, registry.RegistryError)]
    assert len(errors) > len(expected)
    for kind in errors:
        named = kind.__name__ if kind.__name__ in expected else kind.__base__.__name__
        assert failures.exit_code(kind) == expected[named]
    assert failures.exit_code(ValueError) == 1


@pytest.mark.parametrize("outcome", list(registry.Outcome))
def test_every_outcome_has_its_code(outcome):
    """Each outcome of a connection test has a code."""
    good = {registry.Outcome.ACCEPTED, registry.Outcome.ACCEPTED_MISSING_SCOPE}
    bad = {registry.Outcome.REJECTED, registry.Outcome.RETIRED}
    assert failures.outcome_code(outcome) == (0 if outcome in good else 8 if outcome in bad else 9)


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_names_of_tokens(token, secrets, name):
    """Letters, digits and inner spaces make a name; names alike in case or Unicode form are the same."""
    ran = token("add", name, *secrets)
    if NAMES[name]:
        refused(ran, NAMES[name])
        assert len(json.loads(token.ok("list", "--format", "json"))) == 1
        refused(token("rename", "Zoom", name), NAMES[name]) if NAMES[name] == 2 else None
    else:
        assert ran.code == 0


def test_decomposed_names_are_the_same(token, secrets):
    """A name in another Unicode form is taken, and finds the token."""
    token.ok("add", "Caf\u00e9", *secrets)
    refused(token("add", "Cafe\u0301", *secrets), 4)
    token.ok("show", "CAFE\u0301")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("add", "New", "--app", "Nowhere", "--field", "api_key=@key.txt", "--field", "api_secret=@secret.txt"), 3),
        (("add", "New", "--provider", "nonsense", "--field", "api_key=@key.txt"), 2),
        (("add", "New", "--field", "api_key=@key.txt"), 2),
        (("add", "New", "--field", "nonsense=@key.txt"), 2),
        (("add", "New"), 2),
        (
            (
                "add",
                "New",
                "--description",
                "x" * 4_001,
                "--field",
                "api_key=@key.txt",
                "--field",
                "api_secret=@key.txt",
            ),
            2,
        ),
        (("edit", "Zoom", "--description", "a\x07b"), 2),
        (("edit", "Zoom", "--field", "api_url=ftp://example.com"), 2),
        (("edit", "Zoom"), 2),
        (("edit", "Zoom", "--test"), 2),
        (("edit", "Zoom", "--expires", "tomorrow"), 2),
        (("edit", "Zoom", "--expires", "2027-01-31T12:00:00"), 2),
        (("edit", "Zoom", "--expires", "99999d", "--reason", "x" * 1_001), 2),
        (("edit", "Zoom", "--expect-revision", "2", "--description", "x"), 5),
        (("edit", "Zoom", "--expect-revision", "none", "--description", "x"), 2),
        (("edit", "Nope", "--description", "x"), 3),
        (("edit", "Zoom", "--app", "Nowhere", "--description", "x"), 3),
        (("rename", "Nope", "Other"), 3),
        (("remove", "Nope", "--yes"), 3),
        (("remove", "Zoom"), 2),
        (("show", "Nope"), 3),
        (("show", "Zoom", "--app", "Nowhere"), 3),
        (("test", "Nope"), 3),
        (("reveal", "Zoom", "--field", "nonsense"), 3),
        (("reveal", "Zoom", "--field", "api_url"), 3),
        (("reveal", "Nope", "--field", "api_key"), 3),
        (("reveal", "Zoom"), 2),
        (("list", "--app", "Nowhere"), 3),
        (("list", "--app", "Nowhere", "--global"), 2),
        (("list", "--expiring", "soon"), 2),
        (("history", "Nope"), 3),
        (("history", "f" * 32), 3),
        (("history", "--actor", "nobody"), 3),
        (("history", "--app", "Nowhere"), 3),
        (("history", "--since", "yesterday"), 2),
        (("history", "-n", "-1"), 2),
        (("app", "add", "A-B", "--kind", "form"), 2),
        (("app", "add", "AB", "--kind", "web"), 2),
        (("app", "rename", "Nowhere", "Other"), 3),
        (("app", "remove", "Nowhere", "--yes"), 3),
        (("policy", "set", "nonsense", "yes"), 3),
        (("policy", "set", "allow-plaintext", "maybe"), 2),
        (("edit", "Zoom", "--no-encrypt"), 6),
        (("init",), 4),
        (("init", "--passphrase"), 2),
        (("identity", "passphrase"), 2),
        (("completion", "tcsh"), 2),
        (("--url", "mysql://x", "list"), 2),
        (("--url", "postgresql://x", "list"), 10),
        (("--home", "elsewhere", "list"), 10),
        (("--identity", "key.txt", "list"), 10),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, tuple) else "",
)
def test_refusals(token, words, code):
    """What cannot be done is said in one line, with the documented code, and leaves everything as it was."""
    before = token.ok("history", "--format", "json")
    refused(token(*words), code)
    assert token.ok("history", "--format", "json") == before


def store_of(cli):
    """Return the file of the registry's store."""
    return cli.home / "registry.db"


def spoil(path, how):
    """Damage a store in one of the ways that stores are damaged."""
    data = path.read_bytes()
    match how:
        case "garbage":
            path.write_bytes(b"garbage" * 1_000)
        case "empty":
            path.write_bytes(b"")
        case "truncated":
            path.write_bytes(data[: len(data) // 2 - 100])
        case "header only":
            path.write_bytes(data[:100])
        case "newer":
            with sqlite3.connect(path) as connection:
                connection.execute("PRAGMA user_version = 999")
            connection.close()
        case "foreign":
            path.unlink()
            with sqlite3.connect(path) as connection:
                connection.execute("CREATE TABLE others (x)")
            connection.close()
        case "folder":
            path.unlink()
            path.mkdir()
        case "missing":
            path.unlink()


@pytest.mark.parametrize(
    "how", ["garbage", "empty", "truncated", "header only", "newer", "foreign", "folder", "missing"]
)
def test_stores_that_are_none(token, how):
    """A store that is missing, damaged, foreign or newer is refused with 10, and is left as it is."""
    for suffix in ("-wal", "-shm"):
        assert not (side := store_of(token).with_name(f"registry.db{suffix}")).exists() or not side.stat().st_size
    spoil(store_of(token), how)
    before = store_of(token).read_bytes() if store_of(token).is_file() else None
    for words in (["list"], ["edit", "Zoom", "--description", "x"], ["history"]):
        refused(token(*words), 10)
    assert before is None or store_of(token).read_bytes() == before
    assert token("doctor").code == 10


def test_another_registry_in_its_place(token, tmp_path):
    """A store of another registry at the same place is an integrity failure, not a registry to use."""
    other = type(token)(tmp_path / "other")
    other.ok("init", "--name", "eve")
    for name in ("registry.db",):
        shutil.copy(tmp_path / "other" / name, token.home / name)
    assert token("list").code in {7, 6}


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_identities_that_others_can_read(token, mode):
    """An identity that others may read is not used."""
    (token.home / "identity").chmod(mode)
    assert "chmod 600" in refused(token("list"), 10)


@pytest.mark.parametrize("content", [b"", b"garbage", b"{}", b"[]", b"\xff\xfe", b'{"version": 9}', b"x" * 100_000])
def test_identities_that_are_none(token, content):
    """A damaged identity is refused."""
    (token.home / "identity").write_bytes(content)
    refused(token("list"), 10)


def test_without_an_identity(token):
    """Without an identity there is no way in."""
    (token.home / "identity").unlink()
    refused(token("list"), 10)


def test_an_identity_that_is_no_member(token, tmp_path):
    """Somebody else's identity opens nothing."""
    type(token)(tmp_path / "other").ok("init", "--name", "eve")
    refused(token("list", "--identity", str(tmp_path / "other" / "identity")), 6)


def test_a_machine_that_does_not_know_the_registry(token):
    """Without its pin a registry is not trusted, because a store is never asked who it is."""
    shutil.rmtree(token.home / "state")
    refused(token("list"), 10)


@pytest.mark.parametrize("text", ["format = 3", "nonsense = 1", "= broken", 'format = "xml"', "\x00"])
def test_bad_configurations(token, text):
    """A configuration that is not right is refused."""
    (token.home / "config.toml").write_text(text, encoding="utf-8")
    refused(token("list"), 2)


def test_a_store_in_a_folder_that_cannot_be(empty, tmp_path):
    """Where no store can be made, init says so, and leaves no registry."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    refused(empty("init", "--name", "ada", "--url", f"sqlite:///{tmp_path}/file/registry.db"), 10)
    assert not empty("init", "--name", "ada").code


@pytest.mark.parametrize("name", ["", "a b", "-x", "ä", "x" * 65, "a\x1b"])
def test_names_of_members(empty, name):
    """A member's name is made of ASCII letters, digits, dots, underscores and hyphens; nothing is made for another."""
    ran = empty("init", f"--name={name}")
    if name:
        refused(ran, 2)
        assert not empty.home.exists()


def test_an_identity_is_used_again(cli, tmp_path):
    """A second registry of the same person uses the identity that is there, and leaves it as it is."""
    before = (cli.home / "identity").read_bytes()
    ran = cli("init", "--url", f"sqlite:///{tmp_path}/second.db")
    assert (ran.code, len(ran.out)) == (0, 65)
    assert "used the identity" in ran.err
    assert (cli.home / "identity").read_bytes() == before
    assert stat.S_IMODE((cli.home / "identity").stat().st_mode) == 0o600
    refused(cli("init", "--name", "a b", "--url", f"sqlite:///{tmp_path}/third.db"), 2)


def test_a_fault_of_ours_shows_nothing(token, monkeypatch):
    """An error nobody foresaw is one line with a place; its text and variables, which may be secret, stay inside."""

    def broken(*_args, **_options):
        hidden = SECRET
        raise ValueError(hidden)

    monkeypatch.setattr("registry.service.tokens.Tokens.show", broken)
    ran = token("show", "Zoom")
    assert "a fault of ours: ValueError in test_bad_input.py, line" in refused(ran, 1)
    debugged = token("show", "Zoom", "--debug")
    assert debugged.code == 1
    assert "in broken" in debugged.err
    assert "builtins.ValueError" in debugged.err
    assert SECRET not in ran.err + debugged.err


def test_debug_shows_where_a_refusal_arose(token):
    """With --debug a refusal shows its way through the program, and then its usual lines."""
    ran = token("--debug", "show", "Nope")
    assert ran.code == 3
    assert 'File "' in ran.err
    assert ran.err.splitlines()[-2].startswith("error: there is no token")


def test_odd_bytes_in_arguments(token):
    """Arguments that are not UTF-8 are refused like any other wrong value."""
    ran = process(token.home, "show", "Zoom\udcff")
    assert ran.code == 3
    assert len(ran.err.splitlines()) == 2


def test_a_folder_with_an_odd_name(tmp_path):
    """A folder whose name is not UTF-8 is a folder like any other."""
    odd = tmp_path / "odd\udcff"
    ran = process(tmp_path, "--home", str(odd), "init", "--name", "ada")
    assert (ran.code, len(ran.out)) == (0, 65)
    assert process(tmp_path, "--home", str(odd), "list", "--format", "json").out == "[]\n"
    assert process(tmp_path, "--home", str(odd), "doctor").code == 0
    assert json.loads(process(tmp_path, "--home", str(odd), "doctor", "--format", "json").out)["findings"]
