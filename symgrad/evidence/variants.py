"""Wrong formulas made from a right one: what somebody might have written instead of a derived gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from sympy import Add, Expr, Indexed, Mul, Sum
from sympy.tensor.indexed import Idx

from symgrad.codegen import to_numpy
from symgrad.notation import axis_name, bound_indices
from symgrad.render.text import expression_text
from symgrad.steps import Gradient, Record, Total


def without_terms(gradient: Gradient, record: Record) -> Iterator[tuple[str, str, Expr]]:
    """The gradient's index form with one term of a bracket, a sum, left out, or cut to its diagonal (as if softmax were
    a sigmoid): each with the term's text and "left out" or "diagonal"."""
    for bracket in (part for part in Mul.make_args(gradient.index) if isinstance(part, Add)):
        for term in sorted((t for t in bracket.args if t.has(Sum)), key=str):
            text = expression_text(term, record)
            yield text, "left out", gradient.index.xreplace({bracket: bracket - term})
            diagonal = {total: _at(total, gradient.entry.indices) for total in term.atoms(Sum)}
            yield text, "diagonal", gradient.index.xreplace(diagonal)


def _at(total: Sum, indices: Sequence[Idx]) -> Expr:
    """The one term of a sum at which its index equals the free index over the same axis."""
    free = {axis_name(i): i for i in indices}
    return total.function.xreplace({i: free[axis_name(i)] for i in bound_indices(total)})


def _of(total: Total) -> str:
    """The array that a line differentiates by."""
    return str(total.wrt.base.name if isinstance(total.wrt, Indexed) else total.wrt)


def with_gradient(record: Record, name: str, index: Expr) -> Callable[..., Any]:
    """The generated function of a record in which the gradient with respect to one array is something else.

    The lines about it go too: code is generated from a line where one gives the gradient by named adjoints.
    """
    kept = tuple(step for step in record.steps if not (isinstance(step.subject, Total) and _of(step.subject) == name))
    changed: dict[str, Any] = {"steps": kept}
    for kind, gradients in (("adjoints", record.adjoints), ("gradients", record.gradients)):
        if name in gradients:
            changed[kind] = {**gradients, name: replace(gradients[name], index=index)}
    return to_numpy(replace(record, **changed))
