"""An administrator of the database, without any identity, at work on rows and events."""

import contextlib
import json

import pytest

from registry import HistoryQuery, IntegrityError, OnConflict, RegistryError, Secret, open_registry
from registry.sealing import envelope, hpke
from registry.sealing.envelope import Place
from tests.holders import Refused
from tests.service.attacks import edit, fields, fill, query, tamper, token

EVERY_ENGINE = True


@pytest.fixture
def path(registry, founded):
    """Return the database of a registry with two global tokens and one of an application."""
    fill(registry)
    return founded


@pytest.fixture
def ids(registry, path):
    """Return the ids of the two global tokens."""
    return [view.id for view in registry.tokens.list(only_global=True)]


def swap(path, table, key, column, one, other):
    """Exchange one column of two rows; a unique one passes through a third value."""
    values = dict(query(path, f"SELECT {key}, {column} FROM {table} WHERE {key} IN (?, ?)", (one, other)))
    assert values[one] != values[other]
    for value, row in (("f" * 32, one), (values[one], other), (values[other], one)):
        tamper(path, f"UPDATE {table} SET {column} = ? WHERE {key} = ?", parameters=(value, row))


def use_everything(registry):
    """Read, open and change everything there is."""
    for view in list(registry.tokens.list()):
        registry.tokens.reveal(view.name, "api_secret", app=view.application)
    list(registry.history())


def test_untouched_everything_can_be_used(registry, path):
    """Without tampering nothing below would fail."""
    use_everything(registry)


@pytest.mark.parametrize(("one", "other"), [(1, 2), (1, 4), (5, 6), (1, 6)])
def test_exchanged_contents_of_two_events_are_noticed(registry, path, one, other):
    """The contents of an event open at its own place only; the error names the place."""
    swap(path, "stored_events", "position", "state", one, other)
    with pytest.raises(IntegrityError, match=f"^the event at position {one} is not the one committed"):
        list(registry.history())


@pytest.mark.parametrize("value", ["x''", "zeroblob(16)", "substr(fingerprints, 17)"])
def test_no_verdict_is_signed_over_hidden_fingerprints(registry, path, value):
    """Whether a secret was used before is worked out from what is proven: a forgotten one is not signed as new."""
    registry.tokens.edit("Zoom", edit(fields={"api_secret": Secret("second")}))
    before = query(path, "SELECT COUNT(*) FROM stored_events")
    tamper(path, f"UPDATE tokens SET fingerprints = {value}")
    with pytest.raises(IntegrityError, match="the row is not the token's current one"):
        registry.tokens.edit("Zoom", edit(fields=fields()))
    assert query(path, "SELECT COUNT(*) FROM stored_events") == before


@pytest.mark.parametrize(("column", "one", "other"), [("originator_id", 1, 2), ("topic", 5, 6)])
def test_exchanged_places_of_two_events_are_noticed(registry, path, column, one, other):
    """Neither stream nor topic of an event can be exchanged with another's."""
    swap(path, "stored_events", "position", column, one, other)
    with pytest.raises(IntegrityError):
        list(registry.history())


@pytest.mark.parametrize("column", ["card", "box"])
def test_exchanged_parts_of_two_rows_are_noticed(registry, path, ids, column):
    """Card and box belong to one token; the error names it when the card is opened."""
    swap(path, "tokens", "token_id", column, *ids)
    with pytest.raises(IntegrityError):
        registry.tokens.reveal("Zoom", "api_secret")
    if column == "card":
        with pytest.raises(IntegrityError, match=f"{ids[0]}|{ids[1]}"):
            list(registry.tokens.list())


def test_exchanged_data_keys_are_noticed(registry, path, ids):
    """A wrapped data key belongs to one token at one revision."""
    swap(path, "data_keys", "token_id", "wrapped", *ids)
    for name in ("Zoom", "Zoom Two"):
        with pytest.raises(IntegrityError, match=f"{ids[0]}|{ids[1]}"):
            registry.tokens.reveal(name, "api_secret")


