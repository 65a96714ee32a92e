"""Copies between engines, and backups: a whole registry elsewhere, or nothing; and nothing that was destroyed."""

import subprocess
import sys
from contextlib import closing

import pytest

from registry import (
    AlreadyExists,
    Conflict,
    IntegrityError,
    NewToken,
    NotPermitted,
    Secret,
    StoreMissing,
    StoreUnreadable,
    TokenEdit,
    back_up_store,
    copy_store,
    join,
    open_registry,
    restore_store,
    verify_registry,
)
from registry.service import transferring
from registry.service.places import place_of
from registry.store.copying import copy_rows
from registry.store.postgres.place import PostgresPlace
from registry.store.sqlite import SQLitePlace
from tests.golden.make_store import seen
from tests.holders import Refused, holder_of
from tests.members.team import fields
from tests.store.copies import at, backed_up, copied, rows_at
from tests.verify.history import Client, acknowledge

MEMBERS = ("alice", "bob", "pay")
"""An admin, an auditor, and an app, whose asking is recorded: it comes last."""


def seen_at(team, url):
    """Return what members of each role see at a place, those who were not there having joined it."""
    found = {}
    for name in MEMBERS:
        settings = at(team, name, url)
        if name != "alice":
            join(settings, registry_id=team.pin("alice").registry_id.hex(), surroundings=team.around)
        with open_registry(settings, surroundings=team.around) as registry:
            found[name] = seen(registry)
    return found


def test_there_and_back_again(team, server, schema, tmp_path):
    """A registry is the same in every row, to every member and for ``verify``, wherever it was copied to."""
    there, back = server.store_url(schema), f"sqlite:///{tmp_path}/back.db"
    before, rows = {name: team.do(name, seen) for name in reversed(MEMBERS)}, rows_at(SQLitePlace(team.store))
    went = copied(team, there)
    assert rows_at(PostgresPlace(there)) == rows
    came = copy_store(at(team, "alice", there), to=back, surroundings=team.around)
    assert rows_at(SQLitePlace(tmp_path / "back.db")) == rows
    assert (went.registry_id, went.commit, went.checkpoint) == (came.registry_id, came.commit, came.checkpoint)
    for url in (there, back):
        verified = verify_registry(at(team, "alice", url), surroundings=team.around)
        assert (verified.ok, verified.checkpoint, verified.problems) == (True, went.checkpoint, ())
        assert seen_at(team, url) == before


def test_work_goes_on_on_a_copy(team, target):
    """Whoever copied a registry commits to the copy at once, replaced keys are destroyed there, and it verifies."""
    copied(team, target)
    settings = at(team, "alice", target)
    with open_registry(settings, surroundings=team.around) as registry:
        assert not registry.shred_pending
        registry.tokens.add(NewToken(name="Later", provider="zoom", fields=fields("later")))
        registry.tokens.edit("Mail", TokenEdit(fields={"api_secret": Secret("on-the-copy")}))
        assert not registry.shred_pending
        assert registry.resolve("Mail")["api_secret"].reveal() == "on-the-copy"
    assert verify_registry(settings, surroundings=team.around).ok
    assert team.do("alice", lambda r: r.resolve("Mail")["api_secret"].reveal()) != "on-the-copy"


def test_a_copy_is_append_only(team, target):
    """What was committed can be changed on a copy as little as anywhere."""
    copied(team, target)
    place = place_of(at(team, "alice", target))
    with closing(place.open()) as store, pytest.raises(StoreUnreadable):
        store._rows("UPDATE stored_events SET topic = topic RETURNING topic")


def test_nothing_is_written_into_the_source(team, target):
    """Copies and backups leave no trace in the history, and move no pin of the source."""
    rows, pin = rows_at(SQLitePlace(team.store)), team.pin("alice")
    copied(team, target)
    backed_up(team)
    assert (rows_at(SQLitePlace(team.store)), team.pin("alice")) == (rows, pin)


