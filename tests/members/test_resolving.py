"""Running apps resolve: at once, never with what is out of date, and each token only as the log says that it is."""

import asyncio
import pickle
import shutil
import threading
import time

import pytest

from registry import IntegrityError, NewToken, NotFound, NotPermitted, StoreMissing, TokenEdit, open_registry
from tests.members.team import fields, secret_of

EVERY_ENGINE = True

PATIENCE = 10


def edited(team, key, name="Mail", app=None):
    """Have alice change a token's credentials."""
    team.do("alice", lambda r: r.tokens.edit(name, TokenEdit(fields=fields(key)), app=app))


def key_of(registry, name="Mail", **asked):
    """Return the API Key that a running app is given."""
    return registry.resolve(name, **asked)["api_key"].reveal()


def uses(team):
    """Return what is recorded of resolved tokens."""
    history = team.do("bob", lambda r: list(r.history()))
    return [(e.actor, e.token, e.revision) for e in history if e.detail.get("purpose") == "resolve"]


def test_the_same_answer_comes_from_memory(opened):
    """While nothing changes, the very same object is the answer."""
    app = opened("pay")
    assert app.resolve("Mail") is app.resolve("Mail")


def test_a_change_by_another_process_is_in_the_next_answer(team, opened):
    """Whoever asks after a commit gets the new credentials, each time."""
    app = opened("pay")
    for number in range(5):
        edited(team, f"key-{number}")
        assert key_of(app) == f"key-{number}"


def test_a_change_of_another_token_leaves_the_answer_as_it_is(team, opened):
    """What is checked again after a foreign commit, and found to be the same, need not be opened again."""
    app = opened("pay")
    before = app.resolve("Mail")
    edited(team, "other", "Zoom")
    assert app.resolve("Mail") is before
    assert key_of(app, "Zoom", only_global=True) == "other"


def test_a_deleted_token_is_not_found(team, opened):
    """A token that was resolved a moment ago raises as soon as it is deleted."""
    app = opened("pay")
    assert key_of(app) == secret_of("Mail", None)
    team.do("alice", lambda r: r.tokens.remove("Mail"))
    for _ in range(2):
        with pytest.raises(NotFound):
            app.resolve("Mail")


def test_a_new_token_of_ones_own_comes_before_the_global_one(team, opened):
    """What a name means is decided anew after each change."""
    app = opened("pay")
    assert key_of(app) == secret_of("Mail", None)
    team.do("alice", lambda r: r.tokens.rename("Wages", "Mail", app="Payroll"))
    assert key_of(app) == secret_of("Wages", "Payroll")
    assert key_of(app, only_global=True) == secret_of("Mail", None)


def test_a_token_made_anew_is_another(team, opened):
    """A token of a deleted one's name answers with its own credentials, though both are of the first revision."""
    app = opened("pay")
    before = app.resolve("Mail")
    team.do("alice", lambda r: r.tokens.remove("Mail"))
    team.do("alice", lambda r: r.tokens.add(NewToken(name="Mail", provider="zoom", fields=fields("anew"))))
    after = app.resolve("Mail")
    assert (after["api_key"].reveal(), after.revision, before.revision) == ("anew", 1, 1)
    assert after.token_id != before.token_id


def test_an_application_is_asked_for_by_its_present_name(team, opened):
    """What a renamed application was called before names nothing any more, though it was answered a moment ago."""
    app = opened("pay")
    assert key_of(app, "Wages", app="Payroll") == secret_of("Wages", "Payroll")
    team.do("alice", lambda r: r.applications.rename("Payroll", "Salaries"))
    with pytest.raises(NotFound):
        app.resolve("Wages", app="Payroll")
    assert key_of(app, "Wages", app="salaries") == secret_of("Wages", "Payroll")


def test_a_role_is_that_of_now(team, opened):
    """Who becomes an auditor opens nothing from then on, and again when it is an app member again."""
    app = opened("pay")
    app.resolve("Mail")
    team.do("alice", lambda r: r.members.change_role("pay", "auditor"))
    with pytest.raises(NotPermitted, match="yours is auditor"):
        app.resolve("Mail")
    team.do("alice", lambda r: r.members.change_role("pay", "app", app="Payroll"))
    assert key_of(app) == secret_of("Mail", None)


