"""What the log catches: nobody who holds the database, with an app's or an auditor's keys, passes anything off.

Current rows are those that the newest checkpoint vouches for, a commit holds what its author's role allows, and no
machine is led back behind a commit that it has seen.
"""

import pytest
from msgspec import structs

from registry import IntegrityError, TokenEdit
from registry.domain.roster_events import PolicyChanged
from registry.domain.token_events import TokenDeleted, TokenDisclosed
from registry.providers import catalogue
from registry.sealing import tags
from registry.sealing.envelope import Place
from registry.service.safe import Safe
from registry.store import codec
from registry.store.rows import TokenRow
from registry.values import TokenId
from tests.members.team import commit, facts, fields

NOT_CURRENT = "the current row of the token {}: the row is not the token's current one"
NEXT_COMMIT = 14


def forged(ledger, row: TokenRow) -> TokenRow:
    """Return the row with credentials of the forger's own, and the wrapped key that opens them."""
    safe = Safe(ledger)
    safe._fingerprints = lambda: tags.Fingerprints(bytes(32), ledger.registry)
    sealed = safe.seal(
        catalogue.load("zoom"),
        fields("forged"),
        token=row.token,
        application=row.application,
        revision=row.box_revision,
    )
    return structs.replace(row, box=sealed.facts.box, wrapped=sealed.data_key)


def mail(ledger) -> TokenRow:
    """Return the current row of the global token Mail."""
    row = ledger.store.row_by_tag(ledger.name_tag(None, "Mail"))
    assert row is not None
    return row


def disclosed(ledger, **changes) -> TokenDisclosed:
    """Return the disclosure of Mail by a member, as its client writes it, or with changes."""
    with ledger.turn(roles=("admin", "auditor", "app")) as turn:
        common = structs.asdict(turn.context)
    stream = changes.pop("originator_id", ledger.member.id)
    version = ledger.next_version(stream)
    token = next(ledger.store.rows()).token
    parts = common | {"token": token, "revision": 1, "purpose": "resolve"} | changes
    return TokenDisclosed(originator_id=stream, originator_version=version, **parts)


def vouched(ledger, row: TokenRow) -> None:
    """Have an admin's patched client commit a row that is not what its rules would make."""
    current = ledger.store.row(row.token)
    event = PolicyChanged(**facts(ledger), policy="allow-plaintext", value="no")
    commit(ledger, event, rows=[row], replaced={row.token: current})


def use_mail(team, what, readers=("alice", "bob"), users=("alice", "pay", "form")) -> None:
    """Check that everybody who would read or use Mail is refused it."""
    for name in readers:
        for work in (lambda r: r.tokens.show("Mail"), lambda r: list(r.tokens.list())):
            with pytest.raises(IntegrityError, match=what):
                team.do(name, work)
    for name in users:
        for work in (lambda r: r.resolve("Mail"), lambda r: r.tokens.reveal("Mail", "api_key")):
            with pytest.raises(IntegrityError, match=what):
                team.do(name, work)


def test_an_app_with_the_global_key_forges_no_global_tokens_credentials(team, opened):
    """Whoever may open global tokens and writes to the database plants no credentials: the present knows the row."""
    row = forged(opened("pay")._ledger, mail(opened("pay")._ledger))
    team.hand.plant(row)
    use_mail(team, f"{NOT_CURRENT.format(row.token)}|the current rows are not the ones committed")
    with pytest.raises(IntegrityError, match=NOT_CURRENT.format(row.token)):
        team.do("alice", lambda r: r.tokens.edit("Mail", TokenEdit(fields={}, description="x")))
    with pytest.raises(IntegrityError, match="the current rows are not the ones committed"):
        team.do("alice", lambda r: r.members.rotate())


@pytest.mark.parametrize("who", ["pinned", "told the id alone"])
@pytest.mark.parametrize("member", ["pay", "bob"])
def test_only_admins_bring_rows(team, opened, member, who):
    """A commit of an app or an auditor that says another present is refused, though all of it is rightly signed."""
    ledger = opened(member)._ledger
    row, own = mail(opened("pay")._ledger), ledger.member.role
    commit(ledger, disclosed(ledger), rows=[forged(opened("pay")._ledger, row)], replaced={row.token: row})
    if who != "pinned":
        team.forget("form")
    topic = "the role auditor does not allow token.disclosed at position 14|" if own == "auditor" else ""
    with pytest.raises(
        IntegrityError, match=rf"^({topic}the role {own} does not allow commit {NEXT_COMMIT} to change tokens)"
    ):
        team.open("form")