def test_more_rows_than_a_page(writer, server, schema):
    """However many rows there are, each comes once, there and back, and how far it is is told."""
    for _ in range(3):
        first = writer.store.size()
        writer.put([writer.tested(1, first + step) for step in range(1, 1_202)])
    there, told = PostgresPlace(server.store_url(schema)), []
    for source, target in ((writer.store.place, there), (there, SQLitePlace(writer.store.path.with_name("back.db")))):
        made = target.create()
        with closing(source.open_raw()) as raw, raw.snapshot():
            copy_rows(raw, made, progress=lambda *far: told.append(far))
        target.settle(made, lambda: None)
        made.discard()
        assert rows_at(target) == rows_at(writer.store.place)
        assert told[-1][0] == told[-1][1]
    assert len(told) > 4


# What is refused

TAMPERED = {
    "event": "UPDATE stored_events SET state = state || x'00' WHERE position = 7",
    "row": "UPDATE tokens SET card = card || x'00'",
    "data-key": "DELETE FROM data_keys",
    "node": "DELETE FROM log_nodes WHERE number = 3",
    "present": "DELETE FROM present_units",
    "signature": "UPDATE commits SET root = zeroblob(32) WHERE number = 5",
    "schema": "CREATE TABLE more (name TEXT)",
}
MAKING = {
    "copy": lambda settings, file, around: copy_store(settings, to=f"sqlite:///{file}", surroundings=around),
    "backup": lambda settings, file, around: back_up_store(settings, to=file, surroundings=around),
    "without keys": lambda settings, file, around: back_up_store(
        settings, to=file, with_keys=False, surroundings=around
    ),
}


@pytest.mark.parametrize("kind", TAMPERED)
@pytest.mark.parametrize("make", MAKING.values(), ids=MAKING)
def test_a_tampered_source_is_refused_by_name(team, tmp_path, kind, make):
    """What does not verify is neither copied nor backed up; the error says which problem, and nothing is there."""
    team.sql(TAMPERED[kind])
    for name in ("alice", "bob"):
        with pytest.raises(IntegrityError, match=f"does not verify: {kind} at position"):
            make(team.settings(name), tmp_path / "there.db", team.around)
    assert list(tmp_path.glob("there.db*")) in ([], [tmp_path / "there.db.lock"])


def test_a_source_that_was_put_back_is_refused(team, tmp_path):
    """A machine copies no state that is older than what it has seen."""
    old = team.backup()
    team.do("alice", lambda r: r.policies.set("record-resolves", "off"))
    team.restore(old)
    for copy in (lambda: copied(team, f"sqlite:///{tmp_path}/there.db"), lambda: backed_up(team)):
        with pytest.raises(IntegrityError, match=r"pin at position .*shorter than this machine has seen"):
            copy()


def test_what_an_admin_has_acknowledged_is_copied(team, target):
    """A known problem stops no copy, and is reported of the copy as of the source."""
    with Client(team, "bob") as client:
        _, token = client.token("Mail")
        position = client.commit(client.described(token))
    with pytest.raises(IntegrityError, match=f"role at position {position}"):
        copied(team, target)
    acknowledge(team, position, "role")
    copied(team, target)
    settings = at(team, "alice", target)
    found = verify_registry(settings, surroundings=team.around)
    assert found.ok
    assert [(one.position, one.kind) for one in found.problems] == [(position, "role")]
    file = backed_up(team)
    assert rows_at(SQLitePlace(file)) == rows_at(place_of(settings))


def test_apps_may_not(team, target, tmp_path):
    """Copies, backups and restores are for admins and auditors; an app is refused, and nothing is there."""
    file = backed_up(team, "bob")
    for refused in (
        lambda: copied(team, target, "pay"),
        lambda: back_up_store(team.settings("pay"), to=tmp_path / "b.db", surroundings=team.around),
        lambda: restore_store(at(team, "pay", target), file=file, surroundings=team.around),
    ):
        with pytest.raises(NotPermitted, match="takes the role admin or auditor; yours is app"):
            refused()
    with pytest.raises(StoreMissing):
        place_of(at(team, "pay", target)).open()
    assert not (tmp_path / "b.db").exists()


