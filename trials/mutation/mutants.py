"""The mutants of a module: mutmut's operators applied to its functions and constants, one change at a time."""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property, reduce
from hashlib import sha256
from importlib import import_module
from inspect import getattr_static, unwrap
from itertools import accumulate
from pathlib import Path
from textwrap import indent
from types import FunctionType, ModuleType
from typing import Any

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider, WhitespaceInclusivePositionProvider
from mutmut.mutation.mutators import mutation_operators

UNTOUCHED = (cst.Annotation, cst.Decorator, cst.Raise, cst.Import, cst.ImportFrom)
"""Types, decorators, texts of errors and declared fields of classes are not mutated."""
CRASHING = ("len", "isinstance")
"""mutmut also skips these calls: a change of their arguments raises at once, and would inflate the score."""

Key = tuple[str, str, str, str, int]


@dataclass(frozen=True)
class Mutant:
    """One change of one module.

    ``function`` is the changed function, method or constant; ``before`` and ``after`` are the lines that differ;
    ``again`` counts mutants of the same lines; ``digest`` identifies the source of the function, to match results;
    ``lines`` are the lines of the statement, relative to the function; ``source`` is the mutated function.
    """

    module: str
    function: str
    before: str
    after: str
    again: int
    digest: str
    lines: range
    source: str

    @property
    def key(self) -> Key:
        """Identifies this mutant among the mutants of the same source."""
        return self.module, self.function, self.before, self.after, self.again


def mutants_of(module: str, path: Path) -> Iterator[Mutant]:
    """All mutants of a module, from its source file."""
    text = path.read_text(encoding="utf-8")
    wrapper = MetadataWrapper(cst.parse_module(text))
    spans = spans_of(text)
    places = _Places(text)
    wrapper.visit(places)
    seen: Counter[Key] = Counter()
    for function, owner, lines, old, new in places.found:
        code = text[owner.start : owner.stop].strip("\n")
        source = f"{text[owner.start : old.start]}{new}{text[old.stop : owner.stop]}".strip("\n")
        before, after = _differing(code.splitlines(), source.splitlines())
        seen[module, function, before, after, 0] += 1
        again = seen[module, function, before, after, 0]
        span = spans.get(function, range(lines.start, lines.stop))  # a constant is one statement
        lines = range(lines.start - span.start, lines.stop - span.start)
        yield Mutant(module, function, before, after, again, digest(text, span), lines, source)


def digest(text: str, span: range) -> str:
    """Identify the source of a function by its lines."""
    return sha256("\n".join(text.splitlines()[span.start - 1 : span.stop - 1]).encode()).hexdigest()[:12]


def spans_of(text: str) -> dict[str, range]:
    """The lines of each function and method of a module."""
    found: dict[str, range] = {}
    for statement in ast.parse(text).body:
        prefix = f"{statement.name}." if isinstance(statement, ast.ClassDef) else ""
        for inner in statement.body if isinstance(statement, ast.ClassDef) else [statement]:
            if isinstance(inner, ast.FunctionDef):
                found[prefix + inner.name] = range(inner.lineno, (inner.end_lineno or inner.lineno) + 1)
    return found


def _differing(old: list[str], new: list[str]) -> tuple[str, str]:
    """The lines in which two sources differ, without their indents."""
    start = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    common = min(len(old), len(new)) - start
    end = next((i for i in range(common) if old[-1 - i] != new[-1 - i]), common)
    shown = [" ".join(line.strip() for line in lines[start : len(lines) - end]) for lines in (old, new)]
    return shown[0], shown[1]


