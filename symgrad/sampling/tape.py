"""Reverse mode over the equations of a program, from their raw derivatives."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from sympy import Expr, Indexed, Symbol
from sympy.tensor.indexed import Idx

from symgrad.check.numeric.evaluate import Evaluator
from symgrad.engine.differentiate import differentiate
from symgrad.equations import Definition
from symgrad.notation import Array, array_names, index_over
from symgrad.program import Program
from symgrad.sampling.doubles import evaluator

Arrays = Mapping[str, np.ndarray]
Edge = tuple[str, str]
"""An equation, by the array that it defines, and an array that it uses."""


class Tape:
    """Reverse mode over all equations of a program, abbreviations being arrays like the others, from their raw
    derivatives: what a derivation is before anything is simplified."""

    def __init__(self, program: Program, sizes: Mapping[str, int], values: Arrays) -> None:
        self.program, self.sizes, self.values = program, sizes, values
        self.edges = _edges(program)
        self._evaluate = evaluator(program, sizes, values)
        self._slopes: dict[Edge, np.ndarray] = {}

    def slope(self, edge: Edge) -> np.ndarray:
        """The derivative of an equation by one array: the axes of the equation's array, then those of the other."""
        if edge not in self._slopes:
            self._slopes[edge] = self.slope_at(edge, self._evaluate)
        return self._slopes[edge]

    def slope_at(self, edge: Edge, evaluate: Evaluator) -> np.ndarray:
        """The same with values of arrays that an evaluator has."""
        expr, letters = self.edges[edge]
        return np.asarray(evaluate.over(expr, (*self.program.definitions[edge[0]].indices, *letters))[0])

    def adjoints(self, instead: Mapping[Edge, np.ndarray] | None = None) -> dict[str, np.ndarray]:
        """The derivative of the output by every array, with other slopes for some edges."""
        instead = instead or {}
        found = {self.program.output: np.array(1.0)}
        for name, array in reversed(self.program.arrays.items()):
            if name == self.program.output:
                continue
            found[name] = np.zeros(tuple(self.sizes[axis.name] for axis in array.axes))
            for edge in self.edges:
                if edge[1] == name and edge[0] in found:
                    slope = instead[edge] if edge in instead else self.slope(edge)
                    found[name] = found[name] + np.tensordot(found[edge[0]], slope, axes=np.ndim(found[edge[0]]))
        return found


@lru_cache(maxsize=4096)
def _edges(program: Program) -> Mapping[Edge, tuple[Expr, tuple[Idx, ...]]]:
    """The derivative of every equation by every array that it uses."""
    return {
        (d.name, used): derivative(d, program.arrays[used])
        for d in program.ordered
        for used in sorted(array_names(d.rhs))
        if used in program.arrays
    }


@lru_cache(maxsize=4096)
def derivative(definition: Definition, array: Array) -> tuple[Expr, tuple[Idx, ...]]:
    """The derivative of an equation by an entry of an array, and the indices of that entry."""
    letters = tuple(index_over(f"by{place}", axis.size) for place, axis in enumerate(array.axes))
    entry: Indexed | Symbol = array[letters]
    return differentiate(definition.rhs, entry), letters