def test_what_is_there_is_not_overwritten(team, target):
    """A copy, a backup and a restore are refused where something is, which stays as it is."""
    file = backed_up(team)
    copied(team, target)
    place, data = place_of(at(team, "alice", target)), file.read_bytes()
    rows = rows_at(place)
    with open_registry(team.settings("alice"), surroundings=team.around) as registry:
        registry.policies.set("record-resolves", "off")
    with pytest.raises(AlreadyExists):
        copied(team, target)
    with pytest.raises(AlreadyExists) as refused:
        restore_store(at(team, "alice", target), file=file, surroundings=team.around)
    assert "move what is there away first" in refused.value.hint
    with pytest.raises(AlreadyExists):
        back_up_store(team.settings("alice"), to=file, surroundings=team.around)
    assert (rows_at(place), file.read_bytes()) == (rows, data)


def test_a_copy_goes_on_from_what_was_seen_in_its_place(team, target):
    """Where this machine has seen more in the place, or another registry, no copy takes its place."""
    copied(team, target)
    settings = at(team, "alice", target)
    with open_registry(settings, surroundings=team.around) as registry:
        registry.policies.set("record-resolves", "off")
    place = place_of(settings)
    if place.files:
        place.files.rename(place.files.with_name("away"))
    else:
        holder_of(place).sql(f'ALTER SCHEMA "{place.schema}" RENAME TO "{place.schema}_away"')
    with pytest.raises(IntegrityError, match="this machine has seen commit"):
        copied(team, target)
    team.pins("alice").put(type(team.pin("alice"))(place.url, b"x" * 32))
    with pytest.raises(Conflict, match="knows the store at"):
        copied(team, target)
    with pytest.raises(StoreMissing):
        place.open()


def test_a_copy_that_fails_takes_away_what_it_made(team, target, monkeypatch):
    """Where the copy itself does not verify, nothing is left in its place or beside it."""
    place = place_of(at(team, "alice", target))
    made, create = [], type(place).create

    def creating(here):
        made.append(create(here))
        return made[-1]

    def lacking(source, store, **_):
        copy_rows(source, store, leave_out={"log_nodes"})

    monkeypatch.setattr(type(place), "create", creating)
    monkeypatch.setattr(transferring, "copy_rows", lacking)
    with pytest.raises(IntegrityError, match="node at position 0"):
        copied(team, target)
    monkeypatch.undo()
    beside = place.beside(made[0])
    for nowhere in (place, beside):
        with pytest.raises(StoreMissing):
            nowhere.open()
    assert team.pins("alice").get(place.url) is None
    copied(team, target)


def test_a_copy_ends_with_the_newest_commit(team, target, monkeypatch):
    """A copy that verifies, and holds all that this machine has seen, is still compared with the source."""
    older = SQLitePlace(backed_up(team))
    team.do("alice", lambda r: r.policies.set("record-resolves", "off"))

    def outdated(_source, store, **_):
        with closing(older.open_raw()) as raw, raw.snapshot():
            copy_rows(raw, store)

    monkeypatch.setattr(transferring, "copy_rows", outdated)
    with pytest.raises(IntegrityError, match="does not end with the checkpoint that the store ends with"):
        copied(team, target, "bob")
    with pytest.raises(StoreMissing):
        place_of(at(team, "bob", target)).open()


def test_a_copy_of_what_was_damaged_meanwhile_says_so(team, target, monkeypatch):
    """What is wrong with the rows that were copied is an integrity failure, never somebody in the way."""

    def damaged(source, store, **_):
        table = source.table
        monkeypatch.setattr(
            source, "table", lambda name: map(spoilt, table(name)) if name == "commits" else table(name)
        )
        copy_rows(source, store)

    def spoilt(row):
        return tuple("yesterday" if isinstance(value, str) and value.endswith("Z") else value for value in row)

    monkeypatch.setattr(transferring, "copy_rows", damaged)
    with pytest.raises(IntegrityError, match="commit"):
        copied(team, target)
    with pytest.raises(StoreMissing):
        place_of(at(team, "alice", target)).open()


