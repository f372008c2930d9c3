"""Closed forms written out: a gradient in the inputs alone, in matrix notation."""

from __future__ import annotations

from sympy import Expr, MatrixExpr, MatrixSymbol, Symbol, Trace
from sympy.core.basic import Basic

from symgrad.notation import replaced
from symgrad.steps import MatrixValue, Record


def expanded(record: Record, name: str) -> Expr | None:
    """The gradient with respect to ``name`` with every named array but the inputs written out.

    None where it, or an array that it needs, has no matrix form.
    """
    forms: dict[str, Expr | None] = {
        step.subject.array.name: step.after for step in record.steps if isinstance(step.subject, MatrixValue)
    }
    forms |= {array.name: record.adjoints[node].matrix for node, array in record.adjoint_arrays.items()}
    inputs = {array.name for array in record.program.inputs}
    value = record.gradients[name].matrix
    while value is not None and (names := _named(record, value) - inputs):
        swaps: dict[Basic, Basic] = {}
        for atom in value.atoms(MatrixSymbol, Symbol):
            if atom.name in names and not (isinstance(atom, Symbol) and atom.is_integer):
                form = forms.get(atom.name)
                if form is None:
                    return None
                swaps[atom] = Trace(form) if isinstance(form, MatrixExpr) and isinstance(atom, Symbol) else form
        value = replaced(value, swaps)
    return value


def _named(record: Record, value: Expr) -> set[str]:
    known = record.program.arrays.keys() | {array.name for array in record.adjoint_arrays.values()}
    return {atom.name for atom in value.atoms(MatrixSymbol, Symbol)} & known
