"""The entries of a derivation as a function of NumPy arrays, by SymPy's ``lambdify``."""

from __future__ import annotations

import math
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from inspect import isfunction
from typing import Any

import numpy as np
from sympy import Expr, Max, Symbol, lambdify
from sympy.printing.pycode import PythonCodePrinter

from symgrad.codegen import scalar_runtime
from symgrad.codegen.names import python_names
from symgrad.codegen.runtime import _real
from symgrad.codegen.stable import evaluated
from symgrad.explicit.entries import Table
from symgrad.functions import MEANINGS
from symgrad.notation import Array, array_names, axis_name, free_indices
from symgrad.program import Program
from symgrad.steps import Record

NUMBERS = {function.__name__: meaning.number for function, meaning in MEANINGS.items() if meaning.number} | {
    **{name.removeprefix("_"): f for name, f in vars(scalar_runtime).items() if isfunction(f)},
    "weighted": lambda weight, logarithm: weight * logarithm if weight else 0.0,
}
"""What stands for a function of the equations at numbers."""
TOLERANCE = 1e-5  # how far inputs may be from an assumption that the derivation used


def lambdified(record: Record, sizes: Mapping[str, int]) -> Callable[..., Any]:
    """``f`` with ``loss, grads = f(inputs...)`` on arrays of these sizes.

    It evaluates the equations of the generated code, entry by entry: the shared subexpressions are the entries of their
    arrays, none is searched for.
    """
    plan = evaluated(record)
    program = record.program
    made = [Array(a.name, tuple(program.axis[axis_name(i)] for i in a.indices)) for a in plan.assignments]
    table = Table(record, sizes).with_arrays(made, are_dummies=True)
    used = [a for a in record.assumptions_used if not a.domain]
    gaps = [value for a in used for value in table.entries(a.lhs - a.rhs, tuple(sorted(free_indices(a.lhs), key=str)))]
    lines: list[tuple[Symbol, Expr]] = []
    for array, assignment in zip(made, plan.assignments, strict=True):
        values = table.entries(assignment.rhs, assignment.indices + assignment.over)
        places = list(table.places(array))
        if assignment.over:
            count = len(values) // len(places)
            rows = (values[start : start + count] for start in range(0, len(values), count))
            values = [Max(*row, evaluate=False) for row in rows]
        lines += zip((table.symbols[array.name, place] for place in places), values, strict=True)
    arrays = {array.name: array for array in made}
    results = [arrays[name] for name in (program.output, *(plan.schedule.gradients[name] for name in record.wrt))]
    outputs = [table.symbols[array.name, place] for array in results for place in table.places(array)]
    arguments = [table.symbols[array.name, place] for array in program.inputs for place in table.places(array)]
    compiled = lambdify(
        arguments,
        [*outputs, *gaps],
        modules=[NUMBERS, "math"],
        printer=PythonCodePrinter({"order": "none", "fully_qualified_modules": False, "allow_unknown_functions": True}),
        cse=lambda expressions: (lines, expressions),
    )
    result: Callable[..., Any] = namedtuple("Gradients", python_names(record.wrt).values())  # type: ignore[misc]
    words = "; ".join(a.words for a in used)

    def function(*inputs: Any) -> tuple[Any, Any]:
        arrays = _fitted(program, sizes, inputs)
        floating = [a.dtype for a in arrays if a.ndim and a.dtype.kind == "f"]
        dtype = np.result_type(*floating) if floating else np.dtype(float)
        values = compiled(*(x for a in arrays for x in a.astype(float).ravel().tolist()))
        if any(abs(gap) > TOLERANCE for gap in values[len(outputs) :]):
            raise ValueError(f"expected that {words} (derive with assume=() for the general form)")
        rest = iter(values[1:])
        shapes = [tuple(sizes[axis.name] for axis in program.arrays[name].axes) for name in record.wrt]
        made = [np.array([next(rest) for _ in range(math.prod(s))], dtype).reshape(s)[()] for s in shapes]
        return dtype.type(values[0]), result(*made)

    return function


def _fitted(program: Program, sizes: Mapping[str, int], inputs: Sequence[Any]) -> list[np.ndarray[Any, Any]]:
    """The inputs as arrays of their shapes, labels as rows with a one; ``ValueError`` names one that does not fit."""
    if len(inputs) != len(program.inputs):
        expected = ", ".join(a.name for a in program.inputs)
        raise ValueError(f"expected the {len(program.inputs)} inputs {expected}, got {len(inputs)}")
    arrays = []
    for own, given in zip(program.inputs, inputs, strict=True):
        array, shape = _real(own.name, given), tuple(sizes[axis.name] for axis in own.axes)
        if len(shape) == 2 and array.shape == shape[:1] and array.dtype.kind in "iu":
            if array.min() < 0 or array.max() >= shape[1]:
                raise ValueError(f"{own.name}: expected labels 0..{shape[1] - 1}, got {array.min()}..{array.max()}")
            array = np.eye(shape[1], dtype=int)[array]
        if array.shape != shape:
            raise ValueError(f"{own.name}: expected shape {shape}, got {array.shape}")
        for a in program.assumptions:
            domain = a.domain if own.name in array_names(a.lhs) else None
            if domain and not np.all(domain.contains(array)):
                raise ValueError(f"{own.name}: entries must be {domain.words}")
        arrays.append(array)
    return arrays
