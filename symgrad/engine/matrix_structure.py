"""The structure of matrices: symmetry by definition, zeros, orthogonality, and the order of matrix products."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from sympy import Add, Expr, Indexed, KroneckerDelta, Mul, Pow, Sum
from sympy.tensor.indexed import Idx

from symgrad.canonical import canonical, extent
from symgrad.engine.summation import contract, ordered_sums, terms_apart
from symgrad.equations import Assumption
from symgrad.matrix_functions import inverse
from symgrad.notation import (
    array_names,
    axis_name,
    bound_indices,
    free_indices,
    freshen,
    parts_of,
    renamed,
    replaced,
    sum_over,
)
from symgrad.program import Program

MOST_PARTS = 400
"""A matrix with a longer definition is not examined for symmetry."""

Defined = Mapping[str, tuple[tuple[Idx, ...], Expr]]
"""Arrays beside those of a program, with their indices and right sides."""


def symmetric_given(name: str, program: Program, closed: Defined) -> tuple[Assumption, ...] | None:
    """The fewest assumptions that make a matrix symmetric, none for X^T X; None if it is not known to be symmetric.

    The inverse of a symmetric matrix is symmetric.  ``closed`` has the closed forms of adjoints.
    """
    definition = program.definitions.get(name)
    if definition is None and name not in closed:
        about = (a for a in program.assumptions if a.is_structure and array_names(a.lhs) == {name})
        return next(((a,) for a in about if a.is_symmetry or isinstance(a.mask, KroneckerDelta)), None)
    indices, rhs = (definition.indices, definition.rhs) if definition else closed[name]
    if isinstance(rhs, inverse):
        return symmetric_given(rhs.matrix, program, closed)
    if len(indices) != 2 or len(set(map(axis_name, indices))) == 2 or extent(rhs) > MOST_PARTS:
        return None
    swapped = renamed(rhs, dict(zip(indices, indices[::-1], strict=True)))
    entries = [
        e
        for e in parts_of(swapped, Indexed)
        if len(e.indices) == 2 and axis_name(e.indices[0]) == axis_name(e.indices[1])
    ]
    assumed = {n: symmetric_given(n, program, closed) for n in array_names(Add(*entries))}
    known = {n: some for n, some in assumed.items() if some is not None}
    needed = sorted({a for some in known.values() for a in some}, key=lambda a: a.key)
    goal = _apart(rhs)
    for some in (some for count in range(len(needed) + 1) for some in combinations(needed, count)):
        turnable = (e for e in entries if e.base.name in known and {*known[e.base.name]} <= {*some})
        if goal in (_apart(swapped), _apart(replaced(swapped, {e: transpose(e) for e in turnable}))):
            return some
    return None


def _apart(expr: Expr) -> Expr:
    """A sum of products, each with its sums in front; where a factor is a delta, the others have its first index."""
    terms = []
    for term in Add.make_args(terms_apart(freshen(expr.expand()))):
        factors, bound = in_one_sum(term)
        for delta in (f for f in factors if isinstance(f, KroneckerDelta)):
            first, second = sorted(delta.args[:2], key=str)
            factors = [f if f == delta else renamed(f, {second: first}) for f in factors]
        terms.append(sum_over(Mul(*factors), bound))
    return canonical(Add(*terms))


def in_chains(expr: Expr, name: str, order: Sequence[Idx]) -> Expr:
    """``expr`` with the entries of a symmetric matrix in the order in which a matrix product reads them: from the row
    index of the left side to its column index."""
    if not order or len(set(order)) < len(order):
        return expr
    expr = freshen(expr)
    misplaced = {e for term in Add.make_args(terms_apart(expr)) for e in _against_the_chain(term, order)}
    return ordered_sums(replaced(expr, {e: transpose(e) for e in misplaced if e.base.name == name}))


def _against_the_chain(term: Expr, order: Sequence[Idx]) -> Iterator[Indexed]:
    """The entries whose column index a product meets first, read from its row index, or from its column index back."""
    links = [factor for factor in in_one_sum(term)[0] if len(free_indices(factor)) == 2]
    for here, first in [(order[0], 0), (order[-1], 1)][: len(order)]:
        while len(nearby := [link for link in links if here in free_indices(link)]) == 1:
            (link,) = nearby
            links.remove(link)
            (there,) = free_indices(link) - {here}
            if isinstance(link, Indexed) and link.indices[first] != here:
                yield link
            for inner in Add.make_args(terms_apart(link)) if isinstance(link, Add) else ():
                yield from _against_the_chain(inner, (there, here) if first else (here, there))
            here = there


def masked(expr: Expr, assumption: Assumption, program: Program) -> Expr:
    """``expr`` simplified by the zeros of a matrix: sums keep only its diagonal, and masks beside its entries go."""
    entry, mask, expr = assumption.lhs, assumption.mask, freshen(expr)
    assert mask is not None
    entries = [e for e in expr.atoms(Indexed) if e.base == entry.base]
    masks = {e: renamed(mask, dict(zip(entry.indices, e.indices, strict=True))) for e in entries}
    if isinstance(mask, KroneckerDelta):
        return _shorter(expr, replaced(expr, {e: m * e for e, m in masks.items() if len(set(e.indices)) == 2}), program)
    products = {part for part in expr.atoms(Mul) for e, m in masks.items() if {e, m} <= set(part.args)}
    return replaced(expr, {part: Mul(*(f for f in part.args if f not in masks.values())) for part in products})


def _shorter(expr: Expr, new: Expr, program: Program) -> Expr:
    """``new`` without its deltas in sums, if it is then shorter than ``expr``."""
    for axis in program.axes:
        new = contract(new, axis.name)
    new = ordered_sums(new)
    return new if new.count_ops() < expr.count_ops() else expr


def with_lengths(expr: Expr, name: str, program: Program) -> Expr:
    """``expr`` with deltas for the sums over the products of two columns, or two rows, of an orthogonal matrix."""
    terms = Add.make_args(terms_apart(freshen(expr)))
    return _shorter(expr, Add(*(_contracted(term, name) for term in terms)), program)


def _contracted(term: Expr, name: str) -> Expr:
    """A product of sums as one sum, with a delta for two entries of an orthogonal matrix that share a bound index."""
    factors, bound = in_one_sum(term)
    factors = [
        f
        for factor in factors
        for f in ([factor.base] * 2 if isinstance(factor, Pow) and factor.exp == 2 else [factor])
    ]
    for k in bound:
        touching = [f for f in factors if k in free_indices(f)]
        if len(touching) == 2 and all(isinstance(f, Indexed) and f.base.name == name for f in touching):
            one, other = (f.indices for f in touching)
            place = one.index(k)
            if other[place] == k and k not in (one[1 - place], other[1 - place]):
                rest = [f for f in factors if f not in touching]
                delta = KroneckerDelta(one[1 - place], other[1 - place])
                return _contracted(sum_over(Mul(delta, *rest), [i for i in bound if i != k]), name)
    return term


def in_one_sum(term: Expr) -> tuple[list[Expr], list[Idx]]:
    """The factors of a product, also those in its sums, and the indices of the sums."""
    bound: list[Idx] = []
    factors, waiting = list[Expr](), list(Mul.make_args(term))
    while waiting:
        factor = waiting.pop()
        if isinstance(factor, Sum):
            bound += bound_indices(factor)
            waiting += Mul.make_args(factor.function)
        else:
            factors.append(factor)
    return factors, bound


def transpose(entry: Indexed) -> Indexed:
    """The entry of the transpose of a matrix at the same indices."""
    return entry.base[entry.indices[::-1]]
