"""Which role may do what: one table for every public operation."""

from collections.abc import Callable
from itertools import product

import pytest

from registry import Asked, Identity, NewToken, NotFound, NotPermitted, Registry, TokenEdit, Wanted
from registry.service import moving
from tests.members.team import fields

READERS = frozenset({"admin", "auditor"})
USERS = frozenset({"admin", "app"})
ADMINS = frozenset({"admin"})
ALL = frozenset({"admin", "auditor", "app"})
MEMBER_OF = {"admin": "carol", "auditor": "bob", "app": "pay"}


def new_token(name: str) -> NewToken:
    """Return a token to be made."""
    return NewToken(name=name, provider="zoom", fields=fields("another-key"))


def public():
    """Return the public half of a new identity."""
    return Identity.generate("dora").public


def reopened(registry):
    """Have the registry be moved, where the member may do that, and go on here after all."""
    if registry._ledger.member.role == "admin":
        moving._commit(registry._ledger, "a" * 32, "elsewhere", None)
    registry.reopen()


OPERATIONS: dict[str, tuple[Callable[[Registry], object], frozenset[str]]] = {
    "whoami": (lambda r: r.whoami(), ALL),
    "history": (lambda r: list(r.history()), READERS),
    "export": (lambda r: list(r.export()), READERS),
    "resolve": (lambda r: r.resolve("Mail"), USERS),
    "tokens.list": (lambda r: list(r.tokens.list()), READERS),
    "tokens.show": (lambda r: r.tokens.show("Mail"), READERS),
    "tokens.check_free": (lambda r: r.tokens.check_free("New"), ADMINS),
    "tokens.add": (lambda r: r.tokens.add(new_token("New")), ADMINS),
    "tokens.edit": (lambda r: r.tokens.edit("Mail", TokenEdit(fields={}, description="x")), ADMINS),
    "tokens.rename": (lambda r: r.tokens.rename("Mail", "Post"), ADMINS),
    "tokens.remove": (lambda r: r.tokens.remove("Mail"), ADMINS),
    "tokens.test": (lambda r: r.tokens.test("Mail"), ADMINS),
    "tokens.reveal": (lambda r: r.tokens.reveal("Mail", "api_key"), USERS),
    "tokens.explain": (lambda r: r.tokens.explain("Mail"), USERS),
    "importing.run": (lambda r: r.importing.run([new_token("New")]), ADMINS),
    "applications.show": (lambda r: r.applications.show("Survey"), READERS),
    "applications.list": (lambda r: r.applications.list(), READERS),
    "applications.register": (lambda r: r.applications.register("Sales", "form"), ADMINS),
    "applications.rename": (lambda r: r.applications.rename("Survey", "Poll"), ADMINS),
    "applications.doomed": (lambda r: r.applications.doomed("Survey"), READERS),
    "applications.remove": (lambda r: r.applications.remove("Survey"), ADMINS),
    "policies.list": (lambda r: r.policies.list(), ALL),
    "policies.set": (lambda r: r.policies.set("allow-plaintext", "yes"), ADMINS),
    "members.show": (lambda r: r.members.show("till"), READERS),
    "members.check_other": (lambda r: r.members.check_other("till"), ADMINS),
    "members.list": (lambda r: r.members.list(), READERS),
    "members.add": (lambda r: r.members.add("dora", "auditor", public()), ADMINS),
    "members.change_role": (lambda r: r.members.change_role("till", "auditor"), ADMINS),
    "members.renew": (lambda r: r.members.renew("till", public()), ADMINS),
    "members.remove": (lambda r: r.members.remove("till"), ADMINS),
    "members.keys": (lambda r: r.members.keys(), READERS),
    "members.rotate": (lambda r: r.members.rotate(), ADMINS),
    "evidence.export": (lambda r: r.evidence.export(r._ledger.store.path.with_name("evidence")), READERS),
    "usage": (lambda r: r.usage("Mail"), READERS),
    "applications.usage": (lambda r: r.applications.usage("Survey"), READERS),
    "tokens.run": (lambda r: r.tokens.run([Wanted(name="Mail")]), USERS),
    "auth": (lambda r: r.auth("Mail"), ALL),
    "changes": (lambda r: list(r.changes(timeout=0)), ALL),
    "token_watch": (lambda r: r.token_watch([Asked(name="Mail")]).close(), USERS),
    "reopen": (reopened, ADMINS),
    "log.checkpoint": (lambda r: r.log.checkpoint(), ALL),
    "log.proof": (lambda r: r.log.proof(0), ALL),
    "log.consistency": (lambda r: r.log.consistency(1, 2), ALL),
    "log.check": (lambda r: r.log.check(r.log.checkpoint().signed.encode()), ALL),
}
NO_OPERATIONS = {"close", "is_away", "registry_id", "require", "shred_pending"}


