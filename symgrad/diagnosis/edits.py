"""Small changes of an expression, each with what it is in words: a term left out, a sign turned, a sum cut short.

These are the mistakes that a formula can have, whatever it is about; where one is made says what it means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product

from sympy import Add, Expr, Function, Indexed, IndexedBase, Integer, KroneckerDelta, Mul, Pow, Sum, Symbol
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.diagnosis.comparison_point import HARD, LAST
from symgrad.diagnosis.hypotheses import probability_text
from symgrad.facts import probabilities
from symgrad.functions import clip, maximum, minimum, step, where
from symgrad.index_letters import fresh_letter
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
from symgrad.program import Program
from symgrad.render.text import expression_text, name_text
from symgrad.steps import Record

LIKELY = -0.6
"""What it costs that a branch is left out: other changes give the same numbers by chance alone."""

Show = Callable[[Basic], str]


def shown_by(record: Record) -> Show:
    """How expressions of a record are shown in words."""
    return lambda part: expression_text(part, record)


@dataclass(frozen=True)
class Change:
    """One expression in place of another: the ``kind`` of mistake, and what was done in ``words``."""

    kind: str
    words: Callable[[], str]
    after: Expr
    part: Expr
    cost: float = 0.0


def changes(
    expr: Expr, scope: Sequence[Idx], arrays: Sequence[Array], record: Record, tables: Sequence[Maker]
) -> Iterator[Change]:
    """Every small change at every place of an expression in the arrays of a record.

    ``scope`` are the indices that may occur free in it, ``arrays`` those that may stand in the place of another.
    """
    show = shown_by(record)
    for part, rebuilt in _places(expr, lambda new: new):
        inside = [*scope, *(i for i in sorted(free_indices(part), key=str) if i not in scope)]
        for table in tables:
            for kind, words, new, cost in table(part, inside, arrays, show):
                after = rebuilt(new)
                if after == expr:
                    continue
                if kind == "swapped" and _skips(record.program, part, new):
                    kind, words = "skipped", partial(_skipping, record, part, words)
                yield Change(kind, words, after, part, cost)


def _skips(program: Program, part: Expr, new: Expr) -> bool:
    """Whether logits stand for their probabilities."""
    found = (p for p in probabilities(program) if array_names(part) == {p.name})
    return any(array_names(new) <= array_names(p.exponent) for p in found)


def _skipping(record: Record, part: Expr, words: Callable[[], str]) -> str:
    (name,) = array_names(part)
    return f"{probability_text(record.program, name)} is left out: {words()}"


def _places(expr: Expr, rebuilt: Callable[[Expr], Expr]) -> Iterator[tuple[Expr, Callable[[Expr], Expr]]]:
    """Every part of an expression, with how the whole is made when something else stands there."""
    yield expr, rebuilt
    if isinstance(expr, (Indexed, Idx, KroneckerDelta)):
        return
    if isinstance(expr, Sum):
        bound = bound_indices(expr)
        yield from _places(expr.function, lambda new: rebuilt(sum_over(new, bound)))
        return
    for place, arg in enumerate(expr.args):
        if not isinstance(arg, Idx) and not arg.is_number:
            yield from _places(arg, _inside(expr, place, rebuilt))


def _inside(expr: Expr, place: int, rebuilt: Callable[[Expr], Expr]) -> Callable[[Expr], Expr]:
    return lambda new: rebuilt(expr.func(*expr.args[:place], new, *expr.args[place + 1 :]))


Made = tuple[str, Callable[[], str], Expr, float]
Maker = Callable[[Expr, Sequence[Idx], Sequence[Array], Show], Iterator[Made]]


def _said(show: Show, words: str, *parts: Basic | str) -> Callable[[], str]:
    """Words with expressions in them, which are shown only when somebody reads them."""
    return lambda: words.format(*(str(part) if isinstance(part, (Idx, str)) else show(part) for part in parts))


def _terms(part: Expr, scope: Sequence[Idx], arrays: Sequence[Array], show: Show) -> Iterator[Made]:
    if not isinstance(part, Add):
        return
    for term in part.args:
        rest = part - term
        yield "missing" if not rest.is_number else "term", _said(show, "the term {} is missing", term), rest, 0
        yield "sign", _said(show, "the term {} has the wrong sign", term), rest - term, 0.2
        yield "factor", _said(show, "the term {} is doubled", term), rest + 2 * term, 0.2
        yield "factor", _said(show, "the term {} is halved", term), rest + term / 2, 0.2
        for size in _sizes_of(arrays):
            yield "factor", _said(show, "the term {} is divided by {}", term, size), rest + term / size, 0.3


def _sizes_of(arrays: Sequence[Array]) -> list[Symbol]:
    return sorted({axis.size for array in arrays for axis in array.axes}, key=str)


def _factors(part: Expr, scope: Sequence[Idx], arrays: Sequence[Array], show: Show) -> Iterator[Made]:
    if not isinstance(part, Mul):
        return
    for factor in part.args:
        if factor != -1:
            rest = Mul(*(arg for arg in part.args if arg is not factor))
            kind = "factor" if not array_names(factor) or not free_indices(factor) else "term"
            kind = "branch" if isinstance(factor, step) or isinstance(1 - factor, step) else kind
            yield kind, _said(show, "the factor {} is missing", factor), rest, 0.1


def _sizes(part: Expr, scope: Sequence[Idx], arrays: Sequence[Array], show: Show) -> Iterator[Made]:
    """A size left out wherever it stands, or taken for one less or more; a number as large as that of all others."""
    sizes = _sizes_of(arrays)
    for size in sizes if isinstance(part, Pow) else ():
        if part.base in (size, size - 1):
            other = (2 * size - 1 - part.base) ** part.exp
            yield (
                "factor",
                _said(show, "{} is used instead of {}", other, part),
                other,
                -0.05 if part.base != size else 0.2,
            )
    numbers = [array[()] for array in arrays if not array.axes and array.name in array_names(part)]
    for size, number in product(sizes, numbers if isinstance(part, Add) else ()):
        for ratio in (size / (size - 1), (size - 1) / size) if size in part.free_symbols else ():
            words = _said(show, "{} is used instead of {}", ratio * number, number)
            yield "factor", words, replaced(part, {number: ratio * number}), 0.3
    if not isinstance(part, (Pow, Symbol, Indexed)):
        for size in sizes:
            if sum(size in arg.free_symbols for arg in part.args) > 1:
                without = replaced(part, {size: Integer(1)})
                yield "factor", _said(show, "{} is missing throughout", size), without, 0.3


def _sums(part: Expr, scope: Sequence[Idx], arrays: Sequence[Array], show: Show) -> Iterator[Made]:
    if not isinstance(part, Sum):
        return
    for index in bound_indices(part):
        others = [i for i in bound_indices(part) if i != index]
        for free in scope:
            if axis_name(free) == axis_name(index) and free not in others and free != index:
                cut = sum_over(renamed(part.function, {index: free}), others)
                words = _said(show, "only the term {} = {} of the sum over {} is used", index, free, index)
                yield "diagonal", words, cut, 0
        last = Indexed(IndexedBase(LAST + axis_name(index), real=True), index)
        only = sum_over(last * part.function, bound_indices(part))
        said = "only the last term of the sum over {} is used, as if each overwrote the one before"
        yield "unsummed", _said(show, said, index), only, 0.2


def _moved(part: Expr, scope: Sequence[Idx], arrays: Sequence[Array], show: Show) -> Iterator[Made]:
    """A sum taken along another axis of the same arrays, or along both."""
    if not isinstance(part, Sum) or len(bound_indices(part)) != 1:
        return
    (index,) = bound_indices(part)
    axes = {axis.name: axis for array in arrays for axis in array.axes}
    letters = {str(i) for i in (*scope, index)}
    for kept in sorted(free_indices(part) & set(scope), key=str):
        over = next((letter for letter in axes[axis_name(kept)].spares if letter not in letters), None)
        if axis_name(kept) == axis_name(index) or over is None:
            continue
        new = axes[axis_name(kept)].index(over)
        both = sum_over(renamed(part.function, {kept: new}), (index, new))
        words = _said(show, "the sum over {} is taken over {} as well", axis_name(index), axis_name(kept))
        yield "axis", words, both, 0.3
        for at in scope:
            if axis_name(at) == axis_name(index) and at not in free_indices(part):
                moved = sum_over(renamed(part.function, {kept: new, index: at}), (new,))
                words = _said(show, "the sum over {} is taken over {} instead", axis_name(index), axis_name(kept))
                yield "axis", words, moved, 0.1


def _branches(part: Expr, scope: Sequence[Idx], arrays: Sequence[Array], show: Show) -> Iterator[Made]:
    """One branch of a function of several pieces taken throughout, or one of the two of a choice left out."""
    if isinstance(part, (where, maximum, minimum, clip)):
        branches = part.args[isinstance(part, where) :]
        for branch in branches:
            yield "branch", _said(show, "{} is used instead of {} in every branch", branch, part), branch, LIKELY
            if isinstance(part, where):
                rest = part.func(part.args[0], *(Integer(0) if arg == branch else arg for arg in branches))
                yield "branch", _said(show, "the branch {} is left out", branch), rest, LIKELY
    if isinstance(part, where):
        condition, yes, no = part.args
        for call in sorted((c for c in condition.atoms(Function) if len(c.args) == 1), key=str):
            other = where(replaced(condition, {call: call.args[0]}), Integer(0), no)
            words = _said(show, "{} is used instead of {} to choose the branch {}", call.args[0], call, no)
            yield "skipped", words, where(condition, yes, other), 0.2


def _powers(part: Expr, scope: Sequence[Idx], arrays: Sequence[Array], show: Show) -> Iterator[Made]:
    if isinstance(part, Pow) and array_names(part.base) and part.exp != -1:
        yield "term", _said(show, "{} is used instead of {}", part.base, part), part.base, 0.2
        if part.exp.is_number:
            lower = part.base ** (part.exp + (1 if part.exp < 0 else -1))
            yield "term", _said(show, "{} is used instead of {}", lower, part), lower, 0.3
        for product in (part.exp * part.base, 1 / (-part.exp * part.base)):
            yield "power", _said(show, "the product {} is used instead of the power {}", product, part), product, 0.25
    if isinstance(part, Pow) and array_names(part.base) and part.exp == -1:
        yield "term", _said(show, "{} is used instead of {}", part.base**-2, part), part.base**-2, 0.3
    if isinstance(part, Function) and len(part.args) == 1:
        yield "skipped", _said(show, "{} is used instead of {}", part.args[0], part), part.args[0], 0.2


def _arrays(part: Expr, scope: Sequence[Idx], arrays: Sequence[Array], show: Show) -> Iterator[Made]:
    """Another array of the same axes in the place of one."""
    if not isinstance(part, (Indexed, Symbol)) or part.is_integer:
        return
    indices = indices_of(part)
    for array in arrays:
        if [axis.name for axis in array.axes] == list(map(axis_name, indices)) and name_of(part) != array.name:
            yield "swapped", _said(show, "{} is used instead of {}", array[indices], part), array[indices], 0.3


def _hardened(part: Expr, scope: Sequence[Idx], arrays: Sequence[Array], show: Show) -> Iterator[Made]:
    """An entry as it would be if soft labels were hard."""
    if isinstance(part, Indexed) and any(part.base.name == array.name for array in arrays):
        hard = Indexed(IndexedBase(HARD + part.base.name, real=True), *part.indices)
        yield "assumption", _said(show, "{} is computed as if the labels were one-hot", part), hard, 0.3


TABLE: Sequence[Maker] = (_terms, _factors, _sizes, _sums, _moved, _branches, _powers, _arrays, _hardened)


def _throughout(part: Expr, scope: Sequence[Idx], arrays: Sequence[Array], show: Show) -> Iterator[Made]:
    """Another array of the same axes in the place of one wherever it stands."""
    if not isinstance(part, (Indexed, Symbol)):
        for old in arrays:
            found = entries(part, old.name)
            for new in arrays if len(found) and old.axes else ():
                if new != old and new.axes == old.axes:
                    words = _said(show, "{} is used instead of {} throughout", name_text(new.name), name_text(old.name))
                    yield "swapped", words, replaced(part, {old.base: new.base}), 0.5


def _inserted(part: Expr, scope: Sequence[Idx], arrays: Sequence[Array], show: Show) -> Iterator[Made]:
    """A term times an entry that does not belong to it, summed over the axes that the term lacks."""
    for term in part.args if isinstance(part, Add) else (part,) if isinstance(part, Mul) else ():
        for array in arrays:
            at = [next((i for i in scope if axis_name(i) == axis.name), _new(axis, part, scope)) for axis in array.axes]
            summed = [i for i in at if i not in scope]
            if len(set(at)) == len(at) and (len(summed) < len(at) or not at):
                entry = sum_over(array[tuple(at)], summed)
                words = _said(show, "the term {} has an extra factor {}", term, entry)
                yield "term", words, part - term + entry * term, 0.6 + 0.1 * len(summed)


def _new(axis: Axis, part: Expr, scope: Sequence[Idx]) -> Idx:
    """An index for a sum of its own within a part of an expression."""
    return fresh_letter(axis, {str(i.label) for i in (*scope, *every_index(part))}, bound=True)


def _picked(part: Expr, scope: Sequence[Idx], arrays: Sequence[Array], show: Show) -> Iterator[Made]:
    """The entry of a row that labels pick in the place of each, or each in the place of all that they pick; or the
    sign of what stands at that entry turned."""
    for labels in (array for array in arrays if len(array.axes) == 2):
        at = [next((i for i in scope if axis_name(i) == axis.name), None) for axis in labels.axes]
        row, column = at
        if row is None or column is None or row == column:
            continue
        if isinstance(part, Indexed) and part.indices == (row, column) and part.base.name != labels.name:
            over = _new(labels.axes[1], part, scope)
            entry = sum_over(labels[row, over] * renamed(part, {column: over}), (over,))
            words = _said(show, "{}, that of the true class, is used instead of {}", entry, part)
            yield "swapped", words, entry, 0.7
        elif isinstance(part, (Add, Mul)) and {row, column} <= free_indices(part):
            words = _said(show, "{} has the wrong sign where {} is 1", part, labels[row, column])
            yield "sign", words, (1 - 2 * labels[row, column]) * part, 0.8
        each = {total: _unpicked(total, labels, row, column) for total in part.atoms(Sum)}
        found = {total: term for total, term in each.items() if term is not None}
        if found and (isinstance(part, Sum) or len(found) > 1):
            words = _said(show, "each entry is used instead of the one that {} picks", name_text(labels.name))
            yield "swapped", words, replaced(part, found), 0.7


def _unpicked(total: Sum, labels: Array, row: Idx, column: Idx) -> Expr | None:
    """Of a sum over the entries of a row of labels, what one of them is multiplied by, for each entry."""
    over = bound_indices(total)
    if len(over) != 1 or labels[row, over[0]] not in Mul.make_args(total.function):
        return None
    return renamed(total.function / labels[row, over[0]], {over[0]: column})


def _multiplied(part: Expr, scope: Sequence[Idx], arrays: Sequence[Array], show: Show) -> Iterator[Made]:
    """Every power in a part as a product."""
    powers = [power for power in part.atoms(Pow) if array_names(power.base) and power.exp != -1]
    if len(powers) > 1:
        words = _said(show, "every power is written as a product")
        yield "power", words, replaced(part, {power: power.exp * power.base for power in powers}), 0.5


WIDER: Sequence[Maker] = (_throughout, _inserted, _picked, _multiplied)
"""Changes that are tried where those of the table explain nothing."""