def test_exchanged_names_are_noticed(registry, path, ids):
    """Two rows that exchanged their names' tags do not pass for one another: not to show, edit, reveal or remove."""
    swap(path, "tokens", "token_id", "name_tag", *ids)
    for name in ("Zoom", "Zoom Two"):
        for use in (registry.tokens.show, registry.tokens.remove, lambda n: registry.tokens.reveal(n, "api_secret")):
            with pytest.raises(IntegrityError, match=f"{ids[0]}|{ids[1]}"):
                use(name)


def test_an_import_overwrites_no_row_under_a_name_that_is_not_its_own(registry, path, ids):
    """Whoever gives a token the tag of another's name cannot lead the credentials of the other into it."""
    swap(path, "tokens", "token_id", "name_tag", *ids)
    tamper(path, "UPDATE tokens SET name_tag = x'00' WHERE token_id = ?", parameters=(ids[0],))
    with pytest.raises(IntegrityError, match=f"{ids[1]}: the row is not the token's current one"):
        registry.importing.run([token("Zoom")], on_conflict=OnConflict.OVERWRITE)


def test_a_row_of_another_scope_does_not_pass_for_this_one(registry, path, ids):
    """An application's row under a global name's tag is noticed."""
    ((own,),) = query(path, "SELECT token_id FROM tokens WHERE application_id IS NOT NULL")
    swap(path, "tokens", "token_id", "name_tag", ids[0], own)
    with pytest.raises(IntegrityError):
        registry.tokens.reveal("Zoom", "api_secret")
    with pytest.raises(IntegrityError):
        registry.tokens.reveal("Zoom", "api_secret", app="Payroll")


@pytest.mark.parametrize("column", ["revision", "version", "box_revision"])
def test_a_renumbered_row_is_noticed(registry, path, column):
    """The numbers in the clear are those in the sealed card."""
    tamper(path, f"UPDATE tokens SET {column} = {column} + 1")
    with pytest.raises(IntegrityError):
        list(registry.tokens.list())


def test_a_row_moved_to_another_application_is_noticed(registry, path):
    """Whose token it is stands in the card as well."""
    tamper(path, "UPDATE tokens SET application_id = NULL")
    with pytest.raises(IntegrityError):
        list(registry.tokens.list())


def test_a_missing_data_key_is_named(registry, path, ids):
    """A token whose data key was deleted is no current row any more: a list says so, and whoever opens it is told."""
    tamper(path, "DELETE FROM data_keys")
    with pytest.raises(IntegrityError, match="the current rows are not the ones committed"):
        list(registry.tokens.list())
    with pytest.raises(IntegrityError, match=ids[0]):
        registry.tokens.reveal("Zoom", "api_secret")


@pytest.mark.sqlite
def test_a_changed_readable_copy_is_noticed(registry, path):
    """A plaintext token's readable credentials must be the ones in its box; an encrypted one has none."""
    registry.policies.set("allow-plaintext", "yes")
    registry.tokens.add(token("Plain", encrypted=False, fields=fields("TRUE")))
    tamper(path, "UPDATE tokens SET plain = replace(CAST(plain AS TEXT), 'TRUE', 'FALSE') WHERE plain IS NOT NULL")
    with pytest.raises(IntegrityError):
        registry.tokens.reveal("Plain", "api_secret")
    tamper(path, "UPDATE tokens SET plain = x'7b7d'")
    with pytest.raises(IntegrityError):
        registry.tokens.reveal("Zoom", "api_secret")


