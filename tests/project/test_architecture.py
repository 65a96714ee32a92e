"""What each room may import: the map of the project, and nothing else is allowed."""

import sys
from graphlib import TopologicalSorter

import pytest

from tests.project.sources import DOCS, Import, imports, modules

BASE = {"registry.errors", "registry.values"}
INNER = BASE | {"registry.domain", "registry.sealing"}
ALLOWED: dict[str, set[str]] = {
    "registry._version": set(),
    "registry.errors": set(),
    "registry.values": {"registry.errors"},
    "registry.domain": BASE,
    "registry.sealing": BASE | {"registry.domain"},
    "registry.log": BASE | {"registry.sealing"},
    "registry.providers": BASE,
    "registry.settings": BASE,
    "registry.pins": BASE | {"registry.log"},
    "registry.invitation": {"registry.errors", "registry.sealing"},
    "registry.store": INNER | {"registry.log"},
    "registry.views": INNER | {"registry.log", "registry.store"},
    "registry.exports": BASE | {"registry.views"},
    "registry.evidence": INNER | {"registry.log", "registry.store", "registry.views"},
    "registry.verify": INNER | {"registry.log", "registry.store"},
    "registry.service": INNER
    | {
        "registry._version",
        "registry.evidence",
        "registry.exports",
        "registry.invitation",
        "registry.log",
        "registry.pins",
        "registry.providers",
        "registry.settings",
        "registry.store",
        "registry.verify",
        "registry.views",
    },
    "registry.testing": set(),
    "registry": INNER
    | {
        "registry._version",
        "registry.exports",
        "registry.evidence",
        "registry.invitation",
        "registry.providers",
        "registry.service",
        "registry.settings",
        "registry.views",
    },
    "cli": {"registry", "registry.providers", "registry.testing"},
}
OUTSIDE: dict[str, set[str]] = {
    "registry.domain": {"msgspec"},
    "registry.sealing": {"cryptography", "msgspec"},
    "registry.log": {"cryptography", "msgspec"},
    "registry.providers": {"httpx", "jwt", "anyio", "msgspec"},
    "registry.settings": {"platformdirs", "msgspec"},
    "registry.pins": {"msgspec"},
    "registry.invitation": {"msgspec"},
    "registry.values": {"msgspec"},
    "registry.store": {"cryptography", "eventsourcing", "msgspec", "psycopg"},
    "registry.verify": {"cryptography", "msgspec"},
    "registry.views": {"msgspec"},
    "registry.exports": {"msgspec"},
    "registry.evidence": {"msgspec"},
    "registry.service": {"msgspec"},
    "registry.testing": {"jwt"},
    "cli": {"click", "rich", "msgspec"},
}
"""Which libraries a room may use beside the standard one."""

USERS: dict[str, set[str]] = {
    "registry._version": {"surroundings"},
    "registry.invitation": {"joining", "ledger", "members"},
    "registry.pins": {
        "acknowledging",
        "backing_up",
        "founding",
        "initialising",
        "joining",
        "keeping",
        "pinned",
        "reader",
        "recalling",
        "registry",
        "rollback",
        "transferring",
        "verifying",
    },
    "registry.settings": {
        "acknowledging",
        "backing_up",
        "doctor",
        "initialising",
        "joining",
        "moving",
        "pinned",
        "places",
        "privileges",
        "registry",
        "rollback",
        "verifying",
    },
}
"""Which use cases know what lies outside the store: this machine's settings and pins, and what was told by mail."""

HEAVY = {"httpx", "jwt", "rich", "platformdirs"}
LATE = {
    "cli.terminal",
    "registry.providers._zoom_app",
    "registry.providers._zoom_key",
    "registry.providers.signing",
    "registry.testing",
}
"""What is itself imported only where it is used, so that its own heavy imports may stand at the top."""

MODULES = modules()
IMPORTS = {name: imports(path, MODULES) for name, path in MODULES.items()}


