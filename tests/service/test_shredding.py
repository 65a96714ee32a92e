"""Shredding: after a change of credentials, no file of the home holds what could open the old ones.

Each test is a burglar: it has every file of the home, the identity with all its audience keys among them.
"""

import sqlite3
from contextlib import closing

import pytest
from msgspec import structs

from registry import OnConflict, StoreUnreadable, diagnose, open_registry
from registry.errors import IntegrityError
from registry.sealing import credentials
from registry.sealing.credentials import BoxPlace
from tests.service.attacks import OLD, edit, fields, query, token

WINDOW = 16
"""Bytes of a wrapped key that, found anywhere, would mean that it was not wiped as a whole."""


def files(settings):
    """Return the contents of every file in the home."""
    home = settings.store_path().parent
    return {path.name: path.read_bytes() for path in home.rglob("*") if path.is_file()}


def wrapped_keys(settings):
    """Return the wrapped data key of every token."""
    return dict(query(settings.store_path(), "SELECT token_id, wrapped FROM data_keys"))


def remains(settings, wrapped):
    """Return the files that hold any part of the wrapped key's random bytes."""
    parts = [wrapped[at : at + WINDOW] for at in range(5, len(wrapped) - WINDOW + 1, WINDOW)]
    return {name for name, data in files(settings).items() if any(part in data for part in parts)}


def burgle(settings, registry, old):
    """Return the credentials in an old box that all files and keys together open, or ``None``."""
    ledger = registry._ledger
    for audience in ("audit", "global", "fingerprint", *filter(lambda a: ":" in a, ledger.roster.generations)):
        if audience not in ledger.roster.generations:
            continue
        key = ledger.keyring.current(audience).key
        for data in files(settings).values():
            at = data.find(b"\x01\x00\x00\x00\x01")
            while at >= 0:
                for scope in (audience, old.audience):
                    try:
                        data_key = credentials.unwrap(key, scope, old.place, data[at : at + old.length])
                        return credentials.open_box(data_key, old.place, old.box)
                    except IntegrityError:
                        pass
                at = data.find(b"\x01\x00\x00\x00\x01", at + 1)
    return None


class Old:
    """A token's credentials as they are now, to be burgled after they are old."""

    def __init__(self, settings, registry, name="Zoom", app=None):
        """Remember the box and where it belongs."""
        ledger = registry._ledger
        row, _ = ledger.find(name, ledger.scope(app))
        self.box, self.place = row.box, BoxPlace(ledger.registry, row.token, row.box_revision)
        self.audience = f"application:{row.application}" if app else "global"
        self.wrapped = wrapped_keys(settings)[row.token]
        self.length = len(self.wrapped)


@pytest.fixture
def old(registry, founded):
    """Return the first credentials of a token, which the burglar can open as long as they are current."""
    registry.tokens.add(token(fields=fields(OLD)))
    old = Old(founded, registry)
    assert burgle(founded, registry, old).fields["api_secret"].reveal() == OLD
    assert remains(founded, old.wrapped)
    return old


DESTROY = {
    "edit": lambda registry: registry.tokens.edit("Zoom", edit(fields=fields("NEW"))),
    "unset": lambda registry: registry.tokens.edit("Zoom", edit(fields=fields(OLD, api_url="https://zoom.example/"))),
    "remove": lambda registry: registry.tokens.remove("Zoom"),
    "import": lambda registry: registry.importing.run(
        [token(fields=fields("NEW")), token("More")], on_conflict=OnConflict.OVERWRITE
    ),
}


@pytest.mark.parametrize("destroy", DESTROY.values(), ids=DESTROY)
def test_old_credentials_cannot_be_opened_from_all_files_together(registry, founded, old, destroy):
    """The old data key is in no file, while the registry is open and after it closed; the old box is still there."""
    destroy(registry)
    for _ in range(2):
        assert remains(founded, old.wrapped) == set()
        assert burgle(founded, registry, old) is None
        registry._ledger.store.close()
    states = query(founded, "SELECT state FROM stored_events WHERE topic = 'token.created'")
    assert len(states) >= 1
    assert not any(OLD.encode() in data for data in files(founded).values())


def test_removing_an_application_shreds_all_its_tokens(registry, founded):
    """The data keys of every token go with the application."""
    registry.applications.register("Payroll", "process")
    names = [f"Zoom {number}" for number in range(5)]
    for name in names:
        registry.tokens.add(token(name, application="Payroll", fields=fields(OLD)))
    olds = [Old(founded, registry, name, "Payroll") for name in names]
    assert all(burgle(founded, registry, old) for old in olds)
    registry.applications.remove("Payroll")
    for old in olds:
        assert remains(founded, old.wrapped) == set()


def test_even_the_former_keys_in_memory_do_not_help_without_the_data_key(registry, founded, old):
    """Opening the old event gives the old box; with the new data key, it stays closed."""
    registry.tokens.edit("Zoom", edit(fields=fields("NEW")))
    ledger = registry._ledger
    events = [ledger.opened(logged) for logged in ledger.store.events(topics=["token.created"])]
    assert events[0].credentials.box == old.box
    (row,) = ledger.store.rows()
    new_place = BoxPlace(ledger.registry, row.token, row.box_revision)
    wrapped = row.wrapped
    key = ledger.keyring.current("global").key
    data_key = credentials.unwrap(key, "global", new_place, wrapped)
    for place in (old.place, new_place):
        with pytest.raises(IntegrityError):
            credentials.open_box(data_key, place, old.box)
    with pytest.raises(IntegrityError):
        credentials.unwrap(key, "global", old.place, wrapped)


