"""Moving a registry: from then on one instance of its store alone takes commits, and hands credentials out."""

import fcntl
import shutil
from contextlib import closing, contextmanager

import pytest

from registry import (
    AlreadyExists,
    Asked,
    Conflict,
    IntegrityError,
    InvalidValue,
    Invitation,
    NotPermitted,
    OutcomeUnknown,
    StoreMissing,
    StoreMoved,
    StoreUnreadable,
    Surroundings,
    TokenEdit,
    Wanted,
    acknowledge_problem,
    back_up_store,
    copy_store,
    join,
    load_settings,
    open_registry,
    open_rolled_back,
    restore_store,
    store_grants,
    verify_registry,
)
from registry.providers.zoom import ZoomProvider
from registry.service import moving, transferring
from registry.service.places import place_of
from registry.store.copying import copy_rows
from registry.store.sqlite import SQLitePlace
from tests.golden.make_store import FOLDER
from tests.holders import holder_of
from tests.members.team import NOON, Clock, fields
from tests.store.copies import at, copied, rows_at
from tests.verify.history import Client


def moved(team, url, name="alice", **more):
    """Move the team's registry to a place."""
    return copy_store(team.settings(name), to=url, move=True, surroundings=team.around, **more)


def edit(team, url, name="alice", text="later"):
    """Change a token at a place."""
    with open_registry(at(team, name, url), surroundings=team.around) as registry:
        registry.tokens.edit("Mail", TokenEdit(fields={}, description=text))


def topics(team, url):
    """Return the topics of the history at a place."""
    with open_registry(at(team, "alice", url), surroundings=team.around) as registry:
        return [entry.event for entry in registry.history()]


def test_only_the_named_instance_takes_commits(team, target):
    """The move is the last commit in the old place and part of the copy, which goes on; the old place does not."""
    went = moved(team, target, reason="a server of its own")
    source = f"sqlite:///{team.store}"
    for name in ("alice", "bob"):
        with open_registry(at(team, name, source), surroundings=team.around) as registry:
            assert registry.is_away
            entry = list(registry.history())[-1]
            assert (entry.event, entry.reason) == ("store.moved", "a server of its own")
            assert entry.detail["place"] == place_of(at(team, name, target)).url
    with pytest.raises(StoreMoved, match="goes on in another store"):
        edit(team, source)
    edit(team, target)
    here, there = (
        rows_at(place)["commits"] for place in (SQLitePlace(team.store), place_of(at(team, "alice", target)))
    )
    assert sorted(here) == sorted(there)[:-1]
    assert topics(team, target)[-2:] == ["store.moved", "token.described"]
    for url in (source, target):
        assert verify_registry(at(team, "alice", url), surroundings=team.around).ok
    assert went.commit == max(here)[0]


def test_nothing_is_handed_out_in_the_old_place(team, target):
    """A running app, ``reveal`` and ``run`` are told that it was moved: what is there may have been replaced since."""
    with team.open("pay") as app, team.open("alice") as admin:
        assert app.resolve("Mail").fields
        moved(team, target)
        for asked in (
            lambda: app.resolve("Mail"),
            lambda: admin.resolve("Mail"),
            lambda: admin.tokens.reveal("Mail", "api_secret"),
            lambda: app.tokens.reveal("Mail", "api_secret"),
            lambda: admin.tokens.test("Mail"),
            lambda: app.tokens.run([Wanted(name="Mail")]),
        ):
            with pytest.raises(StoreMoved):
                asked()
        assert admin.tokens.show("Mail").name == "Mail"
    there = at(team, "pay", target)
    join(there, registry_id=team.pin("alice").registry_id.hex(), surroundings=team.around)
    with open_registry(there, surroundings=team.around) as app:
        assert app.resolve("Mail").fields


def test_not_even_where_uses_need_not_be_recorded(team, target, monkeypatch):
    """Whoever keeps the old place from being written gets nothing out of it, whatever the policy ``fail-closed``."""
    team.do("alice", lambda r: r.policies.set("fail-closed", "never"))
    with team.open("pay") as app, team.open("alice") as admin:
        moved(team, target)
        monkeypatch.setattr("registry.store.sqlite._WAIT", 0.05)
        with open_registry(team.settings("pay"), surroundings=team.around) as late, busy(team.store):
            for registry in (app, admin, late):
                registry._ledger.store._wait = 0.05
                with pytest.raises(StoreMoved):
                    registry.tokens.reveal("Mail", "api_secret")
                with pytest.raises(StoreMoved):
                    registry.tokens.run([Wanted(name="Mail")])


