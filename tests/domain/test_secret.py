"""A secret shows itself to nobody who does not ask for it by name."""

import copy
import io
import json
import logging
import pickle
import traceback

import msgspec
import pytest

from registry.service.wishes import NewToken
from registry.values import Secret

CANARY = "canary-7Hq2"


@pytest.fixture
def secret():
    """Return a secret that must turn up nowhere."""
    return Secret(CANARY)


@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        ascii,
        format,
        lambda s: f"{s}",
        lambda s: f"{s!r:>40}",
        lambda s: f"{s:>40}",
        lambda s: "".join(["a", f"{s}"]),
        lambda s: "%s %r" % (s, s),  # noqa: UP031 - the old way of formatting is the point
        lambda s: repr([s, {"field": s}]),
        lambda s: repr(NewToken(name="Zoom", provider="zoom", fields={"api_key": s})),
        lambda s: json.dumps({"field": s}, default=str),
    ],
    ids=["repr", "str", "ascii", "format", "f", "f-repr", "f-width", "join", "percent", "nested", "struct", "default"],
)
def test_no_way_of_showing_shows_it(show, secret):
    """Printing, formatting and nesting show dots."""
    shown = show(secret)
    assert CANARY not in shown
    assert "…" in shown or "\\u2026" in shown


@pytest.mark.parametrize(
    "serialise",
    [json.dumps, pickle.dumps, msgspec.json.encode, msgspec.msgpack.encode, copy.copy, copy.deepcopy, vars, bytes, len]
    + [lambda s, protocol=p: pickle.dumps(s, protocol) for p in range(pickle.HIGHEST_PROTOCOL + 1)],
    ids=["json", "pickle", "msgspec", "msgpack", "copy", "deepcopy", "vars", "bytes", "len"]
    + [f"pickle{p}" for p in range(pickle.HIGHEST_PROTOCOL + 1)],
)
def test_it_cannot_be_serialised_copied_or_measured(serialise, secret):
    """What would write it elsewhere raises ``TypeError`` instead, and does not name it."""
    with pytest.raises(TypeError) as caught:
        serialise(secret)
    assert CANARY not in str(caught.value)


def test_logging_it_shows_dots(secret):
    """A log record of a secret, and of an error that holds one, has dots in its place."""
    stream = io.StringIO()
    logger = logging.getLogger("tests.canary")
    logger.addHandler(logging.StreamHandler(stream))
    try:
        raise ValueError(secret)
    except ValueError:
        logger.exception("with %s and %r", secret, {"field": secret})
    assert CANARY not in stream.getvalue()
    assert stream.getvalue().count("…") >= 3


def test_a_traceback_with_its_locals_does_not_show_it(secret):
    """Even a traceback that shows every local variable shows dots."""
    try:
        held = {"field": secret}
        raise ValueError(held)
    except ValueError as error:
        shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert "held" in shown
    assert CANARY not in shown


def test_equal_values_are_equal_and_nothing_else_is():
    """Secrets compare by value, with secrets only."""
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert Secret("ä") == Secret("ä")


def test_values_that_no_encoding_knows_can_be_compared():
    """A value with half a character, as a broken environment gives it, is compared like any other."""
    assert Secret("a\udc80") == Secret("a\udc80")
    assert Secret("a\udc80") != Secret("a\udc81")


def test_it_has_no_hash(secret):
    """A hash would be a fingerprint that anyone could compute."""
    with pytest.raises(TypeError):
        hash(secret)


def test_reveal_gives_it(secret):
    """``reveal()`` is the one way to the value."""
    assert secret.reveal() == CANARY
