"""Names for the sums that several terms of a closed form share when it is written out."""

from __future__ import annotations

from collections.abc import Collection
from string import ascii_lowercase

from sympy import Expr, Sum
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.canonical import canonical
from symgrad.codegen.kernels import rebuilt
from symgrad.notation import Array, axis_name, bound_indices, free_indices, height, renamed, sum_over
from symgrad.program import Program

LETTERS = "tuvqh" + ascii_lowercase


class SharedSums:
    """Replaces sums by entries of new arrays: ``sums`` gives each array, its letters and the sum, in order.

    A sum is shared if it is repeated for an index that it does not contain, as sum_k p_nk r_nk is for every d
    and c in the entries of X^T (P * (R - sum)).
    """

    def __init__(self, program: Program, taken: Collection[str]) -> None:
        self.sums: list[tuple[Array, tuple[Idx, ...], Expr]] = []
        self._axes = {axis.name: axis for axis in program.axes}
        self._taken = {name.lower() for name in (*taken, *program.arrays, program.output)}
        self._known: dict[Expr, Array] = {}

    def named(self, expr: Basic, letters: Collection[Idx]) -> Expr:
        """``expr``, of the free indices ``letters``, with its shared sums replaced."""
        if not isinstance(expr, Sum):
            return rebuilt(expr, lambda part: self.named(part, letters)) if height(expr) else expr
        own = bound_indices(expr)
        total = sum_over(self.named(expr.function, {*letters, *own}), own)
        free = free_indices(total)
        return self._entry(total) if free < set(letters) and len(free) <= 2 else total

    def _entry(self, total: Expr) -> Expr:
        """The entry that stands for a sum, of the array that stands for all that differ from it in letters alone."""
        order = list(self._axes)
        letters = tuple(sorted(free_indices(total), key=lambda i: (order.index(axis_name(i)), str(i))))
        key = canonical(renamed(total, {i: Idx(f"free{p}", i.upper + 1) for p, i in enumerate(letters)}))
        if key not in self._known:
            self._known[key] = Array(self._name(), tuple(self._axes[axis_name(i)] for i in letters))
            self.sums.append((self._known[key], letters, total))
        return self._known[key][letters]

    def _name(self) -> str:
        name = next((x for x in LETTERS if x not in self._taken), f"sum{len(self.sums) + 1}")
        self._taken.add(name)
        return name
