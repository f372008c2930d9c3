"""The Jacobian of a layer, and its product with a tangent, by reverse mode once more.

The gradient that a layer passes back, dX, is linear in its upstream gradient dO: dX = Σ dO ∂O/∂X.  So the derivative
of dX with respect to dO is the Jacobian ∂O/∂X, and that of the sum of Ẋ dX is the product of the Jacobian with Ẋ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, count

from sympy import Add

from symgrad.equations import node
from symgrad.errors import InputError
from symgrad.facts import in_closed_forms
from symgrad.names import is_alike
from symgrad.notation import Array, sum_over
from symgrad.program import Program
from symgrad.steps import Record


def tangent_program(record: Record, wrt: Sequence[str]) -> tuple[Program, dict[str, str]]:
    """A program with the forward equations of a layer, its gradients with respect to ``wrt`` as equations, and the sum
    of the products of their entries and tangents; and the names of these gradients by input.

    Raises ``InputError`` for a loss, and for an array whose gradient the record does not have.
    """
    program = record.program
    if not program.upstream:
        raise InputError(f"{program.name} is a loss: only a layer (@symgrad.layer) has a Jacobian")
    if unknown := [name for name in wrt if name not in record.gradients]:
        raise InputError(f"{program.name}: no gradient with respect to {unknown[0]}; wrt is {', '.join(record.wrt)}")
    names = {*program.arrays, *program.axis, *program.printed.values()}
    equations = [e for e in program.equations if e.name != program.output]
    tangents: list[Array] = []
    terms = []
    gradients: dict[str, str] = {}
    for name in wrt:
        closed = record.gradients[name]
        tangents.append(Array(_unused(f"{name}dot", names), closed.array.axes))
        gradients[name] = _unused(f"d{name}", {*names, *(t.name for t in tangents)})
        names |= {tangents[-1].name, gradients[name]}
        indices = tuple(getattr(closed.entry, "indices", ()))
        entry = Array(gradients[name], closed.array.axes)[indices]
        equations.append(node(entry, in_closed_forms(closed.index, record)))
        terms.append(sum_over(tangents[-1][indices] * entry, indices))
    return replace(
        program,
        inputs=(*program.inputs, *tangents),
        equations=(*equations, node(Array(program.output)[()], Add(*terms))),
        summary=f"{program.summary or program.name}: the product of the Jacobian with a tangent",
        facts=(),
        about="",
        upstream=(),
    ), gradients


def _unused(name: str, names: set[str]) -> str:
    return next(new for new in chain((name,), (f"{name}{n}" for n in count(2))) if not is_alike(new, names))
