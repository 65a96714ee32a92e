"""The documents say what is there: commands, links, examples, topics, labels, columns, exit codes."""

import json
import os
import re
from functools import partial
from pathlib import Path

import httpx
import pytest

import registry
from registry import NewToken, Secret, init_registry, load_settings, open_registry
from registry.domain import events
from registry.log import labels as log_labels
from registry.sealing import labels
from registry.store import schema, topics
from tests.project import cli_reference
from tests.project.sources import DOCS, ROOT

PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
TEXTS = {page.name: page.read_text(encoding="utf-8") for page in PAGES}
FORMATS = TEXTS["formats.md"]
COMMANDS = list(cli_reference.commands(cli_reference.root()))
NAMES = [" ".join(path) for path, _ in COMMANDS]


def without_code(text: str) -> str:
    """Return the text without its blocks of code."""
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(text: str) -> set[str]:
    """Return what a link may point to in a page."""
    headings = re.findall(r"^#+ (.+)$", without_code(text), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    """Every link to a page, a file or a heading of this project has a target."""
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(TEXTS[page.name])):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        if not path.exists() or (anchor and anchor not in anchors(path.read_text(encoding="utf-8"))):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_files_exist(page):
    """Every path into the project that a page names is there."""
    named = set(re.findall(r"`((?:tests|registry|cli|docs)/[\w./-]*)`", TEXTS[page.name]))
    assert {path for path in named if not (ROOT / path).exists()} == set()


def test_the_index_lists_every_page():
    """Each page can be found from the index."""
    listed = set(re.findall(r"\((\w+\.md)\)", TEXTS["index.md"]))
    assert listed == {page.name for page in DOCS.glob("*.md")} - {"index.md"}


