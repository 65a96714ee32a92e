"""What ``store sql`` grants a database role: enough for a member of the role to work, and nothing else."""

import secrets
import time
from contextlib import suppress

import psycopg
import pytest

from registry import HistoryQuery, InvalidValue, NewToken, TokenEdit, store_grants, verify_registry
from registry.store.postgres.grants import statements
from tests.cli.harness import InProcess
from tests.cli.test_bad_input import refused
from tests.members.team import fields
from tests.store.databases import TABLES, Shared

HISTORY = ("stored_events", "commits", "log_nodes")
PRESENT = ("present_units", "tokens", "data_keys")
MEMBERS = ("carol", "bob", "pay")
NAMES = [
    'we"ird; DROP TABLE x',
    'x"; DROP SCHEMA public CASCADE; --',
    "x'; COMMIT; /*",
    "$since17$ $$ $since18$",
    "a\nb\\! :c :'d' %s {schema}",
    "INTO public",
    "ß" * 25,
]
"""Beginnings of the names of database roles; with what is put behind them, the last is as long as a name can be."""


@pytest.fixture(scope="module")
def shared(server, tmp_path_factory):
    """Return a registry with a member of each role, each with the database role that it was granted."""
    found = Shared(server, server.schema(), tmp_path_factory.mktemp("shared"))
    try:
        found.found()
        found.admit("carol", "admin")
        found.admit("bob", "auditor")
        found.admit("pay", "app", app="Payroll")
        yield found
    finally:
        found.drop()


@pytest.fixture
def nobody(shared):
    """Return the name of one who has a database role that was granted nothing yet."""
    name = f"nobody{len(shared.roles)}"
    shared.new_role(name)
    return name


def expected(shared, role):
    """Return what a database role may do with each table, once the script for a role was carried out."""
    held = {table: {"SELECT"} for table in TABLES}
    for table in HISTORY:
        held[table] |= {"INSERT"}
    held["turns"] |= {"DELETE"}
    if role == "admin":
        for table in PRESENT:
            held[table] |= {"INSERT", "UPDATE", "DELETE"}
        held["shreddings"] |= {"INSERT"}
        for table in ("tokens", "data_keys") if shared.modern else ():
            held[table] |= {"MAINTAIN"}
    return held


# Enough


def test_an_admin_works(shared):
    """An admin's database role is enough for all that admins do, shredding included from PostgreSQL 17 on."""
    with shared.open("carol") as opened:
        opened.tokens.add(NewToken(name="Fax", provider="zoom", fields=fields("one")))
        opened.tokens.edit("Fax", TokenEdit(fields=fields("two")), reason="rotated")
        opened.tokens.rename("Fax", "Telex")
        assert opened.tokens.reveal("Telex", "api_key").reveal() == "two"
        opened.applications.register("Survey", "form")
        opened.tokens.add(NewToken(name="Form", application="Survey", provider="zoom", fields=fields("f")))
        opened.applications.remove("Survey")
        opened.policies.set("allow-plaintext", "no")
        opened.members.rotate()
        opened.tokens.remove("Telex")
        assert opened.shred_pending is not shared.modern
        assert list(opened.evidence.export(shared.root / "of-carol").document())
    assert verify_registry(shared.settings("carol"), surroundings=shared.around).problems == ()


def test_the_owner_shreds_what_an_admin_may_not(shared, monkeypatch):
    """What an admin without MAINTAIN overwrites stays pending, without any waiting, until the owner runs a command."""
    with (
        suppress(psycopg.errors.SyntaxError),
        shared.connect("owner") as connection,
    ):  # an older server knows no such word
        connection.execute(f'REVOKE MAINTAIN ON "{shared.schema}".tokens FROM "{shared.roles["carol"]}"'.encode())
    monkeypatch.setattr("registry.store.postgres.shredding._WAIT", 60.0)
    begun = time.monotonic()
    with shared.open("carol") as opened:
        opened.tokens.edit("Mail", TokenEdit(fields=fields("newer")))
        assert opened.shred_pending
    assert time.monotonic() - begun < 30
    with shared.open("pay") as opened:
        assert opened.shred_pending
    with shared.open("owner") as opened:
        assert not opened.shred_pending
    shared.grant("admin", "carol")


