"""Two founders: each opens, writes and reads as itself."""

from pathlib import Path

import pytest

from registry import HistoryQuery, load_settings, open_registry
from registry.pins import Pins
from registry.service.founding import found, init_store
from registry.store.sqlite import SQLitePlace
from tests.sealing.specimens import ALICE, BOB
from tests.service.attacks import edit, fields, token


@pytest.fixture
def machines(tmp_path, around):
    """Return the settings of alice's and bob's machines, which share a store that they founded together."""
    settings = {}
    for identity in (ALICE, BOB):
        home = tmp_path / identity.name
        options = {"home": str(home), "url": f"sqlite:///{tmp_path / 'shared.db'}"}
        settings[identity.name] = load_settings(options, {})
        identity.save(home / "identity")
    path = tmp_path / "shared.db"
    alices = Pins(Path(settings["alice"].state.value))
    founded = found([(ALICE, "alice"), (BOB, "bob")], around)
    init_store(SQLitePlace(path), alices, founded, ALICE)
    Pins(Path(settings["bob"].state.value)).put(alices.get(SQLitePlace(path).url))
    return settings


@pytest.fixture
def both(machines, around):
    """Return the registry as alice and as bob have it open."""
    with (
        open_registry(machines["alice"], surroundings=around) as alices,
        open_registry(machines["bob"], surroundings=around) as bobs,
    ):
        yield alices, bobs


def test_each_opens_what_the_other_sealed(both):
    """Global and application credentials of one admin are revealed to the other, changes included."""
    alices, bobs = both
    alices.applications.register("Payroll", "process")
    alices.tokens.add(token(fields=fields("A")))
    bobs.tokens.add(token(application="Payroll", fields=fields("B")))
    alices.tokens.edit("Zoom", edit(fields=fields("A2")), app="Payroll")
    assert [bobs.tokens.reveal("Zoom", "api_secret", app=app).reveal() for app in (None, "Payroll")] == ["A", "A2"]


def test_history_tells_them_apart(both):
    """Every event names its author, and asking for one member brings nobody else's."""
    alices, bobs = both
    alices.tokens.add(token())
    bobs.tokens.edit("Zoom", edit(description="by bob"))
    bobs.policies.set("allow-plaintext", "yes")
    shown = alices.tokens.show("Zoom")
    assert (shown.created_by, shown.changed_by) == ("alice", "bob")
    for registry in both:
        by = {who: [e.event for e in registry.history(HistoryQuery(actor=who))] for who in ("alice", "bob")}
        assert by == {"alice": ["roster.founded", "token.created"], "bob": ["token.described", "policy.changed"]}


def test_a_pin_for_another_url_form_is_the_same_store(machines, around):
    """However the path is spelt, the machine knows the store behind it."""
    path = machines["alice"].store_path()
    spelt = f"sqlite:///{path.parent / 'alice' / '..' / path.name}"
    options = {"home": machines["alice"].home.value, "url": spelt}
    with open_registry(load_settings(options, {}), surroundings=around) as registry:
        assert registry.policies.list()["allow-plaintext"] == "no"