def room(module: str) -> str:
    """Return the room a module of ours is in: itself, its family, or ``cli``."""
    parts = module.split(".")
    return "cli" if parts[0] == "cli" else ".".join(parts[:2])


def ours(found: Import) -> bool:
    """Say whether an import is one of this project's modules."""
    return found.module.split(".")[0] in {"registry", "cli", "tests"}


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_module_imports_only_the_rooms_it_may(name):
    """A module uses its own room and those that the table gives it, also inside functions and for types."""
    allowed = ALLOWED[room(name)] | {room(name)}
    wrong = [f"line {i.line}: {i.module}" for i in IMPORTS[name] if ours(i) and room(i.module) not in allowed]
    assert wrong == []


@pytest.mark.parametrize("outside", USERS)
def test_few_use_cases_know_the_machine(outside):
    """Settings, pins and invitations are the business of founding, opening and joining; no other use case asks."""
    users = {name for name in MODULES if any(room(i.module) == outside for i in IMPORTS[name] if ours(i))}
    assert {name.rpartition(".")[2] for name in users if room(name) == "registry.service"} == USERS[outside]


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_module_uses_only_the_libraries_of_its_room(name):
    """A library is used by the rooms it is meant for, so that it can be exchanged there alone."""
    allowed = OUTSIDE.get(room(name), set())
    found = {(i.line, i.module.split(".")[0]) for i in IMPORTS[name] if not ours(i)}
    assert [f"line {line}: {top}" for line, top in found if top not in sys.stdlib_module_names | allowed] == []


def test_the_command_line_uses_public_names_alone():
    """The command line imports the library itself and its public parts, and no module inside them."""
    found = {i.module for name in MODULES if room(name) == "cli" for i in IMPORTS[name] if ours(i)}
    inner = {module for module in found if module.startswith("registry.") and room(module) != "registry.testing"}
    assert inner <= {"registry.providers"}


def test_rooms_form_no_cycle():
    """The rooms can be put in an order in which each uses only those before it."""
    graph = {
        name: {room(i.module) for m in MODULES if room(m) == name for i in IMPORTS[m] if ours(i)} - {name}
        for name in ALLOWED
    }
    assert list(TopologicalSorter(graph).static_order())


def test_modules_form_no_cycle():
    """No module needs itself to be loaded."""
    graph = {
        name: {i.module for i in found if i.module in MODULES and not i.for_types and not i.in_function} - {name}
        for name, found in IMPORTS.items()
    }
    assert list(TopologicalSorter(graph).static_order())


def test_every_module_is_in_a_room():
    """Each module belongs to a room of the table, and each room of the table has a module."""
    assert {room(name) for name in MODULES} == set(ALLOWED)


def test_sqlite_is_used_in_one_place():
    """SQLite is one store's business."""
    users = {name for name, found in IMPORTS.items() if any(i.module.split(".")[0] == "sqlite3" for i in found)}
    assert users == {f"registry.store.{name}" for name in ("connection", "recorder", "sqlite", "sqlite_raw")}


def is_late(module: str) -> bool:
    """Say whether a module is, or belongs to, what is imported only where it is used."""
    return module in LATE or room(module) in LATE


@pytest.mark.parametrize("name", sorted(name for name in MODULES if not is_late(name)))
def test_what_is_slow_to_load_is_imported_where_it_is_used(name):
    """Libraries that slow down every start, and modules that load them, are imported inside functions or for types."""
    early = [i for i in IMPORTS[name] if not i.in_function and not i.for_types]
    heavy = [i for i in early if i.module.split(".")[0] in HEAVY or is_late(i.module)]
    assert [f"line {i.line}: {i.module}" for i in heavy] == []


def test_the_rooms_in_the_documentation_are_these():
    """The table of rooms in the documentation names every room and what it may import."""
    text = (DOCS / "contributing.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    for name in ALLOWED:
        assert any(f"`{name}`" in line.split("|")[1] for line in lines), name
