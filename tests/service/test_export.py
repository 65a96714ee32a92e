"""The export: which events, in which moment of the history, at what cost, and never a secret."""

import base64
import gc
import json
import tracemalloc
from itertools import islice

import pytest

from registry import ExportFormat, HistoryQuery, IntegrityError, InvalidValue, NotFound
from registry.domain import token_rules as rules
from registry.domain.token_rules import Change, folded
from registry.service.ledger import Ledger
from tests.service.attacks import edit, fields, tamper, token
from tests.service.test_canary import CANARY, spellings

EVERY_ENGINE = True


@pytest.fixture
def story(registry):
    """Return a registry in which names moved between tokens and scopes."""
    registry.tokens.add(token("Zoom"))
    registry.tokens.rename("Zoom", "Old Zoom")
    registry.tokens.add(token("Zoom"))
    registry.applications.register("Payroll", "process")
    registry.tokens.add(token("Zoom", application="Payroll"))
    registry.tokens.edit("Zoom", edit(description="x"), reason="why")
    registry.tokens.reveal("zoom", "api_key")
    registry.tokens.remove("Zoom")
    return registry


def exported(registry, after=None, **query):
    """Return the documents of an export in JSON Lines."""
    return [json.loads(line) for line in registry.export(HistoryQuery(**query), after=after)]


def positions(registry, after=None, **query):
    """Return the positions of what is exported."""
    return [document["position"] for document in exported(registry, after, **query)]


def describe(registry, count):
    """Have the token ``Zoom`` described so many times, in one commit."""
    ledger = registry._ledger
    zoom = ledger.find("Zoom", None)[1].id
    known = folded(None, [ledger.contents.event(stored) for stored in ledger.store.stream(zoom)])
    with ledger.turn() as turn:
        events = []
        for number in range(count):
            made = rules.edit(turn.context, known, Change(description=f"{known.version} and {number}"))
            known = folded(known, made)
            events += made
        ledger.commit(turn, events)


def test_what_the_history_shows_is_exported(story):
    """Each document is that of the history, with ids and the place in the log."""
    documents = exported(story)
    for document, entry in zip(documents, story.history(), strict=True):
        assert entry.document().items() <= document.items()
        assert document["log"]["index"] == document["position"]
        assert document["log"]["origin"] == f"token-registry/{story.registry_id}"
    assert len({document["event_id"] for document in documents}) == len(documents)
    assert {document["actor_id"] for document in documents} == {story._ledger.member.id}


def test_leaf_hashes_are_those_of_the_log(story):
    """The hash is that of the event's leaf: it commits to the sealed bytes and to the registry."""
    ledger = story._ledger
    expected = [event.leaf(ledger.registry).hashed() for event in ledger.store.events()]
    assert [base64.b64decode(one["log"]["leaf_hash"]) for one in exported(story)] == expected
    assert len(set(expected)) == len(expected)


def test_filters_are_those_of_the_history(story):
    """Token, application, member, times, topic and count narrow an export as they narrow the history."""
    at = [entry.at for entry in story.history()]
    for query in (
        {"token": "ZOOM"},
        {"token": "Zoom", "app": "payroll"},
        {"app": "Payroll"},
        {"actor": "alice"},
        {"since": at[3], "until": at[5]},
        {"event": "token.created"},
        {"last": 2},
        {"as_of": at[4]},
    ):
        shown = [entry.position for entry in story.history(HistoryQuery(**query))]
        assert shown
        assert positions(story, **query) == shown, query


@pytest.mark.parametrize("query", [{"token": "Nope"}, {"app": "Nope"}, {"actor": "mallory"}], ids=str)
def test_what_never_was_is_not_found(story, query):
    """An unknown token, application or member is said before the first line is asked for."""
    with pytest.raises(NotFound):
        story.export(HistoryQuery(**query))


def test_an_unknown_format_is_refused(story):
    """A format that is none is an invalid value that names those there are."""
    with pytest.raises(InvalidValue) as refused:
        story.export(format="xml")
    assert "jsonl, csv, cloudevents, ocsf" in refused.value.hint


@pytest.mark.parametrize("form", ExportFormat)
def test_an_export_goes_on_where_one_left_off(story, form):
    """What two exports say, one behind the other, is what one says at once, wherever the first ended."""
    whole = "".join(story.export(format=form))
    for position in range(len(list(story.history()))):
        first = list(story.export(format=form))[: position + 1]
        assert "".join([*first, *story.export(format=form, after=position)]) == whole


