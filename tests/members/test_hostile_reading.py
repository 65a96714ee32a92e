"""What a patched client reads with a member's keys and the whole database: no more than the real one."""

import pytest

from registry import NotPermitted, TokenEdit
from registry.domain.roster import FINGERPRINT, application_audience, scope_audience
from registry.errors import IntegrityError
from registry.sealing import application_label, credentials, envelope, grants, tags
from registry.sealing.credentials import BoxPlace
from registry.sealing.envelope import Place
from registry.sealing.grants import AudienceKey
from registry.sealing.roster_record import RosterRecord
from registry.values import fold
from tests.members.team import TOKENS, fields, secret_of

REFUSED = (NotPermitted, IntegrityError)


def keys_of(ledger) -> list[AudienceKey]:
    """Return every key that a member's identity opens, of all generations, asked for in every way there is."""
    found = []
    for audience, generations in ledger.roster.generations.items():
        for generation in generations:
            try:
                found.append(ledger.keyring.key(audience, generation.number))
            except NotPermitted:
                continue
    for given in ledger.roster.grants:
        generation = ledger.roster.generations[given.audience][given.number - 1]
        try:
            found.append(grants.open_grant(ledger.registry, ledger.identity.sealing_private, given, generation))
        except IntegrityError:
            continue
    return found


def audiences(ledger) -> set[str]:
    """Return the audiences of which a member has any key at all."""
    return {key.audience for key in keys_of(ledger)}


def opens(ledger, row) -> bool:
    """Say whether any key the member can get at opens a token's credentials, under whatever audience's name."""
    wrapped = row.wrapped
    place = BoxPlace(ledger.registry, row.token, row.box_revision)
    for key in keys_of(ledger):
        for audience in {key.audience, scope_audience(row.application)}:
            try:
                data_key = credentials.unwrap(key.key, audience, place, wrapped)
                return bool(credentials.open_box(data_key, place, row.box).fields)
            except IntegrityError:
                continue
    return False


def read_events(ledger) -> list[int]:
    """Return the positions of the events whose contents the member's keys open."""
    found = []
    for logged in ledger.store.events():
        try:
            ledger.contents.event(logged.stored)
        except REFUSED:
            continue
        found.append(logged.position)
    return found


def named(team):
    """Return the ids of the team's tokens by name and scope."""
    return {(view.name, view.application): view.id for view in team.do("alice", lambda r: list(r.tokens.list()))}


@pytest.mark.parametrize(
    ("member", "mine"),
    [
        ("alice", set(TOKENS)),
        ("bob", set()),
        ("pay", {token for token in TOKENS if token[1] in (None, "Payroll")}),
        ("form", {token for token in TOKENS if token[1] in (None, "Survey")}),
    ],
)
def test_a_members_keys_open_its_own_tokens_alone(team, opened, member, mine):
    """With all its keys of all generations, under every audience's name, a member opens what its role opens."""
    team.do("alice", lambda r: r.members.rotate())
    ids, ledger = named(team), opened(member)._ledger
    assert {place for place, token in ids.items() if opens(ledger, ledger.store.row(token))} == mine


@pytest.mark.parametrize(
    ("member", "holds"),
    [("bob", {"audit"}), ("pay", {"global", "application:Payroll"}), ("form", {"global", "application:Survey"})],
)
def test_no_grant_reaches_another_role(team, opened, member, holds):
    """A member gets no key of an audience that it is not in, of no generation, from no grant."""
    team.do("alice", lambda r: r.members.rotate())
    names = {application_audience(view.id): view.name for view in opened("alice").applications.list()}
    found = {f"application:{names[a]}" if a in names else a for a in audiences(opened(member)._ledger)}
    assert found == holds


@pytest.mark.parametrize("member", ["pay", "till", "form"])
def test_an_app_opens_no_event_its_own_disclosures_included(team, opened, member):
    """An app member's machine holds no key that opens event contents, not of those it wrote itself."""
    team.do(member, lambda r: r.resolve("Mail"))
    registry = opened(member)
    assert read_events(registry._ledger) == []
    stored = next(event for event in registry._ledger.store.events() if event.author == registry._ledger.member.id)
    with pytest.raises(NotPermitted, match="audience 'audit'"):
        registry._ledger.opened(stored)


def test_an_app_opens_no_card_and_no_foreign_label(team, opened):
    """Tokens' cards, and the names of other applications, are closed to an app."""
    ledger = opened("pay")._ledger
    for row in ledger.store.rows():
        with pytest.raises(NotPermitted, match="audience 'audit'"):
            ledger.token(row)
    for application in ledger.roster.applications.values():
        if application.id != ledger.member.application:
            for key in keys_of(ledger):
                with pytest.raises(IntegrityError):
                    application_label.unseal(ledger.registry, application.id, key, application.label)


def test_an_app_cannot_tell_by_guessing_what_others_tokens_are_called(team, opened):
    """The tag of a name in another scope takes that scope's key: right guesses and wrong ones look the same."""
    ledger, taken = opened("pay")._ledger, {row.name_tag for row in opened("alice")._ledger.store.rows()}
    survey = next(a for a in ledger.roster.applications if a != ledger.member.application)
    with pytest.raises(NotPermitted):
        ledger.name_tag(survey, "Answers")
    for key in keys_of(ledger):
        assert tags.name_tag(key.key, ledger.registry, application_audience(survey), fold("Answers")) not in taken
    assert ledger.name_tag(None, "Mail") in taken


