"""What a member with a patched client signs for: evidence of it shows what is wrong with it, as any reader would."""

from datetime import timedelta

import pytest
from msgspec import structs

from registry import verify_evidence
from registry.domain.token_events import TokenDeleted, TokenExpirySet
from registry.evidence.writing import Writer
from registry.log.problems import ACKNOWLEDGEABLE
from tests.evidence.forging import Pieces
from tests.evidence.patching import Sealed, contents, described, facts, given, heedless, judged, patched, tolerated
from tests.evidence.subjects import acknowledge, commit, kinds, seen, verdict


@pytest.fixture
def mail(team):
    """Return the id of the token Mail."""
    return team.do("bob", lambda bob: next(e.token_id for e in bob.history() if e.token == "Mail"))


def test_the_tools_give_true_evidence(team, tmp_path):
    """Where nothing is wrong, evidence written without any check is proven."""
    assert kinds(judged(team, tmp_path)) == set()


def test_an_event_by_another_name_is_shown(team, mail, tmp_path):
    """Whoever signs a commit cannot put its events on another member."""
    patched(team, lambda ledger: described(ledger, mail, by="0" * 32))
    assert tolerated(team, tmp_path) == {"actor"}


@pytest.mark.parametrize(
    ("said", "committed", "found"),
    [(-60, 0, set()), (60, 60, set()), (60, 0, {"time"}), (60, 59, {"time"}), (0, 60, {"time"}), (-60, -60, {"time"})],
)
def test_the_time_of_a_commit_is_the_later_of_its_authors_clock_and_the_one_before(
    team, mail, tmp_path, said, committed, found
):
    """An event's own time and that of its commit belong together; neither can be chosen alone."""

    def made(ledger):
        at = ledger.store.head().at
        return described(ledger, mail, at=at + timedelta(seconds=said)), {"at": at + timedelta(seconds=committed)}

    patched(team, made)
    assert tolerated(team, tmp_path) == found


def test_a_gap_in_a_stream_is_shown(team, mail, tmp_path):
    """Versions are dense in each stream: an event that was left out is missed."""
    patched(team, lambda ledger: structs.replace(described(ledger, mail), originator_version=9))
    assert tolerated(team, tmp_path) == {"version"}


def test_what_a_role_does_not_allow_is_shown(team, mail, tmp_path):
    """An auditor's signature under a change of a token is no auditor's business; an admin can make it known."""
    known = seen(team, "bob", tmp_path / "known")
    position = patched(team, lambda ledger: TokenDeleted(**_next(ledger, mail)), "bob")
    with heedless():
        acknowledge(team, position, "role")
    report = verify_evidence(given(team, tmp_path / "given"), known)
    assert (report.verdict.value, kinds(report)) == ("proven", set())
    assert [(p.position, p.kind) for p in report.problems] == [(position, "role")]
    assert report.document()["problems"][0]["acknowledged"] is True
    assert report.document()["problems"][0]["position"] == position
    cut = Pieces.of(tmp_path / "given")
    cut.cut(len(cut.notes) - 1)
    report = verify_evidence(cut.put(tmp_path / "cut"), known)
    assert (report.verdict.value, kinds(report)) == ("disproved", {"role"})
    assert report.document()["problems"][0]["acknowledged"] is False


def _next(ledger, token):
    return {"originator_id": token, "originator_version": ledger.next_version(token), **facts(ledger)}


def test_nothing_of_the_folder_can_be_acknowledged(team, tmp_path):
    """An admin who acknowledges all that can be makes nothing of a changed folder proven."""
    for kind in sorted(ACKNOWLEDGEABLE):
        acknowledge(team, 1, kind)
    known = seen(team, "alice", tmp_path / "known")
    team.do("alice", lambda alice: alice.tokens.remove("Mail"))
    pieces = Pieces.of(given(team, tmp_path / "given"))
    assert verdict(tmp_path / "given", known) == "proven"
    pieces.states[-1] = bytes(60)
    assert verdict(pieces.put(tmp_path / "changed"), known) == "disproved"
    pieces.cut(len(pieces.notes) - 1)
    assert verdict(pieces.put(tmp_path / "cut"), known) == "proven"
    size = len(pieces.entries)
    manifest = (tmp_path / "cut" / "manifest.json").read_text(encoding="utf-8")
    for old, new in ((f'"size": {size}', f'"size": {size + 1}'), (f'"openings": {size}', '"openings": 2')):
        (tmp_path / "cut" / "manifest.json").write_text(manifest.replace(old, new), encoding="utf-8")
        assert verdict(tmp_path / "cut", known) == "disproved"