@pytest.mark.sqlite
def test_a_store_that_is_away_answers_nothing(team, opened):
    """Without the store nobody can say what holds now; when it is back, it answers."""
    app = opened("pay")
    app.resolve("Mail")
    team.store.rename(team.store.with_name("away"))
    for _ in range(2):
        with pytest.raises(StoreMissing):
            app.resolve("Mail")
    team.store.with_name("away").rename(team.store)
    assert key_of(app) == secret_of("Mail", None)


def test_tasks_resolve_in_threads(team, opened):
    """Coroutines ask directly or through a thread, many at once; each gets what is current, and the loop goes on."""
    app = opened("pay")

    async def ask(number):
        if number % 2:
            return key_of(app, process=f"task {number % 5}")
        return (await asyncio.to_thread(app.resolve, "Mail"))["api_key"].reveal()

    async def all_of_them():
        return set(await asyncio.gather(*map(ask, range(50))))

    assert asyncio.run(all_of_them()) == {secret_of("Mail", None)}
    edited(team, "new")
    assert asyncio.run(all_of_them()) == {"new"}


def test_a_removed_member_gets_no_answer(team, opened):
    """A running app is refused from the commit on that removes it, although it has the answers in memory."""
    app = opened("pay")
    app.resolve("Mail")
    team.do("alice", lambda r: r.members.remove("pay"))
    for _ in range(2):
        with pytest.raises(NotPermitted, match="no member"):
            app.resolve("Mail")


def test_a_rotation_is_followed(team, opened):
    """Keys that were made anew open what they should without opening the registry anew."""
    app = opened("till")
    app.resolve("Mail")
    team.do("alice", lambda r: (r.members.remove("pay"), r.members.rotate()))
    assert key_of(app) == secret_of("Mail", None)
    assert key_of(app, "Wages") == secret_of("Wages", "Payroll")


COLUMNS = "token_id, application_id, name_tag, version, revision, box_revision, card, box, plain"


def test_a_row_put_back_is_noticed_by_a_running_app(team, opened):
    """An older row with its older data key, put back while the log moved on, is an integrity failure."""
    app = opened("pay")
    app.resolve("Mail")
    old = team.sql(f"SELECT {COLUMNS}, wrapped FROM tokens JOIN data_keys USING (token_id) ORDER BY token_id")
    edited(team, "new")
    for row in old:
        team.sql(
            "UPDATE tokens SET version=?, revision=?, box_revision=?, card=?, box=? WHERE token_id=?",
            (*row[3:8], row[0]),
        )
        team.sql("UPDATE data_keys SET wrapped = ? WHERE token_id = ?", (row[9], row[0]))
    for _ in range(2):
        with pytest.raises(IntegrityError, match="not the token's current one"):
            app.resolve("Mail")


@pytest.mark.sqlite
def test_a_hidden_row_does_not_let_the_global_token_answer(team, opened):
    """An own token whose row was taken away is not taken for one that was never there."""
    app = opened("pay")
    assert key_of(app, "Zoom") == secret_of("Zoom", "Payroll")
    team.sql("DELETE FROM tokens WHERE application_id IS NOT NULL")
    for _ in range(2):
        with pytest.raises(IntegrityError, match="is missing"):
            app.resolve("Zoom")


@pytest.mark.sqlite
def test_another_file_in_the_place_of_the_store_is_noticed(team, opened):
    """An older copy moved to the store's path is refused by a running app; the file that it has open does not count."""
    app = opened("pay")
    copy = team.backup()
    edited(team, "new")
    assert key_of(app) == "new"
    copy.replace(team.store)
    for _ in range(2):
        with pytest.raises(IntegrityError, match="cut or put back"):
            app.resolve("Mail")


def test_a_file_that_goes_on_is_followed(team, opened):
    """The same history in another file, moved to the store's path, is gone on with."""
    app = opened("pay")
    app.resolve("Mail")
    copy = team.backup()
    shutil.move(copy, team.store)
    edited(team, "new")
    assert key_of(app) == "new"


def test_a_token_tells_its_values_to_nobody_who_does_not_ask(opened):
    """Neither its text nor a pickle of it holds a value."""
    token = opened("pay").resolve("Mail")
    assert secret_of("Mail", None) not in f"{token!r} {token} {token.fields}"
    with pytest.raises(TypeError):
        pickle.dumps(token)
    with pytest.raises(NotFound, match="no field"):
        _ = token["password"]


