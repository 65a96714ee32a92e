"""The campaign, continued: whoever holds the database and some key, and signs what it makes of the log."""

import pytest
from msgspec import structs

from registry import Identity
from registry.domain.token_events import TokenDescribed
from registry.log import merkle
from tests.tampering.forger import Forger, Made
from tests.tampering.scene import Problem
from tests.tampering.statements import deleted
from tests.verify.history import Client

STRANGER = "f" * 32


@pytest.fixture
def former(scene):
    """Return the identity of a member that was removed."""
    return scene.team.identity("till")


def forger(scene, **identities):
    """Return who holds the store as it was, and can sign as these members."""
    scene.restore()
    signing = {scene.team.ids[name]: identity for name, identity in identities.items()}
    return Forger(scene.team.store, scene.late["alice"].registry_id, signing)


@pytest.mark.parametrize("who", ["a stranger", "a removed member", "another member"])
def test_a_signature_of_another_key_is_noticed(scene, former, who):
    """Each commit that is signed anew by anybody but its author is found, and opened by nobody who must check it."""
    team = scene.team
    by = {
        "a stranger": Identity.generate("stranger"),
        "a removed member": former,
        "another member": team.identity("bob"),
    }
    other = team.ids["bob"]
    for made in scene.rows["commits"]:
        number = made["number"]
        if who == "another member" and made["author"] == other:
            continue
        forger(scene).resign(number, by[who])
        assert scene.found() == [Problem(scene.start(number), "signature")], number
        assert not scene.opens("alice", scene.new["alice"]), number
        assert scene.opens("alice", scene.early["alice"]) == (number < scene.early["alice"].commit), number


@pytest.mark.parametrize(
    ("author", "kind"), [("bob", "role"), ("pay", "role"), ("till", "signature"), ("stranger", "signature")]
)
def test_the_newest_commit_in_anothers_name_is_noticed(scene, author, kind):
    """Who makes the newest commit its own, with every hash and its own signature right, lacks membership or role."""
    identity = Identity.generate("stranger") if author == "stranger" else scene.team.identity(author)
    member = STRANGER if author == "stranger" else scene.team.ids[author]
    scene.restore()
    hand = Forger(scene.team.store, scene.late["alice"].registry_id, {member: identity})
    last = scene.rows["commits"][-1]["number"]
    hand.change(last, author=member)
    hand.rebuild()
    for made in scene.rows["commits"][:last]:
        hand.put_commit(Made(**made))  # what the author signed before it was renewed stays as it is
    start = scene.start(last)
    # It is another commit than was seen; what its author signed for is judged in any case.
    found = scene.found(pin=scene.early["alice"])
    assert Problem(start, kind) in found
    assert {problem.position for problem in found} <= {start, scene.size}
    assert Problem(scene.size, "pin") in scene.found()
    for pins in (scene.new, scene.early, scene.late):
        assert not scene.opens("alice", pins["alice"])


def test_an_event_with_the_right_key_and_no_checkpoint_is_noticed(scene):
    """A change that an admin sealed, put behind the log without a commit, is what nobody signed for."""
    scene.restore()
    with Client(scene.team, "alice") as client:
        _, token = client.token("Mail")
        stored = client.ledger.contents.stored(client.event(TokenDescribed, token, revision=4, description="sealed"))
    for commit in (None, scene.rows["commits"][-1]["number"]):
        forger(scene).append(stored, commit)
        assert scene.found() == [Problem(scene.size, "unsigned")]
        assert not any(scene.opens("alice", pins["alice"]) for pins in (scene.new, scene.early, scene.late))
        assert scene.resolved(0) is None


def test_an_inserted_event_with_the_right_key_is_noticed(scene):
    """Put between the others, with nodes and the numbers of all that follow made anew, it is where nothing fits."""
    scene.restore()
    with Client(scene.team, "alice") as client:
        _, token = client.token("Mail")
        stored = client.ledger.contents.stored(client.event(TokenDescribed, token, revision=4, description="sealed"))
    for place in (1, 14, 30, scene.size - 1):
        hand = forger(scene)
        events = hand.events()
        hand.append(stored)
        added = hand.events()[-1]
        added.commit = events[place].commit
        rest = [structs.replace(event, position=event.position + 1) for event in events[place:]]
        hand.put_events([*events[:place], structs.replace(added, position=place), *rest])
        hand.rebuild()
        found = scene.found()
        assert found, place
        assert min(problem.position for problem in found) == scene.start(events[place].commit), (place, found)
        assert not scene.opens("alice", scene.new["alice"])


@pytest.mark.parametrize("left", ["the newest", "every second", "the first and the newest"])
def test_dropped_checkpoints_are_noticed(scene, left):
    """Commits that are missing are missing where their events begin, however many stand behind them."""
    commits = scene.rows["commits"]
    last = len(commits) - 1
    dropped = {
        "the newest": commits[:-1],
        "every second": [made for made in commits[:-1] if made["number"] % 2 != last % 2],
        "the first and the newest": commits[1:-1],
    }[left]
    assert scene.tamper([deleted("commits", made) for made in dropped])
    found = scene.found()
    first = {"the newest": [0], "the first and the newest": [1]}.get(left)
    places = first or [scene.start(made["number"]) for made in dropped]
    assert found == [Problem(place, "commit") for place in places]
    for pin in (scene.new["alice"], scene.early["alice"]):
        assert not scene.opens("alice", pin)


def test_checkpoints_dropped_with_their_numbers_are_noticed(scene):
    """Who lets the next commit's author vouch for the events of a dropped one needs that author's key."""
    for number in range(1, len(scene.rows["commits"])):
        hand = forger(scene)
        events = hand.events()
        hand.drop_commit(number - 1)
        hand.put_events(
            structs.replace(event, commit=number) if event.commit == number - 1 else event for event in events
        )
        hand.rebuild()
        found = scene.found()
        start = scene.start(number - 1)
        assert found[0].position == start, (number, found)
        assert {problem.kind for problem in found} & {"signature", "event", "role", "roster"}, (number, found)
        assert not scene.opens("alice", scene.new["alice"])
        assert merkle.nodes_in(scene.size) == len(scene.rows["log_nodes"])