@pytest.mark.parametrize("signer", ["pay", "bob"])
def test_a_present_made_anew_is_signed_by_nobody_else(team, opened, signer):
    """Who makes nodes, units and commits anew around a planted row lacks the signature of the last commit's author."""
    ledger = opened("pay")._ledger
    team.hand.plant(forged(ledger, mail(ledger)))
    forger = team.forger(signer)
    forger.rebuild()
    team.forget("till")
    for _ in range(2):
        with pytest.raises(IntegrityError, match=r"^commit 13 is not signed by its author$"):
            team.open("till")
        with pytest.raises(IntegrityError, match="another history: its commit 13 is not the one"):
            team.open("form")
        forger.resign(13, team.identity(signer))
    forger.change(13, author=team.ids[signer])
    forger.rebuild()
    with pytest.raises(IntegrityError, match=r"the role .* does not allow commit 13 to change tokens"):
        team.open("till")


FORBIDDEN = {
    "pay": lambda ledger: TokenDeleted(
        originator_id=mail(ledger).token, originator_version=2, revision=2, **context(ledger)
    ),
    "form": lambda ledger: disclosed(ledger, originator_id=TokenId("7" * 32)),
    "bob": disclosed,
}


def context(ledger) -> dict[str, object]:
    """Return who acts, as a dictionary."""
    with ledger.turn(roles=("admin", "auditor", "app")) as turn:
        return structs.asdict(turn.context)


def refused_to_all(team, what) -> None:
    """Check that no machine opens the store, whatever it has seen of it."""
    for name in team.ids:
        with pytest.raises(IntegrityError, match=what):
            team.open(name)
    for name in ("till", "carol"):
        team.forget(name)
        with pytest.raises(IntegrityError, match=what):
            team.open(name)


@pytest.mark.parametrize("member", FORBIDDEN)
def test_a_commit_holds_what_its_authors_role_allows(team, opened, member):
    """Another topic than one's own, or another stream, is refused at opening by everyone, every signature right.

    So it stays when patched clients commit on top of it, and when the row of its commit is dropped.
    """
    ledger, admin = opened(member)._ledger, opened("alice")._ledger
    event = FORBIDDEN[member](ledger)
    commit(ledger, event)
    refused_to_all(team, rf"^the role {ledger.member.role} does not allow {event.TOPIC} at position 14 \(position 14")
    commit(admin, disclosed_by_patched(admin))
    commit(admin, structs.replace(disclosed_by_patched(admin), originator_version=2))
    refused_to_all(team, rf"^the role {ledger.member.role} does not allow {event.TOPIC} at position 14")
    team.hand.drop_commit(NEXT_COMMIT)
    refused_to_all(team, f"^the checkpoint of commit {NEXT_COMMIT} is missing$")


def disclosed_by_patched(ledger) -> TokenDisclosed:
    """Return an admin's disclosure, made without following the log to its end."""
    made = ledger.context()
    token = TokenId(mail(ledger).token)
    return TokenDisclosed(
        originator_id=ledger.member.id,
        originator_version=1,
        **structs.asdict(made),
        token=token,
        revision=1,
        purpose="reveal",
    )


def test_a_forbidden_commit_is_not_forgotten_by_who_had_the_registry_open(team, opened):
    """Who saw it come while the registry was open is refused at every step, and again after closing and opening."""
    bob, ledger = opened("bob"), opened("pay")._ledger
    assert bob.tokens.show("Mail").name == "Mail"
    commit(ledger, FORBIDDEN["pay"](ledger))
    for _ in range(2):
        with pytest.raises(IntegrityError, match=r"the role app does not allow token.deleted"):
            bob.tokens.show("Mail")
    bob.close()
    for _ in range(2):
        with pytest.raises(IntegrityError, match=r"the role app does not allow token.deleted"):
            team.open("bob")


def test_a_disclosure_in_anothers_stream_is_refused(team, opened):
    """An app records nothing in another member's stream, however it is signed."""
    ledger, till = opened("pay")._ledger, opened("till")._ledger.member
    commit(ledger, disclosed(ledger, originator_id=till.id, by=till.id))
    refused_to_all(team, r"^the role app does not allow token.disclosed at position 14 ")


