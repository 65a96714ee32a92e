"""What the distribution holds and needs, and that the top of the project stays small."""

import re
import sys
import tomllib
from importlib.metadata import packages_distributions

from tests.project.sources import PACKAGES, ROOT, files, imports, modules

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
KEPT = {"README.md", "cli", "docs", "pyproject.toml", "registry", "tests"}
MADE = {"build", "dist", "__pycache__"}
"""What tools leave behind; git does not know it."""


def names(requirements):
    """Return the names of distributions in requirements, as they are compared."""
    return {re.match(r"[\w.-]+", requirement)[0].lower().replace("_", "-") for requirement in requirements}


def test_the_top_level_is_small():
    """The top level holds the packages, the documents, the tests, two files, and what is hidden."""
    visible = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    assert {name for name in visible - MADE if not name.endswith(".egg-info")} == KEPT


def test_runtime_dependencies_are_what_is_imported():
    """Each library that is imported is a dependency of its own, and each dependency is imported."""
    known = modules()
    found = {i.module.split(".")[0] for path in files(*PACKAGES) for i in imports(path, known)}
    libraries = found - set(sys.stdlib_module_names) - {"registry", "cli", "tests"}
    provides = packages_distributions()
    # anyio comes with httpx, which picks the version that it works with.
    imported = {name.lower() for library in libraries - {"anyio"} for name in provides[library]}
    optional = names(PROJECT["project"]["optional-dependencies"]["postgres"])
    assert imported == names(PROJECT["project"]["dependencies"]) | optional


def test_every_package_is_in_the_distribution():
    """Each folder of code is packaged, with the mark that it is typed."""
    folders = {".".join(path.parent.relative_to(ROOT).parts) for path in files(*PACKAGES)}
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == folders
    assert all((ROOT / package / "py.typed").exists() for package in PACKAGES)


def test_the_version_is_written_once():
    """The distribution takes its version from the library."""
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert PROJECT["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "registry._version.__version__"}


def test_only_a_store_that_is_optional_needs_a_driver():
    """A database driver is never needed by the embedded store."""
    assert not any("psycopg" in name for name in names(PROJECT["project"]["dependencies"]))


def test_exceptions_of_the_linter_have_reasons():
    """Each rule of the linter that is switched off says why, or of which other it goes the way."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8").partition("[tool.ruff.lint]")[2]
    rules = [line for line in text.splitlines() if re.match(r'\s+"[A-Z]+\d*",', line)]
    assert rules
    assert [line for line in rules if "#" not in line] == []
