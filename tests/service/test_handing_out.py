"""Handing out values to programs: names, environments, and that a use is recorded first, or what happens else."""

import contextlib
import fcntl
import os
import pickle
import subprocess
import sys
from datetime import timedelta

import pytest

from registry import (
    ClockBehind,
    HandedOut,
    HistoryQuery,
    InvalidValue,
    NotFound,
    Secret,
    StoreBusy,
    StoreUnreadable,
    Wanted,
)
from registry.providers import catalogue
from registry.providers.interface import Field
from registry.service import safe
from tests.conftest import NOON
from tests.service.attacks import CANARY, fields, token

EVERY_ENGINE = True


class Vault:
    """A provider from outside, with the fields that a test gives it."""

    name = "vault"
    label = "Vault"

    def __init__(self, *names):
        """Take the names of the fields."""
        self.fields = tuple(Field(name=name, label=name, secret=True, required=False) for name in names)

    def test(self, credentials):
        """Ask nobody."""

    def auth(self, credentials):
        """Sign nothing."""


@pytest.fixture
def vault(registry, monkeypatch):
    """Return what stores a token named Vault with the given values, whatever they are called and hold."""
    known = {}
    load = catalogue.load
    monkeypatch.setattr(catalogue, "load", lambda name: known.get(name) or load(name))
    monkeypatch.setattr("registry.service.token_changes.check_fields", lambda *_: None)

    def put(declared=None, **values):
        known["vault"] = Vault(*(values if declared is None else declared))
        secrets = {name: Secret(value) for name, value in values.items()}
        registry.tokens.add(token("Vault", provider="vault", fields=secrets))
        return registry

    return put


@pytest.fixture
def zoom(registry):
    """Return a registry with the tokens Zoom and Mail."""
    for name in ("Zoom", "Mail"):
        registry.tokens.add(token(name, fields=fields(CANARY)))
    return registry


def recorded(registry):
    """Return the purposes of what is recorded."""
    return [e.detail["purpose"] for e in registry.history(HistoryQuery(event="token.disclosed"))]


def test_what_is_handed_out(zoom):
    """Values lie under the names of variables, with the tokens and receipts that they are of, and do not show."""
    handed = zoom.tokens.run([Wanted(name="Zoom", prefix="z_"), Wanted(name="mail", prefix="M_")], only=["api_key"])
    assert {name: value.reveal() for name, value in handed.values.items()} == {
        "z_API_KEY": "KEY-1",
        "M_API_KEY": "KEY-1",
    }
    assert [(one.revision, list(one.fields), one.receipt.revision) for one in handed.tokens] == [
        (1, ["api_key"], 1)
    ] * 2
    assert "KEY-1" not in repr(handed)
    with pytest.raises(TypeError):
        pickle.dumps(handed)
    assert recorded(zoom) == ["run", "run"]


def test_an_environment_is_for_any_program(zoom):
    """What the library gives is taken by ``subprocess`` as it is."""
    handed = zoom.tokens.run([Wanted(name="Zoom")])
    code = "import os; print(os.environ['API_SECRET'], 'TOKEN_REGISTRY_HOME' in os.environ, os.environ.get('KEPT'))"
    inherited = {**os.environ, "TOKEN_REGISTRY_HOME": "x", "_TOKEN_REGISTRY_COMPLETE": "x", "KEPT": "yes"}
    for pristine, kept in ((False, "yes"), (True, "None")):
        environment = handed.environment(inherited, pristine=pristine)
        assert b"_TOKEN_REGISTRY_COMPLETE" not in environment
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert done.stdout == f"{CANARY} False {kept}\n"


def test_a_value_wins_over_what_is_inherited(zoom):
    """A variable of a token takes the place of an inherited one; paths take the place of values."""
    handed = zoom.tokens.run([Wanted(name="Zoom")], only=["api_key"])
    assert handed.environment({"API_KEY": "old", "A": "\udcff"}) == {b"API_KEY": b"KEY-1", b"A": b"\xff"}
    assert handed.environment({}, places={"API_KEY": "/run/k"}) == {b"API_KEY": b"/run/k"}
    text = HandedOut({"A": Secret("ü漢")}, ())
    assert text.environment({}) == {b"A": "ü漢".encode()}


@pytest.mark.parametrize(
    ("wanted", "only", "error"),
    [
        ([], (), InvalidValue),
        ([Wanted(name="Zoom"), Wanted(name="Mail")], (), InvalidValue),
        ([Wanted(name="Zoom", prefix="a_"), Wanted(name="Zoom", prefix="a_")], (), InvalidValue),
        ([Wanted(name="Zoom", prefix="é")], (), InvalidValue),
        ([Wanted(name="Zoom", prefix="A\n")], (), InvalidValue),
        ([Wanted(name="Zoom", prefix="_TOKEN_REGISTRY_")], (), InvalidValue),
        ([Wanted(name="Zoom", app="HR", only_global=True)], (), InvalidValue),
        ([Wanted(name="Zoom"), Wanted(name="Nope")], (), NotFound),
        ([Wanted(name="Zoom")], ("colour",), NotFound),
        ([Wanted(name="Zoom")], ("API_KEY",), NotFound),
    ],
)
def test_what_cannot_be_told_apart_is_refused(zoom, wanted, only, error):
    """A wish that cannot be met is refused, and nothing is recorded of it."""
    with pytest.raises(error):
        zoom.tokens.run(wanted, only=only)
    assert recorded(zoom) == []


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        ("path", ""),
        ("home", ""),
        ("lc_all", ""),
        ("th", "PA"),
        ("token_registry_url", ""),
        ("2fa", ""),
        ("a=b", "X_"),
        ("a b", "X_"),
        ("é", "X_"),
        ("x\x00", "X_"),
        ("", ""),
    ],
)
def test_a_field_that_is_no_variable(vault, name, prefix):
    """A field whose name would not do as a variable, or take the place of one that every program needs, is refused."""
    registry = vault(**{name: "value"})
    with pytest.raises(InvalidValue, match="field"):
        registry.tokens.run([Wanted(name="Vault", prefix=prefix)])
    assert recorded(registry) == []