@pytest.mark.parametrize("target", ["card", "event"])
def test_without_any_key_nothing_can_be_forged(registry, path, ids, target):
    """The audit key's public half is in the clear; what a stranger seals to it is no card and no change of a token.

    Only disclosures are written by members who do not hold the key.
    """
    ledger = registry._ledger
    generation = ledger.roster.current("audit")
    if target == "card":
        place = Place(ledger.registry, ids[0], 3, "card")
        document = ledger.contents.unseal(place, ledger.store.row(ids[0]).card) | {"description": "forged"}
    else:
        place = Place(ledger.registry, ids[0], 1, "token.created")
        document = ledger.contents.unseal(place, ledger.store.stream(ids[0])[0].state) | {"name": "forged"}
    contents = b"\x01" + json.dumps(document).encode()
    forged = envelope.seal_addressed(generation.public, generation.number, place, contents)
    assert envelope.unseal(ledger.keyring.current("audit").key, place, forged) == contents
    assert hpke.public_of(envelope.sealing_key(ledger.keyring.current("audit").key)) == generation.public
    if target == "card":
        tamper(path, "UPDATE tokens SET card = ? WHERE token_id = ?", parameters=(forged, ids[0]))
    else:
        parameters = (forged, ids[0])
        tamper(
            path,
            "UPDATE stored_events SET state = ? WHERE topic = 'token.created' AND originator_id = ?",
            parameters=parameters,
        )
    with pytest.raises(IntegrityError):
        use_everything(registry)


def test_a_dropped_beginning_of_a_stream_is_an_integrity_error(registry, path, ids):
    """A token whose first event is gone is not shown as if it had begun later."""
    registry.tokens.rename("Zoom", "Renamed")
    tamper(path, "DELETE FROM stored_events WHERE topic = 'token.created'")
    with pytest.raises(IntegrityError):
        list(registry.history())


@pytest.mark.sqlite
def test_an_event_cannot_leave_its_stream_by_another_spelling(registry, path, ids):
    """An id that only looks the same is no id: the event would be missing from its token's history."""
    tamper(path, "UPDATE stored_events SET originator_id = originator_id || char(10) WHERE topic = 'token.described'")
    with pytest.raises(IntegrityError):
        list(registry.history())


@pytest.mark.sqlite
def test_a_members_events_cannot_be_hidden_from_its_name(registry, path, founded, around):
    """Who made a commit is signed: the column of another author is refused, and hides nothing from a name."""
    assert list(registry.history(HistoryQuery(actor="alice")))
    tamper(path, "UPDATE commits SET author = ?", parameters=("b" * 32,))
    for _ in range(2):
        with pytest.raises(IntegrityError, match="commit 6 is not the one that was seen before"):
            list(registry.history(HistoryQuery(actor="alice")))
    with pytest.raises(IntegrityError, match=r"another history: its commit \d is not the one that this"):
        open_registry(founded, surroundings=around)


def test_nobody_is_told_that_a_token_never_was(registry, path, ids):
    """Where the events of a token were dropped, asking for its history is an alarm, by its name, id or application."""
    tamper(path, "DELETE FROM stored_events WHERE originator_id = ?", parameters=(ids[1],))
    for query_ in (
        HistoryQuery(token="Zoom Two"),
        HistoryQuery(token=ids[1]),
        HistoryQuery(token="None", app="Payroll"),
    ):
        with pytest.raises(IntegrityError, match="the events of the history are not the ones committed"):
            list(registry.history(query_))


@pytest.mark.parametrize("last", [None, 1])
def test_a_former_commits_author_is_part_of_the_history(registry, path, last):
    """Also behind what a machine has seen, no author, time or event is exchanged without the reader's noticing."""
    for column, value in (("author", "b" * 32), ("at", "2027-01-31T12:00:00Z")):
        ((known,),) = query(path, f"SELECT {column} FROM commits WHERE number = 2")
        tamper(path, f"UPDATE commits SET {column} = ? WHERE number = 2", parameters=(value,))
        with pytest.raises(IntegrityError, match=r"is not the one committed|are not the ones committed"):
            list(registry.history(HistoryQuery(last=last)))
        tamper(path, f"UPDATE commits SET {column} = ? WHERE number = 2", parameters=(known,))
    assert list(registry.history(HistoryQuery(last=last)))