@pytest.mark.parametrize("page", ["library.md", "providers.md", "exports.md"])
def test_examples_run(page, tmp_path, monkeypatch):
    """The examples in Python run as they stand, one after the other."""
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "URL", "IDENTITY", "PASSPHRASE_FILE", "FORMAT"):
        monkeypatch.delenv(f"TOKEN_REGISTRY_{name}", raising=False)
    for name in [name for name in os.environ if name.upper().endswith("_PROXY")]:
        monkeypatch.delenv(name)
    text = TEXTS[page]
    space: dict[str, object] = {"__name__": "example"}
    for block in re.finditer(r"^```python\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE):
        line = text.count("\n", 0, block.start(1))
        exec(compile("\n" * line + block[1], str(DOCS / page), "exec"), space)  # noqa: S102 - the point of the test
    assert len(space) > 2


def test_the_example_of_the_readme_runs(tmp_path, monkeypatch):
    """README's program works as it stands, in a registry that has the token of its name."""
    monkeypatch.setenv("TOKEN_REGISTRY_HOME", str(tmp_path))
    init_registry(load_settings(), name="ada")
    with open_registry() as opened:
        fields = {"api_key": Secret("a-key"), "api_secret": Secret("a-secret")}
        opened.tokens.add(NewToken(name="Zoom", provider="zoom", fields=fields))
    asked = []
    zoom = httpx.MockTransport(lambda request: asked.append(request) or httpx.Response(200))
    monkeypatch.setattr(httpx, "Client", partial(httpx.Client, transport=zoom))
    (example,) = re.findall(r"^```python\n(.*?)^```", TEXTS["README.md"], flags=re.DOTALL | re.MULTILINE)
    space: dict[str, object] = {}
    exec(example, space)  # noqa: S102 - the point of the test
    assert space["secret"] == "a-secret"
    assert asked[0].headers["Authorization"].startswith("Bearer ")


def test_the_example_of_a_provider_is_one(tmp_path, monkeypatch):
    """The provider in the documentation has what the catalogue asks of a provider."""
    from registry.providers.catalogue import _is_provider  # noqa: PLC0415 - the catalogue's own check

    block = re.search(r"^```python\n(.*?)^```", TEXTS["providers.md"], flags=re.DOTALL | re.MULTILINE)
    space: dict[str, object] = {}
    exec(block[1], space)  # noqa: S102 - the point of the test
    assert _is_provider(space["BEACON"], "beacon")


def test_fields_of_providers_are_documented():
    """The table of providers names each field of the built-in ones, and which are secret."""
    from registry import providers  # noqa: PLC0415 - only here

    for name in ("zoom", "zoom-oauth"):
        assert f"`{name}`" in TEXTS["providers.md"]
        for field in providers.load(name).fields:
            secret = "yes" if field.secret else "no"
            assert re.search(rf"\| `{field.name}` \| {secret} \|", TEXTS["providers.md"]), field.name


def test_outcomes_are_documented():
    """Every outcome of a test stands in the documentation, and no other."""
    table = TEXTS["providers.md"].partition("## Outcomes")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)`", table, flags=re.MULTILINE)) == {str(one) for one in registry.Outcome}


def test_readme_has_two_commands_to_copy():
    """The first screen holds two commands to copy: one for the main job, one for the tests."""
    blocks = re.findall(r"^```\n(.*?)^```", TEXTS["README.md"], flags=re.DOTALL | re.MULTILINE)
    assert len(blocks) == 2
    assert all(block.count("\n") == 1 for block in blocks)
    assert blocks[0].endswith("token-registry demo\n")
    assert blocks[1].endswith("pytest\n")
    assert TEXTS["README.md"].index(blocks[1]) < 2_000


def test_ci_runs_the_test_command_of_the_readme():
    """The script of a fresh machine takes the command from README and holds no copy of it."""
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    pattern = re.search(r"grep -E '([^']+)'", script)[1]
    assert len(re.findall(pattern, TEXTS["README.md"], flags=re.MULTILINE)) == 1
    assert "pip install -q -e" not in script
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_readme_uses_commands_that_exist():
    """Every command in README's tour is one, with options that it has."""
    for line in re.findall(r"^    token-registry (.+)$", TEXTS["README.md"], flags=re.MULTILINE):
        path, command = max(
            ((path, command) for path, command in COMMANDS if line.startswith(" ".join(path))),
            key=lambda found: len(found[0]),
        )
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in re.findall(r"(?<!\S)--[\w-]+", line)} <= known, (path, line)  # noqa: C416


def test_the_reference_of_commands_is_current():
    """``docs/cli.md`` is what the commands say of themselves; see the first line there."""
    assert TEXTS["cli.md"] == cli_reference.reference()


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=NAMES)
def test_every_command_explains_itself(path, command):
    """Each command has a help text, an example that begins with its own name, and a text for each option."""
    text = cli_reference.help_of(command, path)
    assert command.help
    assert f"token-registry {' '.join(path)}" in text.partition("Examples:")[2]
    options = [p for p in command.params if p.param_type_name == "option"]
    assert [option.name for option in options if not option.help] == []


def test_exit_codes_are_those_of_the_command_line():
    """The documented exit codes are the ones that the errors of the library have, and no class is forgotten."""
    from cli import failures  # noqa: PLC0415 - only here

    documented = {kind: code for code, (_, kind) in cli_reference.documented_codes().items() if kind}
    for name, kind in vars(registry.errors).items():
        if isinstance(kind, type) and issubclass(kind, registry.RegistryError) and name != "RegistryError":
            family = next(parent.__name__ for parent in kind.__mro__ if parent.__name__ in documented)
            assert failures.exit_code(kind) == documented[family], name
    assert failures.exit_code(registry.RegistryError) == 1
    assert cli_reference.documented_codes().keys() >= {
        failures.FAULT,
        failures.USAGE,
        failures.ABORTED,
        failures.UNREAD,
    }


def test_exit_codes_of_outcomes_are_documented():
    """The table of outcomes gives each the exit code that the command line gives it."""
    from cli import failures  # noqa: PLC0415 - only here

    for outcome in registry.Outcome:
        code = failures.outcome_code(outcome.value)
        assert re.search(rf"^\| `{outcome.value}` .*\| {code} \|$", TEXTS["providers.md"], flags=re.MULTILINE), outcome


def test_errors_of_the_library_are_documented():
    """Each class of the error tree stands in the page on the library."""
    kinds = {name for name, kind in vars(registry.errors).items() if isinstance(kind, type)}
    assert {name for name in kinds if f"`{name}`" not in TEXTS["library.md"]} == set()


def test_topics_are_documented():
    """The tables of topics hold every topic that can be stored, and no other."""
    sections = re.findall(r"^### Topics of .*?(?=^##)", FORMATS, flags=re.DOTALL | re.MULTILINE)
    documented = set(re.findall(r"^\| `([\w.]+\.\w+)` \|", "".join(sections), flags=re.MULTILINE))
    assert documented == set(topics.topics())


@pytest.mark.parametrize("topic", sorted(topics.topics()))
def test_the_contents_of_topics_are_documented(topic):
    """Each topic's own keys stand in its line, and its line names no other."""
    kind = topics.topics()[topic]
    line = re.search(rf"^\| `{re.escape(topic)}` \|(.+)$", FORMATS, flags=re.MULTILINE)[1]
    own = set(kind.__struct_fields__) - set(events.Event.__struct_fields__)
    common = {"revision", "previous", "generations", "grants", "labels"}
    keys = set(re.findall(r"`(\w+)` (?:text|boolean|time|object|integer|bytes|array)", line))
    assert keys - common == own - common


def test_common_keys_of_events_are_documented():
    """What every event says stands in one table, in the order in which it is stored."""
    section = FORMATS.partition("### What every event says")[2].partition("### ")[0]
    fields = [field for field in events.Event.__struct_fields__ if not field.startswith("originator")]
    assert re.findall(r"^\| `(\w+)` ", section, flags=re.MULTILINE) == [*fields, "revision"]


def test_labels_are_documented():
    """The table of labels holds every label, and no other."""
    values = [*vars(labels).values(), *vars(log_labels).values()]
    used = {value.decode() for value in values if isinstance(value, bytes)}
    assert set(re.findall(r"^\| `(token-registry/v1/[\w-]+)` \|", FORMATS, flags=re.MULTILINE)) == used


def test_tables_and_columns_are_documented():
    """The tables of the store and their columns are those of the schema, in its order."""
    statements = [s for s in schema.TABLES if "CREATE TABLE" in s]
    for statement in statements:
        name = re.search(r"CREATE TABLE (\w+)", statement)[1]
        body = statement.partition("(")[2].rpartition(")")[0]
        columns = [c for c in re.findall(r"(?:^|,)\s*([a-z_]+) (?:TEXT|INTEGER|BLOB)", body)]  # noqa: C416
        section = FORMATS.partition(f"### `{name}`\n")[2].partition("\n### ")[0]
        assert re.findall(r"^\| `(\w+)` \| ", section, flags=re.MULTILINE) == columns, name
    assert len(re.findall(r"^### `\w+`$", FORMATS, flags=re.MULTILINE)) == len(statements)


def test_vectors_named_in_the_formats_exist():
    """Each known answer that the page on formats refers to is in the file of known answers."""
    named = {
        name
        for line in re.findall(r"^Vectors?: ([^.]+)\.", FORMATS, flags=re.MULTILINE)
        for name in _WORD.findall(line)
    }
    answers = json.loads((ROOT / "tests" / "golden" / "sealing.json").read_text(encoding="utf-8"))
    assert named
    assert named - set(_words(answers)) == set()


_WORD = re.compile(r"`(\w+)`")


def _words(answers):
    """Yield every key, and every name, anywhere in the answers."""
    if isinstance(answers, dict):
        yield from answers
        yield from (value for value in answers.values() if isinstance(value, str))
    for value in answers.values() if isinstance(answers, dict) else answers if isinstance(answers, list) else ():
        yield from _words(value)


def test_numbers_of_the_store_are_documented():
    """The application id and the schema version in the documentation are the ones written."""
    assert f"`0x{schema.APPLICATION_ID:08X}`" in FORMATS
    assert f"the schema version `{schema.SCHEMA_VERSION}`" in FORMATS


def test_nothing_in_the_documents_points_outside():
    """The documents stand alone: no path of somebody's machine."""
    found = {name for name, text in TEXTS.items() if re.search(r"(?<![\w.])/(?:work|tmp|root|home)/", text)}
    assert found == set()


def test_pages_are_files():
    """The folder of documents holds pages alone."""
    assert {path.suffix for path in Path(DOCS).iterdir()} == {".md"}
