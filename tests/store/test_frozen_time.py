"""Under freezegun: events carry the time of the clock they were given."""

from datetime import UTC, datetime

import pytest
from freezegun import freeze_time
from msgspec import structs

from registry.service.initialising import init_registry
from registry.service.registry import open_registry
from registry.service.surroundings import Surroundings
from tests.conftest import NOON
from tests.service.attacks import edit, fill, token

FROZEN = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)


@pytest.fixture
def frozen():
    """Freeze the process's own clock."""
    with freeze_time(FROZEN):
        yield


def test_events_get_the_given_clocks_time(settings, around, frozen):
    """Whatever the process's clock says, each event has its command's time, and commits too."""
    init_registry(settings, name="alice", surroundings=around)
    with open_registry(settings, surroundings=around) as registry:
        fill(registry)
        times = [entry.at for entry in registry.history()]
        shown = registry.tokens.show("Zoom")
    assert times == sorted(times)
    assert all(NOON < at < FROZEN for at in times)
    assert all(NOON < at < FROZEN for at in (shown.created_at, shown.changed_at, shown.credentials_changed_at))


def test_the_real_clock_can_be_frozen_too(settings):
    """With the default surroundings a frozen process writes its frozen time, and a thawed one reads it."""
    with freeze_time(FROZEN) as clock:
        around = Surroundings(host="desk")
        init_registry(settings, name="alice", surroundings=around)
        with open_registry(settings, surroundings=around) as registry:
            registry.tokens.add(token(expires_at=FROZEN))
            clock.tick(5)
            registry.tokens.edit("Zoom", edit(description="later"))
    with open_registry(settings) as registry:
        shown = registry.tokens.show("Zoom")
        assert (shown.created_at, shown.expires_at) == (FROZEN, FROZEN)
        assert shown.changed_at == FROZEN.replace(second=14)
        assert type(shown.created_at) is datetime


def test_a_given_clock_that_is_frozen_itself_is_stored(settings, around):
    """A clock that gives freezegun's own subclass of datetime can be stored and read."""
    with freeze_time(FROZEN):
        frozen = datetime.now(UTC)
    around = structs.replace(around, clock=lambda: frozen)
    init_registry(settings, name="alice", surroundings=around)
    with open_registry(settings, surroundings=around) as registry:
        registry.tokens.add(token())
        assert registry.tokens.show("Zoom").created_at == FROZEN