def test_an_auditor_works(shared):
    """An auditor's database role is enough to read the history, to verify it, and to give evidence on record."""
    with shared.open("bob") as opened:
        assert [entry for entry in opened.history() if entry.event == "token.created"]
        opened.evidence.export(shared.root / "of-bob", reason="audit")
        assert [entry.event for entry in opened.history()][-1] == "evidence.exported"
        assert list(opened.export(format="jsonl"))
        assert opened.tokens.list()
    assert verify_registry(shared.settings("bob"), surroundings=shared.around).problems == ()


def test_an_app_works(shared):
    """An app's database role is enough to resolve tokens, and each use is recorded."""
    with shared.open("pay") as opened:
        assert opened.resolve("Zoom", process="nightly")["api_key"].reveal() == "of-payroll"
        assert opened.tokens.reveal("Mail", "api_key").reveal()
    with shared.open("bob") as opened:
        entries = list(opened.history(HistoryQuery(actor="pay")))
    assert {entry.detail["purpose"] for entry in entries} == {"reveal", "resolve"}


# Nothing else


@pytest.mark.parametrize(("name", "role"), [("carol", "admin"), ("bob", "auditor"), ("pay", "app")])
def test_these_are_the_privileges(shared, name, role):
    """A role may do with each table what is written down here, and nothing more; PUBLIC may do nothing."""
    assert shared.held(name) == expected(shared, role)
    assert not any(line.partition(":")[2].startswith("=") for line in shared.acl())


def tried(shared, name, statement):
    """Have a member's database role try a statement about the schema, which is undone."""
    with shared.connect(name) as connection, connection.transaction(force_rollback=True):
        connection.execute(statement.replace("{s}", f'"{shared.schema}"').encode())


CHANGED = {"stored_events": "topic", "commits": "author", "log_nodes": "hash"} | {
    "present_units": "data",
    "tokens": "card",
    "data_keys": "wrapped",
}


@pytest.mark.parametrize("name", MEMBERS)
@pytest.mark.parametrize("table", HISTORY)
@pytest.mark.parametrize("statement", ["UPDATE {t} SET {c} = {c}", "DELETE FROM {t}", "TRUNCATE {t}"])
def test_nobody_takes_back_what_was_appended(shared, name, table, statement):
    """No member's database role may change or delete what is append-only, so no trigger need hold it back."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        tried(shared, name, statement.format(t=f"{{s}}.{table}", c=CHANGED[table]))


@pytest.mark.parametrize("name", ["bob", "pay"])
@pytest.mark.parametrize("table", PRESENT)
@pytest.mark.parametrize(
    "statement", ["INSERT INTO {t} SELECT * FROM {t}", "UPDATE {t} SET {c} = {c}", "DELETE FROM {t}", "TRUNCATE {t}"]
)
def test_only_admins_change_what_holds_now(shared, name, table, statement):
    """The database roles of auditors and apps may not touch current rows, their keys, and the present."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        tried(shared, name, statement.format(t=f"{{s}}.{table}", c=CHANGED[table]))


@pytest.mark.parametrize("name", MEMBERS)
@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE {s}.commits DISABLE TRIGGER append_only",
        "ALTER TABLE {s}.tokens ADD COLUMN more text",
        "ALTER TABLE {s}.turns OWNER TO CURRENT_USER",
        "ALTER SCHEMA {s} RENAME TO other",
        "COMMENT ON SCHEMA {s} IS 'none'",
        "DROP TRIGGER append_only ON {s}.commits",
        "DROP TABLE {s}.turns",
        "DROP SCHEMA {s} CASCADE",
        "SET session_replication_role = replica",
        "CREATE TABLE {s}.more (a int)",
        "CREATE VIEW {s}.more AS SELECT 1",
        "CREATE FUNCTION {s}.more() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE OR REPLACE FUNCTION {s}.refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE TRIGGER more BEFORE INSERT ON {s}.tokens FOR EACH STATEMENT EXECUTE FUNCTION {s}.refuse()",
        "CREATE RULE more AS ON INSERT TO {s}.tokens DO INSTEAD NOTHING",
        "CREATE INDEX more ON {s}.tokens (version)",
        "ALTER TABLE {s}.tokens ENABLE ROW LEVEL SECURITY",
        "INSERT INTO {s}.turns VALUES (true)",
        "UPDATE {s}.turns SET nobody = true",
        "UPDATE {s}.shreddings SET commit_number = 0",
        "DELETE FROM {s}.shreddings",
        "TRUNCATE {s}.data_keys",
        "LOCK TABLE {s}.stored_events IN SHARE MODE",
    ],
)
def test_nobody_changes_the_schema(shared, name, statement):
    """No member's database role may alter, drop or create anything, or keep a trigger from firing."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        tried(shared, name, statement)


@pytest.mark.parametrize("name", ["bob", "pay"])
def test_only_admins_say_what_was_shredded(shared, name):
    """The database roles of auditors and apps may not claim that overwritten keys are gone."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        tried(shared, name, "INSERT INTO {s}.shreddings VALUES (999)")