@pytest.mark.parametrize("after", [8, 9, 1_000_000, 2**63 - 1, 2**200])
def test_behind_the_end_there_is_nothing(story, after):
    """A position at or behind the end leads to no line at all, a heading included."""
    assert [list(story.export(format=form, after=after)) for form in ExportFormat] == [[], [], [], []]
    assert list(story.export(HistoryQuery(token="Zoom"), after=after)) == []


def test_before_the_beginning_there_is_everything(story):
    """A position before the first is as good as none."""
    assert positions(story, after=-1) == positions(story, after=-(2**200)) == positions(story)


def test_names_are_known_behind_any_position(story):
    """An event is exported with its token's name though the events that gave it lie before the position."""
    assert [one["token"] for one in exported(story, 5)] == ["Zoom", "Zoom", "Zoom"]
    assert [one["token"] for one in exported(story, 1, token="Old Zoom")] == ["Old Zoom"]


def test_before_the_position_only_names_are_opened(story, monkeypatch):
    """What lies before is not opened, but for the events that name tokens; of a token asked for, only its own."""
    opened = []
    real = Ledger.opened
    monkeypatch.setattr(Ledger, "opened", lambda self, logged: opened.append(logged.position) or real(self, logged))
    list(story.export(after=6))
    assert opened == [1, 2, 3, 5, 7, 8]
    opened.clear()
    list(story.export(after=8))
    assert opened == []
    identity = next(entry.token_id for entry in story.history() if entry.position == 5)
    opened.clear()
    list(story.export(HistoryQuery(token=identity), after=6))
    assert opened == [5, 7]


def test_an_export_is_of_one_moment(story):
    """What is appended while lines are taken is not among them, and whoever appends does not wait."""
    lines = story.export()
    first = next(lines)
    story.applications.register("Late", "form")
    story.tokens.add(token("Late"))
    assert [json.loads(line)["position"] for line in [first, *lines]] == list(range(9))
    assert positions(story)[-1] == 10


def test_memory_does_not_grow_with_the_events(registry):
    """What was said is forgotten: hundreds of events later no more memory is held, in any format, and with diffs."""
    registry.tokens.add(token("Zoom"))
    describe(registry, 1_200)
    for work in [*(registry.export(format=form) for form in ExportFormat), registry.history(diff=True)]:
        pages = [list(islice(work, 100))]  # the store is read in pages of 500
        tracemalloc.start()
        held = []
        for _ in range(2):
            pages = [None for _ in islice(work, 500)]
            gc.collect()
            held.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
        assert len(pages) == 500
        assert held[1] - held[0] < 50_000, held


def test_lines_come_while_events_are_read(story, monkeypatch):
    """A line is there before the next event is opened."""
    opened = []
    real = Ledger.opened
    monkeypatch.setattr(Ledger, "opened", lambda self, logged: opened.append(logged.position) or real(self, logged))
    for form in ExportFormat:
        opened.clear()
        for number, _ in enumerate(story.export(format=form), 1):
            assert opened == list(range(number))


def test_no_secret_is_exported(registry, founded):
    """A secret that was set, replaced and revealed is in no format, in no spelling; a value of another field may be."""
    registry.policies.set("allow-plaintext", "yes")
    registry.tokens.add(token(fields=fields(CANARY, CANARY[::2], api_url="https://public.example/v2"), encrypted=False))
    registry.tokens.edit("Zoom", edit(fields=fields(CANARY + "x")))
    assert registry.tokens.reveal("Zoom", "api_secret").reveal() == CANARY + "x"
    told = "".join("".join(registry.export(format=form)) for form in ExportFormat)
    told += json.dumps([entry.document() for entry in registry.history(diff=True)])
    for secret in (CANARY, CANARY[::2]):
        assert [one for one in spellings(secret) if one in told.encode()] == []
    assert "https://public.example/v2" in told


def test_a_damaged_event_ends_the_export(story, founded):
    """What was changed in the database raises at its place; what lies before it has been said."""
    tamper(founded, "UPDATE stored_events SET state = zeroblob(200) WHERE position = 6")
    lines = story.export()
    assert [json.loads(next(lines))["position"] for _ in range(6)] == [0, 1, 2, 3, 4, 5]
    with pytest.raises(IntegrityError):
        next(lines)
    tamper(founded, "UPDATE stored_events SET state = zeroblob(200) WHERE position = 0")
    for form in ExportFormat:
        with pytest.raises(IntegrityError):
            next(story.export(format=form))
