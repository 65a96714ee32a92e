"""A canary: a secret that goes through everything, and must be found nowhere."""

import base64
import contextlib
import json
import logging
import traceback
from datetime import UTC, datetime

import pytest

from registry import (
    ExportFormat,
    InvalidValue,
    OnConflict,
    RegistryError,
    Secret,
    diagnose,
    init_registry,
    open_registry,
)
from registry.testing.zoom_stand_in import Quirk, ZoomStandIn
from tests.service.attacks import edit, fields, token

CANARY = "canary-W7mZ4kTq9xRb2vLn8cYd5hJg3sPf6aEw1uXo0iVt"
PASSPHRASE = "correct horse canary battery"
LATE = datetime(2999, 1, 1, tzinfo=UTC)


def spellings(secret):
    """Return the secret as it could stand in a file: plain, encoded, escaped, turned."""
    raw = secret.encode()
    encoded = {base64.b64encode(raw[skip:])[:-4] for skip in range(3)}
    return {raw, raw.hex().encode(), raw[::-1], json.dumps(secret).encode(), raw.decode().encode("utf-16-le")} | encoded


@pytest.fixture
def logged(caplog):
    """Return everything that any logger says from now on."""
    caplog.set_level(logging.DEBUG)
    for name in list(logging.root.manager.loggerDict):
        caplog.set_level(logging.DEBUG, logger=name)
    return caplog


def story(registry, zoom):
    """Send the canary through every use case, the failing ones included; return all that was said."""
    good = fields(CANARY, CANARY[::2], api_url=zoom.api_url)
    said = []

    def attempt(use):
        try:
            said.append(repr(use()))
        except RegistryError as error:
            said.append("".join(traceback.format_exception(error)))
            said.append(f"{error} {error.hint} {error.__context__!r}")

    attempt(lambda: registry.tokens.add(token(fields=good), test=True, reason="first"))
    for quirk in (Quirk.ECHO, Quirk.WRONG_SIGNATURE, Quirk.REDIRECT):
        zoom.behave(quirk)
        attempt(lambda: registry.tokens.test("Zoom"))
        attempt(lambda: registry.tokens.edit("Zoom", edit(fields=good | fields(CANARY + "x")), test=True))
        zoom.behave_well()
    attempt(lambda: registry.tokens.add(token(fields=good)))
    attempt(lambda: registry.tokens.add(token("Bad", fields=good | {"api_secret": Secret(CANARY + "\n")})))
    attempt(lambda: registry.tokens.add(token("Bad", fields=good | {"surprise": Secret(CANARY)})))
    attempt(lambda: registry.tokens.add(token("Bad", provider="zoom-oauth", fields=good)))
    attempt(lambda: registry.tokens.edit("Zoom", edit(fields={"api_key": Secret(CANARY)}), expect_revision=9))
    attempt(lambda: registry.tokens.edit("Zoom", edit(fields={"api_key": Secret(CANARY)})))
    attempt(lambda: registry.importing.run([token(fields=good), token("Bad", fields=fields(CANARY + "\x00"))]))
    attempt(
        lambda: registry.importing.run(
            [token(fields=good), token("Two", fields=good)], on_conflict=OnConflict.OVERWRITE
        )
    )
    attempt(lambda: registry.tokens.rename("Zoom", "Three"))
    attempt(lambda: registry.tokens.reveal("Three", "api_secret"))
    attempt(lambda: [(view, view.document()) for view in registry.tokens.list()])
    attempt(lambda: [registry.tokens.show(view.name, as_of=LATE).document() for view in registry.tokens.list()])
    attempt(lambda: [entry.document() for diff in (False, True) for entry in registry.history(diff=diff)])
    attempt(lambda: [list(registry.export(format=form)) for form in ExportFormat])
    attempt(lambda: registry._ledger.store.row(registry.tokens.show("Three").id))
    attempt(lambda: registry.tokens.remove("Two"))
    attempt(lambda: (registry, registry.tokens, registry._ledger, vars(registry._ledger)))
    return said


def test_no_secret_in_any_file_log_error_or_representation(settings, around, logged, capfd):
    """After a whole story, tests against an echoing provider included, the canary is only where it was revealed."""
    init_registry(settings, name="alice", new_passphrase=lambda: Secret(PASSPHRASE), surroundings=around)
    with ZoomStandIn() as zoom:
        zoom.add_key(CANARY[::2], CANARY)
        with open_registry(settings, passphrase=lambda: Secret(PASSPHRASE), surroundings=around) as registry:
            said = story(registry, zoom)
            assert registry.tokens.reveal("Three", "api_secret").reveal() == CANARY
            said.append(repr(diagnose(settings, lambda: Secret(PASSPHRASE), around)))
            kept = files(settings)
    kept |= {f"closed {name}": data for name, data in files(settings).items()}
    out, err = capfd.readouterr()
    assert len(said) > 20
    assert any("accepted" in text for text in said)
    assert logged.records
    haystacks = {**kept, "said": "\n".join(said).encode(), "log": logged.text.encode(), "out": (out + err).encode()}
    for secret in (CANARY, CANARY[::2], PASSPHRASE):
        for name, data in haystacks.items():
            assert not [spelling for spelling in spellings(secret) if spelling in data], name


def files(settings):
    """Return the contents of every file in the home."""
    home = settings.store_path().parent
    return {str(path): path.read_bytes() for path in home.rglob("*") if path.is_file()}


def test_the_canary_would_be_found(settings, around):
    """A plaintext token's canary is found in the database: the search above can fail."""
    init_registry(settings, name="alice", surroundings=around)
    with open_registry(settings, surroundings=around) as registry:
        registry.policies.set("allow-plaintext", "yes")
        registry.tokens.add(token(fields=fields(CANARY), encrypted=False))
        with contextlib.suppress(InvalidValue):
            registry.tokens.add(token("Bad", fields=fields(CANARY + "\n")))
    found = [name for name, data in files(settings).items() if CANARY.encode() in data]
    assert found == [str(settings.store_path())]


def test_a_plaintext_rows_representation_does_not_show_it(settings, around):
    """A current row that holds readable credentials does not print them."""
    init_registry(settings, name="alice", surroundings=around)
    with open_registry(settings, surroundings=around) as registry:
        registry.policies.set("allow-plaintext", "yes")
        shown = registry.tokens.add(token(fields=fields(CANARY), encrypted=False)).token
        assert CANARY not in repr(shown)
        assert CANARY not in repr(registry._ledger.store.row(shown.id))