def test_a_receipt_names_what_the_log_proves(team, opened):
    """Position and revision of a receipt are those of the history, at the size that it names."""
    edited(team, "new")
    receipt = opened("pay").resolve("Mail").receipt
    history = team.do("bob", lambda r: list(r.history()))
    entry = history[receipt.position]
    assert (entry.token_id, entry.revision, entry.event) == (receipt.token_id, 2, "token.credentials_changed")
    assert receipt.size == len(history)
    assert team.do("pay", lambda r: r.log.proof(receipt.position)).index == receipt.position


def test_many_threads_get_what_is_current(team, opened):
    """No thread ever gets a value that was replaced before it asked."""
    app, wrong, stop = opened("pay"), [], threading.Event()
    newest = [0]
    edited(team, "key-0")

    def ask():
        while not stop.is_set():
            before = newest[0]
            if int(key_of(app).partition("-")[2]) < before:
                wrong.append(before)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(1, 15):
        edited(team, f"key-{number}")
        newest[0] = number
    stop.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert wrong == []
    assert key_of(app) == "key-14"


def test_the_first_use_of_each_revision_is_recorded_once(team):
    """By default a process records each revision of a token that it resolves, once, and at the latest when it ends."""
    with team.open("pay") as app:
        for _ in range(3):
            app.resolve("Mail")
        edited(team, "new")
        for _ in range(3):
            app.resolve("Mail")
    assert uses(team) == [("pay", "Mail", 1), ("pay", "Mail", 2)]


def test_each_process_has_a_first_use(team):
    """What one program asks for in the name of several processes is recorded once for each of them."""
    with team.open("pay") as app:
        for _ in range(2):
            for process in ("nightly", "hourly", None):
                app.resolve("Mail", process=process)
    assert uses(team) == [("pay", "Mail", 1)] * 3
    users = team.do("bob", lambda r: r.usage("Mail"))
    assert {user.process for user in users} == {"nightly", "hourly", None}


def test_uses_are_recorded_while_the_process_goes_on(team, opened):
    """Nobody has to close anything for a use to be recorded: a thread does it within moments."""
    opened("pay").resolve("Mail")
    deadline = time.monotonic() + PATIENCE
    while not uses(team) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert uses(team) == [("pay", "Mail", 1)]


@pytest.mark.parametrize(("policy", "count"), [("first", 1), ("every", 4), ("off", 0)])
def test_the_policy_says_which_uses_are_recorded(team, policy, count):
    """Every use is recorded, the first of each revision, or none."""
    team.do("alice", lambda r: r.policies.set("record-resolves", policy))
    with team.open("pay") as app:
        for _ in range(4):
            app.resolve("Mail")
    assert len(uses(team)) == count


def test_a_policy_holds_from_its_commit_on(team):
    """A running app follows a policy that changes while it runs."""
    with team.open("pay") as app:
        app.resolve("Mail")
        team.do("alice", lambda r: r.policies.set("record-resolves", "every"))
        for _ in range(3):
            app.resolve("Mail")
    assert len(uses(team)) == 4


def test_many_uses_are_one_commit(team):
    """Uses that come together are committed together, so that recording costs little."""
    team.do("alice", lambda r: r.policies.set("record-resolves", "every"))
    before = team.sql("SELECT COUNT(*) FROM commits")[0][0]
    with team.open("pay") as app:
        for _ in range(500):
            app.resolve("Mail")
    assert len(uses(team)) == 500
    assert team.sql("SELECT COUNT(*) FROM commits")[0][0] - before <= 20


@pytest.mark.sqlite
def test_where_recording_is_demanded_nothing_is_handed_out_unrecorded(team):
    """With fail-closed always, a token whose use cannot be recorded is not resolved; otherwise it is."""
    team.do("alice", lambda r: r.policies.set("fail-closed", "always"))
    with team.open("pay") as app:
        app.resolve("Mail")
        assert uses(team) == [("pay", "Mail", 1)]
        team.store.with_name("registry.db.lock").unlink()
        team.store.with_name("registry.db.lock").mkdir()
        with pytest.raises(NotPermitted, match="cannot be recorded"):
            app.resolve("Zoom")
        assert key_of(app) == secret_of("Mail", None)
        team.store.with_name("registry.db.lock").rmdir()
        assert key_of(app, "Zoom") == secret_of("Zoom", "Payroll")
    assert len(uses(team)) == 2


def test_an_admin_resolves_too(team):
    """Admins resolve by the same way, with the application named."""
    with open_registry(team.settings("alice"), surroundings=team.around) as admin:
        assert key_of(admin, "Wages", app="Payroll") == secret_of("Wages", "Payroll")
        assert key_of(admin, "Zoom") == secret_of("Zoom", None)
