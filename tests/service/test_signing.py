"""What an author signs: its own commit behind the one that it has verified, and nothing that others put there."""

import pytest
from msgspec import structs

from registry import Conflict, IntegrityError, open_registry
from registry.domain.token_events import TokenDisclosed
from registry.sealing.identity import Identity
from registry.store.rows import Commit
from tests.service.attacks import edit, fields, fill, query, tamper, token

EVERY_ENGINE = True

TABLES = ("stored_events", "commits", "log_nodes", "present_units", "tokens", "data_keys")


@pytest.fixture
def path(founded, around):
    """Return the database of a closed registry with a history."""
    with open_registry(founded, surroundings=around) as registry:
        fill(registry)
    return founded


@pytest.fixture
def signed(monkeypatch):
    """Return what is signed from now on."""
    texts, sign = [], Identity.sign
    monkeypatch.setattr(Identity, "sign", lambda self, message: texts.append(message) or sign(self, message))
    return texts


def contents(path):
    """Return everything that the store holds."""
    return {table: query(path, f"SELECT * FROM {table} ORDER BY 1, 2") for table in TABLES}


CHANGES = {
    "add": lambda registry: registry.tokens.add(token("New")),
    "edit": lambda registry: registry.tokens.edit("Zoom", edit(fields=fields("NEW"))),
    "rename": lambda registry: registry.tokens.rename("Zoom", "Other"),
    "remove": lambda registry: registry.tokens.remove("Zoom"),
    "reveal": lambda registry: registry.tokens.reveal("Zoom", "api_key"),
    "import": lambda registry: registry.importing.run([token("New"), token("More")]),
    "rotate": lambda registry: registry.members.rotate(),
    "application": lambda registry: registry.applications.remove("Payroll"),
}
NODES = {
    "changed": "UPDATE log_nodes SET hash = x'" + "ab" * 32 + "'",
    "gone": "DELETE FROM log_nodes",
    "exchanged": "UPDATE log_nodes SET hash = (SELECT hash FROM log_nodes WHERE number = 1)",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("damage", NODES.values(), ids=NODES)
def test_nothing_is_signed_over_nodes_that_were_changed(path, founded, around, signed, change, damage):
    """The tree grows on what was verified: where stored nodes lie, the commit ends before anything is signed."""
    tamper(path, damage)
    before = contents(path)
    with (
        open_registry(founded, surroundings=around) as registry,
        pytest.raises(IntegrityError, match=r"nodes? (\d+ )?of the log (were changed|are missing|is missing)"),
    ):
        change(registry)
    assert [text for text in signed if b"commit " in text] == []
    assert contents(path) == before


@pytest.mark.parametrize("change", [name for name in CHANGES if name != "reveal"])
@pytest.mark.parametrize("damage", ["DELETE FROM present_units", "UPDATE present_units SET data = x'0001' || data"])
def test_nothing_is_signed_over_a_present_that_was_changed(path, founded, around, signed, change, damage):
    """Rows come into the present that was verified: where its units lie, nothing is signed and nothing is written."""
    tamper(path, damage.replace("x'0001' || data", "CAST(x'0001' || data AS BLOB)"))
    before = contents(path)
    with (
        open_registry(founded, surroundings=around) as registry,
        pytest.raises(IntegrityError, match=r"unit \d+ of the present (is missing|was changed)"),
    ):
        CHANGES[change](registry)
    assert [text for text in signed if b"commit " in text] == []
    assert contents(path) == before


def test_an_author_signs_one_checkpoint_for_each_commit(path, founded, around, signed):
    """What is signed is the text of the checkpoint that stands in the store, once, and nothing else."""
    with open_registry(founded, surroundings=around) as registry:
        registry.tokens.add(token("New"))
        made = registry._ledger.store.head()
        assert signed == [made.checkpoint(registry._ledger.registry).text().encode()]


@pytest.mark.sqlite
def test_a_commit_by_who_does_not_wait_for_its_turn_is_a_conflict(path, founded, around, signed):
    """Where another program writes without holding the queue, the honest commit is not made behind what it knows."""
    with open_registry(founded, surroundings=around) as registry, open_registry(founded, surroundings=around) as other:
        ledger, rude = registry._ledger, other._ledger
        other.tokens.show("Zoom")
        with ledger.turn() as turn:
            events = [_disclosed(rude)]
            commit = Commit(
                registry=rude.registry,
                parent=rude.head,
                author=rude.member.id,
                at=rude.head.at,
                sign=rude.identity.sign,
                frontier=rude.log.frontier(rude.store),
            )
            rude.store.put(rude.contents, events, commit)
            del signed[:]
            before = contents(path)
            with pytest.raises(Conflict):
                ledger.commit(turn, [_disclosed(ledger)])
            assert signed == []
            assert contents(path) == before
        assert registry.tokens.reveal("Zoom", "api_key").reveal()


def _disclosed(ledger):
    """Return a disclosure by a member."""
    version = ledger.next_version(ledger.member.id)
    made, row = ledger.context(), next(ledger.store.rows())
    place = {"originator_id": ledger.member.id, "originator_version": version, "token": row.token, "revision": 1}
    return TokenDisclosed(**place, **structs.asdict(made), purpose="reveal")


CHOSEN = [(value, anew) for value in (2**63 - 1, 1000, 1.5, "x", b"y") for anew in (True, False)]


@pytest.mark.sqlite
@pytest.mark.parametrize(("value", "anew"), [*CHOSEN, (0, False), (-1, False)])
def test_no_version_is_signed_that_the_store_chose(path, founded, around, signed, value, anew):
    """Which version comes next follows from an event that is proven to be in the log, whatever its row says now."""
    with open_registry(founded, surroundings=around) as registry:
        registry.tokens.reveal("Zoom", "api_key")
        newest = query(path, "SELECT MAX(position) FROM stored_events")[0][0]
        tamper(path, f"UPDATE stored_events SET originator_version = ? WHERE position = {newest}", parameters=(value,))
        before = contents(path)
        del signed[:]
        with open_registry(founded, surroundings=around) as other, pytest.raises(IntegrityError):
            (other if anew else registry).tokens.reveal("Zoom", "api_key")
    assert signed == []
    assert contents(path) == before
