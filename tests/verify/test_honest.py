"""A registry that nobody has changed by hand: nothing is found, by whatever member, in however many processes."""

import pytest

from registry import IntegrityError, InvalidValue, Unusable, verify_registry
from registry.verify.crew import cores
from tests.verify.history import READERS, damage, found, size_of, verified


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("workers", [1, 2])
def test_nothing_is_found(rich, name, workers, monkeypatch):
    """Whoever verifies an honest registry finds nothing wrong in it, alone or with the help of other processes."""
    monkeypatch.setattr("registry.verify.verifier._WORTH_FORKING", 0)
    outcome = verified(rich, name, workers=workers)
    assert outcome.problems == ()
    assert outcome.ok
    assert outcome.size == size_of(rich)


def test_the_result_tells_of_the_registry(rich):
    """The result has the root and the newest signed checkpoint, and how many members and commits there are."""
    outcome = verified(rich)
    head = rich.do("alice", lambda r: r._ledger.head)
    assert (outcome.root, outcome.commits) == (head.root, head.number + 1)
    assert outcome.members == 4
    assert outcome.checkpoint.startswith(f"token-registry/{rich.pin('alice').registry_id.hex()}\n{outcome.size}\n")


def test_who_lacks_a_key_says_what_it_did_not_check(rich):
    """An admin checks everything; an auditor says that it holds no key of credentials, an app that it reads nothing."""
    assert verified(rich, "alice").unchecked == ()
    (names,) = verified(rich, "bob").unchecked
    assert "names" in names
    assert "data keys" in names
    (contents,) = verified(rich, "pay").unchecked
    assert "contents of events" in contents


def test_a_former_member_verifies_what_takes_no_key(rich):
    """Whoever is no member any more can verify the log, and says that nothing was opened."""
    outcome = verified(rich, "till")
    assert outcome.problems == ()
    assert "no member" in outcome.unchecked[0]


def test_what_was_verified_is_remembered(rich):
    """A verification that finds nothing moves the pin of its machine."""
    rich.forget("bob")
    verified(rich, "bob")
    assert rich.pin("bob").size == size_of(rich)


def test_what_is_wrong_is_not_remembered(rich):
    """A verification that finds something leaves the pin as it is."""
    rich.forget("bob")
    damage(rich, "UPDATE stored_events SET state = x'00' WHERE position = 3")
    assert found(rich, "bob") == [(3, "event")]
    assert rich.pin("bob").seen is None


def test_nothing_is_written(rich):
    """Verifying changes no byte of the store."""
    before = rich.store.read_bytes()
    verified(rich)
    assert rich.store.read_bytes() == before


@pytest.mark.parametrize("workers", [1, 2])
def test_progress_comes_to_its_end(rich, workers, monkeypatch):
    """Progress never goes back, and ends with everything done."""
    monkeypatch.setattr("registry.verify.verifier._WORTH_FORKING", 0)
    told = []
    verified(rich, workers=workers, progress=lambda done, total: told.append((done, total)))
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1]


@pytest.mark.parametrize("name", READERS)
def test_only_what_came_after_a_checkpoint_is_verified(rich, name):
    """With a checkpoint of before, what came before it is not looked at, and the result says so."""
    since = rich.pin("carol").seen.signed.encode()
    early = rich.pin("carol").size
    assert 0 < early < size_of(rich)
    outcome = verified(rich, name, since=since)
    assert outcome.problems == ()
    assert any("before the checkpoint" in sentence for sentence in outcome.unchecked)
    damage(
        rich,
        "UPDATE stored_events SET state = x'00' WHERE position = 4",
        f"UPDATE stored_events SET state = x'00' WHERE position = {early + 1}",
    )
    assert found(rich, name, since=since) == [(early + 1, "event")]


def test_a_checkpoint_of_another_log_is_noticed(rich, rich_once, tmp_path):
    """If the log does not go on from the checkpoint given, that is a problem, and all of it is verified."""
    other = rich_once.copy(tmp_path / "other")
    other.do("alice", lambda r: r.tokens.remove("Mail"))
    rich.do("alice", lambda r: r.tokens.remove("Open"))
    since = other.pin("alice").seen.signed.encode()
    assert found(rich, since=since) == [(size_of(rich), "pin")]


def test_a_checkpoint_that_no_member_signed_is_refused(rich):
    """A checkpoint is believed only if a member signed it."""
    since = rich.pin("carol").seen.signed.encode().replace(b"\ncommit ", b"\ncommit 1")
    with pytest.raises(IntegrityError, match="signature"):
        verified(rich, since=since)
    with pytest.raises(InvalidValue, match="that is not the checkpoint of a registry"):
        verified(rich, since=b"no checkpoint")


def test_a_machine_that_knows_nothing_cannot_verify(rich):
    """The registry's id is never taken from the store, so without a pin there is nothing to verify against."""
    settings = rich.settings("nobody")
    with pytest.raises(Unusable, match="does not know"):
        verify_registry(settings)


def test_there_is_a_core():
    """The number of processes is that of the cores this process may use."""
    assert cores() >= 1