def test_no_member_passes_its_privileges_on(shared, nobody):
    """What a member's database role was granted, it cannot grant to others."""
    with shared.connect("carol") as connection:
        connection.execute(f'GRANT SELECT ON "{shared.schema}".tokens TO "{shared.roles[nobody]}"'.encode())
    assert shared.held(nobody) == {table: set() for table in TABLES}


@pytest.mark.parametrize("name", ["carol", "bob"])
def test_a_member_cannot_carry_out_the_script(shared, name):
    """Only the owner of the schema can: a member that tries gains nothing, for itself or for others."""
    before = shared.acl()
    with suppress(psycopg.errors.InsufficientPrivilege), shared.connect(name) as connection:
        connection.execute(store_grants(shared.settings(name), "admin", shared.roles[name]).encode())
    assert shared.acl() == before


# Again, and otherwise


@pytest.mark.parametrize("role", ["admin", "auditor", "app"])
def test_again_changes_nothing(shared, nobody, role):
    """Who carries a script out twice has what there was after the first time."""
    shared.grant(role, nobody)
    before = shared.acl()
    shared.grant(role, nobody)
    assert shared.acl() == before
    assert shared.held(nobody) == expected(shared, role)


def test_another_role_takes_away(shared, nobody):
    """Whose role changes has what the new one needs, and nothing that it had before, however it came by it."""
    shared.grant("admin", nobody)
    space, role = f'"{shared.schema}"', f'"{shared.roles[nobody]}"'
    with shared.connect("owner") as connection:
        for statement in (
            f"GRANT ALL ON ALL TABLES IN SCHEMA {space} TO {role} WITH GRANT OPTION",
            f"GRANT ALL ON SCHEMA {space} TO {role}",
            f"GRANT UPDATE (card) ON {space}.tokens TO {role}, PUBLIC",
            f"GRANT DELETE ON {space}.commits TO PUBLIC",
        ):
            connection.execute(statement.encode())
    with shared.connect(nobody) as connection:
        connection.execute(f'GRANT INSERT ON {space}.turns TO "{shared.roles["bob"]}"'.encode())
    shared.grant("app", nobody)
    assert shared.held(nobody) == expected(shared, "app")
    assert shared.held("bob") == expected(shared, "auditor")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        tried(shared, nobody, "CREATE TABLE {s}.more (a int)")
    assert not any(line.partition(":")[2].startswith("=") for line in shared.acl())


# Who lacks a privilege


@pytest.mark.parametrize("words", [("list",), ("history",), ("verify",), ("edit", "Mail", "--description", "none")])
def test_who_may_read_nothing_is_told(shared, nobody, words):
    """A database role that was granted nothing is no damage of the store: one line says what it is, with code 10."""
    ran = InProcess(shared.root / "carol")(*words, TOKEN_REGISTRY_URL=shared.url(nobody))
    assert "may not do this\nhint: 'store sql' prints" in refused(ran, 10)


def test_who_may_make_no_schema_founds_nothing(shared, nobody):
    """A founding takes CREATE on the database; who lacks it is told so, and nothing is left."""
    url = shared.url(nobody).replace(f"schema={shared.schema}", "schema=not_there")
    ran = InProcess(shared.root / "new")("init", "--name", "eve", TOKEN_REGISTRY_URL=url)
    assert "may make no schema\nhint: GRANT CREATE ON DATABASE" in refused(ran, 10)
    assert shared.server.sql("SELECT 1 FROM pg_namespace WHERE nspname LIKE 'not_there%'") == []


