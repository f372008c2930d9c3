"""Translates SymPy's index expressions into normal forms.  (``every_shape`` decides what equal normal forms prove.)

*Lemma.*  An expression and its normal form have the same value at every shape, under the assumptions:

* Names in ``written_out`` are replaced by their definitions, adjoints in ``closed`` by closed forms of earlier lines.
* An assumption ``Sum_k y_nk = r`` is the substitution ``y_nk -> y_nk + (r - Sum_j y_nj)/C``, and symmetry is
  ``a_ij -> (a_ij + a_ji)/2`` (see ``assumptions``); entries of one-hot rows and of domains obey their relations.
* Zeros off a diagonal or above it are ``a_ij -> m a_ij``, where m is 0 or 1, except in a matrix that is inverted.
* The inverse of a matrix, and its determinant, are atoms; the inverse knows that its products with the matrix are the
  identity.  If the matrix equals its transpose, so does its inverse, and both have sorted indices.
* Where a choice takes a branch, the choices by the same condition inside it take the same branch.
* All other names are atoms.  They count as independent: an identity for all arrays also holds for the program's values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import lru_cache

import sympy as sp
from sympy.core.basic import Basic
from sympy.core.function import Derivative
from sympy.functions.elementary.piecewise import Piecewise
from sympy.tensor.indexed import Idx

from symgrad.check.assumptions import Projection, Written, constraints
from symgrad.check.normal_form import algebra, sums
from symgrad.check.normal_form.atoms import (
    RESERVED,
    Constant,
    Delta,
    Index,
    NoNormalForm,
    Polynomial,
    Position,
    Size,
    add,
    fresh_index,
    is_nonnegative,
    number,
    scale,
    single,
)
from symgrad.check.normal_form.function_atoms import call, exp_of, log_of, selected, through
from symgrad.check.normal_form.sums import INVERSE, Entry, Relation
from symgrad.equations import Assumption
from symgrad.functions import absolute, equal, has_own_name, reciprocal, root, selection, where
from symgrad.matrix_functions import OF_MATRICES, inverse
from symgrad.notation import axis_name, bound_indices, free_indices, index_over, indices_of, name_of, parts_of, sum_over
from symgrad.program import Program
from symgrad.special_functions import position_of

EXPANSIONS: dict[type[Basic], Callable[..., sp.Expr]] = {
    sp.tanh: lambda u: 1 - 2 / (sp.exp(2 * u) + 1),
    sp.sinh: lambda u: (sp.exp(u) - sp.exp(-u)) / 2,
    sp.cosh: lambda u: (sp.exp(u) + sp.exp(-u)) / 2,
    root: lambda u: sp.Pow(u, sp.S.Half, evaluate=False),
    reciprocal: lambda u: where(equal(u, 0), 0, 1 / u),
}
"""Functions that are expressed in other functions, such as the hyperbolic ones in exponentials."""


class Normaliser:
    """Translates the expressions of one program, with fixed substitutions and assumptions."""

    def __init__(
        self,
        program: Program,
        written_out: frozenset[str],
        closed: Mapping[str, Written] | None = None,
        assumed: tuple[Assumption, ...] = (),
    ) -> None:
        self._program = program
        self._rules: dict[str, Written] = {
            name: (program.definitions[name].entry, program.definitions[name].rhs) for name in written_out
        }
        self._rules |= closed or {}
        self._constraints = constraints(assumed, program)
        self._assumed = assumed
        self._inverted = program.inverted
        self._symmetric: dict[str, bool] = {}
        self._memo: dict[Basic, Polynomial] = {}
        self._definitions: dict[str, Polynomial] = {}

    def equal(self, left: sp.Expr, right: sp.Expr) -> bool:
        """Whether both expressions have the same normal form, possibly after multiplication by their common divisors.

        Raises ``NoNormalForm`` if an expression has none.
        """
        difference = add(self(left), scale(self(right), -1))
        return not difference or not algebra.cleared(difference)[0]

    def __call__(self, expr: Basic) -> Polynomial:
        """The normal form of an expression."""
        if expr not in self._memo:
            try:
                self._memo[expr] = self._translate(expr)
            except RecursionError:
                raise NoNormalForm("it is nested too deeply") from None
        return self._memo[expr]

    def _translate(self, expr: Basic) -> Polynomial:
        if isinstance(expr, sp.Function) and not has_own_name(expr.func):
            raise NoNormalForm(f"{expr.func} is not the function of its name: {expr}")
        if isinstance(expr, sp.Number) and expr.is_finite:
            value = sp.Rational(expr)  # exact, also for a decimal number
            return number(Fraction(int(value.p), int(value.q)))
        if isinstance(expr, (sp.Symbol, sp.Indexed)) and not isinstance(expr, Idx):
            return self._entry(expr)
        if isinstance(expr, sp.Add):
            return add(*map(self, expr.args))
        if isinstance(expr, sp.Mul):
            result = number(1)
            for arg in expr.args:
                result = algebra.multiply(result, self(arg))
            return result
        if isinstance(expr, sp.exp):
            return through(self(expr.args[0]), exp_of)
        if isinstance(expr, sp.Pow):
            return self._power(*expr.args)
        if isinstance(expr, sp.log) and len(expr.args) == 1:
            return through(self(expr.args[0]), log_of)
        if isinstance(expr, sp.Sum):
            bound = [*map(index_text, bound_indices(expr))]  # sums inside have canonical letters
            if len({*bound}) < len(bound):
                raise NoNormalForm(f"an index is bound twice: {expr}")
            return sums.over(self(expr.function), bound)
        if isinstance(expr, sp.KroneckerDelta):
            return single(Delta(*map(index_text, expr.args)))
        if isinstance(expr, position_of):
            return single(Position(index_text(*expr.args)))
        if type(expr) in EXPANSIONS:
            return self(EXPANSIONS[type(expr)](*expr.args))
        if expr == sp.E:
            return exp_of(number(1))
        if isinstance(expr, where):
            condition, *branches = expr.args
            yes, no = (self(_decided(branch, condition, n)) for n, branch in enumerate(branches, 1))
            return add(no, algebra.multiply(self(condition), add(yes, scale(no, -1))))
        if isinstance(expr, (sp.Abs, absolute)) and is_nonnegative(inside := self(expr.args[0])):
            return inside
        if isinstance(expr, selection):
            row, index = expr.args
            along = fresh_index(index_text(index))
            return selected(algebra.rename(self(row), {index_text(index): along}), along, index_text(index))
        if isinstance(expr, sp.NumberSymbol):
            return single(Constant(str(expr)))
        if isinstance(expr, inverse):
            is_symmetric = self._is_symmetric(expr.matrix)
            return single(
                Entry(INVERSE + expr.matrix, tuple(map(index_text, expr.args[2:])), is_symmetric=is_symmetric)
            )
        if isinstance(expr, OF_MATRICES):
            return single(Constant(f"{type(expr).__name__} {expr.matrix}", is_positive=False))
        if isinstance(expr, sp.Function) and not isinstance(expr, (Piecewise, Derivative)):
            return call(type(expr).__name__, tuple(map(self, expr.args)))
        raise NoNormalForm(f"{type(expr).__name__} has no normal form: {expr}")

    def _power(self, base: Basic, exponent: Basic) -> Polynomial:
        if isinstance(exponent, sp.Rational):
            power = Fraction(int(exponent.p), int(exponent.q))
            if power > 0 and power.denominator == 1:
                return algebra.power(self(base), power)
            return through(self(base), lambda form: algebra.power(form, power))
        raised = through(self(base), log_of)
        return through(algebra.multiply(self(exponent), raised), exp_of)

    def _entry(self, expr: sp.Symbol | sp.Indexed) -> Polynomial:
        name, indices = name_of(expr), tuple(map(index_text, indices_of(expr)))
        if not indices and name in self._program.axis:
            return single(Size(name))
        if name in self._rules:
            return self._written(name, self._rules[name], indices, self)
        definition = self._program.definitions.get(name)
        if definition and isinstance(definition.rhs, inverse):
            return self._written(name, (definition.entry, definition.rhs), indices, self)
        if name in self._inverted and self._is_symmetric(name):
            return single(Entry(name, indices, is_symmetric=True))
        constraint = self._constraints.get(name)
        if isinstance(constraint, Projection) and not (name in self._inverted and constraint.assumption.mask):
            return self._written(name, constraint.written, indices, self._unconstrained)
        array = self._program.arrays.get(name)
        relation = Relation.FREE if constraint is None or isinstance(constraint, Projection) else constraint.relation
        return single(Entry(name, indices, is_positive=bool(array and array.positive), relation=relation))

    def _is_symmetric(self, name: str) -> bool:
        """Whether a matrix that is inverted equals its transpose: by an assumption, or by its definition."""
        if name not in self._symmetric:
            constraint, definition = self._constraints.get(name), self._program.definitions.get(name)
            stated = constraint.assumption if isinstance(constraint, Projection) else None
            self._symmetric[name] = stated is not None and (
                stated.is_symmetry or isinstance(stated.mask, sp.KroneckerDelta)
            )
            if definition:
                i, j = definition.indices
                rest = Normaliser(self._program, frozenset(self._program.definitions), {}, self._assumed)
                self._symmetric[name] = rest(definition.rhs) == rest(definition.at((j, i)))
        return self._symmetric[name]

    def _written(
        self, name: str, rule: Written, indices: tuple[Index, ...], translate: Callable[[Basic], Polynomial]
    ) -> Polynomial:
        """The right side of a rule for an entry, in the indices of the entry."""
        left, right = rule
        letters = map(index_text, indices_of(left))
        if name not in self._definitions:
            self._definitions[name] = translate(right)
        return algebra.rename(self._definitions[name], {i: j for i, j in zip(letters, indices, strict=True) if i != j})

    def _unconstrained(self, expr: Basic) -> Polynomial:
        """The translation without assumptions."""
        return Normaliser(self._program, frozenset())(expr)


def _decided(expr: Basic, condition: Basic, branch: int) -> Basic:
    """``expr`` with this branch for each choice by ``condition``, but not in a sum or a selection along an index of the
    condition, which looks at other positions."""
    if not parts_of(expr, where):
        return expr
    bound = bound_indices(expr) if isinstance(expr, sp.Sum) else expr.args[1:] if isinstance(expr, selection) else ()
    if free_indices(condition).intersection(bound):
        return expr
    if isinstance(expr, where) and expr.args[0] == condition:
        return _decided(expr.args[branch], condition, branch)
    if isinstance(expr, sp.Sum):
        return sum_over(_decided(expr.function, condition, branch), bound_indices(expr))
    return expr.func(*(_decided(arg, condition, branch) for arg in expr.args))


@lru_cache(maxsize=4096)
def index_text(index: Basic) -> Index:
    """The text of an index in the normal form; it differs from the text of any other index or atom."""
    if not isinstance(index, Idx) or index.upper is None:
        raise NoNormalForm(f"{sp.sympify(index)} is not an index over an axis")
    letter = index.name
    if not letter.removeprefix(RESERVED).isidentifier() or index != index_over(letter, index.upper + 1):
        raise NoNormalForm(f"{letter!r} is not the letter of an index")
    return f"{letter}@{axis_name(index)}"
