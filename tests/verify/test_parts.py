"""The parts of verification, each against what it does once more or independently."""

import pytest
from hypothesis import given, strategies as st

from registry.domain.token_rules import folded as folded_by_the_rules
from registry.errors import IntegrityError
from registry.log import merkle, present
from registry.log.checkpoint import Checkpoint, origin
from registry.log.problems import EVENT, NODE
from registry.sealing import aead, credentials, envelope, labels
from registry.sealing.credentials import BoxPlace, Credentials
from registry.sealing.envelope import Place
from registry.values import Secret, TokenId
from registry.verify import decoding
from registry.verify.current import believed
from registry.verify.guesses import Tree, leaf_guesses
from registry.verify.keys import Scope
from registry.verify.log import missing_together
from registry.verify.replay import Fact, replay
from registry.verify.spans import Span, spans
from registry.verify.unsealing import LongKey, Opener
from registry.verify.walking import signed_text
from tests.project.sources import imports, modules
from tests.verify.history import query

WRITERS = {"registry.store.assembly", "registry.store.recorder", "registry.store.contents", "registry.store.mapper"}
REGISTRY, TOKEN = bytes(range(32)), TokenId("ab" * 16)
KEY = b"k" * 32
hashes = st.integers(0, 200).map(lambda number: number.to_bytes(32, "big"))


def test_verification_shares_nothing_with_what_writes():
    """No module of verification imports what puts commits together, follows them, or moves the present."""
    known = modules()
    mine = {name: path for name, path in known.items() if name.startswith("registry.verify")}
    found = {i.module for path in mine.values() for i in imports(path, known)}
    assert found.isdisjoint({*WRITERS, "registry.store.following", "registry.store.sqlite"})
    sources = "".join(path.read_text(encoding="utf-8") for path in mine.values())
    assert not any(word in sources for word in ("present.change", "merkle.append", "merkle.Growth", "Follower"))


@given(st.binary(max_size=300), st.binary(max_size=80), st.integers(0, 5))
def test_long_keys_open_what_is_sealed_under_them(text, associated, before):
    """The fast way to open is the way to open."""
    sealed = aead.seal_under(KEY, labels.EVENT_KEY, labels.EVENT_CONTENT, text, associated)
    key = LongKey(KEY, labels.EVENT_KEY, labels.EVENT_CONTENT)
    assert key.open(bytes(before) + sealed, associated, before) == text
    for number in (0, 31, 32, 63, 64, len(sealed) - 1):
        changed = bytearray(sealed)
        changed[number] ^= 1
        with pytest.raises(IntegrityError):
            key.open(bytes(changed), associated)
    with pytest.raises(IntegrityError):
        key.open(sealed, associated + b"x")
    with pytest.raises(IntegrityError):
        LongKey(b"o" * 32, labels.EVENT_KEY, labels.EVENT_CONTENT).open(sealed, associated)


@given(st.binary(max_size=100), st.integers(1, 2**63 - 1), st.sampled_from(["token.created", "card", "é"]))
def test_the_opener_opens_envelopes(text, version, topic):
    """Envelopes of both kinds open at their place, and at no other."""
    opener = Opener(REGISTRY, {1: KEY, 7: b"7" * 32})
    place = Place(REGISTRY, TOKEN, version, topic)
    at = opener.place(TOKEN)
    for number, key in ((1, KEY), (7, b"7" * 32)):
        assert opener.open(at, version, topic, envelope.seal(key, number, place, text)) == text
        public = envelope.hpke.public_of(envelope.sealing_key(key))
        addressed = envelope.seal_addressed(public, number, place, text)
        assert opener.open(at, version, topic, addressed) == text
        for other in ((opener.place("cd" * 16), version, topic), (at, version - 1, topic), (at, version, "token.x")):
            with pytest.raises(IntegrityError):
                opener.open(*other, envelope.seal(key, number, place, text))
            with pytest.raises(IntegrityError):
                opener.open(*other, addressed)
    with pytest.raises(IntegrityError):
        opener.open(at, version, topic, envelope.seal(KEY, 2, place, text))
    assert opener.knows(envelope.seal(KEY, 1, place, text))
    assert not opener.knows(envelope.seal(KEY, 2, place, text))