CONTENTS = {
    "no JSON": b"{",
    "no object": b"[]",
    "no text": b"\xff\xfe",
    "nested": b'{"a":' * 200_000,
    "nested arrays": b"[" * 200_000,
    "an unknown key": b'{"by":"BY",REST,"more":1}',
    "a place of its own": b'{"by":"BY",REST,"originator_version":1}',
    "a wrong type": b'{"by":"BY","at":"AT","host":1,"client":"c","revision":1,"description":"x"}',
    "no time": b'{"by":"BY","at":"noon","host":"h","client":"c","revision":1,"description":"x"}',
    "a time of nowhere": b'{"by":"BY","at":"2027-01-01T00:00:00","host":"h","client":"c","revision":1,'
    b'"description":"x"}',
    "half a character": b'{"by":"BY","at":"AT","host":"\\ud800","client":"c","revision":1,"description":"x"}',
}


def test_the_contents_below_are_otherwise_right(team, mail, tmp_path):
    """What the next tests change would be shown without a problem."""
    patched(
        team,
        lambda ledger: (described(ledger, mail), {"contents": Sealed(ledger, contents(ledger, b'{"by":"BY",REST}'))}),
    )
    assert tolerated(team, tmp_path) == set()


def test_of_a_key_that_stands_twice_the_last_one_counts(team, mail, tmp_path):
    """Evidence reads contents by the rule by which every reader of the registry does."""
    text = b'{"by":"nobody","by":"BY","reason":"first",REST,"reason":"last"}'
    patched(team, lambda ledger: (described(ledger, mail), {"contents": Sealed(ledger, contents(ledger, text))}))
    report = judged(team, tmp_path)
    assert report.verdict.value == "proven"
    assert list(report.disclosed())[-1].reason == "last"
    with heedless(), team.open("bob") as bob:
        assert list(bob.history())[-1].reason == "last"


@pytest.mark.parametrize("text", CONTENTS.values(), ids=CONTENTS)
def test_contents_that_are_none_are_not_shown(team, mail, tmp_path, text):
    """An opening proves what was sealed; that it means anything is checked before it is shown."""
    patched(team, lambda ledger: (described(ledger, mail), {"contents": Sealed(ledger, contents(ledger, text))}))
    assert tolerated(team, tmp_path) == {"opening"}


def test_contents_of_another_version_are_not_shown(team, mail, tmp_path):
    """The version of contents decides how they are read; one that is not known is not guessed at."""
    sealed = lambda ledger: Sealed(ledger, b"\x02" + contents(ledger, b'{"by":"BY",REST}')[1:])  # noqa: E731 - short
    patched(team, lambda ledger: (described(ledger, mail), {"contents": sealed(ledger)}))
    assert tolerated(team, tmp_path) == {"opening"}


def test_contents_that_anybody_could_have_sealed_are_not_shown(team, mail, tmp_path):
    """Only disclosures may be sealed without the audience's key."""
    sealed = lambda ledger: Sealed(ledger, contents(ledger, b'{"by":"BY",REST}'), addressed=True)  # noqa: E731 - short
    patched(team, lambda ledger: (described(ledger, mail), {"contents": sealed(ledger)}))
    assert tolerated(team, tmp_path) == {"opening"}


def test_an_event_that_cannot_be_shown_is_a_problem(team, mail, tmp_path):
    """A moment before the first day, which no table can show, ends in a verdict."""
    text = b'{"by":"BY","at":"AT","host":"h","client":"c","revision":1,"expires_at":"0001-01-01T00:00:00+14:00"}'
    patched(
        team,
        lambda ledger: (
            TokenExpirySet(**_next(ledger, mail)),
            {"contents": Sealed(ledger, contents(ledger, text))},
        ),
    )
    assert tolerated(team, tmp_path) == {"opening"}


def test_text_that_steers_a_terminal_is_kept_as_it_is(team, mail, tmp_path):
    """The library gives what was written; whoever prints it escapes it."""
    patched(team, lambda ledger: described(ledger, mail, host="\x1b[2J", reason="\u202egnp"))
    report = judged(team, tmp_path)
    assert report.verdict.value == "proven"
    assert list(report.disclosed())[-1].host == "\x1b[2J"


def test_a_topic_that_is_not_known_cannot_be_opened(team, mail, tmp_path):
    """A kind of event that this version does not know is part of the proven log, and is not shown."""
    known = seen(team, "bob", tmp_path / "known")
    with team.open("alice") as alice:
        commit(alice._ledger, described(alice._ledger, mail), contents=_Newer(alice._ledger))
        pieces = Pieces.of(_given_but(alice._ledger, tmp_path / "given", "token.newer"))
    assert verdict(tmp_path / "given", known) == "proven"
    pieces.openings[len(pieces.entries) - 1] = bytes(32)
    assert kinds(verify_evidence(pieces.put(tmp_path / "opened"), known)) == {"opening"}


class _Newer(Sealed):
    def __init__(self, ledger):
        super().__init__(ledger, b"\x01{}")

    def stored(self, event):
        """Return an event of a topic that is still to come."""
        return structs.replace(super().stored(event), topic="token.newer")


def _given_but(ledger, folder, topic):
    folder.mkdir()
    Writer(folder, ledger.registry, ledger.store.head()).write(
        ledger.store.commits(), ledger.store.events(), lambda logged: None
    )
    assert Pieces.of(folder).first_of(topic)
    return folder