class _Places(cst.CSTVisitor):
    """Finds (function, its characters, lines of the statement, characters of a node, their replacement)."""

    METADATA_DEPENDENCIES = (PositionProvider, WhitespaceInclusivePositionProvider)

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, range, range, range, str]] = []
        self._starts = [0, *accumulate(map(len, text.splitlines(keepends=True)))]
        self._classes: list[str] = []
        self._owner: tuple[str, cst.CSTNode] | None = None
        self._statements: list[cst.CSTNode] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        if isinstance(node, UNTOUCHED):
            return False
        if isinstance(node, cst.Call) and isinstance(node.func, cst.Name) and node.func.value in CRASHING:
            return False
        if isinstance(node, (cst.BaseCompoundStatement, cst.SimpleStatementLine)):
            self._statements.append(node)
        if self._owner is None:
            if isinstance(node, cst.ClassDef):
                self._classes.append(node.name.value)
            elif isinstance(node, cst.FunctionDef):
                self._owner = ".".join([*self._classes, node.name.value]), node
            elif not self._classes and (name := _constant(node)):
                self._owner = name, node
        if self._owner is not None:
            for kind, operator in mutation_operators:
                if isinstance(node, kind):
                    name, owner = self._owner
                    found = name, self._characters(owner), self._lines(), self._characters(node)
                    self.found += [(*found, self._code(new, node)) for new in operator(node)]
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        if self._owner is not None and original_node is self._owner[1]:
            self._owner = None
        elif isinstance(original_node, cst.ClassDef) and self._owner is None:
            self._classes.pop()
        if self._statements and original_node is self._statements[-1]:
            self._statements.pop()

    def _characters(self, node: cst.CSTNode) -> range:
        """The place of a node in the text, with the whitespace that belongs to it."""
        span = self.get_metadata(WhitespaceInclusivePositionProvider, node)
        first, last = (self._starts[at.line - 1] + at.column for at in (span.start, span.end))
        return range(first, last)

    def _code(self, new: cst.CSTNode, old: cst.CSTNode) -> str:
        """The text of a node in the place of another."""
        code = cst.Module([]).code_for_node(new)
        column = self.get_metadata(PositionProvider, old).start.column
        return indent(code, " " * column) if isinstance(old, cst.Match) else code  # the only statement of many lines

    def _lines(self) -> range:
        """The lines of the innermost statement, without its body; for a signature, the lines of the body."""
        statement = self._statements[-1]
        span = self.get_metadata(PositionProvider, statement)
        if isinstance(statement, cst.FunctionDef):
            return range(span.start.line + 1, span.end.line + 1)
        body = getattr(statement, "body", None)
        if isinstance(body, cst.IndentedBlock):
            return range(span.start.line, self.get_metadata(PositionProvider, body.body[0]).start.line)
        return range(span.start.line, span.end.line + 1)


def _constant(node: cst.CSTNode) -> str | None:
    """The name of the constant that a module-level statement sets, or none; type names do not count."""
    target = node.targets[0].target if isinstance(node, cst.Assign) else getattr(node, "target", None)
    if isinstance(node, (cst.Assign, cst.AnnAssign)) and isinstance(target, cst.Name):
        return target.value if target.value.isupper() else None
    return None


def install(mutant: Mutant) -> None:
    """Apply the change in the running interpreter, wherever the function or constant is used."""
    module = import_module(mutant.module)
    *classes, name = mutant.function.split(".")
    # A method is defined in a class, so that super() works.
    source = f"class Changed:\n{mutant.source}" if classes else mutant.source
    changed = dict(vars(module))
    exec(compile(f"from __future__ import annotations\n{source}", str(module.__file__), "exec"), changed)
    if mutant.function.isupper():
        old, new = getattr(module, mutant.function), changed[mutant.function]
        for user in _loaded():
            if vars(user).get(mutant.function) is old:
                setattr(user, mutant.function, new)
    else:
        owner = reduce(getattr, classes, module)
        made = vars(changed["Changed"]) if classes else changed
        of, by = _plain(getattr_static(owner, name)), _plain(made[name])
        of.__code__, of.__defaults__, of.__kwdefaults__ = by.__code__, by.__defaults__, by.__kwdefaults__
    for function in caches():
        function.cache_clear()


def _loaded() -> list[ModuleType]:
    """The modules of the package and its tests."""
    return [module for name, module in sys.modules.items() if name.startswith(("symgrad", "tests."))]


@cache
def caches() -> list[Any]:
    """Their functions that remember results; found once, before the children are forked."""
    return [value for module in _loaded() for value in vars(module).values() if hasattr(value, "cache_clear")]


def _plain(found: Any) -> FunctionType:
    """The function that a decorator has wrapped."""
    if isinstance(found, property):
        found = found.fget
    elif isinstance(found, cached_property):
        found = found.func
    elif isinstance(found, staticmethod):
        found = found.__func__
    function = unwrap(found)
    assert isinstance(function, FunctionType)
    return function
