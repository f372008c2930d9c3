"""Imports run one way: a module imports only what stands above it in the list of the design."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import symgrad

ROOT = Path(symgrad.__file__).parent

# From the top down.  The modules of one layer do not import each other, but those of a package
# may import within it.
LAYERS: list[list[str]] = [
    ["errors", "version"],
    ["special_functions", "matrix_functions"],
    ["functions", "names", "budget"],
    ["piecewise", "notation"],
    ["canonical"],
    ["index_letters"],
    ["equations"],
    ["declaration"],
    ["program"],
    ["array"],
    ["losses"],
    ["steps"],
    ["facts"],
    ["engine"],
    ["check", "render", "codegen", "gradcheck"],
    ["sampling", "explicit"],
    ["example", "frameworks"],
    ["declared_facts"],
    ["results"],
    ["documents"],
    ["api"],
    ["diagnosis"],
    ["evidence", "loss_lookup", "options", "terminal"],
    ["cli", "sphinx_ext"],
    ["__init__", "__main__"],
]
TOGETHER = {
    *("array", "losses", "engine", "check", "render", "codegen", "gradcheck"),
    *("sampling", "example", "frameworks", "diagnosis", "evidence"),
}
PLACE = {name: place for place, layer in enumerate(LAYERS) for name in layer}


@cache
def modules() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def part_of(path: Path) -> str:
    first = path.relative_to(ROOT).parts[0]
    return first.removesuffix(".py")


def name_of(path: Path) -> str:
    return ".".join(("symgrad", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")


MODULES = {name_of(path) for path in modules()}


@cache
def parts(path: Path) -> list[ast.AST]:
    """Every part of a module's syntax tree."""
    return [*ast.walk(ast.parse(path.read_text(encoding="utf-8")))]


@cache
def imports(path: Path) -> list[str]:
    """The modules that a module imports, also those that it imports by name from their package."""
    imported: list[str] = []
    for node in parts(path):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "symgrad":
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            imported += [name if name in MODULES or node.module == "symgrad" else node.module for name in names]
        elif isinstance(node, ast.Import):
            imported += [alias.name for alias in node.names if alias.name.split(".")[0] == "symgrad"]
    return imported


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_up(path: Path) -> None:
    own = part_of(path)
    for module in imports(path):
        other = module.split(".")[1]
        if own == other:
            assert own in TOGETHER, f"{path.name} imports {module}: modules of {own} do not import each other"
        elif own not in ("__init__", "__main__"):
            assert PLACE[other] < PLACE[own], f"{path.name} imports {module}, which stands below it"


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Not even within a folder, nor by way of other modules."""
    graph = {name_of(path): set(imports(path)) for path in modules()}
    while leaves := {name for name, imported in graph.items() if not imported & graph.keys()}:
        graph = {name: imported for name, imported in graph.items() if name not in leaves}
    assert not graph, sorted(graph)


def test_the_checker_shares_nothing_with_the_engine_but_the_notation() -> None:
    """It cannot share the mistakes of what it does not import."""
    common = {
        "check",
        "piecewise",
        "budget",
        "canonical",
        "errors",
        "functions",
        "special_functions",
        "matrix_functions",
        "notation",
        "equations",
        "program",
        "steps",
    }
    for path in (ROOT / "check").rglob("*.py"):
        assert {module.split(".")[1] for module in imports(path)} <= common, path.name


def test_only_the_faces_import_the_products() -> None:
    """But for one: ``symgrad check`` explains each wrong printed formula by the diagnosis that users get."""
    faces = {"api", "documents", "results", "cli", "sphinx_ext", "loss_lookup", "__init__", "__main__"}
    for path in modules():
        own = part_of(path)
        for module in imports(path):
            product = module.split(".")[1]
            if product in ("diagnosis", "evidence", "example", "frameworks") and product != own:
                assert own in faces or (own, product) == ("evidence", "diagnosis"), f"{path.name} imports {module}"


def test_the_documentation_lists_the_layers() -> None:
    page = (ROOT.parent / "docs" / "how-it-works.md").read_text(encoding="utf-8")
    house = page[page.index("## The house") :]
    rows = [re.findall(r"`(\w+)`", row.split("|")[1]) for row in house.splitlines() if row.startswith("| `")]
    assert [name for row in rows for name in row] == [name for layer in LAYERS[:-1] for name in layer]


def test_every_module_has_a_layer() -> None:
    assert {part_of(path) for path in modules()} == PLACE.keys()


def test_no_import_hides_in_a_function() -> None:
    """But for the public face and the command line, which load what a call needs when it is made."""
    for path in modules():
        if path.name in ("api.py", "documents.py", "results.py", "cli.py"):
            continue
        for function in parts(path):
            if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
                hidden = [n for n in ast.walk(function) if isinstance(n, (ast.Import, ast.ImportFrom))]
                assert not hidden, f"{path.name}: {function.name} imports inside"


def test_derivatives_are_not_written_by_hand() -> None:
    """Losses are forward equations: nothing in them, in the rules or in the passes writes a derivative's LaTeX."""
    for folder in ("losses", "engine"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            assert "\\partial" not in text and "\\frac" not in text, path.name