def test_fields_that_differ_in_case_alone(vault):
    """Two fields of one token whose variables would be the same are refused like those of two."""
    registry = vault(key="a", KEY="b")
    with pytest.raises(InvalidValue, match="would both be KEY"):
        registry.tokens.run([Wanted(name="Vault")])


def test_an_unknown_field_needs_a_prefix(vault):
    """Whoever fills a token cannot choose a variable such as LD_PRELOAD: only declared fields go without a prefix."""
    registry = vault(declared=["key"], key="a", ld_preload="/srv/evil.so")
    with pytest.raises(InvalidValue, match="ld_preload"):
        registry.tokens.run([Wanted(name="Vault")])
    assert list(registry.tokens.run([Wanted(name="Vault")], only=["key"]).values) == ["KEY"]
    assert set(registry.tokens.run([Wanted(name="Vault", prefix="V_")]).values) == {"V_KEY", "V_LD_PRELOAD"}


def test_a_value_that_no_environment_can_hold(vault):
    """A NUL cannot be in the environment, but in a file; half a character can be in neither."""
    registry = vault(key="a\x00b")
    with pytest.raises(InvalidValue, match="NUL"):
        registry.tokens.run([Wanted(name="Vault")])
    assert recorded(registry) == []
    assert registry.tokens.run([Wanted(name="Vault")], as_files=True).values["KEY"].reveal() == "a\x00b"


def test_each_token_must_be_asked_for_something(vault):
    """A token of which no field is asked for is not handed out, so that none is recorded in vain."""
    registry = vault(key="a")
    registry.tokens.add(token("Zoom"))
    wanted = [Wanted(name="Zoom"), Wanted(name="Vault")]
    with pytest.raises(InvalidValue, match="no field of the token 'Vault'"):
        registry.tokens.run(wanted, only=["api_key"])
    assert set(registry.tokens.run(wanted, only=["api_key", "key"]).values) == {"API_KEY", "KEY"}


def test_recorded_before_it_is_handed_out(zoom, monkeypatch):
    """Whatever goes wrong in the commit, nothing has left the registry by then."""
    monkeypatch.setattr(type(zoom._ledger.store), "put", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        zoom.tokens.run([Wanted(name="Zoom")])
    with pytest.raises(ZeroDivisionError):
        zoom.tokens.reveal("Zoom", "api_key")


@contextlib.contextmanager
def busy(registry, clock):
    """Have somebody else hold the store."""
    registry._ledger.store._wait = 0.05
    lock = os.open(f"{registry._ledger.store.path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    yield StoreBusy
    os.close(lock)


@contextlib.contextmanager
def unwritable(registry, clock):
    """Have a folder in the place of the lock."""
    lock = registry._ledger.store.path.with_name("registry.db.lock")
    lock.unlink()
    lock.mkdir()
    yield StoreUnreadable
    lock.rmdir()


@contextlib.contextmanager
def late(registry, clock):
    """Have the machine's clock lag far behind the history."""
    clock.now = NOON - timedelta(days=1)
    yield ClockBehind
    clock.now = NOON + timedelta(days=1)


USES = {
    "reveal": lambda registry, **how: registry.tokens.reveal("Zoom", "api_secret", **how),
    "run": lambda registry, **how: registry.tokens.run([Wanted(name="Zoom")], **how).values["API_SECRET"],
}


@pytest.mark.sqlite
@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("hindrance", [busy, unwritable, late], ids=lambda one: one.__name__)
@pytest.mark.parametrize("policy", ["commands", "always", "never"])
def test_what_cannot_be_recorded(zoom, clock, use, hindrance, policy):
    """A use that cannot be recorded is refused with the reason, or, where policy lets it, told to who asked for it."""
    zoom.policies.set("fail-closed", policy)
    told = []
    with hindrance(zoom, clock) as expected:
        if policy == "never":
            assert USES[use](zoom, unrecorded=told.append).reveal() == CANARY
            assert USES[use](zoom).reveal() == CANARY
        else:
            with pytest.raises(expected, match="cannot be recorded, so nothing is handed out: ") as caught:
                USES[use](zoom, unrecorded=told.append)
            assert CANARY not in f"{caught.value} {caught.value.hint}"
    assert [type(error) for error in told] == ([expected] if policy == "never" else [])
    assert recorded(zoom) == []
    assert USES[use](zoom).reveal() == CANARY
    assert recorded(zoom) == [use]


@pytest.mark.sqlite
@pytest.mark.parametrize("use", USES)
def test_never_is_no_way_around_the_rest(zoom, clock, use, monkeypatch):
    """Where a use need not be recorded, a credential that is not the committed one is refused all the same."""
    zoom.policies.set("fail-closed", "never")
    monkeypatch.setattr(safe.credentials, "open_box", lambda *_: 1 / 0)
    with busy(zoom, clock), pytest.raises(ZeroDivisionError):
        USES[use](zoom)
