"""Small edits of an expression: a term dropped, a sign flipped, a sum cut short.

Each generator takes a part of an expression, the indices in scope and the arrays of the program, and yields edits: a
kind of mistake, a description with ``{}`` for each of its operands, the operands, the new part, and a cost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product

from sympy import Add, Expr, Function, Indexed, IndexedBase, Integer, KroneckerDelta, Mul, Pow, Sum, Symbol
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.diagnosis.hypothesis import HARD, LAST, probability_text
from symgrad.facts import probabilities
from symgrad.functions import clip, maximum, minimum, step, where
from symgrad.index_letters import fresh_letter
from symgrad.matrix_functions import OF_MATRICES
from symgrad.notation import (
    Array,
    Axis,
    array_names,
    axis_name,
    bound_indices,
    entries,
    every_index,
    free_indices,
    indices_of,
    name_of,
    renamed,
    replaced,
    sum_over,
)
from symgrad.render.text import expression_text, name_text
from symgrad.steps import Record

LIKELY = -0.6
"""The cost of an edit of a branch: other edits match a missing branch only by chance."""
INSTEAD = "{} is used instead of {}"

Edit = tuple[str, str, tuple[Basic | str, ...], Expr, float]
Scope = Sequence[Idx]
Arrays = Sequence[Array]
Generator = Callable[[Expr, Scope, Arrays], Iterator[Edit]]


@dataclass(frozen=True)
class Change:
    """An edited expression ``after``, the ``kind`` of the mistake, and its description in ``words``."""

    kind: str
    words: Callable[[], str]
    after: Expr
    cost: float


def changes(
    expr: Expr, scope: Scope, arrays: Arrays, record: Record, generators: Sequence[Generator]
) -> Iterator[Change]:
    """Every edit of every part of an expression.

    ``scope`` are the indices that may be free in it, ``arrays`` the arrays that may replace another one.
    """
    for part, rebuild in _parts(expr, lambda new: new):
        inside = [*scope, *(i for i in sorted(free_indices(part), key=str) if i not in scope)]
        for generator in generators:
            for kind, template, operands, new, cost in generator(part, inside, arrays):
                after = rebuild(new)
                if after != expr:
                    skipped = kind == "swapped" and _skipped_function(record, part, new)
                    words = partial(
                        _words, record, f"{skipped} is left out: {template}" if skipped else template, operands
                    )
                    yield Change("skipped" if skipped else kind, words, after, cost)


def _words(record: Record, template: str, operands: Sequence[Basic | str]) -> str:
    return template.format(*(str(o) if isinstance(o, (Idx, str)) else expression_text(o, record) for o in operands))


def _skipped_function(record: Record, part: Expr, new: Expr) -> str:
    """The softmax or logistic function that is left out if ``new`` are the logits of the probabilities ``part``."""
    for p in probabilities(record.program):
        if array_names(part) == {p.name} and array_names(new) <= array_names(p.exponent):
            return probability_text(record.program, p.name)
    return ""


def _parts(expr: Expr, rebuild: Callable[[Expr], Expr]) -> Iterator[tuple[Expr, Callable[[Expr], Expr]]]:
    """Every part of an expression, with a function that rebuilds the expression with another part in its place."""
    yield expr, rebuild
    if isinstance(expr, (Indexed, Idx, KroneckerDelta, *OF_MATRICES)):
        return
    if isinstance(expr, Sum):
        bound = bound_indices(expr)
        yield from _parts(expr.function, lambda new: rebuild(sum_over(new, bound)))
        return
    for number, arg in enumerate(expr.args):
        if not isinstance(arg, Idx) and not arg.is_number:
            yield from _parts(arg, _inside(expr, number, rebuild))


def _inside(expr: Expr, number: int, rebuild: Callable[[Expr], Expr]) -> Callable[[Expr], Expr]:
    return lambda new: rebuild(expr.func(*expr.args[:number], new, *expr.args[number + 1 :]))


# --- terms and factors ------------------------------------------------------------------------------------------------


def terms(part: Expr, scope: Scope, arrays: Arrays) -> Iterator[Edit]:
    """A term of a sum missing, or with a wrong sign or factor."""
    for term in part.args if isinstance(part, Add) else ():
        rest = part - term
        yield "missing" if not rest.is_number else "term", "the term {} is missing", (term,), rest, 0
        yield "sign", "the term {} has the wrong sign", (term,), rest - term, 0.2
        yield "factor", "the term {} is doubled", (term,), rest + 2 * term, 0.2
        yield "factor", "the term {} is halved", (term,), rest + term / 2, 0.2
        for size in _sizes_of(arrays):
            yield "factor", "the term {} is divided by {}", (term, size), rest + term / size, 0.3
            yield "factor", "the term {} is multiplied by {}", (term, size), rest + term * size, 0.3


def _sizes_of(arrays: Arrays) -> list[Symbol]:
    return sorted({axis.size for array in arrays for axis in array.axes}, key=str)


def factors(part: Expr, scope: Scope, arrays: Arrays) -> Iterator[Edit]:
    """A factor of a product missing."""
    for factor in part.args if isinstance(part, Mul) else ():
        if factor != -1:
            rest = Mul(*(arg for arg in part.args if arg is not factor))
            kind = "factor" if not array_names(factor) or not free_indices(factor) else "term"
            kind = "branch" if isinstance(factor, step) or isinstance(1 - factor, step) else kind
            yield kind, "the factor {} is missing", (factor,), rest, 0.1


def sizes(part: Expr, scope: Scope, arrays: Arrays) -> Iterator[Edit]:
    """A size N missing throughout, N - 1 in place of N or the reverse, or a scalar scaled by N/(N - 1) or its
    inverse."""
    every = _sizes_of(arrays)
    for size in every if isinstance(part, Pow) else ():
        if part.base in (size, size - 1):
            other = (2 * size - 1 - part.base) ** part.exp
            yield "factor", INSTEAD, (other, part), other, -0.05 if part.base != size else 0.2
    scalars = [array[()] for array in arrays if not array.axes and array.name in array_names(part)]
    for size, scalar in product(every, scalars if isinstance(part, Add) else ()):
        for ratio in (size / (size - 1), (size - 1) / size) if size in part.free_symbols else ():
            yield "factor", INSTEAD, (ratio * scalar, scalar), replaced(part, {scalar: ratio * scalar}), 0.3
    for size in every if not isinstance(part, (Pow, Symbol, Indexed)) else ():
        if sum(size in arg.free_symbols for arg in part.args) > 1:
            yield "factor", "{} is missing throughout", (size,), replaced(part, {size: Integer(1)}), 0.3


# --- sums -------------------------------------------------------------------------------------------------------------


def sums(part: Expr, scope: Scope, arrays: Arrays) -> Iterator[Edit]:
    """A sum cut to its diagonal term, or to its last term."""
    for index in bound_indices(part) if isinstance(part, Sum) else ():
        others = [i for i in bound_indices(part) if i != index]
        for free in scope:
            if axis_name(free) == axis_name(index) and free not in others and free != index:
                cut = sum_over(renamed(part.function, {index: free}), others)
                yield "diagonal", "only the term {} = {} of the sum over {} is used", (index, free, index), cut, 0
        last = Indexed(IndexedBase(LAST + axis_name(index), real=True), index)
        only = sum_over(last * part.function, bound_indices(part))
        words = "only the last term of the sum over {} is used, as if each term overwrote the previous one"
        yield "unsummed", words, (index,), only, 0.2


def moved_sums(part: Expr, scope: Scope, arrays: Arrays) -> Iterator[Edit]:
    """A sum over another axis of the same arrays, or over both axes."""
    if not isinstance(part, Sum) or len(bound_indices(part)) != 1:
        return
    (index,) = bound_indices(part)
    axes = {axis.name: axis for array in arrays for axis in array.axes}
    letters = {str(i) for i in (*scope, index)}
    for kept in sorted(free_indices(part) & set(scope), key=str):
        letter = next((letter for letter in axes[axis_name(kept)].spares if letter not in letters), None)
        if axis_name(kept) == axis_name(index) or letter is None:
            continue
        new = axes[axis_name(kept)].index(letter)
        both = sum_over(renamed(part.function, {kept: new}), (index, new))
        names = axis_name(index), axis_name(kept)
        yield "axis", "the sum over {} is taken over {} as well", names, both, 0.3
        for at in scope:
            if axis_name(at) == axis_name(index) and at not in free_indices(part):
                moved = sum_over(renamed(part.function, {kept: new, index: at}), (new,))
                yield "axis", "the sum over {} is taken over {} instead", names, moved, 0.1


# --- functions --------------------------------------------------------------------------------------------------------


def branches(part: Expr, scope: Scope, arrays: Arrays) -> Iterator[Edit]:
    """One branch of a piecewise function in place of all, one branch left out, or a condition without its function."""
    if isinstance(part, (where, maximum, minimum, clip)):
        every = part.args[isinstance(part, where) :]
        for branch in every:
            yield "branch", f"{INSTEAD} in every branch", (branch, part), branch, LIKELY
            if isinstance(part, where):
                rest = part.func(part.args[0], *(Integer(0) if arg == branch else arg for arg in every))
                yield "branch", "the branch {} is left out", (branch,), rest, LIKELY
    if isinstance(part, where):
        condition, yes, no = part.args
        for call in sorted((c for c in condition.atoms(Function) if len(c.args) == 1), key=str):
            other = where(replaced(condition, {call: call.args[0]}), Integer(0), no)
            words = f"{INSTEAD} to choose the branch {{}}"
            yield "skipped", words, (call.args[0], call, no), where(condition, yes, other), 0.2


def powers(part: Expr, scope: Scope, arrays: Arrays) -> Iterator[Edit]:
    """A power with a wrong exponent or written as a product, or a function left out."""
    if isinstance(part, Pow) and array_names(part.base) and part.exp != -1:
        yield "term", INSTEAD, (part.base, part), part.base, 0.2
        if part.exp.is_number:
            lower = part.base ** (part.exp + (1 if part.exp < 0 else -1))
            yield "term", INSTEAD, (lower, part), lower, 0.3
        for multiple in (part.exp * part.base, 1 / (-part.exp * part.base)):
            yield "power", "the product {} is used instead of the power {}", (multiple, part), multiple, 0.25
    if isinstance(part, Pow) and array_names(part.base) and part.exp == -1:
        yield "term", INSTEAD, (part.base**-2, part), part.base**-2, 0.3
    if isinstance(part, Function) and len(part.args) == 1:
        yield "skipped", INSTEAD, (part.args[0], part), part.args[0], 0.2


# --- arrays -----------------------------------------------------------------------------------------------------------


def swapped_arrays(part: Expr, scope: Scope, arrays: Arrays) -> Iterator[Edit]:
    """Another array with the same axes."""
    if not isinstance(part, (Indexed, Symbol)) or part.is_integer:
        return
    indices = indices_of(part)
    for array in arrays:
        if [axis.name for axis in array.axes] == list(map(axis_name, indices)) and name_of(part) != array.name:
            yield "swapped", INSTEAD, (array[indices], part), array[indices], 0.3


def hard_labels(part: Expr, scope: Scope, arrays: Arrays) -> Iterator[Edit]:
    """An entry computed from hard labels, though the labels are soft."""
    if isinstance(part, Indexed) and any(part.base.name == array.name for array in arrays):
        hard = Indexed(IndexedBase(HARD + part.base.name, real=True), *part.indices)
        yield "assumption", "{} is computed as if the labels were one-hot", (part,), hard, 0.3


GENERATORS: Sequence[Generator] = (
    *(terms, factors, sizes, sums, moved_sums, branches, powers, swapped_arrays, hard_labels),
)


# --- less likely edits ------------------------------------------------------------------------------------------------


def arrays_swapped_throughout(part: Expr, scope: Scope, arrays: Arrays) -> Iterator[Edit]:
    """Another array with the same axes, wherever an array occurs."""
    if isinstance(part, (Indexed, Symbol)):
        return
    for old in arrays:
        is_used = bool(old.axes and entries(part, old.name))
        for new in arrays if is_used else ():
            if new != old and new.axes == old.axes:
                names = name_text(new.name), name_text(old.name)
                yield "swapped", f"{INSTEAD} throughout", names, replaced(part, {old.base: new.base}), 0.5


def extra_factors(part: Expr, scope: Scope, arrays: Arrays) -> Iterator[Edit]:
    """A term times an entry that does not belong there, summed over the axes that the term lacks."""
    for term in part.args if isinstance(part, Add) else (part,) if isinstance(part, Mul) else ():
        for array in arrays:
            at = [next((i for i in scope if axis_name(i) == axis.name), _new(axis, part, scope)) for axis in array.axes]
            summed = [i for i in at if i not in scope]
            if len(set(at)) == len(at) and (len(summed) < len(at) or not at):
                entry = sum_over(array[tuple(at)], summed)
                words, cost = "the term {} has an extra factor {}", 0.6 + 0.1 * len(summed)
                yield "term", words, (term, entry), part - term + entry * term, cost


def _new(axis: Axis, part: Expr, scope: Scope) -> Idx:
    """A fresh index for a sum inside a part of an expression."""
    return fresh_letter(axis, {i.name for i in (*scope, *every_index(part))}, bound=True)


def true_class(part: Expr, scope: Scope, arrays: Arrays) -> Iterator[Edit]:
    """The entry of the true class in place of each entry, or the reverse, or a wrong sign at the true class."""
    for labels in (array for array in arrays if len(array.axes) == 2):
        row, column = (next((i for i in scope if axis_name(i) == axis.name), None) for axis in labels.axes)
        if row is None or column is None or row == column:
            continue
        if isinstance(part, Indexed) and part.indices == (row, column) and part.base.name != labels.name:
            over = _new(labels.axes[1], part, scope)
            entry = sum_over(labels[row, over] * renamed(part, {column: over}), (over,))
            yield "swapped", "{}, the entry of the true class, is used instead of {}", (entry, part), entry, 0.7
        elif isinstance(part, (Add, Mul)) and {row, column} <= free_indices(part):
            flipped = (1 - 2 * labels[row, column]) * part
            yield "sign", "{} has the wrong sign where {} is 1", (part, labels[row, column]), flipped, 0.8
        each = {total: _summand(total, labels, row, column) for total in part.atoms(Sum)}
        unpicked = {total: summand for total, summand in each.items() if summand is not None}
        if unpicked and (isinstance(part, Sum) or len(unpicked) > 1):
            words = "each entry is used instead of the one that {} selects"
            yield "swapped", words, (name_text(labels.name),), replaced(part, unpicked), 0.7


def _summand(total: Sum, labels: Array, row: Idx, column: Idx) -> Expr | None:
    """The summand of a sum over a row of labels, without the label, at ``column``; None for another sum."""
    over = bound_indices(total)
    if len(over) != 1 or labels[row, over[0]] not in Mul.make_args(total.function):
        return None
    return renamed(total.function / labels[row, over[0]], {over[0]: column})


def powers_as_products(part: Expr, scope: Scope, arrays: Arrays) -> Iterator[Edit]:
    """Every power written as a product."""
    every = [power for power in part.atoms(Pow) if array_names(power.base) and power.exp != -1]
    if len(every) > 1:
        products = replaced(part, {power: power.exp * power.base for power in every})
        yield "power", "every power is written as a product", (), products, 0.5


LESS_LIKELY: Sequence[Generator] = (arrays_swapped_throughout, extra_factors, true_class, powers_as_products)
"""Further generators, tried if ``GENERATORS`` explain nothing."""