def test_a_scope_opens_data_keys_and_boxes():
    """Data keys open under the scope's present key alone, and boxes with their data key alone."""
    place, data_key = BoxPlace(REGISTRY, TOKEN, 3), b"d" * 32
    told = Credentials("zoom", {"api_key": Secret("k"), "api_secret": Secret("s" * 300)})
    scope = Scope(REGISTRY, "global", 2, KEY)
    wrapped = credentials.wrap(KEY, "global", 2, place, data_key)
    box = credentials.seal_box(data_key, place, told)
    assert scope.data_key(TOKEN, 3, wrapped) == data_key
    assert scope.box(TOKEN, 3, data_key, box) == told.encoded()
    for wrong in (credentials.wrap(KEY, "global", 1, place, data_key), wrapped[:-1] + b"x", b""):
        with pytest.raises(IntegrityError):
            scope.data_key(TOKEN, 3, wrong)
    for revision, key, sealed in ((4, data_key, box), (3, KEY, box), (3, data_key, b"\x02" + box[1:])):
        with pytest.raises(IntegrityError):
            scope.box(TOKEN, revision, key, sealed)


@given(st.integers(0, 2**63 - 1), hashes, hashes, hashes, st.integers(0, 2**40))
def test_the_signed_text_is_the_checkpoints(number, root, units, head, length):
    """What is verified is the text that a checkpoint has."""
    point = Checkpoint(
        registry=REGISTRY,
        size=number // 2,
        root=root,
        commit=number,
        present=units,
        roster_length=length,
        roster_head=head,
        shredded=number // 3,
    )
    row = (number, "author", "at", number // 2, root, units, length, head, number // 3, b"signature")
    assert signed_text(origin(REGISTRY), row) == point.text()


def test_tokens_are_replayed_as_the_rules_say(rich):
    """For every token there ever was, the fast replay comes to what the rules of the domain come to."""
    with rich.open("alice") as registry:
        contents = registry._ledger.contents
        streams = {
            stream for (stream,) in query(rich, "SELECT originator_id FROM stored_events WHERE topic LIKE 'token.%'")
        }
        compared = 0
        for stream in sorted(streams):
            stored = registry._ledger.store.stream(stream)
            events = [contents.event(event) for event in stored]
            if events[0].TOPIC != "token.created":
                continue
            facts = [
                Fact(event.TOPIC, event, event.originator_version, number, commit_of(rich, stream, event))
                for number, event in enumerate(events)
            ]
            outcome = replay(stream, facts)
            assert outcome.complaints == ()
            assert outcome.certain
            assert [state.as_token() for state in outcome.states] == [folded_by_the_rules(None, events)]
            compared += 1
    assert compared > 10


def commit_of(team, stream, event):
    """Return the number of an event's commit."""
    where = "originator_id = ? AND originator_version = ?"
    return query(team, f"SELECT commit_number FROM stored_events WHERE {where}", stream, event.originator_version)[0][0]


@given(st.lists(st.integers(1, 900), min_size=1, max_size=500), st.integers(0, 3))
def test_pieces_cover_the_log_once(lengths, first):
    """The pieces of an honest log are all regular, follow each other, and leave nothing out."""
    sizes = [sum(lengths[: number + 1]) for number in range(len(lengths))]
    pieces = list(spans(enumerate(sizes, first), first, 0, sizes[-1]))
    assert all(piece.regular for piece in pieces)
    assert [(piece.first, piece.start) for piece in pieces[1:]] == [(p.last + 1, p.end) for p in pieces[:-1]]
    assert (pieces[0].first, pieces[0].start) == (first, 0)
    assert (pieces[-1].last, pieces[-1].end) == (first + len(lengths) - 1, sizes[-1])


@pytest.mark.parametrize(
    ("outline", "odd"),
    [
        ([(0, 1), (1, 2), (3, 4), (4, 5)], (2, 3)),
        ([(0, 1), (1, 999), (2, 3), (3, 5)], (1, 2)),
        ([(0, 1), (1, 4), (2, 3), (3, 5)], (1, 3)),
        ([(0, 1), (1, 2), (2, "x"), (3, 5)], (2, 3)),
        ([(0, 1), (1, 2), (2, 2), (3, 5)], (1, 3)),
        ([(0, 1), (1, 2), (2, 5), (77, 1)], (3, 77)),
        ([(0, 1), (1, 2), (2, 1), (3, 5)], (2, 3)),
        ([(0, 1), (1, 2), (2, 5), (3, 5)], (2, 3)),
        ([(0, 1), (1, 2)], (0, 1)),
    ],
)
def test_what_is_odd_is_kept_apart(outline, odd):
    """Numbers or sizes that cannot be make one piece odd, and none behind it."""
    pieces = list(spans(outline, 0, 0, 5))
    assert [(piece.first, piece.last) for piece in pieces if not piece.regular] == [odd]
    assert pieces[-1].end == 5


def grown(leaves, stored, events):
    """Return a tree of guesses over stored nodes, given what leaf each event makes."""
    tree = Tree(0, (), lambda level, index: stored.get((level, index)))
    for position, _ in enumerate(leaves):
        tree.add(leaf_guesses(position, events.get(position), stored.get((0, position)), "changed"))
    return tree


@given(st.lists(hashes, min_size=1, max_size=40), st.data())
def test_guesses_find_what_is_wrong(leaves, data):
    """Whatever single events and nodes are wrong, the signed root tells them, as long as not both sides of one are."""
    stored = {
        (level, index): node
        for level, row in enumerate(merkle.complete_levels(leaves))
        for index, node in enumerate(row)
    }
    events = dict(enumerate(leaves))
    bad_events = data.draw(st.sets(st.sampled_from(range(len(leaves))), max_size=3))
    free = sorted(place for place in stored if place[0] or place[1] not in bad_events)
    bad_nodes = data.draw(st.sets(st.sampled_from(free), max_size=1)) if free else set()
    for position in bad_events:
        events[position] = b"e" * 32
    for place in bad_nodes:
        stored[place] = b"n" * 32
    told = grown(leaves, stored, events).settle(merkle.root_of(leaves))
    assert told is not None
    assert {problem.position for problem in told if problem.kind == EVENT} == bad_events
    assert {problem.position for problem in told if problem.kind == NODE} == {i << level for level, i in bad_nodes}


@given(st.lists(hashes, min_size=4, max_size=40), st.data())
def test_guesses_use_the_nodes_above(leaves, data):
    """Where an event and its stored leaf are both wrong, the node above them tells it."""
    levels = merkle.complete_levels(leaves)
    stored = {(level, index): node for level, row in enumerate(levels) for index, node in enumerate(row)}
    position = data.draw(st.sampled_from(range(len(leaves) // 2 * 2)))
    stored[0, position] = b"n" * 32
    told = grown(leaves, stored, {**dict(enumerate(leaves)), position: b"e" * 32}).settle(merkle.root_of(leaves))
    assert told is not None
    assert {(problem.position, problem.kind) for problem in told} == {(position, EVENT), (position, NODE)}


@given(st.dictionaries(hashes, hashes, max_size=30), st.data())
def test_units_are_believed_as_far_as_they_lead_down_from_the_root(rows, data):
    """Units that are whole say of every row whether it is the one; a wrong one takes belief from what is below it."""
    whole = present.recompute(rows.items())
    units = believed(whole.root, whole.units)
    assert units.wrong == frozenset()
    assert all(units.say(tag, digest) for tag, digest in rows.items())
    assert not any(units.say(tag, b"x" * 32) for tag in rows)
    if rows:
        wrong = data.draw(st.sampled_from(sorted(whole.units)))
        units = believed(whole.root, {**whole.units, wrong: b"\x00" * 34})
        assert units.wrong == {wrong}
        assert all(units.say(tag, digest) in (True, None) for tag, digest in rows.items())


@pytest.mark.parametrize("topic", ["token.created", "token.disclosed", "evidence.exported"])
def test_records_refuse_what_is_no_event(topic):
    """Contents with another version, other keys or other types are refused."""
    decoder = decoding.decoders()[topic]
    for contents in (b"", b"\x02{}", b"\x01", b"\x01{}", b"\x01[]", b'\x01{"by":1}', b"\x01\xff"):
        with pytest.raises(IntegrityError):
            decoding.decoded(decoder, contents)


def test_long_rows_of_what_is_missing_are_one_problem():
    """Up to twenty missing events in a row are named, more are counted."""
    guesses = [leaf_guesses(position, None, b"n" * 32, "the event is missing")[0] for position in range(30)]
    found = [problem for guess in guesses for problem in guess.problems()]
    assert [problem.position for problem in missing_together(found[:20])] == list(range(20))
    (one,) = missing_together(found)
    assert (one.position, one.kind) == (0, EVENT)
    assert "30" in one.message


def test_a_piece_is_no_more_than_its_numbers():
    """Pieces can be told apart and sent to other processes."""
    assert Span(0, 1, 0, 2) == Span(0, 1, 0, 2)
    assert hash(Span(0, 1, 0, 2)) == hash(Span(0, 1, 0, 2))
