"""What only the Merkle log can catch: each test says what a hostile client gets away with until the log is there.

When the log arrives, each of them fails and is turned round.
"""

import pytest
from msgspec import structs

from registry import IntegrityError, TokenEdit
from registry.domain.token_events import TokenDeleted, TokenDisclosed
from registry.providers import catalogue
from registry.sealing.envelope import Place
from registry.service.safe import Safe
from registry.store import codec
from registry.store.rows import TokenRow
from registry.values import TokenId
from tests.members.team import commit, fields, secret_of


def planted(team, row: TokenRow) -> None:
    """Put a current row into the database by hand."""
    columns = (row.name_tag, row.version, row.revision, row.box_revision, row.card, row.box, row.plain, row.token)
    team.sql(
        "UPDATE tokens SET name_tag = ?, version = ?, revision = ?, box_revision = ?, card = ?, box = ?, plain = ?"
        " WHERE token_id = ?",
        columns,
    )


def forged(ledger, row: TokenRow):
    """Return the row with credentials of the forger's own, and the wrapped key that opens them."""
    safe = Safe(ledger)
    safe._fingerprints = lambda *_: {}
    sealed = safe.seal(
        catalogue.load("zoom"),
        fields("forged"),
        token=row.token,
        application=row.application,
        revision=row.box_revision,
    )
    return structs.replace(row, box=sealed.facts.box), sealed.data_key


def mail(ledger) -> TokenRow:
    """Return the current row of the global token Mail."""
    row = ledger.store.row_by_tag(ledger.name_tag(None, "Mail"))
    assert row is not None
    return row


def test_an_app_with_the_global_key_forges_a_global_tokens_credentials(team, opened):
    """LEFT TO THE LOG: an app that may open global tokens plants credentials, and everybody is given them.

    The log's present will hold the hash of the current row, and an app member's commit may not change it.
    """
    ledger = opened("pay")._ledger
    row, wrapped = forged(ledger, mail(ledger))
    planted(team, row)
    team.sql("UPDATE data_keys SET wrapped = ? WHERE token_id = ?", (wrapped, row.token))
    assert team.do("form", lambda r: r.resolve("Mail"))["api_key"].reveal() == "forged"
    assert team.do("alice", lambda r: r.resolve("Mail"))["api_key"].reveal() == "forged"


def test_an_app_commits_other_events_than_its_own_disclosures_and_no_reader_believes_them(team, opened):
    """LEFT TO THE LOG in part: nothing refuses the commit, but its contents do not open as what they claim to be.

    An app can seal to the auditors only as disclosures are sealed; the log will also refuse the commit by its topic.
    """
    ledger = opened("pay")._ledger
    row = mail(ledger)
    with ledger.turn(roles=("app",)) as turn:
        lie = TokenDeleted(originator_id=row.token, originator_version=2, revision=2, **structs.asdict(turn.context))
    commit(ledger, lie)
    assert team.do("alice", lambda r: r.tokens.show("Mail").name) == "Mail"
    with pytest.raises(
        IntegrityError, match=rf"^event 2 of {row.token} \(token.deleted\): it was sealed without the key"
    ):
        team.do("bob", lambda r: list(r.history()))


def test_a_disclosure_in_anothers_name_is_believed(team, opened):
    """LEFT TO THE LOG: whoever writes to the database records a disclosure in another member's name.

    The log's checkpoints will be signed by each commit's author, who must be the actor of its events.
    """
    ledger, till = opened("pay")._ledger, opened("till")._ledger.member
    with ledger.turn(roles=("app",)) as turn:
        facts = structs.asdict(turn.context) | {"by": till.id}
    token = TokenId(mail(ledger).token)
    lie = TokenDisclosed(originator_id=till.id, originator_version=1, **facts, token=token, revision=1, purpose="run")
    commit(ledger, lie)
    entry = team.do("bob", lambda r: list(r.history()))[-1]
    assert (entry.actor, entry.event, entry.token) == ("till", "token.disclosed", "Mail")


def test_an_auditor_forges_a_card_that_readers_believe(team, opened):
    """LEFT TO THE LOG: an auditor, who holds the key of event contents, rewrites what is shown of a token.

    The log's present will hold the hash of the current row, and an auditor's commit may not change it.
    """
    ledger = opened("bob")._ledger
    row, token = ledger.find("Mail", None)
    ledger.name_tag = lambda *_: row.name_tag
    planted(team, ledger.row(structs.replace(token, description="nothing to see"), row.box, None))
    assert team.do("alice", lambda r: r.tokens.show("Mail").description) == "nothing to see"


