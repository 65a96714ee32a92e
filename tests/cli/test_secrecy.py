"""A canary secret is looked for in every file and every output of a life with the registry."""

import base64
import gc

import pytest

from cli.sources import Assignments
from registry.testing.zoom_stand_in import Quirk
from tests.cli.conftest import KEY, NEW_SECRET, SECRET

SECRETS = (KEY, SECRET, NEW_SECRET)


def forms(secret):
    """Return the forms in which a secret could give itself away."""
    raw = secret.encode()
    return [
        raw,
        base64.b64encode(raw).rstrip(b"=")[:-1],
        raw.hex().encode(),
        raw[::-1],
        raw.decode().encode("utf-16-le"),
    ]


def found_in(data):
    """Return the secrets whose traces stand in the data."""
    return [secret for secret in SECRETS for form in forms(secret) if form in data]


def test_no_output_and_no_file_holds_a_secret(cli, secrets, zoom, tmp_path):
    """Whatever a command prints, with --debug too, and whatever it writes, no secret is in it."""
    lines = [
        ("add", "Zoom", *secrets, "--field", f"api_url={zoom.api_url}", "--test"),
        ("add", "Zoom", *secrets),
        ("add", "Zoom2", "--field", f"api_key={KEY}", "--field", f"api_secret={SECRET}"),
        ("add", "Zoom3", *secrets, "--field", "api_secret=@new.txt"),
        ("show", "Zoom", "--format", "json"),
        ("test", "Zoom"),
        ("edit", "Zoom", "--field", "api_secret=@new.txt", "--test"),
        ("edit", "Zoom", "--field", "api_secret=@new.txt", "--field", "api_url=http://elsewhere.example"),
        ("edit", "Zoom", "--field", "api_secret=@new.txt"),
        ("edit", "Zoom", "--field", "api_secret=@new.txt", "--expect-revision", "1"),
        ("test", "Zoom"),
        ("list", "--format", "json"),
        ("history", "--format", "json"),
        ("history",),
        ("history", "--diff", "--format", "json"),
        ("show", "Zoom", "--as-of", "2999-01-01"),
        *(("export", "--format", form) for form in ("jsonl", "csv", "cloudevents", "ocsf")),
        ("doctor",),
        ("rename", "Zoom", "Other"),
        ("remove", "Other", "--yes"),
    ]
    zoom.behave(Quirk.ECHO, path="/v2", times=1)
    for words in lines:
        cli("--debug", *words)
    assert found_in("".join(cli.seen).encode()) == []
    files = [path for path in cli.home.rglob("*") if path.is_file()]
    assert len(files) >= 3
    assert [path.name for path in files if found_in(path.read_bytes())] == []


def test_only_reveal_prints_a_secret(token):
    """The one value that is asked for is printed, and no other."""
    assert token.ok("reveal", "Zoom", "--field", "api_key") == f"{KEY}\n"
    assert found_in("".join(token.seen).encode()) == [KEY]


@pytest.mark.parametrize(
    "where", ["registry.service.token_changes.TokenChanges.add", "registry.store.sqlite.SQLiteStore.put"]
)
def test_a_fault_with_secrets_at_hand(cli, secrets, monkeypatch, where):
    """A fault in the middle of storing credentials prints none of them, though they are all around it."""

    def broken(*arguments, **options):
        raise RuntimeError(repr((arguments, options, SECRET, KEY)))

    monkeypatch.setattr(where, broken)
    for debug in ([], ["--debug"]):
        ran = cli("add", "Zoom", *secrets, *debug)
        assert ran.code == 1
        assert found_in((ran.out + ran.err).encode()) == []


def test_what_holds_secrets_does_not_show_them():
    """Values that are not read yet do not show themselves."""
    assert KEY not in repr(Assignments.parse([f"api_key=env:{KEY}"]))
    gc.collect()


def test_no_child_is_given_a_secret(cli, secrets, monkeypatch):
    """Commands start no other program, so there is none to inherit anything."""

    def refuse(*_arguments, **_options):
        raise AssertionError

    for name in ("subprocess.Popen", "os.fork", "os.posix_spawn", "os.system"):
        monkeypatch.setattr(name, refuse)
    cli.ok("add", "Zoom", *secrets)
    cli.ok("show", "Zoom")
    cli.ok("remove", "Zoom", "--yes")
