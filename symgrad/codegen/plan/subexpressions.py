"""Common subexpressions that cost something: each gets an equation before its first use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from sympy import Add, Expr, Function, Indexed, Mul, Pow, Sum, preorder_traversal
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.codegen.identifiers import part_name
from symgrad.codegen.plan.kernels import rebuilt, weighted
from symgrad.codegen.plan.schedule import Assignment, written_out
from symgrad.notation import array_names, entry_of, free_indices, freshen, index_over, replaced

Key = tuple[Expr, tuple[Idx, ...]]
"""A subexpression with numbered indices, and the indices in order."""
NUMBERED = "_index"
MOST_REMEMBERED = 2**12
"""Every part is examined again after each new equation, and most parts did not change."""


def repeats_named(assignments: Sequence[Assignment], taken: set[str]) -> list[Assignment]:
    """Give each repeated subexpression an equation, the largest first; new names are added to ``taken``."""
    equations, part_names = list(assignments), set[str]()
    while (repeated := _largest_repeated(equations)) is not None:
        pattern, indices = repeated
        name = f"_repeated{len(part_names)}"
        part_names.add(name)
        part = Assignment(entry_of(name, indices), pattern, is_helper=True)
        changed = [replace(a, rhs=_named(a.rhs, pattern, name)) for a in equations]
        first = next(place for place, a in enumerate(changed) if a.rhs != equations[place].rhs)
        equations = [*changed[:first], part, *changed[first:]]
    parts = [a for a in equations if a.name in part_names]  # numbered in the order of the lines
    names = {a.name: Assignment(a.entry, entry_of(part_name(taken), a.indices)) for a in parts}
    return [replace(a, entry=written_out(a.entry, names), rhs=written_out(a.rhs, names)) for a in equations]


def _largest_repeated(assignments: Sequence[Assignment]) -> Key | None:
    parts = (part for a in assignments for part in preorder_traversal(a.rhs) if part != a.rhs and _is_costly(part))
    counts = Counter(_key(part)[0] for part in parts)
    several = [expr for expr, count in counts.items() if count > 1]
    if not several:
        return None
    largest = max(several, key=lambda e: (e.count_ops(), str(e)))
    return largest, tuple(sorted(free_indices(largest), key=lambda index: int(str(index.label)[len(NUMBERED) :])))


@lru_cache(MOST_REMEMBERED)
def _is_costly(expr: Basic) -> bool:
    """Whether an expression has a function, a fractional power or a sum of entries, and is no larger than they are."""
    if not isinstance(expr, (Add, Mul, Pow, Function)) or isinstance(expr, weighted):
        return False
    parts = expr.atoms(Indexed, Sum, Function, Pow)
    entries = [part for part in parts if isinstance(part, Indexed)]
    is_call = isinstance(expr, Function) or (isinstance(expr, Pow) and not expr.exp.is_Integer)
    if not entries or (not is_call and any(isinstance(part, Sum) for part in parts)):
        return False
    if len(expr.atoms(Idx)) > max(len(entry.indices) for entry in entries):
        return False  # a matrix product may never need so large an array
    called = any(array_names(part) for part in parts if isinstance(part, Function))
    raised = any(not part.exp.is_Integer and array_names(part.base) for part in parts if isinstance(part, Pow))
    return called or raised or (isinstance(expr, Add) and len(entries) > 1)


@lru_cache(MOST_REMEMBERED)
def _key(expr: Expr) -> Key:
    """The indices of the entry with the most come first, in its order, then the others as they occur."""
    expr, free = freshen(expr), free_indices(expr)
    widest = min(expr.atoms(Indexed), key=lambda entry: (-len(entry.indices), str(entry)))
    letters = tuple(i for i in dict.fromkeys([*widest.indices, *preorder_traversal(expr)]) if i in free)
    numbers = {i: index_over(f"{NUMBERED}{place}", i.upper + 1) for place, i in enumerate(letters)}
    return replaced(expr, numbers), letters


def _named(expr: Basic, pattern: Expr, name: str) -> Expr:
    """Replace the subexpression ``pattern`` in ``expr`` by entries of the array ``name``."""
    if _is_costly(expr):
        key, letters = _key(expr)
        if key == pattern:
            return entry_of(name, letters)
    return rebuilt(expr, lambda part: _named(part, pattern, name))