def test_two_that_are_made_at_once_are_two(target, team):
    """What was left by a process that was killed is in nobody's way, whatever its number was."""
    place = place_of(at(team, "alice", target))
    made = [place.create(), place.create()]
    place.settle(made[0], lambda: None)
    with pytest.raises(AlreadyExists):
        place.settle(made[1], lambda: None)
    for store in made:
        store.discard()
    place.open().close()


# Killed

VICTIM = """
import importlib, os, signal, sys
from pathlib import Path
from datetime import UTC, datetime
from registry import Surroundings, back_up_store, copy_store, load_settings
module, path, calls, home, url, target, kind = sys.argv[1:]
import registry.service.transferring, registry.store.postgres.place
owner = importlib.import_module(module)
*classes, name = path.split(".")
for step in classes:
    owner = getattr(owner, step)
original, left = getattr(owner, name), [int(calls)]
def killing(*arguments, **named):
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*arguments, **named)
setattr(owner, name, killing)
settings = load_settings({"home": home, "url": url}, {})
around = Surroundings(clock=lambda: datetime(2027, 2, 1, tzinfo=UTC))
if kind.startswith("backup"):
    back_up_store(settings, to=Path(target), with_keys=kind == "backup", surroundings=around)
else:
    copy_store(settings, to=target, surroundings=around)
"""
MOMENTS = {
    "sqlite": {
        "made": ("registry.store.sqlite", "SQLiteStore.take", "1"),
        "half full": ("registry.store.sqlite", "SQLiteStore.take", "4"),
        "full": ("registry.store.sqlite", "SQLiteStore.forget", "2"),
        "verifying": ("registry.service.transferring", "Verifier.run", "2"),
        "verified": ("registry.store.sqlite", "SQLitePlace.settle", "1"),
        "pinned": ("registry.store.sqlite", "os.link", "1"),
    },
    "postgres": {
        "made": ("registry.store.postgres.store", "PostgresStore.take", "1"),
        "half full": ("registry.store.postgres.store", "PostgresStore.take", "4"),
        "verifying": ("registry.service.transferring", "Verifier.run", "2"),
        "verified": ("registry.store.postgres.place", "PostgresPlace.settle", "1"),
    },
    "backup": {
        "made": ("registry.store.sqlite", "SQLiteStore.take_pages", "1"),
        "verifying": ("registry.service.transferring", "Verifier.run", "1"),
        "verified": ("registry.store.backup_file", "os.link", "1"),
    },
    "backup without keys": {
        "half full": ("registry.store.sqlite", "SQLiteStore.take", "3"),
        "verified": ("registry.store.backup_file", "os.link", "1"),
    },
}


@pytest.mark.parametrize(
    ("kind", "moment"), [(kind, moment) for kind, moments in MOMENTS.items() for moment in moments]
)
def test_a_copy_that_is_killed_was_never_there(team, request, tmp_path, kind, moment):
    """Killed half-way, it leaves nothing in the place, and the same command succeeds afterwards."""
    url = f"sqlite:///{team.store}"
    where = tmp_path / "there.db"
    target = str(where) if "backup" in kind else f"sqlite:///{where}"
    if kind == "postgres":
        target = request.getfixturevalue("server").store_url(request.getfixturevalue("schema"))
    arguments = [*MOMENTS[kind][moment], str(team.root / "alice"), url, target, kind]
    environment = {"PYTHONPATH": ":".join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", VICTIM, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == -9, done.stderr
    if "backup" in kind:
        assert not where.exists()
        back_up_store(team.settings("alice"), to=where, surroundings=team.around)
        place = SQLitePlace(where)
    else:
        place = place_of(at(team, "alice", target))
        with pytest.raises(StoreMissing):
            place.open()
        copied(team, target)
    assert rows_at(place) == rows_at(SQLitePlace(team.store))


def test_a_copy_refuses_rows_that_are_there(team, tmp_path):
    """Rows are only ever added to what is empty: the tables themselves refuse a second one in a place."""
    with closing(SQLitePlace(team.store).open()) as store, pytest.raises((StoreUnreadable, Refused)):
        store.take("commits", [store._rows("SELECT * FROM commits WHERE number = 0")[0]])
