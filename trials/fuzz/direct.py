"""Write a draft as equations in index notation, without code from symgrad's tracing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

import sympy as sp
from sympy import Expr, KroneckerDelta, Mul, Rational, Sum
from sympy.tensor.indexed import Idx

from symgrad import Array, Axis, Program, abbreviation, node
from symgrad.equations import Assumption, one_hot, rows_sum_to_one, symmetric
from symgrad.functions import selection
from trials.fuzz.syntax import ELEMENTWISE, ONE, Draft, Value

LAST_FIRST = "nmikjlcdehgf"
"""Drafts with these first letters have their equations in reverse order, which must not matter."""

Indices = Sequence[Idx | None]
"""An index per dimension; None for a dimension of size one."""


def program(draft: Draft) -> Program:
    """The equations of a draft; each statement is a node or an abbreviation."""
    return _Writer(draft).written()


class _Writer:
    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._axes = {name: Axis(name) for name in draft.axes}
        self._serial = count()
        self._arrays = {
            given.name: Array(given.name, tuple(self._axes[a] for a in given.axes), given.word == "positive")
            for given in draft.inputs
        }
        self._dimensions = {given.name: given.axes for given in draft.inputs}

    def written(self) -> Program:
        inputs = tuple(self._arrays.values())
        equations = []
        for statement in self._draft.statements:
            axes = tuple(self._axes[axis] for axis in statement.value.axes if axis != ONE)
            self._arrays[statement.name] = Array(statement.name, axes)
            self._dimensions[statement.name] = statement.value.axes
            indices = self._indices(statement.value.axes)
            entry = self._arrays[statement.name][tuple(i for i in indices if i is not None)]
            define = node if statement.is_node else abbreviation
            equations.append(define(entry, self.entry(statement.value, indices)))
        taken = {*self._arrays, *self._axes}
        output = Array("L" if "L" not in taken else "Loss")
        equations.append(node(output[()], self.entry(self._draft.result, [None] * len(self._draft.result.axes))))
        if self._draft.letters[0] in LAST_FIRST:
            equations.reverse()
        return Program("by_hand", tuple(self._axes.values()), inputs, tuple(equations), output.name, self._assumed())

    def _assumed(self) -> tuple[Assumption, ...]:
        found: list[Assumption] = []
        for given in self._draft.inputs:
            array, key = self._arrays[given.name], f"A{len(found) + 1}"
            if given.word == "distribution":
                found.append(rows_sum_to_one(array, key))
            elif given.word == "one-hot":
                found += one_hot(array, key)
            elif given.word == "symmetric":
                found.append(symmetric(array, key))
        return tuple(found)

    def _index(self, axis: str) -> Idx:
        """An unused index."""
        serial, letters = next(self._serial), self._draft.letters
        number = serial // len(letters)
        return self._axes[axis].index(letters[serial % len(letters)] + (str(number) if number else ""))

    def _indices(self, axes: Sequence[str]) -> list[Idx | None]:
        return [None if axis == ONE else self._index(axis) for axis in axes]

    def entry(self, value: Value, indices: Indices) -> Expr:
        """The entry of a value at ``indices``, one per dimension."""
        return getattr(self, f"_{value.op}", self._elementwise)(value, list(indices))

    def _at(self, value: Value, indices: Indices) -> Expr:
        """The entry of an operand that is broadcast to ``indices``."""
        own = list(indices)[len(indices) - len(value.axes) :]
        return self.entry(value, [None if axis == ONE else i for axis, i in zip(value.axes, own, strict=True)])

    def _elementwise(self, value: Value, indices: Indices) -> Expr:
        return ELEMENTWISE[value.op].meaning(*(self._at(arg, indices) for arg in value.args))

    def _name(self, value: Value, indices: Indices) -> Expr:
        (name,) = value.data
        kept = zip(self._dimensions[name], indices, strict=True)
        return self._arrays[name][tuple(i for axis, i in kept if axis != ONE)]

    def _number(self, value: Value, _: Indices) -> Expr:
        return Rational(value.data[0])

    def _size(self, value: Value, _: Indices) -> Expr:
        return self._axes[value.data[0]].size

    # --- reductions ---------------------------------------------------------------------------------------------

    def _inner(self, value: Value, indices: Indices) -> tuple[list[Idx | None], list[Idx]]:
        """The indices of the operand of a reduction, and the summed indices."""
        places, keep = value.data
        (arg,) = value.args
        left = iter(indices)
        inner: list[Idx | None] = []
        for place, axis in enumerate(arg.axes):
            if place in places:
                inner.append(None if axis == ONE else self._index(axis))
                if keep:
                    next(left)
            else:
                inner.append(next(left))
        return inner, [i for place in places if (i := inner[place]) is not None]

    def _sum(self, value: Value, indices: Indices) -> Expr:
        inner, over = self._inner(value, indices)
        return _total(self.entry(value.args[0], inner), over)

    def _count(self, value: Value) -> Expr:
        places, _ = value.data
        return Mul(*(self._axes[a].size for place in places if (a := value.args[0].axes[place]) != ONE))

    def _mean(self, value: Value, indices: Indices) -> Expr:
        return self._sum(value, indices) / self._count(value)

    def _var(self, value: Value, indices: Indices) -> Expr:
        inner, over = self._inner(value, indices)
        (arg,) = value.args
        again, others = self._inner(value, indices)
        middle = _total(self.entry(arg, again), others) / self._count(value)
        return _total((self.entry(arg, inner) - middle) ** 2, over) / self._count(value)

    def _std(self, value: Value, indices: Indices) -> Expr:
        return sp.sqrt(self._var(value, indices))

    def _norm(self, value: Value, indices: Indices) -> Expr:
        inner, over = self._inner(value, indices)
        return sp.sqrt(_total(self.entry(value.args[0], inner) ** 2, over))

    def _logsumexp(self, value: Value, indices: Indices) -> Expr:
        inner, over = self._inner(value, indices)
        return sp.log(_total(sp.exp(self.entry(value.args[0], inner)), over))

    def _max(self, value: Value, indices: Indices) -> Expr:
        inner, over = self._inner(value, indices)
        row = self.entry(value.args[0], inner)
        return _total(selection(row, over[0]) * row, over) if over else row

    def _min(self, value: Value, indices: Indices) -> Expr:
        inner, over = self._inner(value, indices)
        row = -self.entry(value.args[0], inner)
        return -_total(selection(row, over[0]) * row, over) if over else -row

    def _softmax(self, value: Value, indices: Indices) -> Expr:
        (place,), (arg,) = value.data, value.args
        other = list(indices)
        other[place] = self._index(arg.axes[place])
        return sp.exp(self.entry(arg, indices)) / Sum(sp.exp(self.entry(arg, other)), other[place])

    def _log_softmax(self, value: Value, indices: Indices) -> Expr:
        return sp.log(self._softmax(value, indices))

    # --- products and arrangements ------------------------------------------------------------------------------

    def _matmul(self, value: Value, indices: Indices) -> Expr:
        left, right = value.args
        inner = self._index(left.axes[-1])
        rows = list(indices)
        columns = [rows.pop()] if len(right.axes) > 1 else []
        row = [rows.pop()] if len(left.axes) > 1 else []
        stack = [rows[len(rows) - max(len(arg.axes) - 2, 0) :] for arg in value.args]
        product = self.entry(left, [*stack[0], *row, inner]) * self.entry(right, [*stack[1], inner, *columns])
        return Sum(product, inner)

    def _einsum(self, value: Value, indices: Indices) -> Expr:
        words, _, result = value.data[0].partition("->")
        at = dict(zip(result, indices, strict=True))
        over: list[Idx] = []
        factors = []
        for word, arg in zip(words.split(","), value.args, strict=True):
            for letter, axis in zip(word, arg.axes, strict=True):
                if letter not in at:
                    at[letter] = self._index(axis)
                    over.append(at[letter])
            factors.append(self.entry(arg, [at[letter] for letter in word]))
        return _total(Mul(*factors), over)

    def _outer(self, value: Value, indices: Indices) -> Expr:
        return self.entry(value.args[0], indices[:1]) * self.entry(value.args[1], indices[1:])

    def _trace(self, value: Value, _: Indices) -> Expr:
        index = self._index(value.args[0].axes[0])
        return _total(self.entry(value.args[0], [index, index]), [index])

    def _diagonal(self, value: Value, indices: Indices) -> Expr:
        return self.entry(value.args[0], [indices[0], indices[0]])

    def _diag(self, value: Value, indices: Indices) -> Expr:
        return self.entry(value.args[0], indices[:1]) * KroneckerDelta(*indices)

    def _transpose(self, value: Value, indices: Indices) -> Expr:
        inner: list[Idx | None] = [None] * len(indices)
        for place, index in zip(value.data, indices, strict=True):
            inner[place] = index
        return self.entry(value.args[0], inner)

    def _expand(self, value: Value, indices: Indices) -> Expr:
        return self.entry(value.args[0], [i for place, i in enumerate(indices) if place not in value.data])


def _total(body: Expr, over: Sequence[Idx]) -> Expr:
    return Sum(body, *over) if over else body
