"""Assumptions about inputs, as the checker uses them.

*Lemma.*  For an assumption about a sum of entries, symmetry, or zeros off or above a diagonal, there is a projection:
an expression in free entries that maps all arrays onto the arrays that satisfy the assumption, and does not change
these.  So a line is true for all arrays that satisfy the assumption if, after the substitution, it is true for all
arrays.  One-hot rows, domains and orthogonal matrices are not the image of such a substitution; their entries obey
relations (``normal_form.sums``), and take chosen values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from sympy import Expr

from symgrad.check.normal_form.atoms import NoNormalForm
from symgrad.check.normal_form.sums import Relation
from symgrad.equations import Assumption, Domain
from symgrad.notation import array_names, bound_indices
from symgrad.program import Program

Written = tuple[Expr, Expr]
"""An entry of an array and the expression that stands for it, in the entry's letters."""
Position = tuple[int, ...]


@dataclass(frozen=True)
class Projection:
    """``written`` is an entry and its substitute, with which the array satisfies ``assumption``."""

    assumption: Assumption
    written: Written


@dataclass(frozen=True)
class OneHot:
    """In each row (the last axis), at most one entry is 1, and the others are 0; exactly one if ``is_complete``."""

    is_complete: bool

    @property
    def relation(self) -> Relation:
        """The relation that the entries obey in the normal form."""
        return Relation.EXACTLY_ONE if self.is_complete else Relation.AT_MOST_ONE


@dataclass(frozen=True)
class Entries:
    """Every entry lies in ``domain``."""

    domain: Domain

    @property
    def relation(self) -> Relation:
        """The relation that the entries obey in the normal form."""
        if self.domain.low < 0:
            return Relation.SIGN
        return Relation.BINARY if self.domain.values else Relation.NONNEGATIVE


@dataclass(frozen=True)
class Orthogonal:
    """The columns of a square matrix are orthogonal and have length 1, and so are its rows."""

    relation = Relation.ORTHOGONAL


Constraint = Projection | OneHot | Entries | Orthogonal


def constraints(assumed: Iterable[Assumption], program: Program) -> dict[str, Constraint]:
    """The constraints that assumptions place on inputs, by the name of the input.

    Raises ``NoNormalForm`` for an assumption of another kind, or a combination for which there is no constraint.
    """
    by_array: dict[str, list[Assumption]] = {}
    for assumption in assumed:
        names = array_names(assumption.lhs) | array_names(assumption.rhs)
        if len(names) != 1 or not names <= {a.name for a in program.inputs}:
            raise NoNormalForm(f"the assumption {assumption.key} is not about one input")
        by_array.setdefault(min(names), []).append(assumption)
    return {name: _constraint(assumptions) for name, assumptions in by_array.items()}


def _constraint(assumptions: Sequence[Assumption]) -> Constraint:
    others = [a for a in assumptions if not a.is_one_hot]
    if len(others) < len(assumptions) and all(_is_row_sum(a) and a.rhs == 1 for a in others):
        return OneHot(bool(others))
    if len(assumptions) > 1:
        raise NoNormalForm(f"the assumptions {' and '.join(a.key for a in assumptions)} are about one array")
    (assumption,) = assumptions
    left, right = assumption.lhs, assumption.rhs
    if assumption.domain:
        return Entries(assumption.domain)
    if assumption.is_sum:
        (index,) = bound_indices(left)
        return Projection(assumption, (left.function, left.function + (right - left) / (index.upper + 1)))
    if assumption.is_symmetry:
        return Projection(assumption, (left, (left + right) / 2))
    if assumption.mask is not None:
        return Projection(assumption, (left, right))
    if assumption.is_orthogonality:
        return Orthogonal()
    raise NoNormalForm(f"the assumption {assumption.key} is none of those that the checker knows")


def _is_row_sum(assumption: Assumption) -> bool:
    left = assumption.lhs
    return assumption.is_sum and bound_indices(left) == left.function.indices[-1:]


def choices(constraint: Constraint | None, shape: Sequence[int]) -> Iterator[dict[Position, int]]:
    """Every array of a shape with one-hot rows, or with entries in a finite domain, as the value of each entry.

    Under any other constraint there is one choice, without entries.
    """
    if isinstance(constraint, OneHot):
        yield from labelings(shape, constraint.is_complete)
    elif isinstance(constraint, Entries) and constraint.domain.values:
        positions = list(product(*map(range, shape)))
        for values in product(constraint.domain.values, repeat=len(positions)):
            yield dict(zip(positions, values, strict=True))
    else:
        yield {}


def labelings(shape: Sequence[int], is_complete: bool) -> Iterator[dict[Position, int]]:
    """Every array of a shape with one-hot rows, as the value of each entry."""
    rows = list(product(*map(range, shape[:-1])))
    hot = range(0 if is_complete else -1, shape[-1])
    for chosen in product(hot, repeat=len(rows)):
        yield {(*row, k): int(k == label) for row, label in zip(rows, chosen, strict=True) for k in range(shape[-1])}
