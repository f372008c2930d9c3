"""The value of a line: index expressions term by term, with 100 digits, at random inputs.

This code is independent of the checker.  Forward values follow the equations.  Named adjoints have the values of the
record's closed forms, which are compared with differences of the output.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from itertools import product
from math import isqrt

import mpmath
from sympy import Add, E, Expr, Float, Function, Indexed, KroneckerDelta, Mul, NumberSymbol, Pow, Rational, Sum, Symbol
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.functions import MEANINGS, selection
from symgrad.matrix_functions import OF_MATRICES, inverse, logdet
from symgrad.notation import Array, array_names, axis_name, bound_indices, free_indices
from symgrad.special_functions import position_of
from symgrad.steps import Record

DIGITS = 100
CONTEXT = mpmath.mp.clone()
CONTEXT.dps = DIGITS
EQUAL = CONTEXT.mpf(10) ** (15 - DIGITS)

Sizes = Mapping[str, int]
Place = tuple[int, ...]


class Undefined(Exception):
    """An expression has no real value where the program has one."""


class Values:
    """A program's values at a shape and random inputs, computed on demand, entry by entry.

    The inputs satisfy the program's assumptions if ``assumed``.
    """

    def __init__(self, record: Record, sizes: Sizes, seed: int, assumed: bool) -> None:
        self._record = record
        self._program = record.program
        self.sizes = dict(sizes)
        self._entries: dict[tuple[str, Place], mpmath.mpf] = {}
        self._sums: dict[tuple[Basic, Place], mpmath.mpf] = {}
        self._inverses: dict[tuple[str, Place], mpmath.mpf] = {}
        self._adjoints = {array.name: name for name, array in record.adjoint_arrays.items()}
        draw = random.Random(f"{self._program.name}:{sorted(sizes.items())}:{seed}")
        for array in self._program.inputs:
            for place in self._places(array):
                number = CONTEXT.mpf(draw.randrange(1, 10**30)) / 10**30
                self._entries[array.name, place] = number + 0.25 if array.positive else (3 * number - 1.5) * (1 + seed)
        if assumed:
            self._assume(draw)

    def _places(self, array: Array) -> Iterator[Place]:
        return product(*(range(self.sizes[axis.name]) for axis in array.axes))

    def _assume(self, draw: random.Random) -> None:
        for assumption in self._program.assumptions:
            (name,) = array_names(assumption.lhs)
            array = self._program.arrays[name]
            for place in self._places(array):
                row = [(name, (*place[:-1], k)) for k in range(self.sizes[array.axes[-1].name])]
                if assumption.is_symmetry:
                    self._entries[name, place] = self._entries[name, place[::-1]]
                    if assumption.is_definite and place[0] == place[1]:  # the diagonal outweighs its row
                        self._entries[name, place] = abs(self._entries[name, place]) + 12 * len(row)
                elif assumption.is_one_hot and place[-1] == 0:
                    hot = draw.choice(row)
                    self._entries.update({entry: CONTEXT.mpf(entry == hot) for entry in row})
                elif not assumption.is_one_hot and place[-1] == 0:
                    total = sum(self._entries[entry] for entry in row)
                    self._entries[row[-1]] += 1 - total

    def entry(self, name: str, place: Place) -> mpmath.mpf:
        """An entry of an array of the program, or of an adjoint that lines name."""
        if (name, place) not in self._entries:
            if name in self._program.definitions:
                definition = self._program.definitions[name]
                expr, indices = definition.rhs, definition.indices
            else:
                closed = self._record.adjoints[self._adjoints[name]]
                expr, indices = closed.index, closed.entry.indices if closed.entry.is_Indexed else ()
            self._entries[name, place] = self.value(expr, dict(zip(indices, place, strict=True)))
        return self._entries[name, place]

    def derivative(self, name: str, place: Place) -> mpmath.mpf:
        """The derivative of the output with respect to an entry, by a difference; about 30 digits away from kinks."""
        step = CONTEXT.mpf(10) ** -30
        found = []
        for moved in (step, -step):
            values = Values.__new__(Values)
            values.__dict__ = {**self.__dict__, "_sums": {}, "_inverses": {}}
            below = {name} | {other for other in self._program.arrays if name in self._program.ancestors[other]}
            values._entries = {key: value for key, value in self._entries.items() if key[0] not in below - {name}}
            if name in self._program.definitions:
                array = self._program.arrays[name]
                values._entries.update({(name, at): self.entry(name, at) for at in self._places(array)})
            values._entries[name, place] = self.entry(name, place) + moved
            found.append(values.entry(self._program.output, ()))
        return (found[0] - found[1]) / (2 * step)

    def value(self, expr: Basic, at: Mapping[Idx, int]) -> mpmath.mpf:
        """An expression at given values of its indices.  Raises ``Undefined``."""
        if isinstance(expr, (Rational, Float)):
            number = Rational(expr)
            return CONTEXT.mpf(int(number.p)) / int(number.q)
        if isinstance(expr, Indexed):
            return self.entry(expr.base.name, tuple(at[i] for i in expr.indices))
        if isinstance(expr, Symbol):
            return CONTEXT.mpf(self.sizes[expr.name]) if expr.name in self.sizes else self.entry(expr.name, ())
        if isinstance(expr, Sum):
            return self._sum(expr, at)
        if isinstance(expr, KroneckerDelta):
            return CONTEXT.mpf(at[expr.args[0]] == at[expr.args[1]])
        if isinstance(expr, selection):
            return self._share(expr, at)
        if isinstance(expr, position_of):
            return CONTEXT.mpf(at[expr.args[0]])
        if isinstance(expr, OF_MATRICES):
            return self._of_matrix(expr, at)
        if isinstance(expr, NumberSymbol):
            return CONTEXT.mpf(str(expr.evalf(DIGITS + 5)))
        parts = [self.value(arg, at) for arg in expr.args]
        return applied(expr, parts)

    def _sum(self, expr: Sum, at: Mapping[Idx, int]) -> mpmath.mpf:
        free = sorted(free_indices(expr), key=str)
        key = expr, tuple(at[i] for i in free)
        if key not in self._sums:
            indices = bound_indices(expr)
            result = CONTEXT.mpf(0)
            for place in product(*(range(self.sizes[axis_name(i)]) for i in indices)):
                result += self.value(expr.function, {**at, **dict(zip(indices, place, strict=True))})
            self._sums[key] = result
        return self._sums[key]

    def _of_matrix(self, call: Function, at: Mapping[Idx, int]) -> mpmath.mpf:
        places = list(self._places(self._program.arrays[call.matrix]))
        size = isqrt(len(places))
        rows = CONTEXT.matrix(size, size)
        for place in places:
            rows[place] = self.entry(call.matrix, place)
        determinant = CONTEXT.det(rows)
        if abs(determinant) < EQUAL:
            raise Undefined(f"{call}: the matrix is singular")
        if isinstance(call, inverse):
            if (call.inverse, (0, 0)) not in self._inverses:
                solved = rows**-1
                self._inverses.update({(call.inverse, place): solved[place] for place in places})
            return self._inverses[call.inverse, tuple(at[i] for i in call.args[2:])]
        return CONTEXT.log(abs(determinant)) if isinstance(call, logdet) else determinant

    def _share(self, expr: selection, at: Mapping[Idx, int]) -> mpmath.mpf:
        row, index = expr.args
        values = [self.value(row, {**at, index: k}) for k in range(self.sizes[axis_name(index)])]
        return CONTEXT.mpf(values[at[index]] == max(values)) / values.count(max(values))


def applied(expr: Basic, parts: list[mpmath.mpf]) -> mpmath.mpf:
    """The function of an expression at numbers.  Raises ``Undefined`` if the result is not a real number."""
    try:
        result = CONTEXT.mpmathify(_applied(expr, parts))
    except (ZeroDivisionError, ValueError) as why:
        raise Undefined(f"{expr}: {why}") from None
    if isinstance(result, CONTEXT.mpc):
        if abs(result.imag) > EQUAL * max(1, abs(result)):
            raise Undefined(f"{expr} is not real")
        return result.real
    return result


def _applied(expr: Basic, parts: list[mpmath.mpf]) -> mpmath.mpf:
    if isinstance(expr, Add):
        return CONTEXT.fsum(parts)
    if isinstance(expr, Mul):
        return CONTEXT.fprod(parts)
    if isinstance(expr, Pow):
        return CONTEXT.exp(parts[1]) if expr.base == E else parts[0] ** parts[1]
    if not isinstance(expr, Function):
        raise TypeError(f"no value for {expr!r}")
    known = MEANINGS[expr.func].number if expr.func in MEANINGS else None
    if known is not None:
        return known(*parts)
    name = {"Abs": "fabs"}.get(expr.func.__name__, expr.func.__name__)
    return getattr(CONTEXT, name)(*parts)


def differ(one: mpmath.mpf, other: mpmath.mpf, digits: int) -> bool:
    """Whether two numbers differ in so many digits, relative to the larger and to 1e-10."""
    scale = max(abs(one), abs(other), CONTEXT.mpf("1e-10"))
    return bool(abs(one - other) > scale * CONTEXT.mpf(10) ** -digits)


def entries_differ(values: Values, letters: tuple[Idx, ...], right: Expr, wrong: Expr, digits: int) -> bool:
    """Whether two right sides differ at the last entry, at a random entry, or where index letters coincide."""
    ranges = [values.sizes[axis_name(i)] for i in letters]
    draw = random.Random(f"{ranges}")
    places = {tuple(size - 1 for size in ranges), tuple(draw.randrange(size) for size in ranges)}
    places |= set(product(*(range(min(size, 3)) for size in ranges)))
    for place in sorted(places):
        at = dict(zip(letters, place, strict=True))
        if differ(values.value(right, at), values.value(wrong, at), digits):
            return True
    return False
