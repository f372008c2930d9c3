"""A small numeric example of a derivation, as lecture notes work one: a row, few features, round numbers.

The loss and the gradients are those of the generated function.  The arrays on the way are evaluated from the program's
equations, by the checker's evaluator.  ``points`` chooses sizes and inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from enum import IntFlag
from itertools import product
from math import prod
from typing import Any

import numpy as np

from symgrad.check.fields import OutsideDomain, OutsideField
from symgrad.codegen import to_numpy
from symgrad.example.points import CLOSE, SIZES, TURNS, Point, clean, floats, point_of
from symgrad.exhibits import Example, Quantity
from symgrad.functions import MEANINGS, selection, signum, step
from symgrad.notation import Array
from symgrad.steps import Record

MOST_ENTRIES = 12
"""An array on the way with more entries is not shown, nor is one of more than two axes."""
SMALL, LARGE = 1e-2, 1e4
"""A gradient had better have an entry that is not small, and an array on the way none that is large."""
_KINKED = tuple(function for function, meaning in MEANINGS.items() if meaning.convention)


def worked_example(record: Record) -> Example | None:
    """The first choice of sizes and inputs of which nothing is wanting (see ``_Fault``); if there is none, the one with
    the least faults; None where nothing is finite."""
    wanted = {**record.adjoints, **record.gradients}
    function = to_numpy(replace(record, wrt=tuple(wanted), gradients=wanted))
    found: list[tuple[_Fault, Example]] = []
    for sizes, turn in product(SIZES, TURNS):
        try:
            point = point_of(record, sizes, turn)
            values = _run(function, point, tuple(wanted))
            if values is None or not _holds(point):
                continue
            example = _example(record, point, *values)
            fault = _fault(point, example, record)
        except (OutsideDomain, OutsideField):
            continue
        found.append((fault, example))
        if not fault:
            break
    if not found:
        return None
    _, chosen = min(found, key=lambda one: one[0])
    return _with_reason(chosen, *found[0], record)


class _Fault(IntFlag):
    """What a choice leaves to be desired, the least first."""

    LARGE = 1  # a number has many digits
    VANISHING = 2  # a gradient asked for is all but 0
    KINK = 4  # a function has no derivative, or none on which all agree


def _fault(point: Point, example: Example, record: Record) -> _Fault:
    found = {
        _Fault.LARGE: any(np.abs(quantity.values).max() > LARGE for quantity in example.defined),
        _Fault.VANISHING: bool(_vanishing(example, record)),
        _Fault.KINK: _has_kink(point),
    }
    return _Fault(sum(fault for fault, is_there in found.items() if is_there))


def _vanishing(example: Example, record: Record) -> str:
    """The first gradient asked for that is all but 0, or nothing."""
    gradients = {q.array.name: q.values for q in example.gradients}
    return next((name for name in record.wrt if np.abs(gradients[name]).max() < SMALL), "")


def _with_reason(chosen: Example, fault: _Fault, first: Example, record: Record) -> Example:
    """The example, its remark saying why the smallest sizes would not do."""
    if _Fault.VANISHING not in fault or first.sizes == chosen.sizes:
        return chosen
    words = f"The gradient by {_vanishing(first, record)} would be 0, or nearly so, at {_listed(first.sizes)}."
    return replace(chosen, remark=f"{chosen.remark} {words}".strip())


def _listed(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{axis} = {size}" for axis, size in sizes.items())


def _run(
    function: Callable[..., Any], point: Point, names: Sequence[str]
) -> tuple[float, dict[str, np.ndarray]] | None:
    """The loss and its gradients by name; None where one is not finite, or where the function refuses the inputs."""
    given = [a if a.ndim else float(a) for a in (point.inputs[array.name] for array in point.program.inputs)]
    with np.errstate(all="ignore"):
        try:
            loss, gradients = function(*given)
        except (ValueError, ArithmeticError):
            return None
    found = {name: clean(np.asarray(g, dtype=float)) for name, g in zip(names, gradients, strict=True)}
    return (float(loss), found) if all(np.isfinite(a).all() for a in (loss, *found.values())) else None


def _example(record: Record, point: Point, loss: float, gradients: Mapping[str, np.ndarray]) -> Example:
    arrays = record.program.arrays
    on_the_way = [n for n in record.program.definitions if n != record.program.output and _is_small(arrays[n], point)]
    values = {n: floats(point.evaluator.over(arrays[n][_indices(record, n)], _indices(record, n))) for n in on_the_way}
    return Example(
        sizes=point.sizes,
        remark=" ".join(f"{words}." for words in point.chosen),
        inputs=tuple(Quantity(a, point.inputs[a.name]) for a in record.program.inputs),
        defined=tuple(Quantity(arrays[n], values[n]) for n in on_the_way),
        loss=loss,
        gradients=tuple(
            Quantity(arrays[n], g) for n, g in gradients.items() if n in record.wrt or _is_small(arrays[n], point)
        ),
    )


def _indices(record: Record, name: str) -> Any:
    return record.program.definitions[name].indices


def _is_small(array: Array, point: Point) -> bool:
    return array.has_matrix and prod(point.sizes[a.name] for a in array.axes) <= MOST_ENTRIES


def _holds(point: Point) -> bool:
    """Whether the inputs satisfy the assumptions of the program."""
    gaps = [assumption.lhs - assumption.rhs for assumption in point.program.assumptions]
    return all(np.abs(floats(point.evaluator(gap).data)).max() < CLOSE for gap in gaps)


def _has_kink(point: Point) -> bool:
    """Whether a function of the equations has no derivative at the point, or none that all would agree on."""
    functions = {f for definition in point.program.ordered for f in definition.rhs.atoms(*_KINKED)}
    for chosen in (f for f in functions if isinstance(f, selection)):
        shares = floats(point.evaluator(chosen).data)
        if np.any((shares != 0) & (shares != 1)):
            return True
    slopes = (f.fdiff(place) for f in functions for place in range(1, len(f.args) + 1))
    jumps = {jump.args[0] for expr in (*functions, *slopes) for jump in expr.atoms(step, signum)}
    return any(np.abs(floats(point.evaluator(jump).data)).min() < CLOSE for jump in jumps)
