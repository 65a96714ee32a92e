"""The style and the types of the whole project, and what a start may cost."""

import ast
import os
import re
import subprocess
import sys

import pytest

from tests.project.sources import PACKAGES, ROOT, files

LONGEST_FILE = 400
LONGEST_FUNCTION = 40
LONG_FUNCTIONS: dict[str, str] = {}
"""Functions that may be longer, each with the reason."""
SOURCES = files(*PACKAGES, "tests")
SLOW = ("httpx", "jwt", "rich", "platformdirs", "eventsourcing", "cryptography")


def relative(path):
    """Return a file's path as it is named in the project."""
    return str(path.relative_to(ROOT))


def run(*command):
    """Run a tool of this environment in the project's folder and return its result."""
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )


def test_ruff_finds_nothing():
    """Every rule of the linter is kept, or its exception has a reason."""
    result = run("ruff", "check", "--no-cache", ".")
    assert result.returncode == 0, result.stdout


def test_the_formatter_changes_nothing():
    """All files are formatted alike."""
    result = run("ruff", "format", "--check", "--no-cache", ".")
    assert result.returncode == 0, result.stdout


def test_types_are_right():
    """The library and the command line are typed, strictly."""
    result = run("mypy")
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_files_are_short(path):
    """A file has at most 400 lines."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_functions_are_short(path):
    """A function has at most 40 lines, its docstring included."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    lengths = {f"{relative(path)}:{node.name}": node.end_lineno - node.lineno + 1 for node in functions}
    assert {name: n for name, n in lengths.items() if n > LONGEST_FUNCTION and name not in LONG_FUNCTIONS} == {}


@pytest.mark.parametrize("path", files("tests"), ids=relative)
def test_tests_name_their_rule(path):
    """Every test has a docstring, which says in a sentence what must hold."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    silent = [node.name for node in functions if node.name.startswith("test_") and not ast.get_docstring(node)]
    assert silent == []


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_nothing_is_left_for_later(path):
    """No comment puts work off: it is done, or it is an issue."""
    marks = "|".join(("TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK"))
    assert re.findall(rf"#.*\b(?:{marks})\b", path.read_text(encoding="utf-8")) == []


def loaded(home, *arguments):
    """Return the libraries that a command line has loaded when it ends."""
    code = (
        "import sys, contextlib\n"
        "from cli.main import run\n"
        f"sys.argv = ['token-registry', *{list(arguments)!r}]\n"
        "with contextlib.suppress(SystemExit):\n"
        "    run()\n"
        "print('\\n' + ' '.join({name.partition('.')[0] for name in sys.modules}))\n"
    )
    environment = {"PATH": os.environ["PATH"], "TOKEN_REGISTRY_HOME": str(home), "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=home, env=environment, capture_output=True, text=True, check=True
    )
    return set(result.stdout.splitlines()[-1].split()), result.stderr


@pytest.fixture
def home(tmp_path):
    """Return a folder with a registry that has one token."""
    import registry  # noqa: PLC0415 - only where it is needed

    settings = registry.load_settings({"home": str(tmp_path)}, {})
    registry.init_registry(settings, name="ada")
    fields = {"api_key": registry.Secret("key"), "api_secret": registry.Secret("secret")}
    with registry.open_registry(settings) as opened:
        opened.tokens.add(registry.NewToken(name="Zoom", provider="zoom", fields=fields))
    return tmp_path


@pytest.mark.parametrize("arguments", [("--help",), ("add", "--help"), ("--version",)], ids=" ".join)
def test_help_loads_nothing_slow(tmp_path, arguments):
    """Help and version are answered without the libraries that do the work."""
    found, errors = loaded(tmp_path, *arguments)
    assert errors == ""
    assert found & set(SLOW) == set()


@pytest.mark.parametrize("arguments", [("show", "Zoom"), ("list",), ("show", "Zoom", "--format", "json")], ids=" ".join)
def test_reading_loads_no_network_and_no_tables(home, arguments):
    """Showing tokens loads nothing that talks to providers, draws tables (off a terminal) or writes events."""
    found, errors = loaded(home, *arguments)
    assert errors == ""
    assert found & {"httpx", "jwt", "rich", "eventsourcing"} == set()
    assert {"cryptography", "sqlite3"} <= found