def contents_of(team):
    """Return everything that the store holds."""
    tables = ("stored_events", "commits", "log_nodes", "present_units", "tokens", "data_keys")
    return {table: team.sql(f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables}


@pytest.mark.parametrize(("operation", "role"), list(product(OPERATIONS, MEMBER_OF)))
def test_a_role_may_do_what_the_table_says(team, opened, contented_provider, operation, role):
    """Each role may do what it is for; everything else is refused before anything is done."""
    work, allowed = OPERATIONS[operation]
    registry = opened(MEMBER_OF[role])
    before = contents_of(team)
    if role in allowed:
        work(registry)
        return
    with pytest.raises(NotPermitted, match=f"^this takes the role .*; yours is {role}$"):
        work(registry)
    assert contents_of(team) == before


def test_the_table_leaves_no_operation_out(opened):
    """Every public method of the registry stands in the table of rights."""
    registry, found = opened("alice"), set()
    for name in dir(registry):
        if name.startswith("_") or name in NO_OPERATIONS:
            continue
        value = getattr(registry, name)
        if callable(value):
            found.add(name)
        else:
            found |= {f"{name}.{method}" for method in dir(value) if not method.startswith("_")}
    assert found == OPERATIONS.keys()


@pytest.mark.parametrize(
    ("member", "may_open"),
    [
        ("alice", ("audit", "global", "fingerprint", "application:Payroll", "application:Survey")),
        ("bob", ("audit",)),
        ("pay", ("global", "application:Payroll")),
        ("form", ("global", "application:Survey")),
    ],
)
def test_whoami_tells_the_member_what_it_may_open(team, member, may_open):
    """Everybody can ask who it is, in which registry and store, and which keys it holds."""
    seen = team.do(member, lambda r: r.whoami())
    assert (seen.member, seen.may_open) == (member, may_open)
    assert (seen.registry_id, seen.store) == (team.pin("alice").registry_id.hex(), str(team.store))


def test_a_demoted_admin_whose_registry_is_still_open_commits_nothing(team, opened):
    """A role is asked for when the commit is made, not when the registry was opened: the roster stays sound."""
    carol = opened("carol")
    carol.whoami()
    team.do("alice", lambda r: r.members.change_role("carol", "auditor"))
    before = contents_of(team)
    for work in (
        lambda: carol.policies.set("allow-plaintext", "yes"),
        lambda: carol.applications.register("Sales", "form"),
        lambda: carol.tokens.remove("Mail"),
    ):
        with pytest.raises(NotPermitted, match="takes the role admin; yours is auditor"):
            work()
    assert contents_of(team) == before


def test_a_removed_member_whose_registry_is_still_open_reads_nothing_more(team, opened):
    """Whoever was removed while its registry was open is refused at its next step."""
    bob, pay = opened("bob"), opened("pay")
    assert bob.tokens.show("Mail").name == "Mail"
    assert pay.resolve("Mail")["api_key"].reveal()
    team.do("alice", lambda r: (r.members.remove("bob"), r.members.remove("pay")))
    for work in (lambda: bob.tokens.show("Mail"), lambda: list(bob.history()), lambda: pay.resolve("Mail")):
        with pytest.raises(NotPermitted, match="no member of this registry"):
            work()


def test_whoever_has_the_registry_open_follows_a_rotation(team, opened):
    """A rotation by somebody else disturbs no open registry: it looks like no damage, and nothing goes missing.

    A history that is being read ends where it ended when it began.
    """
    bob, pay, carol = opened("bob"), opened("pay"), opened("carol")
    history = bob.history()
    next(history)
    pay.resolve("Mail")
    team.do("alice", lambda r: (r.members.rotate(), r.tokens.edit("Mail", TokenEdit(fields={}, description="new"))))
    assert list(history)[-1].event == "member.admitted"
    assert list(bob.history())[-1].event == "token.described"
    assert bob.tokens.show("Mail").description == "new"
    assert pay.resolve("Mail")["api_key"].reveal() == "key-of-Mail-in-None"
    assert "global" in pay.tokens.explain("Mail")
    assert carol.tokens.reveal("Mail", "api_key").reveal() == "key-of-Mail-in-None"
    with pytest.raises(NotFound):
        carol.tokens.show("Post")
