"""Where the project's files are, and what they import."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PACKAGES = ("registry", "cli")


@dataclass(frozen=True, slots=True)
class Import:
    """One imported module, and how: only for types, only when a function runs, or when its module is loaded."""

    module: str
    line: int
    for_types: bool
    in_function: bool


def files(*folders: str) -> list[Path]:
    """Return the Python files of the folders, in order."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def module_name(path: Path) -> str:
    """Return the dotted name of a file's module."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules() -> dict[str, Path]:
    """Return every module of the packages by its name."""
    return {module_name(path): path for path in files(*PACKAGES)}


def imports(path: Path, known: dict[str, Path]) -> list[Import]:
    """Return what a file imports; a name imported from a package counts as its module where it is one."""
    return list(_walk(ast.parse(path.read_text(encoding="utf-8")), known, for_types=False, in_function=False))


def _walk(node: ast.AST, known: dict[str, Path], *, for_types: bool, in_function: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(alias.name, child.lineno, for_types, in_function)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"relative import on line {child.lineno}"
            for alias in child.names:
                inner = f"{child.module}.{alias.name}"
                yield Import(inner if inner in known else child.module or "", child.lineno, for_types, in_function)
        else:
            typing = for_types or (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test))
            inside = in_function or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _walk(child, known, for_types=typing, in_function=inside)