def test_a_store_with_many_tokens_forgets_every_old_key(registry, founded):
    """Where the tables have grown and their pages have split, no stale copy of a key stays behind."""
    count = 120
    registry.importing.run([token(f"Zoom {number}", fields=fields(OLD)) for number in range(count)])
    for number in range(0, count, 7):
        registry.tokens.edit(f"Zoom {number}", edit(fields=fields("BETWEEN")))
    olds = set(wrapped_keys(founded).values())
    assert len(olds) == count
    registry.importing.run(
        [token(f"Zoom {number}", fields=fields("NEW")) for number in range(count)], on_conflict=OnConflict.OVERWRITE
    )
    assert [wrapped for wrapped in olds if remains(founded, wrapped)] == []


def test_many_tokens_one_by_one_forget_every_old_key(registry, founded):
    """Adding, editing and removing in turn leaves no part of any key that is not current."""
    seen = set()
    for number in range(60):
        registry.tokens.add(token(f"Zoom {number}"))
        seen |= set(wrapped_keys(founded).values())
        if number % 3 == 0:
            registry.tokens.edit(f"Zoom {number}", edit(fields=fields(f"NEW-{number}")))
        if number % 4 == 0:
            registry.tokens.remove(f"Zoom {number // 2}")
            registry.tokens.add(token(f"Zoom {number // 2}"))
        seen |= set(wrapped_keys(founded).values())
    gone = seen - set(wrapped_keys(founded).values())
    assert len(gone) > 15
    registry.tokens.edit("Zoom 1", edit(fields=fields("LAST")))
    assert [wrapped for wrapped in gone if remains(founded, wrapped)] == []


def test_a_former_readable_value_is_in_no_file(registry, founded):
    """The readable copy of a plaintext token is overwritten with its change, its encryption and its end."""
    registry.policies.set("allow-plaintext", "yes")
    secrets = [f"readable-{number}-{OLD}" for number in range(40)]
    registry.importing.run([token(f"Z {i}", fields=fields(s), encrypted=False) for i, s in enumerate(secrets)])
    assert all(any(secret.encode() in data for data in files(founded).values()) for secret in secrets)
    for number in range(len(secrets)):
        if number % 3 == 0:
            registry.tokens.edit(f"Z {number}", edit(fields=fields("NEW")))
        elif number % 3 == 1:
            registry.tokens.edit(f"Z {number}", edit(encrypted=True))
        else:
            registry.tokens.remove(f"Z {number}")
    left = {secret for secret in secrets for data in files(founded).values() if secret.encode() in data}
    assert left == set()


def test_a_readers_snapshot_makes_shredding_pending_and_the_next_command_does_it(registry, founded, around, old):
    """While a reader holds its snapshot the commit stands and the mark shows; whoever comes next finishes it."""
    with closing(sqlite3.connect(founded.store_path(), isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT COUNT(*) FROM tokens").fetchone()
        registry.tokens.edit("Zoom", edit(fields=fields("NEW")))
        assert registry.tokens.reveal("Zoom", "api_secret").reveal() == "NEW"
        assert registry._ledger.store.shred_pending()
        assert any("shredding is pending" in finding.message for finding in diagnose(founded).findings)
        assert reader.execute("SELECT wrapped FROM data_keys").fetchall() == [(old.wrapped,)]
        reader.execute("COMMIT")
    with open_registry(founded, surroundings=around) as again:
        assert not again._ledger.store.shred_pending()
        assert remains(founded, old.wrapped) == set()
        assert burgle(founded, again, old) is None
    assert not any("shredding is pending" in finding.message for finding in diagnose(founded).findings)


def test_an_open_registry_takes_up_pending_shredding_with_its_next_change(registry, founded, old):
    """A program that keeps its registry open does what was pending with the next change of credentials."""
    with closing(sqlite3.connect(founded.store_path(), isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT COUNT(*) FROM tokens").fetchone()
        registry.tokens.edit("Zoom", edit(fields=fields("NEW")))
    assert registry._ledger.store.shred_pending()
    registry.tokens.edit("Zoom", edit(description="any change"))
    assert not registry._ledger.store.shred_pending()
    assert remains(founded, old.wrapped) == set()


def _interrupted(store, **_):
    raise KeyboardInterrupt


def test_a_killed_command_leaves_shredding_to_the_next(founded, around, registry, old, monkeypatch):
    """A process that dies between commit and shredding leaves a mark; the next to open does the work."""
    monkeypatch.setattr(type(registry._ledger.store), "shred", _interrupted)
    with pytest.raises(KeyboardInterrupt):
        registry.tokens.edit("Zoom", edit(fields=fields("NEW")))
    assert remains(founded, old.wrapped)
    monkeypatch.undo()
    with open_registry(founded, surroundings=structs.replace(around)) as again:
        assert remains(founded, old.wrapped) == set()
        assert again.tokens.reveal("Zoom", "api_secret").reveal() == "NEW"


def test_a_shredding_that_fails_does_not_take_the_commit_back(registry, founded, old, monkeypatch):
    """If the log cannot be emptied the command has still been done, and says so; shredding is pending."""
    store = registry._ledger.store
    rows = store._rows

    def full(statement, parameters=()):
        if "wal_checkpoint" in statement:
            raise StoreUnreadable("there is no room left on the disk of the store")
        return rows(statement, parameters)

    with monkeypatch.context() as broken:
        broken.setattr(store, "_rows", full)
        assert registry.tokens.edit("Zoom", edit(fields=fields("NEW"))).changed
        assert store.shred_pending()
    registry.tokens.edit("Zoom", edit(description="x"))
    assert remains(founded, old.wrapped) == set()