@contextmanager
def busy(store):
    """Keep everybody from writing to a store."""
    with store.with_name(f"{store.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def test_no_provider_is_asked_in_the_old_place(team, target, monkeypatch):
    """Credentials of the old place are not sent to anybody, also not to be tested."""
    asked = []
    monkeypatch.setattr(ZoomProvider, "test", lambda *given: asked.append(given))
    moved(team, target)
    with team.open("alice") as admin:
        with pytest.raises(StoreMoved):
            admin.tokens.test("Mail")
        with pytest.raises(StoreMoved):
            admin.tokens.edit("Mail", TokenEdit(fields=fields("new"), description=""), test=True)
    assert asked == []


def test_a_program_that_waits_for_changes_is_told(team, target):
    """For whoever watches tokens a move is a change: what it was given is asked for anew, and refused."""
    with team.open("pay") as app, app.token_watch([Asked(name="Mail")]) as watch:
        assert not watch.changed()
        moved(team, target)
        assert watch.wait(5)


def test_nobody_reopens_while_it_is_moved(team, target):
    """An admin who goes on in the old place under way ends the move: there are never two that go on."""
    reopened = []

    def meanwhile(*_):
        with team.open("alice") as admin:
            if admin.is_away and not reopened:
                admin.reopen()
                admin.policies.set("record-resolves", "off")
                reopened.append(True)

    with pytest.raises(Conflict, match="go on here meanwhile"):
        moved(team, target, progress=meanwhile)
    assert reopened
    with pytest.raises(StoreMissing):
        place_of(at(team, "alice", target)).open()
    edit(team, f"sqlite:///{team.store}")


def test_what_comes_into_the_place_is_not_taken_for_the_copy(team, tmp_path):
    """Where something else is put in the place under way, the registry goes on where it was."""
    where = tmp_path / "there.db"
    with pytest.raises(AlreadyExists):
        moved(team, f"sqlite:///{where}", progress=lambda *_: where.write_bytes(b""))
    edit(team, f"sqlite:///{team.store}")


def test_a_move_that_cannot_be_taken_back_is_told(team, target, monkeypatch):
    """The error of a failed move says so, if the old place stays the one that was left."""
    monkeypatch.setattr(transferring, "copy_rows", lambda *_, **__: None)
    monkeypatch.setattr(moving, "reopen", lambda *_: (_ for _ in ()).throw(StoreUnreadable("gone")))
    with pytest.raises(IntegrityError) as refused:
        moved(team, target)
    assert "'store reopen' goes on here" in refused.value.hint


def test_an_old_place_with_a_problem_can_be_reopened(team, target):
    """What somebody appended there is acknowledged first, which is possible where nothing else is."""
    with Client(team, "bob") as client:
        moved(team, target)
        _, token = client.token("Mail")
        position = client.commit(client.described(token))
    with pytest.raises(IntegrityError):
        team.do("alice", lambda r: r.reopen())
    acknowledge_problem(
        team.settings("alice"), position=position, kind="role", reason="mallory", surroundings=team.around
    )
    team.do("alice", lambda r: r.reopen())
    edit(team, f"sqlite:///{team.store}")


def test_who_accepts_a_rollback_goes_on_in_that_store(team, target, tmp_path):
    """Where the other place is lost, and a copy of it is all there is, accepting that makes it the one that goes on."""
    moved(team, target)
    there, plain = at(team, "alice", target), tmp_path / "plain.db"
    copy_store(there, to=f"sqlite:///{plain}", surroundings=team.around)
    edit(team, target)
    place = place_of(there)
    if place.files:
        place.files.rename(tmp_path / "lost.db")
        shutil.copy(plain, place.files)
    else:
        holder_of(place).sql(f'ALTER SCHEMA "{place.schema}" RENAME TO "{place.schema}_lost"')
        made = place.create()
        with closing(SQLitePlace(plain).open_raw()) as raw, raw.snapshot():
            copy_rows(raw, made)
        place.settle(made, lambda: None)
    with open_rolled_back(there, surroundings=team.around) as back:
        back.accept(reason="lost")
    edit(team, target, text="again")
    if not place.files:
        holder_of(place).sql(f'DROP SCHEMA "{place.schema}_lost" CASCADE')


def test_a_move_that_fails_is_taken_back(team, target, monkeypatch):
    """Where nothing comes to be in the other place, the registry goes on where it was, and its history says so."""

    def lacking(source, store, **_):
        copy_rows(source, store, leave_out={"log_nodes"})

    monkeypatch.setattr(transferring, "copy_rows", lacking)
    with pytest.raises(IntegrityError, match="node at position 0"):
        moved(team, target)
    monkeypatch.undo()
    source = f"sqlite:///{team.store}"
    edit(team, source)
    assert topics(team, source)[-3:] == ["store.moved", "store.moved", "token.described"]
    with pytest.raises(StoreMissing):
        place_of(at(team, "alice", target)).open()
    moved(team, target)
    edit(team, target, text="there")


def test_where_nobody_knows_whether_it_was_moved_nothing_is_taken_back(team, target, monkeypatch):
    """A lost answer of the other place leaves the old one as it is: an admin finds out where it goes on."""
    place = type(place_of(at(team, "alice", target)))

    def lost(*_):
        raise OutcomeUnknown("nobody knows")

    monkeypatch.setattr(place, "settle", lost)
    with pytest.raises(OutcomeUnknown):
        moved(team, target)
    with pytest.raises(StoreMoved) as refused:
        edit(team, f"sqlite:///{team.store}")
    assert "'store reopen'" in refused.value.hint
    with pytest.raises(StoreMoved):
        moved(team, target)


def test_an_admin_may_reopen_the_old_place(team, target):
    """It goes on there after that, without what was committed elsewhere; the other place does not know of it."""
    moved(team, target)
    with team.open("bob") as auditor, pytest.raises(NotPermitted):
        auditor.reopen()
    with team.open("alice") as admin:
        admin.reopen(reason="the server did not last")
        assert not admin.is_away
        admin.tokens.edit("Mail", TokenEdit(fields={}, description="here again"))
        with pytest.raises(InvalidValue, match="was not moved away"):
            admin.reopen()
    assert verify_registry(team.settings("alice"), surroundings=team.around).ok
    with team.open("pay") as app:
        assert app.resolve("Mail").fields


def test_where_both_go_on_that_is_a_fork(team, target):
    """Whoever has seen the reopened place refuses the one that it had been moved to, which goes on as well."""
    moved(team, target)
    team.do("alice", lambda r: r.reopen())
    team.do("bob", lambda r: list(r.history()))
    edit(team, target, text="there as well")
    with pytest.raises(IntegrityError):
        join(at(team, "bob", target), registry_id=team.pin("alice").registry_id.hex(), surroundings=team.around)


def test_auditors_copy_and_do_not_move(team, target):
    """A move is a commit of the roster: auditors are refused, and nothing has changed."""
    with pytest.raises(NotPermitted):
        moved(team, target, "bob")
    assert "store.moved" not in topics(team, f"sqlite:///{team.store}")


def test_copies_are_others_and_backups_are_the_same(team, target, tmp_path):
    """A plain copy of a moved registry takes no commits; what a backup of it puts back goes on in its place."""
    moved(team, target)
    there, plain, back = at(team, "alice", target), f"sqlite:///{tmp_path}/plain.db", f"sqlite:///{tmp_path}/back.db"
    copy_store(there, to=plain, surroundings=team.around)
    with pytest.raises(StoreMoved):
        edit(team, plain)
    back_up_store(there, to=tmp_path / "backup.db", surroundings=team.around)
    restore_store(at(team, "alice", back), file=tmp_path / "backup.db", surroundings=team.around)
    join(at(team, "alice", back), registry_id=team.pin("alice").registry_id.hex(), surroundings=team.around)
    edit(team, back)
    with closing(place_of(there).open()) as one, closing(SQLitePlace(tmp_path / "back.db").open()) as other:
        came = other.instance()
        assert one.instance() == came != ""
    with closing(SQLitePlace(tmp_path / "plain.db").open()) as copy:
        assert copy.instance() not in ("", came)


def test_a_store_from_before_there_were_instances_is_moved(tmp_path):
    """It has no id of its own, is left for a copy that has one, and may be reopened for any."""
    home, around = tmp_path / "alice", Surroundings(clock=Clock(NOON.replace(month=12)), host="later", client="later/1")
    home.mkdir()
    shutil.copy(FOLDER / "v2" / "registry.db", tmp_path / "old.db")
    shutil.copy(FOLDER / "v2" / "alice.identity", home / "identity").chmod(0o600)
    old, new = (load_settings({"home": str(home), "url": f"sqlite:///{tmp_path}/{n}.db"}, {}) for n in ("old", "new"))
    join(old, invitation=Invitation.parse((FOLDER / "v2" / "invitation.txt").read_text()), surroundings=around)
    back_up_store(old, to=tmp_path / "backup.db", surroundings=around)
    back_up_store(old, to=tmp_path / "history.db", with_keys=False, surroundings=around)
    put_back = load_settings({"home": str(home), "url": f"sqlite:///{tmp_path}/put_back.db"}, {})
    restore_store(put_back, file=tmp_path / "backup.db", surroundings=around)
    with closing(place_of(put_back).open()) as made:
        assert made.instance()
    copy_store(old, to=new.url.value, move=True, surroundings=around)
    with open_registry(new, surroundings=around) as registry:
        registry.policies.set("record-resolves", "off")
    with open_registry(old, surroundings=around) as registry:
        with pytest.raises(StoreMoved):
            registry.policies.set("record-resolves", "off")
        registry.reopen()
        assert registry.policies.set("record-resolves", "off")
    assert verify_registry(old, surroundings=around).ok
    assert verify_registry(new, surroundings=around).ok


def test_a_schema_from_before_there_were_instances_is_used(team, server, schema, tmp_path):
    """In PostgreSQL, too, a store of version 2 verifies, is written, can be granted, and is moved."""
    url = server.store_url(schema)
    copied(team, url)
    server.sql(f'DROP TABLE "{schema}".instance')
    server.sql(f"COMMENT ON SCHEMA \"{schema}\" IS 'token registry, schema 2'")
    edit(team, url)
    settings = at(team, "alice", url)
    assert verify_registry(settings, surroundings=team.around).ok
    server.sql(f"CREATE ROLE {schema}_app")
    try:
        server.sql(store_grants(settings, "app", f"{schema}_app"))
    finally:
        server.sql(f"DROP OWNED BY {schema}_app; DROP ROLE {schema}_app")
    copy_store(settings, to=f"sqlite:///{tmp_path}/new.db", move=True, surroundings=team.around)
    with pytest.raises(StoreMoved):
        edit(team, url)
    edit(team, f"sqlite:///{tmp_path}/new.db")
    server.sql(f"COMMENT ON SCHEMA \"{schema}\" IS 'token registry, schema 3'")
    with pytest.raises(StoreUnreadable, match=r"instance.id is missing"):
        place_of(settings).open()


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM instance", "UPDATE instance SET id = 'me'", f"INSERT INTO instance VALUES ('{'a' * 32}')"],
)
def test_who_holds_the_database_cannot_hide_which_instance_it_is(team, target, statement):
    """Without one id in its form a store is tampered with: ``verify`` says so; and it is not the one that was named."""
    moved(team, target)
    settings = at(team, "alice", target)
    holder_of(place_of(settings)).sql(statement)
    found = verify_registry(settings, surroundings=team.around)
    assert [(one.kind, one.message) for one in found.problems] == [
        ("schema", "the table instance does not hold one id")
    ]
    with pytest.raises((StoreMoved, StoreUnreadable)):
        edit(team, target)


def test_another_id_keeps_everybody_out(team, target):
    """A store that whoever holds it gives another id takes no commits: that is all that it can be made to do."""
    moved(team, target)
    holder_of(place_of(at(team, "alice", target))).sql(f"UPDATE instance SET id = '{'a' * 32}'")
    with pytest.raises(StoreMoved):
        edit(team, target)
