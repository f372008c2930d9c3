"""The values of a program at a shape: random inputs, forward values, adjoints, and the meanings of subjects.

Adjoints are accumulated backwards from the output, from scalar derivatives of the definitions, so they do not depend on
any line of the derivation.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from math import prod

import numpy as np
from sympy import E, Expr, Indexed, Integer, Rational, Symbol, cosh, exp, sinh, tanh
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.budget import spend
from symgrad.check.assumptions import Entries, OneHot, Orthogonal, constraints
from symgrad.check.numeric.evaluate import Evaluator, at_position, inverted
from symgrad.check.numeric.fields import Array, Field, NumberSystem, OutsideDomain, OutsideField, Reals, is_missing
from symgrad.check.numeric.instantiation import Instance
from symgrad.check.numeric.reverse_mode import gradient
from symgrad.check.semantics import IndexSubject, adjoint_names, consumers
from symgrad.equations import Assumption, Domain
from symgrad.notation import array_names, axis_name, free_indices, indices_of, name_of
from symgrad.program import Program
from symgrad.steps import Differentiated, Partial, Record, Value

ATTEMPTS = 60
"""The number of random inputs that are tried before a program counts as undefined in a number system."""


def exponential_depth(program: Program) -> int:
    """The nesting depth of exponentials in the forward equations, counting e as one."""
    depth = {array.name: 0 for array in program.inputs}

    def of(expr: Basic) -> int:
        if isinstance(expr, (Indexed, Symbol)):
            return max((depth.get(name, 0) for name in array_names(expr)), default=0)  # an inverse names itself
        return max(map(of, expr.args), default=0) + (expr is E or isinstance(expr, (exp, tanh, sinh, cosh)))

    for definition in program.ordered:
        depth[definition.name] = of(definition.rhs)
    return max(depth.values())


class TrueValues:
    """Random values of a program in a number system at a shape; the inputs satisfy the assumptions ``assumed``.

    Raises ``OutsideField`` if the program has no values in the number system.
    """

    def __init__(
        self,
        record: Record,
        instance: Instance,
        system: type[Field] | type[Reals],
        assumed: tuple[Assumption, ...] = (),
        seed: int = 0,
        attempts: int = ATTEMPTS,
    ) -> None:
        self._record = record
        self._instance = instance
        self._adjoints: dict[str, Array] = {}
        self._gradients: dict[Expr, Mapping[Symbol, Array | Expr]] = {}
        self._meanings: dict[tuple[IndexSubject, tuple[Idx, ...]], Array] = {}
        self._nodes = adjoint_names(record)
        levels = 1 + exponential_depth(record.program)
        for attempt in range(attempts):
            try:
                self.evaluator = self._forward(system(levels, seed + attempt), assumed, attempt)
                return
            except OutsideDomain:
                continue
        raise OutsideField("no random inputs were found at which the program is defined")

    def _forward(self, numbers: NumberSystem, assumed: tuple[Assumption, ...], seed: int) -> Evaluator:
        program, sizes = self._record.program, self._instance.sizes
        values: dict[str, Array] = {
            a.name: numbers.sample(tuple(sizes[axis.name] for axis in a.axes), a.positive) for a in program.inputs
        }
        for name, constraint in constraints(assumed, program).items():
            if isinstance(constraint, OneHot):
                values[name] = _labels(numbers, values[name].shape, constraint.is_complete)
                continue
            if isinstance(constraint, Entries):
                values[name] = _entries(numbers, values[name].shape[1:], constraint.domain, seed)
                continue
            if isinstance(constraint, Orthogonal):
                values[name] = _orthogonal(numbers, values[name], seed)
                continue
            entry, written = constraint.written
            free = Evaluator(numbers, program, sizes, dict(values), {})
            values[name] = free.over(written, entry.indices)
        evaluator = Evaluator(numbers, program, sizes, values, self._instance.scalars)
        with numbers.tolerant():  # a value needed only in a branch may be undefined where the branch is not taken
            for definition in program.ordered:
                values[definition.name] = evaluator.over(definition.rhs, definition.indices)
        if is_missing(values[program.output]).any():
            raise OutsideDomain(f"{program.output} has no value")
        return evaluator

    def point(self) -> str:
        """The first entry of each input, in words."""
        values = ((a.name, self.evaluator.values[a.name]) for a in self._record.program.inputs)
        return ", ".join(f"{name}{[0] * (v.ndim - 1) or ''} = {float(v.flat[0]):.4g}" for name, v in values)

    def values(self, expr: Expr, letters: tuple[Idx, ...]) -> Array:
        """The values of an expression over ``letters``; it may contain adjoints."""
        for name in sorted(array_names(expr) & self._nodes.keys() - self.evaluator.values.keys()):
            self.evaluator.values[name] = self.adjoint(self._nodes[name])
        return self.evaluator.over(expr, letters)

    def meaning(self, subject: IndexSubject, letters: tuple[Idx, ...]) -> Array:
        """The values of the meaning of a subject over its free indices ``letters``."""
        key = subject, letters
        if key not in self._meanings:
            self._meanings[key] = self._meaning(subject, letters)
        return self._meanings[key]

    def _meaning(self, subject: IndexSubject, letters: tuple[Idx, ...]) -> Array:
        if isinstance(subject, Value):
            return self.values(subject.expr, letters)
        if isinstance(subject, Differentiated):

            def entry(position: tuple[int, ...]) -> Array:
                values = dict(zip(letters, position, strict=True))
                return self.evaluator.over(self._instance.partial(subject, values), ())

            return self._over(letters, entry)
        if isinstance(subject, Partial):
            return self._partial(subject, letters)
        positions = [letters.index(i) for i in subject.wrt.indices] if subject.wrt.is_Indexed else []
        adjoint = self.adjoint(name_of(subject.wrt))
        return self._over(letters, lambda position: at_position(adjoint, tuple(position[p] for p in positions)))

    def adjoint(self, name: str) -> Array:
        """The derivative of the output with respect to every entry of an array."""
        if name not in self._adjoints:
            array = self._record.program.arrays[name]
            shape = tuple(self._instance.sizes[axis.name] for axis in array.axes)
            entries = [self._adjoint_entry(name, position) for position in np.ndindex(shape)]
            levels = min(len(e) for e in entries)
            stacked = np.stack([e[:levels] for e in entries], axis=1)
            self._adjoints[name] = stacked.reshape((levels, *shape))
        return self._adjoints[name]

    def _adjoint_entry(self, name: str, position: tuple[int, ...]) -> Array:
        numbers, program = self.evaluator.numbers, self._record.program
        if name == program.output:
            return numbers.constant(Integer(1))
        wrt = self._instance.symbol(name, position)
        result = numbers.constant(Integer(0))
        for definition in consumers(program, name):
            outer = self.adjoint(definition.name)
            for at, expr in self._instance.dependents(definition, wrt):
                inner = self._slope(expr, wrt)
                levels = min(len(inner), len(result), len(outer))
                weighted = at_position(outer, at)[:levels] * inner[:levels]
                result = numbers.reduce(result[:levels] + weighted)
        return result

    def _partial(self, subject: Partial, letters: tuple[Idx, ...]) -> Array:
        """The derivatives of entries with respect to the entries in them; all others are 0."""
        name, columns = name_of(subject.wrt), indices_of(subject.wrt)
        rows = tuple(i for i in letters if i in free_indices(subject.of))
        entries: dict[tuple[int, ...], Array] = {}
        for position in self._instance.positions(rows):
            row = dict(zip(rows, position, strict=True))
            expr = self._instance.differentiated(subject.of, row)
            for symbol in self._slopes(expr):
                array, place = self._instance.scalars[symbol]
                at = dict(zip(columns, place, strict=False)) | row
                if array == name and tuple(at[i] for i in columns) == place:
                    entries[tuple(at[i] for i in letters)] = self._slope(expr, symbol)
        zero = self.evaluator.numbers.constant(Integer(0))
        return self._over(letters, lambda position: entries.get(position, zero))

    def _slope(self, expr: Expr, wrt: Symbol) -> Array:
        """The derivative of a scalar expression with respect to a symbol."""
        slope = self._slopes(expr).get(wrt, Integer(0))
        return slope if isinstance(slope, np.ndarray) else self.evaluator.over(slope, ())

    def _slopes(self, expr: Expr) -> Mapping[Symbol, Array | Expr]:
        """The derivatives with respect to the symbols in a scalar expression, cached: as numbers if all have values."""
        if expr not in self._gradients:
            numbers = gradient(expr, self.evaluator)
            self._gradients[expr] = self._instance.slopes(expr) if numbers is None else numbers
        return self._gradients[expr]

    def _over(self, letters: tuple[Idx, ...], value: Callable[[tuple[int, ...]], Array]) -> Array:
        """An array from its entries."""
        shape = tuple(self._instance.sizes[axis_name(i)] for i in letters)
        spend(prod(shape) // 2)
        entries = [value(position) for position in np.ndindex(shape)]
        levels = min(len(e) for e in entries)
        return np.stack([e[:levels] for e in entries], axis=1).reshape((levels, *shape))


def _labels(numbers: NumberSystem, shape: tuple[int, ...], is_complete: bool) -> Array:
    """Random one-hot rows; unless they must be complete, the first row is zero."""
    chosen = random.Random(str(shape))
    one = numbers.constant(Integer(1))
    result = np.full(shape, numbers.constant(Integer(0))[0], dtype=object)  # 0 at every level
    for count, row in enumerate(np.ndindex(shape[1:-1])):
        if is_complete or count:
            result[(slice(None), *row, chosen.randrange(shape[-1]))] = one
    return result


def _orthogonal(numbers: NumberSystem, drawn: Array, seed: int) -> Array:
    """A random orthogonal matrix (I - A)(I + A)^-1, where A is antisymmetric; its determinant is 1, or -1 by turns."""
    one = numbers.constant(Integer(1))[: len(drawn), None, None] * np.eye(drawn.shape[1], dtype=int)
    skew = numbers.reduce(drawn - drawn.transpose(0, 2, 1))
    inverse, _ = inverted(numbers.reduce(one + skew), numbers)
    result = numbers.reduce(np.einsum("lij,ljk->lik", numbers.reduce(one - skew), inverse))
    result[:, 0] = numbers.reduce((-1) ** seed * result[:, 0])
    return np.asarray(result)


def _entries(numbers: NumberSystem, shape: tuple[int, ...], domain: Domain, seed: int) -> Array:
    """Random entries in a domain; in a field, entries of an infinite domain are squares, as in positive arrays."""
    if isinstance(numbers, Field) and not domain.values:
        return numbers.sample(shape, positive=True)
    drawn = domain.draw(shape, np.random.default_rng(seed), small=seed % 2 == 1)
    entries = [numbers.constant(Rational(float(drawn[position]))) for position in np.ndindex(shape)]
    return np.stack(entries, axis=1).reshape((-1, *shape))


def letters_of(subject: IndexSubject) -> tuple[Idx, ...]:
    """The free indices of a subject; first those of the differentiated expression."""
    if isinstance(subject, Value):
        return tuple(sorted(free_indices(subject.expr), key=lambda i: i.name))
    first = sorted(free_indices(subject.of), key=str) if isinstance(subject, Partial) else []
    return tuple(dict.fromkeys([*first, *(subject.wrt.indices if subject.wrt.is_Indexed else ())]))