@pytest.mark.parametrize("member", ["pay", "alice"])
def test_an_event_in_anothers_name_is_disregarded(team, opened, member):
    """The actor that an event names is the member that signed for it: auditors are shown no other, and read on."""
    ledger, till = opened(member)._ledger, opened("till")._ledger.member
    commit(ledger, disclosed(ledger, by=till.id))
    team.do("alice", lambda r: r.tokens.edit("Mail", TokenEdit(fields={}, description="later")))
    for reader in ("bob", "carol"):
        shown, later = team.do(reader, lambda r: list(r.history())[14:])
        assert (shown.actor, shown.token, shown.detail) == (ledger.identity.name, None, {"problem": "actor"})
        assert later.event == "token.described"
        assert team.do(reader, lambda r: list(r.usage("Mail"))) == []


def test_a_change_of_the_roster_is_committed_by_who_made_it(team, opened):
    """An admin commits no event of the roster that another admin made and signed: the log would name the wrong one."""
    alice, carol = opened("alice")._ledger, opened("carol")._ledger
    event = PolicyChanged(**facts(carol), policy="allow-plaintext", value="yes")
    commit(alice, event, contents=carol.contents)
    refused_to_all(team, rf"^commit {NEXT_COMMIT} has an event of the roster that another member made \(position 14, ")


def test_an_author_signs_for_itself_alone(team, opened):
    """Who writes to the database records no disclosure in another member's name, stream and commit."""
    ledger, till = opened("pay")._ledger, opened("till")._ledger.member
    commit(ledger, disclosed(ledger, originator_id=till.id, by=till.id), author=till.id)
    refused_to_all(team, f"^commit {NEXT_COMMIT} is not signed by its author$")


def test_a_former_member_signs_nothing(team, opened):
    """Who was removed makes no commit any more, and one of its own from before does not come again."""
    ledger = opened("pay")._ledger
    event = disclosed(ledger)
    team.do("alice", lambda r: r.members.remove("pay"))
    commit(ledger, event)
    for name in ("alice", "till"):
        with pytest.raises(IntegrityError, match=r"^the author of commit 15 was no member at that moment$"):
            team.open(name)


def test_an_auditor_forges_no_card(team, opened):
    """Who holds the key of event contents rewrites nothing that is shown of a token."""
    ledger = opened("bob")._ledger
    row, token = ledger.find("Mail", None)
    ledger.name_tag = lambda *_: row.name_tag
    team.hand.plant(ledger.row_after(structs.replace(token, description="nothing to see"), row))
    use_mail(team, f"{NOT_CURRENT.format(row.token)}|the current rows are not the ones committed")


def test_a_row_put_back_is_refused(team, opened):
    """Who kept a copy of the database puts no old credentials back, also where no key was rotated since."""
    row = mail(opened("pay")._ledger)
    edit(team, "alice")
    team.hand.plant(row)
    use_mail(team, f"{NOT_CURRENT.format(row.token)}|the current rows are not the ones committed")


def edit(team, member):
    """Change Mail's credentials."""
    team.do(member, lambda r: r.tokens.edit("Mail", TokenEdit(fields=fields("new"))))


def test_a_name_leads_to_its_own_token(team, opened):
    """Two rows that exchanged their names pass for one another with nobody, apps included."""
    ledger = opened("pay")._ledger
    first, second = mail(ledger), ledger.store.row_by_tag(ledger.name_tag(None, "Zoom"))
    team.hand.plant(structs.replace(second, name_tag=bytes(32)))
    team.hand.plant(structs.replace(first, name_tag=second.name_tag))
    team.hand.plant(structs.replace(second, name_tag=first.name_tag))
    use_mail(
        team, f"{NOT_CURRENT.format(f'({first.token}|{second.token})')}|the current rows are not the ones committed"
    )


@pytest.mark.parametrize("hidden", [("Zoom", "Payroll"), ("Mail", None)], ids=str)
def test_a_token_is_not_hidden(team, opened, hidden):
    """Where a row was taken away no other answers in its stead, and nobody is told that there is none."""
    name, app = hidden
    ledger = opened("alice")._ledger
    row = ledger.store.row_by_tag(ledger.name_tag(ledger.scope(app), name))
    team.hand.hide(row.token)
    missing = "a name that has no current row: the row of a current token is missing"
    for member in ("pay", "alice"):
        how = {} if member == "pay" else {"app": app}
        for work in (lambda r, how=how: r.resolve(name, **how), lambda r, how=how: r.tokens.explain(name, **how)):
            with pytest.raises(IntegrityError, match=missing):
                team.do(member, work)
    for work in (lambda r: list(r.tokens.list()), lambda r: r.tokens.show(name, app=app)):
        with pytest.raises(IntegrityError, match=f"{missing}|the current rows are not the ones committed"):
            team.do("bob", work)