def test_an_auditor_reads_every_event_and_no_secret(team, opened):
    """An auditor reads all contents; what it reads holds no credential and no key."""
    ledger = opened("bob")._ledger
    events = [ledger.opened(logged) for logged in ledger.store.events()]
    assert [type(event).TOPIC for event in events].count("token.created") == len(TOKENS)
    seen = repr(events)
    for name, app in TOKENS:
        assert secret_of(name, app) not in seen
    with pytest.raises(NotPermitted, match=f"audience '{FINGERPRINT}'"):
        ledger.keyring.current(FINGERPRINT)


@pytest.mark.parametrize("member", ["bob", "pay"])
def test_the_real_use_cases_refuse_before_any_key_is_tried(opened, member):
    """Also where the check of the role is patched out, the missing key ends the use case."""
    registry = opened(member)
    registry._ledger.check_role = lambda *_: None
    work = {"bob": lambda: registry.tokens.reveal("Mail", "api_key"), "pay": lambda: registry.tokens.show("Mail")}
    with pytest.raises(NotPermitted, match=r"^this needs the key of the audience '(global|audit)', which your role"):
        work[member]()


LEAVERS = ["carol", "bob", "pay"]


@pytest.fixture
def left(team, opened):
    """Return what removes a member and lets everything go on, and its patched client with all it ever had."""

    def leave(name):
        ledger = team.open(name)._ledger
        known = keys_of(ledger)
        position = team.sql("SELECT MAX(position) FROM stored_events")[0][0]
        team.do("alice", lambda r: r.members.remove(name, reason="caught red-handed"))
        team.do("alice", lambda r: r.tokens.rename("Mail", "Post"))
        team.do("alice", lambda r: r.applications.rename("Payroll", "Salaries"))
        team.do("alice", lambda r: r.tokens.edit("Post", TokenEdit(fields=fields("changed"))))
        team.do("till", lambda r: r.resolve("Post"))
        return ledger, known, position

    return leave


def after(team, position):
    """Return the events committed behind a position."""
    ledger = team.open("alice")._ledger
    return [logged.stored for logged in ledger.store.events(position + 1)]


@pytest.mark.parametrize("member", ["carol", "bob"])
def test_a_removed_reader_reads_no_event_from_its_removal_on(team, left, member):
    """Nothing from the removal on opens for who was removed: not its reason, not the tokens it exposes."""
    ledger, known, position = left(member)
    events = after(team, position)
    assert len(events) == 5
    for stored in events:
        place = Place(ledger.registry, stored.originator_id, stored.originator_version, stored.topic)
        sealed = stored.state
        if stored.originator_id == ledger.roster_stream:
            sealed = RosterRecord.parse(stored.state).sealed
        for key in known:
            with pytest.raises(IntegrityError):
                envelope.unseal(key.key, place, sealed)


@pytest.mark.parametrize("member", LEAVERS)
def test_a_removed_member_gets_no_key_made_since(team, opened, left, member):
    """No grant since its removal is to a removed member, and no generation leads from an old key to a new one."""
    ledger, known, _ = left(member)
    roster = opened("alice")._ledger.roster
    fresh = {(audience, made[-1].number) for audience, made in roster.generations.items() if made[-1].number > 1}
    assert fresh
    for audience, number in fresh:
        generation = roster.generations[audience][number - 1]
        for given in roster.grants:
            if (given.audience, given.number) == (audience, number):
                with pytest.raises(IntegrityError):
                    grants.open_grant(ledger.registry, ledger.identity.sealing_private, given, generation)
        for key in known:
            with pytest.raises(IntegrityError):
                grants.check_commitment(ledger.registry, AudienceKey(audience, number, key.key), generation)


@pytest.mark.parametrize("member", LEAVERS)
def test_a_removed_member_opens_no_data_key_and_finds_no_name(team, opened, left, member):
    """Data keys are wrapped anew and names indexed anew for all that it could open, changed since or not."""
    ledger, known, _ = left(member)
    now = opened("alice")._ledger
    for row in now.store.rows():
        if scope_audience(row.application) not in {key.audience for key in known}:
            continue
        place = BoxPlace(ledger.registry, row.token, row.box_revision)
        name = fold(now.token(row).name)
        for key in known:
            with pytest.raises(IntegrityError):
                credentials.unwrap(key.key, scope_audience(row.application), place, row.wrapped)
            assert tags.name_tag(key.key, ledger.registry, key.audience, name) != row.name_tag


def test_a_removed_app_cannot_read_its_applications_new_name(team, opened, left):
    """An application's name is sealed anew when one of its members leaves."""
    ledger, known, _ = left("pay")
    (label,) = [
        a.label for a in opened("alice")._ledger.roster.applications.values() if a.id == ledger.member.application
    ]
    for key in known:
        with pytest.raises(IntegrityError):
            application_label.unseal(ledger.registry, ledger.member.application, key, label)


@pytest.mark.parametrize("member", LEAVERS)
def test_a_removed_member_that_patches_the_roster_away_still_opens_nothing_new(team, left, member):
    """A client that goes on with the roster of its own time fails for want of keys."""
    ledger, _, _ = left(member)
    ledger.refresh = lambda: None
    post = next(row for row in ledger.store.rows() if row.box_revision > 1)
    assert not opens(ledger, post)
    with pytest.raises((NotPermitted, IntegrityError)):
        ledger.token(post)


def test_what_a_narrowed_member_keeps_is_what_its_new_role_has(team, opened):
    """An admin made an auditor holds no current credential key, and its old ones open nothing that is there."""
    team.do("alice", lambda r: r.members.change_role("carol", "auditor"))
    ledger = opened("carol")._ledger
    assert not ledger.keyring.holds("global")
    assert not any(opens(ledger, row) for row in ledger.store.rows())
