"""Assumptions about inputs, as the checker uses them.

*Lemma.*  A sum of entries, or symmetry, is a projection: an expression in free entries that maps all arrays onto the
arrays that satisfy the assumption and does not change these.  So an equality after the substitution, for all arrays, is
an equality for all arrays that satisfy the assumption.  One-hot rows and domains are not the image of such a
substitution; their entries obey relations (``normal_form.entries``), and their values are chosen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from sympy import Expr

from symgrad.check.normal_form.atoms import NoNormalForm
from symgrad.check.normal_form.entries import Relation
from symgrad.equations import Assumption, Domain
from symgrad.notation import array_names, bound_indices
from symgrad.program import Program

Written = tuple[Expr, Expr]
"""An entry of an array and the expression that stands for it, in the entry's letters."""
Place = tuple[int, ...]


@dataclass(frozen=True)
class Projection:
    """``written``: an entry, and what to write for it so that the array satisfies ``assumption``."""

    assumption: Assumption
    written: Written


@dataclass(frozen=True)
class OneHot:
    """One entry at most in each row (the last axis) is 1, the others are 0; ``is_complete`` if one is."""

    is_complete: bool

    @property
    def relation(self) -> Relation:
        """What the normal form knows of its entries."""
        return Relation.EXACTLY_ONE if self.is_complete else Relation.AT_MOST_ONE


@dataclass(frozen=True)
class Entries:
    """Every entry lies in ``domain``."""

    domain: Domain

    @property
    def relation(self) -> Relation:
        """What the normal form knows of its entries."""
        if self.domain.low < 0:
            return Relation.SIGN
        return Relation.BINARY if self.domain.values else Relation.NONNEGATIVE


Constraint = Projection | OneHot | Entries


def constraints(assumed: Iterable[Assumption], program: Program) -> dict[str, Constraint]:
    """What the assumptions say, by the name of the input.

    Raises ``NoNormalForm`` for an assumption of another kind, or for two that are not known together.
    """
    by_array: dict[str, list[Assumption]] = {}
    for assumption in assumed:
        names = array_names(assumption.lhs) | array_names(assumption.rhs)
        if len(names) != 1 or not names <= {a.name for a in program.inputs}:
            raise NoNormalForm(f"the assumption {assumption.key} is not about one input")
        by_array.setdefault(min(names), []).append(assumption)
    return {name: _constraint(given) for name, given in by_array.items()}


def _constraint(given: Sequence[Assumption]) -> Constraint:
    others = [a for a in given if not a.is_one_hot]
    if len(others) < len(given) and all(_is_row_sum(a) and a.rhs == 1 for a in others):
        return OneHot(bool(others))
    if len(given) > 1:
        raise NoNormalForm(f"the assumptions {' and '.join(a.key for a in given)} are about one array")
    (assumption,) = given
    left, right = assumption.lhs, assumption.rhs
    if assumption.domain:
        return Entries(assumption.domain)
    if assumption.is_sum:
        (index,) = bound_indices(left)
        return Projection(assumption, (left.function, left.function + (right - left) / (index.upper + 1)))
    if assumption.is_symmetry:
        return Projection(assumption, (left, (left + right) / 2))
    raise NoNormalForm(
        f"the assumption {assumption.key} is neither a sum of entries, nor symmetry, nor one-hot rows, nor a domain"
    )


def _is_row_sum(assumption: Assumption) -> bool:
    left = assumption.lhs
    return assumption.is_sum and bound_indices(left) == left.function.indices[-1:]


def choices(constraint: Constraint | None, shape: Sequence[int]) -> Iterator[dict[Place, int]]:
    """Every array of a shape whose rows are one-hot, or whose entries lie in a finite domain, entry by entry; no entry
    is chosen under another constraint."""
    if isinstance(constraint, OneHot):
        yield from labelings(shape, constraint.is_complete)
    elif isinstance(constraint, Entries) and constraint.domain.values:
        places = list(product(*map(range, shape)))
        for chosen in product(constraint.domain.values, repeat=len(places)):
            yield dict(zip(places, chosen, strict=True))
    else:
        yield {}


def labelings(shape: Sequence[int], is_complete: bool) -> Iterator[dict[Place, int]]:
    """Every array of a shape whose rows are one-hot, entry by entry."""
    rows = list(product(*map(range, shape[:-1])))
    hot = range(0 if is_complete else -1, shape[-1])
    for chosen in product(hot, repeat=len(rows)):
        yield {(*row, k): int(k == label) for row, label in zip(rows, chosen, strict=True) for k in range(shape[-1])}