def test_a_row_put_back_within_one_generation_is_believed(team, opened):
    """LEFT TO THE LOG: who kept a copy of the database puts old credentials back, as long as no key was rotated.

    The log's present will tell the row that is current; after a rotation it is noticed today already, see below.
    """
    row = mail(opened("pay")._ledger)
    wrapped = opened("pay")._ledger.store.data_key(row.token)
    edit(team, "alice")
    planted(team, row)
    team.sql("UPDATE data_keys SET wrapped = ? WHERE token_id = ?", (wrapped, row.token))
    assert team.do("pay", lambda r: r.resolve("Mail"))["api_key"].reveal() == secret_of("Mail", None)


def edit(team, member):
    """Change Mail's credentials."""
    team.do(member, lambda r: r.tokens.edit("Mail", TokenEdit(fields=fields("new"))))


def test_a_tag_moved_to_another_row_misleads_apps_and_nobody_else(team, opened):
    """LEFT TO THE LOG for apps, who cannot read a token's card: admins and auditors notice the exchange of two names.

    The log's present is keyed by the name's tag.
    """
    ledger = opened("pay")._ledger
    first, second = mail(ledger), ledger.store.row_by_tag(ledger.name_tag(None, "Zoom"))
    planted(team, structs.replace(second, name_tag=bytes(32)))
    planted(team, structs.replace(first, name_tag=second.name_tag))
    planted(team, structs.replace(second, name_tag=first.name_tag))
    assert team.do("form", lambda r: r.tokens.reveal("Mail", "api_key")).reveal() == secret_of("Zoom", None)
    for work in (
        lambda r: r.resolve("Mail"),
        lambda r: r.tokens.reveal("Mail", "api_key"),
        lambda r: r.tokens.show("Mail"),
    ):
        with pytest.raises(IntegrityError, match=f"^the token {second.token} lies under a name that is not its own"):
            team.do("alice", work)


def test_a_machine_that_never_saw_the_newest_roster_event_misses_it(team):
    """LEFT TO THE LOG: a machine that was off while a member was removed is shown the roster of before.

    The checkpoint of a commit that it has seen, of any kind, will name the roster's length and head.
    """
    copy = team.backup()
    team.do("alice", lambda r: r.members.remove("pay"))
    team.restore(copy)
    assert team.do("pay", lambda r: r.resolve("Mail"))["api_key"].reveal() == secret_of("Mail", None)
    with pytest.raises(IntegrityError, match="this machine has seen event"):
        team.open("alice")


# What follows is caught today already, and must stay so.


def test_a_removed_member_forges_no_row_with_the_keys_it_kept(team, opened):
    """A data key under a generation that was replaced is refused by everybody: rotation wraps all of them anew."""
    ledger = opened("pay")._ledger
    row, wrapped = forged(ledger, mail(ledger))
    team.do("alice", lambda r: r.members.remove("pay"))
    now = mail(opened("till")._ledger)
    planted(team, structs.replace(now, box=row.box))
    team.sql("UPDATE data_keys SET wrapped = ? WHERE token_id = ?", (wrapped, row.token))
    for member, work in (("till", lambda r: r.resolve("Mail")), ("alice", lambda r: r.members.rotate())):
        with pytest.raises(IntegrityError, match=f"the data key of the token {row.token} lies under a key that was"):
            team.do(member, work)


def test_a_row_from_before_a_rotation_is_not_put_back(team, opened):
    """After a rotation the rows of before are refused, also by members that still hold the old key."""
    row = mail(opened("pay")._ledger)
    wrapped = opened("pay")._ledger.store.data_key(row.token)
    edit(team, "alice")
    team.do("alice", lambda r: r.members.rotate("global"))
    planted(team, structs.replace(row, name_tag=mail(opened("till")._ledger).name_tag))
    team.sql("UPDATE data_keys SET wrapped = ? WHERE token_id = ?", (wrapped, row.token))
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
    planted(team, structs.replace(row, card=card))
    with pytest.raises(
        IntegrityError, match=f"the current row of the token {row.token}: it was sealed without the key"
    ):
        team.do("bob", lambda r: r.tokens.show("Mail"))
