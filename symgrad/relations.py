"""The relations, such as x > 0 and a = b, that hold where a function is 1 and fail where it is 0."""

from __future__ import annotations

from sympy import Add, Indexed, MatAdd, MatMul, MatrixExpr, MatrixSymbol, S
from sympy.core.basic import Basic

from symgrad.functions import equal, step

Relation = tuple[str, Basic, Basic]
"""A sign of SymPy's (``>``, ``>=``, ``==``) and its two sides."""


def relation_of(function: type[Basic], *args: Basic) -> Relation | None:
    """The relation that holds where ``function`` is 1, and fails where it is 0; None where there is none."""
    if function is equal:
        return "==", *args
    return _order(*args) if function is step else None


def _opposite(term: Basic) -> Basic:
    """Minus a term; SymPy's own minus evaluates a matrix as deep as it is nested, and twice at every level."""
    if not isinstance(term, MatrixExpr):
        return -term
    coefficient, matrices = term.as_coeff_matrices() if isinstance(term, MatMul) else (S.One, [term])
    factors = matrices if coefficient == -1 else [-coefficient, *matrices]
    return factors[0] if len(factors) == 1 else MatMul(*factors)


def _signed(term: Basic) -> tuple[int, Basic]:
    """A term without its minus sign, and -1 if it has one."""
    coefficient = term.as_coeff_mmul()[0] if isinstance(term, MatMul) else S.One
    is_negative = (coefficient if isinstance(term, MatrixExpr) else term).could_extract_minus_sign()
    return (-1, _opposite(term)) if is_negative else (1, term)


def _order(x: Basic, at_zero: Basic) -> Relation | None:
    """x > 0 or x >= 0, of an expression or a matrix of them: the subtracted terms stand on the other side, and what has
    no entries on the right."""
    if at_zero not in (0, 1):
        return None
    total = MatAdd if isinstance(x, MatrixExpr) else Add
    sides: dict[int, list[Basic]] = {1: [], -1: []}
    for sign_of, term in map(_signed, total.make_args(x)):
        sides[sign_of].append(term)
    constants = [term for side in sides.values() for term in side if not term.has(Indexed, MatrixSymbol)]
    if not all(sides.values()) and len(constants) < sum(map(len, sides.values())):  # they go to the other side
        empty = -1 if sides[1] else 1
        sides = {empty: list(map(_opposite, constants)), -empty: [t for t in sides[-empty] if t not in constants]}
    left, right = (
        S.Zero if not side else side[0] if len(side) == 1 else total(*side) for side in (sides[1], sides[-1])
    )
    if left.has(Indexed, MatrixSymbol) or not right.has(Indexed, MatrixSymbol):
        return ">" if at_zero == 0 else ">=", left, right
    return "<" if at_zero == 0 else "<=", right, left