def test_credentials_of_another_provider_are_noticed(registry, path, ids):
    """A card that names another provider than the box, as an auditor could forge it, gets no credentials to test."""
    ledger = registry._ledger
    row = ledger.store.row(ids[0])
    place = Place(ledger.registry, ids[0], row.version, "card")
    forged = ledger.contents.seal(place, ledger.contents.unseal(place, row.card) | {"provider": "zoom-oauth"})
    tamper(path, "UPDATE tokens SET card = ? WHERE token_id = ?", parameters=(forged, ids[0]))
    for use in (registry.tokens.test, lambda name: registry.tokens.edit(name, edit(description="x"))):
        with pytest.raises(IntegrityError, match=ids[0]):
            use("Zoom")


def test_lost_commits_are_an_integrity_error(registry, path):
    """A store without its commits takes no new one, and has no history."""
    tamper(path, "DELETE FROM commits")
    with pytest.raises(IntegrityError):
        registry.tokens.add(token("New"))
    with pytest.raises(IntegrityError):
        list(registry.history())


@pytest.mark.sqlite
def test_an_error_of_the_database_shows_no_value(registry, path):
    """Where a column holds a text that is none, the error names the column and not what stands in it."""
    tamper(path, "UPDATE tokens SET plain = CAST(x'73656372657420FF0A' AS TEXT)")
    for use in (lambda: registry.tokens.show("Zoom"), lambda: list(registry.tokens.list())):
        with pytest.raises(RegistryError, match=r"Could not decode to UTF-8 column 'plain'") as caught:
            use()
        assert "secret" not in str(caught.value)


TABLES = {
    "stored_events": ("originator_id", "originator_version", "topic", "state", "position", "commit_number"),
    "commits": (
        *("number", "author", "at", "size", "root", "present", "roster_length", "roster_head"),
        *("shredded", "signature"),
    ),
    "log_nodes": ("number", "hash"),
    "present_units": ("unit", "data"),
    "tokens": (
        *("token_id", "application_id", "name_tag", "version", "revision"),
        *("box_revision", "position", "card", "box", "plain", "fingerprints"),
    ),
    "data_keys": ("token_id", "wrapped"),
}
USES = (
    lambda registry: list(registry.tokens.list()),
    lambda registry: registry.tokens.show("Zoom"),
    lambda registry: registry.tokens.reveal("Zoom", "api_secret"),
    lambda registry: list(registry.history()),
    lambda registry: registry.applications.list(),
    lambda registry: registry.log.proof(1),
    lambda registry: registry.log.consistency(2, 5),
    lambda registry: registry.policies.set("allow-plaintext", "yes"),
    lambda registry: registry.tokens.add(token("New")),
)
CELLS = [(table, column) for table, columns in TABLES.items() for column in columns]
VALUES = [None, -1, 0, 2**62, 1.5, "", "x", "\x00", "1" * 32 + "\n", b"", b"\x01", b"\x02" * 200]


@pytest.mark.sqlite
@pytest.mark.parametrize(("table", "column"), CELLS)
def test_no_cell_of_the_database_can_raise_anything_but_our_errors(registry, path, founded, around, table, column):
    """Whatever type or value stands in a column, every command ends well or in an error of the registry."""
    file = founded.store_path()
    whole = file.read_bytes()
    registry.close()
    for value in VALUES:
        file.write_bytes(whole)
        try:
            tamper(path, f"UPDATE OR IGNORE {table} SET {column} = ?", parameters=(value,))
        except Refused:
            continue  # SQLite itself refuses this value here
        with contextlib.suppress(RegistryError), open_registry(founded, surroundings=around) as opened:
            for use in USES:
                with contextlib.suppress(RegistryError):
                    use(opened)
