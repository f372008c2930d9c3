"""Use an assumption: replace its left side by its right side where that makes a line shorter."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from sympy import Add, Expr, Indexed, Integer, KroneckerDelta, Mul, Pow, Sum, Symbol
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.canonical import canonical
from symgrad.engine.matrix_structure import in_chains, in_one_sum, masked, transpose, with_lengths
from symgrad.engine.summation import contract, multiplied_out, ordered_sums, split_sums, terms_apart
from symgrad.equations import Assumption, Domain
from symgrad.functions import absolute, selection
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

MOST_TURNS = 4  # entries of a symmetric matrix in a sum for which both orders of indices are tried


def use(program: Program, expr: Expr, assumption: Assumption, order: Sequence[Idx]) -> tuple[Expr, frozenset[str]]:
    """``expr`` simplified by ``assumption``, and the abbreviations that were expanded for it.

    ``order`` has the free indices of the line in the order of its left side.
    """
    if assumption.is_orthogonality:
        return with_lengths(expr, min(array_names(assumption.lhs)), program), frozenset()
    if isinstance(assumption.lhs, Sum):
        return _with_sums_replaced(program, expr, assumption)
    if assumption.is_symmetry:
        return in_chains(turned(expr, assumption.lhs.base.name, order), assumption.lhs.base.name, order), frozenset()
    if assumption.mask is not None:
        return masked(expr, assumption, program), frozenset()
    if assumption.domain:
        (name,) = array_names(assumption.lhs)
        return _with_entries_replaced(expr, name, assumption.domain), frozenset()
    return _picked(expr, assumption) if assumption.is_one_hot else expr, frozenset()


# --- y**2 = y, y**2 = 1, |y| = y ------------------------------------------------------------------------------------


def _with_entries_replaced(expr: Basic, name: str, domain: Domain) -> Expr:
    """``expr`` simplified by a domain: powers of an entry lowered, also inside a bracket that the entry multiplies, and
    absolute values of nonnegative entries removed."""
    if not expr.args or isinstance(expr, (Indexed, Idx)) or name not in array_names(expr):
        return expr
    if isinstance(expr, Sum):
        return sum_over(_with_entries_replaced(expr.function, name, domain), bound_indices(expr))
    args = [_with_entries_replaced(arg, name, domain) for arg in expr.args]
    if isinstance(expr, absolute) and domain.low == 0 and _is_entry(args[0], name):
        return args[0]
    if not domain.values:
        return expr.func(*args)
    if isinstance(expr, Pow) and isinstance(args[1], Integer) and args[1] > 1 and _is_entry(args[0], name):
        return args[0] ** (args[1] % 2 if -1 in domain.values else 1)
    new = expr.func(*args)
    for factor in new.args if isinstance(new, Mul) else ():
        for bracket in (b for b in new.args if isinstance(b, Add) and _is_entry(factor, name)):
            terms = [_with_entries_replaced(factor * term, name, domain) for term in bracket.args]
            rest = new / factor / bracket
            divided = Add(*(term / factor for term in terms))
            shorter = min((new, rest * Add(*terms), rest * factor * divided), key=lambda e: e.count_ops())
            if shorter != new:
                return _with_entries_replaced(shorter, name, domain)
    return new


# --- sums -----------------------------------------------------------------------------------------------------------


def _with_sums_replaced(program: Program, expr: Expr, assumption: Assumption) -> tuple[Expr, frozenset[str]]:
    """``expr`` with every sum that equals the left side, possibly after expansion, replaced; and what was expanded."""
    indices = sorted(free_indices(assumption.lhs), key=str)
    opened: frozenset[str] = frozenset()
    for total in sorted(parts_of(expr, Sum), key=lambda e: e.sort_key()):
        free = sorted(free_indices(total), key=str)
        choices = [[i for i in free if axis_name(i) == axis_name(wanted)] for wanted in indices]
        for choice in product(*choices):
            at = dict(zip(indices, choice, strict=True))
            lhs, rhs = canonical(renamed(assumption.lhs, at)), renamed(assumption.rhs, at)
            if canonical(total) == lhs and _selects(replaced(expr, {total: rhs})):
                expr = replaced(expr, {total: rhs})
                break
            short = program.opened(total, _defined_by(program, lhs))
            value = multiplied_out(replaced(split_sums(program.written_out(total, short)), {lhs: rhs}))
            if short and not value.has(Sum) and _selects(replaced(expr, {total: value})):
                expr, opened = replaced(expr, {total: value}), opened | short
                break
    return expr, opened


def _selects(expr: Expr) -> bool:
    """Whether every selection in ``expr`` still depends on the index along which it selects."""
    return all(index in free_indices(row) for row, index in (call.args for call in parts_of(expr, selection)))


def _defined_by(program: Program, lhs: Expr) -> set[str]:
    """The abbreviations whose definitions use an array of ``lhs``."""
    return {d.name for d in program.ordered if not d.is_node and array_names(d.rhs) & array_names(lhs)}


# --- a[i, j] = a[j, i] ----------------------------------------------------------------------------------------------


def turned(expr: Expr, name: str, order: Sequence[Idx]) -> Expr:
    """``expr`` with entries of a symmetric matrix transposed so that like terms merge.

    As in a matrix product, the row index of the left side comes first, bound indices next, the column index last.
    """
    apart = terms_apart(freshen(expr))
    merged = ordered_sums(Add(*(_least_product(term, name, free_indices(expr)) for term in Add.make_args(apart))))
    merged = canonical(_outermost_first(merged, name, ()))
    return min(_transposed(expr, name, order), _transposed(merged, name, order), key=lambda e: e.count_ops())


def oriented(expr: Expr, name: str, order: Sequence[Idx]) -> Expr:
    """``expr`` with every entry of a symmetric matrix in the order of a matrix product: the row index of the left side,
    bound indices, the column index."""
    free = free_indices(expr)
    position = {index: order.index(index) for index in free if index in order}
    entries = (e for e in expr.atoms(Indexed) if e.base.name == name)
    misplaced = {e for e in entries if position.get(e.indices[1], 0.5) < position.get(e.indices[0], 0.5)}
    return ordered_sums(replaced(expr, {e: transpose(e) for e in misplaced}))


def _least_product(term: Expr, name: str, free: frozenset[Idx]) -> Expr:
    """A product with its sums in front, as one sum, and the entries of the matrix in the order that sorts first."""
    factors, bound = in_one_sum(term)
    total = sum_over(Mul(*factors), bound)
    return _least(total, name, free) if isinstance(total, Sum) and name in array_names(total) else term


def _outermost_first(expr: Basic, name: str, bound: Sequence[Idx]) -> Expr:
    """``expr`` with the entries of a symmetric matrix whose indices are ``bound``, outermost first, in that order."""
    if isinstance(expr, Indexed):
        positions = [bound.index(i) for i in expr.indices if i in bound]
        misplaced = expr.base.name == name and len(positions) == 2 and positions[1] < positions[0]
        return transpose(expr) if misplaced else expr
    if isinstance(expr, Sum):
        inner = bound_indices(expr)
        return sum_over(_outermost_first(expr.function, name, (*bound, *inner)), inner)
    is_whole = not expr.args or name not in array_names(expr)
    return expr if is_whole else expr.func(*(_outermost_first(arg, name, bound) for arg in expr.args))


def _transposed(expr: Expr, name: str, order: Sequence[Idx]) -> Expr:
    """``expr`` with misplaced entries transposed, if that puts a matrix product in order or makes it shorter."""
    free = free_indices(expr)

    def position(index: Idx) -> float:
        return order.index(index) if index in free else 0.5

    entries = {e for e in parts_of(expr, Indexed) if e.base.name == name}
    misplaced = {e for e in entries if position(e.indices[1]) < position(e.indices[0])}
    new = replaced(expr, {e: transpose(e) for e in misplaced})
    new = ordered_sums(replaced(new, {total: _least(total, name, free) for total in _outermost(new)}))
    is_matrix_order = any(not set(e.indices) <= free for e in misplaced)
    return new if is_matrix_order or new.count_ops() < expr.count_ops() else expr


def _outermost(expr: Basic) -> set[Sum]:
    if isinstance(expr, Sum):
        return {expr}
    return set[Sum]().union(*(_outermost(arg) for arg in expr.args))


def _least(total: Sum, name: str, free: frozenset[Idx]) -> Expr:
    """A sum with its entries whose indices are both bound in the order that sorts first, so that equal sums merge."""
    inside = [e for e in parts_of(total, Indexed) if e.base.name == name and not set(e.indices) & free]
    inside = sorted(inside, key=lambda e: e.sort_key())[:MOST_TURNS]
    choices = product(*((e, transpose(e)) for e in inside))
    candidates = [canonical(replaced(total, dict(zip(inside, choice, strict=True)))) for choice in choices]
    return min(candidates, key=lambda e: e.sort_key())


# --- y[n, k] y[n, j] = delta(k, j) y[n, k] --------------------------------------------------------------------------


def _picked(expr: Expr, assumption: Assumption) -> Expr:
    """``expr`` with products of two entries of a row replaced, if that makes it shorter."""
    (name,) = array_names(assumption.lhs)
    new = _with_products_replaced(expr, name)
    for axis in sorted({axis_name(e.args[0]) for e in parts_of(new, KroneckerDelta)}):
        new = contract(new, axis)
    new = ordered_sums(new)
    return new if new.count_ops() < expr.count_ops() else expr


def _with_products_replaced(expr: Basic, name: str) -> Expr:
    if not expr.args or isinstance(expr, (Indexed, Idx, KroneckerDelta)) or name not in array_names(expr):
        return expr
    if isinstance(expr, Sum):
        return sum_over(_with_products_replaced(expr.function, name), bound_indices(expr))
    args = [_with_products_replaced(arg, name) for arg in expr.args]
    if isinstance(expr, Pow) and _is_entry(args[0], name) and isinstance(args[1], Integer) and args[1] > 1:
        return args[0]
    new = expr.func(*args)
    return _product(new, name) if isinstance(new, Mul) else new


def _product(expr: Mul, name: str) -> Expr:
    """A product of two entries of a row with one of them replaced by a delta; the second may be inside a sum."""
    for entry in (f for f in expr.args if _is_entry(f, name)):
        *row, k = entry.indices
        for factor in expr.args:
            if factor != entry and _is_entry(factor, name) and list(factor.indices[:-1]) == row:
                return _with_products_replaced(expr / factor * KroneckerDelta(k, factor.indices[-1]), name)
            if isinstance(factor, Add) and (bracket := _beside(factor, entry)) != factor:
                return _with_products_replaced(expr / factor * bracket, name)
            if isinstance(factor, Sum) and (summand := _term_at(factor, entry)) is not None:
                return _with_products_replaced(expr / factor * summand, name)
    return expr


def _beside(bracket: Add, entry: Indexed) -> Expr:
    """A bracket simplified for a product with ``entry``."""
    return Add(*(_with_products_replaced(entry * term, entry.base.name) / entry for term in bracket.args))


def _term_at(total: Sum, entry: Indexed) -> Expr | None:
    """The summand without its entry, at the index of ``entry``, if the sum is over entries of the same row."""
    *row, k = entry.indices
    for factor in Mul.make_args(total.function):
        if _is_entry(factor, entry.base.name) and list(factor.indices[:-1]) == row:
            j = factor.indices[-1]
            if j in bound_indices(total):
                others = [i for i in bound_indices(total) if i != j]
                return renamed(sum_over(total.function / factor, others), {j: k})
    return None


def _is_entry(expr: Basic, name: str) -> bool:
    """Whether an expression is an entry of the array ``name``, or the scalar ``name``."""
    return isinstance(expr, (Indexed, Symbol)) and array_names(expr) == {name}
