"""Under random commands: what the current rows say is what replaying the events yields."""

from contextlib import contextmanager
from tempfile import TemporaryDirectory

from hypothesis import given, settings, strategies as st

from registry import (
    AlreadyExists,
    NotFound,
    OnConflict,
    RegistryError,
    Secret,
    Surroundings,
    init_registry,
    load_settings,
    open_registry,
)
from registry.domain.token_rules import folded
from registry.store.topics import topics
from tests.conftest import NOON, Clock
from tests.service.attacks import edit, fields, query, token

names = st.sampled_from(["Zoom", "ZOOM", "Two"])
scopes = st.sampled_from([None, "Payroll", "CRM"])
secrets = st.sampled_from(["S1", "S2", "S3"])
changes = st.one_of(
    st.tuples(st.just("add"), names, scopes, secrets, st.booleans()),
    st.tuples(st.just("edit"), names, scopes, secrets, st.sampled_from([None, "", "new"]), st.none() | st.booleans()),
    st.tuples(st.just("import"), names, scopes, secrets),
)
commands = changes | st.one_of(
    st.tuples(st.just("expire"), names, scopes, st.sampled_from([None, NOON])),
    st.tuples(st.just("rename"), names, scopes, names),
    st.tuples(st.just("remove"), names, scopes),
    st.tuples(st.just("reveal"), names, scopes),
    st.tuples(st.just("app"), st.sampled_from(["register", "remove"]), scopes.filter(bool)),
)


@contextmanager
def fresh():
    """Open a registry on a machine of its own, where plaintext is allowed."""
    with TemporaryDirectory() as home:
        machine = load_settings({"home": home}, {})
        around = Surroundings(clock=Clock(), host="host", client="tests/1")
        init_registry(machine, name="alice", surroundings=around)
        with open_registry(machine, surroundings=around) as registry:
            registry.policies.set("allow-plaintext", "yes")
            registry.applications.register("Payroll", "process")
            yield registry, machine


def run(registry, command):
    """Do what a command says."""
    match command:
        case "add", name, app, secret, encrypted:
            registry.tokens.add(token(name, application=app, fields=fields(secret), encrypted=encrypted))
        case "edit", name, app, secret, description, encrypted:
            wish = edit(fields={"api_secret": Secret(secret)}, description=description, encrypted=encrypted)
            registry.tokens.edit(name, wish, app=app)
        case "expire", name, app, at:
            registry.tokens.edit(name, edit(expiry=(at,)), app=app)
        case "rename", name, app, new:
            registry.tokens.rename(name, new, app=app)
        case "remove", name, app:
            registry.tokens.remove(name, app=app)
        case "reveal", name, app:
            registry.tokens.reveal(name, "api_secret", app=app)
        case "import", name, app, secret:
            entries = [token(name, application=app, fields=fields(secret)), token("Imported", fields=fields(secret))]
            registry.importing.run(entries, on_conflict=OnConflict.OVERWRITE)
        case "app", "register", name:
            registry.applications.register(name, "form")
        case "app", "remove", name:
            registry.applications.remove(name)


def replayed(ledger):
    """Return the tokens that the events of the whole history add up to, the deleted ones left out."""
    streams = {}
    for logged in ledger.store.events(topics=[topic for topic in topics() if topic.startswith("token.")]):
        if logged.stored.topic != "token.disclosed":
            streams.setdefault(logged.stored.originator_id, []).append(ledger.opened(logged))
    for events in streams.values():
        assert [event.originator_version for event in events] == list(range(1, len(events) + 1))
    tokens = {stream: folded(None, events) for stream, events in streams.items()}
    return {stream: token for stream, token in tokens.items() if not token.deleted}, streams


@settings(max_examples=60)
@given(st.lists(commands, min_size=1, max_size=14))
def test_the_projection_is_the_replay(story):
    """After any commands the rows are the fold of the events, their boxes the last ones, their names unique."""
    with fresh() as (registry, machine):
        for command in story:
            try:
                run(registry, command)
            except RegistryError as error:
                assert isinstance(error, AlreadyExists | NotFound), error  # noqa: PT017 - most commands succeed
        ledger = registry._ledger
        rows = {row.token: row for row in ledger.store.rows()}
        tokens, streams = replayed(ledger)
        assert {stream: ledger.token(row) for stream, row in rows.items()} == tokens
        for stream, row in rows.items():
            boxes = [event.credentials.box for event in streams[stream] if hasattr(event, "credentials")]
            assert (row.box, row.plain is None) == (boxes[-1], tokens[stream].encrypted)
            assert registry._ledger.name_tag(row.application, tokens[stream].name) == row.name_tag
            prints = [
                set(event.credentials.fingerprints.values())
                for event in streams[stream]
                if hasattr(event, "credentials")
            ]
            assert row.fingerprints.hex() == "".join(sorted(set().union(*prints)))
        path = machine.store_path()
        assert {key for (key,) in query(path, "SELECT token_id FROM data_keys")} == rows.keys()
        taken = [(token.application, token.name.casefold()) for token in tokens.values()]
        assert len(taken) == len(set(taken))
        for view in registry.tokens.list():
            assert registry.tokens.reveal(view.name, "api_secret", app=view.application).reveal() in {"S1", "S2", "S3"}


@settings(max_examples=40)
@given(st.lists(changes, min_size=1, max_size=12))
def test_revisions_count_the_commits_that_changed_the_token(story):
    """The revision of a token is the number of commits with an event of it that is neither test nor disclosure."""
    with fresh() as (registry, machine):
        for command in story:
            try:
                run(registry, command)
            except RegistryError as error:
                assert isinstance(error, AlreadyExists | NotFound), error  # noqa: PT017 - most commands succeed
        counted = query(
            machine.store_path(),
            "SELECT originator_id, COUNT(DISTINCT commit_number) FROM stored_events"
            " WHERE topic LIKE 'token.%' AND topic NOT IN ('token.tested', 'token.disclosed') GROUP BY 1",
        )
        revisions = {view.id: view.revision for view in registry.tokens.list()}
        assert {stream: count for stream, count in counted if stream in revisions} == revisions