def test_a_machine_is_led_back_behind_no_commit_that_it_has_seen(team):
    """Who was off while a member was removed may miss that, but is shown no state from before what it has seen.

    Every commit that a machine verified, of any kind and by anybody, names the roster of its moment.
    """
    older = team.backup()
    edit(team, "alice")
    team.do("pay", lambda r: r.resolve("Mail"))
    copy = team.backup()
    team.do("alice", lambda r: r.members.remove("pay"))
    team.do("till", lambda r: r.resolve("Mail"))
    team.restore(copy)
    for name in ("alice", "till"):
        with pytest.raises(
            IntegrityError, match=r"it holds commit 15 and 16 events; this machine has seen commit 1[567]"
        ):
            team.open(name)
    assert team.do("pay", lambda r: r.resolve("Mail"))["api_key"].reveal() == "new"
    team.restore(older)
    for name in ("alice", "till", "pay"):
        with pytest.raises(
            IntegrityError, match=r"it holds commit 13 and 14 events; this machine has seen commit 1[567]"
        ):
            team.open(name)


def test_a_removed_member_is_not_led_back_once_it_was_told(team):
    """Who was told that it was removed keeps that, and is shown no store in which it still is a member."""
    copy = team.backup()
    team.do("alice", lambda r: r.members.remove("pay"))
    with pytest.raises(Exception, match="is no member of this registry"):
        team.open("pay")
    team.restore(copy)
    with pytest.raises(IntegrityError, match="the store was cut or put back"):
        team.open("pay")


# What an admin's patched client signs passes the log, and meets what is checked of a row behind it.


def test_a_removed_member_forges_no_row_with_the_keys_it_kept(team, opened):
    """A data key under a generation that was replaced is refused by everybody: rotation wraps all of them anew."""
    ledger = opened("pay")._ledger
    row = forged(ledger, mail(ledger))
    team.do("alice", lambda r: r.members.remove("pay"))
    now = mail(opened("till")._ledger)
    planted = structs.replace(now, box=row.box, wrapped=row.wrapped)
    team.hand.plant(planted)
    with pytest.raises(IntegrityError, match=NOT_CURRENT.format(row.token)):
        team.do("till", lambda r: r.resolve("Mail"))
    team.hand.plant(now)
    vouched(opened("alice")._ledger, planted)
    for member, work in (("till", lambda r: r.resolve("Mail")), ("alice", lambda r: r.members.rotate())):
        with pytest.raises(IntegrityError, match=f"the data key of the token {row.token} lies under a key that was"):
            team.do(member, work)


def test_a_row_from_before_a_rotation_is_not_put_back(team, opened):
    """After a rotation the rows of before are refused, also by members that still hold the old key."""
    row = mail(opened("pay")._ledger)
    edit(team, "alice")
    team.do("alice", lambda r: r.members.rotate("global"))
    now = mail(opened("till")._ledger)
    planted = structs.replace(row, name_tag=now.name_tag)
    team.hand.plant(planted)
    with pytest.raises(IntegrityError, match=NOT_CURRENT.format(row.token)):
        team.do("pay", lambda r: r.resolve("Mail"))
    team.hand.plant(now)
    vouched(opened("alice")._ledger, planted)
    with pytest.raises(IntegrityError, match=f"the data key of the token {row.token} lies under a key that was"):
        team.do("pay", lambda r: r.resolve("Mail"))


def test_whoever_has_no_key_forges_no_card(team, opened):
    """The public half of ``audit`` stands in the clear; what is sealed to it is not believed as a token's card."""
    ledger = opened("pay")._ledger
    row, token = opened("alice")._ledger.find("Mail", None)
    card = ledger.contents.seal(
        Place(ledger.registry, row.token, row.version, "card"),
        codec.to_document(structs.replace(token, description="forged")),
    )
    team.hand.plant(structs.replace(row, card=card))
    sealed_by_nobody = f"the current row of the token {row.token}: it was sealed without the key"
    for name, what in (("alice", NOT_CURRENT.format(row.token)), ("bob", sealed_by_nobody)):
        with pytest.raises(IntegrityError, match=what):
            team.do(name, lambda r: r.tokens.show("Mail"))
    team.hand.plant(row)
    vouched(opened("alice")._ledger, structs.replace(row, card=card))
    for name in ("alice", "bob"):
        with pytest.raises(IntegrityError, match=sealed_by_nobody):
            team.do(name, lambda r: r.tokens.show("Mail"))