@pytest.fixture
def _demoted(shared):
    """Have carol be an admin whose database role is that of an app, until the test is over."""
    shared.grant("app", "carol")
    yield
    shared.grant("admin", "carol")


@pytest.mark.usefixtures("_demoted")
@pytest.mark.parametrize(
    "words",
    [
        ("edit", "Mail", "--description", "of the house"),
        ("rename", "Mail", "Post"),
        ("key", "rotate"),
    ],
)
def test_who_may_not_write_is_told(shared, words):
    """An admin whose database role may not write current rows is told so in one line, with code 10; nothing is kept."""
    before = shared.server.sql(f'SELECT count(*) FROM "{shared.schema}".stored_events')
    ran = InProcess(shared.root / "carol")(*words, TOKEN_REGISTRY_URL=shared.url("carol"))
    assert "may not do this\nhint: 'store sql' prints" in refused(ran, 10)
    assert shared.server.sql(f'SELECT count(*) FROM "{shared.schema}".stored_events') == before


# Names


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_a_name(shared, name):
    """Whatever the name of a database role holds, it is that role which is granted something, and nothing else runs."""
    before, name = shared.acl(), f"{name}_{secrets.token_hex(6)}"  # roles are seen by all who use the server
    shared.new_role(name, name)
    shared.grant("admin", name)
    assert shared.held(name) == expected(shared, "admin")
    with shared.connect("owner") as connection:
        quoted = '"{}"'.format(name.replace('"', '""'))
        connection.execute(f'REVOKE ALL ON ALL TABLES IN SCHEMA "{shared.schema}" FROM {quoted}'.encode())
        connection.execute(f'REVOKE ALL ON SCHEMA "{shared.schema}" FROM {quoted}'.encode())
    assert shared.acl() == before


@pytest.mark.parametrize("name", ["", "a\0b", "a" * 64, "ß" * 32, "a\udcff", "public", "none"])
def test_what_is_no_name_is_refused(name):
    """What the server would cut off, not take, or read as everybody is refused, and not printed."""
    with pytest.raises(InvalidValue, match="name of a database role"):
        statements("registry", "app", name)


def test_what_is_no_role_is_refused():
    """There is a script for each role of members, and for no other."""
    with pytest.raises(InvalidValue, match="no role 'owner'"):
        statements("registry", "owner", "somebody")


@pytest.mark.parametrize("role", ["admin", "auditor", "app"])
def test_the_script_is_one_transaction(role):
    """Either all of a script holds, or nothing of it; and nothing is granted to PUBLIC."""
    lines = [line for line in statements("registry", role, "somebody").splitlines() if not line.startswith("--")]
    assert (lines[0], lines[-1]) == ("BEGIN;", "COMMIT;")
    assert not [line for line in lines if "TO PUBLIC" in line]


# The command


def test_the_command_prints_the_script_alone(tmp_path):
    """``store sql`` needs no registry, identity or server: only a URL; and it prints SQL, whatever the format."""
    cli = InProcess(tmp_path / "home")
    url = "postgresql://nobody@127.0.0.1:1/nothing?schema=hr"
    for more in ((), ("--format", "json")):
        ran = cli("store", "sql", "--role", "auditor", "bob the auditor", *more, TOKEN_REGISTRY_URL=url)
        assert (ran.code, ran.out, ran.err) == (0, statements("hr", "auditor", "bob the auditor"), "")
    assert not cli.home.exists()


def test_a_file_has_no_roles(tmp_path):
    """For a store in a file there is no script, and the command says why."""
    cli = InProcess(tmp_path / "home")
    assert "has no roles" in refused(cli("store", "sql", "--role", "app", "pay"), 2)
    assert not cli.home.exists()


@pytest.mark.parametrize("words", [("--role", "owner", "x"), ("x",), ("--role", "app"), ("--role", "app", "public")])
def test_the_command_refuses(tmp_path, words):
    """A role that there is not, a missing word and what is no name end with exit code 2."""
    ran = InProcess(tmp_path / "home")("store", "sql", *words, TOKEN_REGISTRY_URL="postgresql://x@127.0.0.1:1/y")
    assert "error: " in refused(ran, 2)
