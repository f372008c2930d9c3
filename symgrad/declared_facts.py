"""Facts that a loss declares about its gradient: read as equations of arrays, and decided by the prover.

A fact is an equation in the names of the program, with ``dZ`` for the derivative of the output with respect to ``Z``:
``sum(dZ, axis=1) == 0``.  It may be stated for given values of inputs: ``dZ == 0 where Y = P``,
``dw == 0 where y = X @ w and lambda_ = 0``; or for a given size of an axis, ``where C = 2``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

from sympy import Add, Expr, Indexed, Integer, KroneckerDelta, Sum
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.array.expression import array_expression
from symgrad.array.graph import Dimension
from symgrad.canonical import is_known
from symgrad.check.marks import Mark
from symgrad.check.proof import prove
from symgrad.equations import Assumption, Definition
from symgrad.errors import InputError, ProgramError, SymgradError
from symgrad.facts import in_closed_forms
from symgrad.functions import selection
from symgrad.index_letters import fresh_letter, lettered
from symgrad.matrix_functions import OF_MATRICES
from symgrad.names import in_english, look, same_look
from symgrad.notation import (
    Array,
    array_names,
    axis_name,
    bound_indices,
    entry_of,
    every_index,
    free_indices,
    name_of,
    sum_over,
    unfolded,
)
from symgrad.program import Program
from symgrad.special_functions import position_of
from symgrad.steps import Record, Statement, Step, Total, Value

WHERE, AND = " where ", " and "
Positions = Mapping[Idx, int]
SIZES = ("1", "2", "3", "4")
"""The sizes that an axis may have in a fact: each position is proved by itself."""


def proved_facts(record: Record, marks: Iterable[Mark]) -> dict[Statement, Mark]:
    """The facts that the program of ``record`` declares, each with its verdict; ``marks`` are those of the lines.

    A fact about a derivative that this derivation does not have, because of its ``wrt``, is left out. Raises
    ``InputError`` for a text that is not a fact about the program.
    """
    by_number = {mark.number: mark for mark in marks}
    facts = {}
    for text in stated_facts(record):
        try:
            statement = _read(record, text)
            facts[statement] = _verdict(record, by_number, statement)
        except SymgradError as error:
            raise InputError(f"{record.program.name}: the fact {text!r}: {error}") from None
    return facts


def stated_facts(record: Record) -> Iterator[str]:
    """The facts of the program about derivatives that the record has."""
    arrays = record.program.arrays
    missing = {f"d{name}" for name in arrays if name not in record.adjoint_arrays} - arrays.keys()
    return (text for text in record.program.facts if missing.isdisjoint(re.findall(r"[^\W\d]\w*", text)))


def _read(record: Record, text: str) -> Statement:
    equation, _, values = text.partition(WHERE)
    sides = [side for side in equation.split("==") if side.strip()]
    if len(sides) != 2:
        raise InputError(f"expected an equation such as sum(dZ, axis=1) == 0, got {equation.strip()!r}")
    reader = _Reader(record)
    left, right = reader.equated(*sides)
    letters = {index.name for side in (left, right) for index in side.atoms(Idx)}  # not used again in values
    return Statement(left, right, tuple(reader.value(t, letters) for t in values.split(AND)) if values else ())


def _verdict(record: Record, marks: dict[int, Mark], statement: Statement) -> Mark:
    """The weakest of the marks of the fact and of the closed forms in it, under the assumptions that these need."""
    sides = (statement.left, statement.right)
    claimed = tuple(in_closed_forms(side, record) for side in sides)
    values = [pair for pair in statement.given if not pair[0].is_integer]
    for entry, value in values:
        claimed = tuple(unfolded(side, entry, value) for side in claimed)
    program = _specialised(record.program, values)
    for assumption in _broken(record, program, values):
        raise InputError(f"the derivation assumes that {assumption.words}, and the given values may not")
    cases, keys = [claimed], dict[str, None]()
    for size, number in statement.given:
        if size.is_integer:
            at_size = AtSize(program, str(size), int(number))
            cases = [tuple(at_size.unrolled(s, at) for s in c) for c in cases for at in at_size.positions(*c)]
            program = at_size.program
            keys |= dict.fromkeys(at_size.solved)
    needed = [prove(_lines(program, case)).marks[-1] for case in cases]
    needed += [marks[number] for number in _closing_lines(record, sides)]
    keys |= dict.fromkeys(key for mark in needed for key in mark.assumptions)
    return replace(max(needed, key=lambda mark: mark.level), assumptions=tuple(sorted(keys)))


def _broken(record: Record, program: Program, values: Iterable[tuple[Expr, Expr]]) -> Iterator[Assumption]:
    """The assumptions of lines about given inputs that are not proved of the given values."""
    for assumption in record.assumptions_used:
        sides: tuple[Expr, ...] = (assumption.lhs, assumption.rhs)
        if any(name_of(entry) in array_names(assumption.lhs) for entry, _ in values):
            for entry, value in values:
                sides = tuple(unfolded(side, entry, value) for side in sides)
            if assumption.domain or not prove(_lines(program, sides)).marks[-1].ok:
                yield assumption


class _Reader:
    """Reads expressions in the arrays of a program and in the derivatives with respect to them."""

    def __init__(self, record: Record) -> None:
        self.program = record.program
        adjoints = record.adjoint_arrays.items()
        derivatives = {f"d{same}": adjoint for name, adjoint in adjoints for same in (in_english(look(name)), name)}
        self.names = {**derivatives, **self.program.arrays}

    def equated(self, left: str, right: str) -> tuple[Expr, Expr]:
        """Both sides of an equation at the same indices, in conventional letters."""
        (axes, one), (others, other) = (array_expression(t, self.names, self.program.axes) for t in (left, right))
        wider, narrower = (axes, others) if len(axes) >= len(others) else (others, axes)
        if any(axis not in (None, whole) for axis, whole in zip(narrower[::-1], wider[::-1], strict=False)):
            raise ProgramError(f"the sides have axes {_shown(axes)} and {_shown(others)}")
        indices = self._letters(wider)
        sides = (build(indices[len(indices) - len(its_axes) :]) for build, its_axes in ((one, axes), (other, others)))
        taken = {index.name for index in indices if index} | self.program.entry_letters
        first, second = (lettered(side, self.program.axis, taken) for side in sides)
        return first, second

    def value(self, text: str, letters: AbstractSet[str]) -> tuple[Expr, Expr]:
        """An input and the value that it is given: ``eps = 0``, ``Y = P``; its letters are not ``letters``."""
        name, sign, value = (part.strip() for part in text.partition("="))
        if not (name and sign and value) or value.startswith("="):
            raise InputError(f"expected the value of an input, such as eps = 0, got {text.strip()!r}")
        if name in self.program.axis:
            if value not in SIZES:
                raise InputError(f"the size of {name} in a fact must be one of {', '.join(SIZES)}, not {value}")
            return self.program.axis[name].size, Integer(value)
        name = same_look(name, self.program.arrays)
        array = next((a for a in self.program.inputs if a.name == name), None)
        if array is None:
            known = ", ".join(a.name for a in self.program.inputs)
            raise InputError(f"{name} is not an input: expected one of {known}")
        axes, build = array_expression(value, self.program.arrays, self.program.axes)
        if axes not in ((), array.axes):
            raise ProgramError(f"{name} has axes {_shown(array.axes)}, its value {_shown(axes)}")
        indices = self._letters(array.axes, letters)
        taken = {index.name for index in indices if index} | letters | self.program.entry_letters
        number = lettered(build(indices[len(indices) - len(axes) :]), self.program.axis, taken)
        if array.positive and not (is_known(number, "positive") or number == 0):
            raise InputError(f"{name} is declared positive, and {value} may not be")
        return array[tuple(i for i in indices if i is not None)], number

    def _letters(self, axes: tuple[Dimension, ...], letters: AbstractSet[str] = frozenset()) -> tuple[Idx | None, ...]:
        taken = {*self.program.entry_letters, *letters}
        indices: list[Idx | None] = []
        for axis in axes:
            index = fresh_letter(self.program.axis[axis.name], taken) if axis else None
            taken |= {index.name} if index else set()
            indices.append(index)
        return tuple(indices)


def _shown(axes: tuple[Dimension, ...]) -> str:
    return f"({', '.join(axis.name if axis else '1' for axis in axes)})"


def _specialised(program: Program, values: Iterable[tuple[Expr, Expr]]) -> Program:
    """The program in which inputs have given values."""
    for entry, value in values:
        name = name_of(entry)
        program = replace(
            program,
            inputs=tuple(a for a in program.inputs if a.name != name),
            equations=tuple(replace(e, rhs=unfolded(e.rhs, entry, value)) for e in program.equations),
            assumptions=tuple(a for a in program.assumptions if name not in array_names(a.lhs)),
            defaults=tuple((n, number) for n, number in program.defaults if n != name),
            labels=tuple((n, labels) for n, labels in program.labels if n != name),
        )
    return replace(program, facts=(), names=())


def _lines(program: Program, sides: tuple[Expr, ...]) -> Record:
    """The fact as the last line of a record; it may use each assumption, which a line before it states."""
    stated = [a for a in program.assumptions if not a.domain]
    steps = [
        Step(number, Value(a.lhs), None, a.rhs, "assumption", a.words, assumption=a)
        for number, a in enumerate(stated, 1)
    ]
    cites = tuple(step.number for step in steps)
    fact = Step(len(steps) + 1, Value(sides[0]), None, sides[1], "fact", "", cites)
    return Record(program, (), (*steps, fact), {}, {})


def _closing_lines(record: Record, sides: Iterable[Expr]) -> Iterator[int]:
    """The numbers of the lines that state the closed forms of the derivatives in a fact."""
    used = frozenset[str]().union(*map(array_names, sides))
    names = {name for name, adjoint in record.adjoint_arrays.items() if adjoint.name in used}
    last = {name_of(s.subject.wrt): s.number for s in record.steps if isinstance(s.subject, Total)}
    return (last[name] for name in sorted(names))


@dataclass(frozen=True)
class AtSize:
    """``source`` at the size ``number`` of the axis named ``axis``: an array along it becomes one for each position.

    This is exact: a sum along the axis is the sum over its positions, and a Kronecker delta is 1 or 0.  Where rows sum
    to a number, the last entry is this number minus the others.

    Raises ``InputError`` for an assumption about an array along the axis that is not a sum along it, and for a largest
    entry along the axis.
    """

    source: Program
    axis: str
    number: int

    @cached_property
    def program(self) -> Program:
        """The program without the axis."""
        equations = [
            Definition(self.unrolled(e.entry, at), self.unrolled(e.rhs, at), e.is_node)
            for e in self.source.equations
            for at in self.positions(e.entry)
        ]
        others = [a for a in self.source.assumptions if not self._along(a.lhs)]
        return replace(
            self.source,
            axes=tuple(axis for axis in self.source.axes if axis.name != self.axis),
            inputs=tuple(piece for array in self.source.inputs for piece in self._pieces(array)),
            equations=tuple(equations),
            assumptions=tuple(replace(a, rhs=self.unrolled(a.rhs)) for a in others),
            labels=(),
        )

    def positions(self, *exprs: Expr) -> Iterator[Positions]:
        """All positions of the free indices of some expressions that run along the axis."""
        free = frozenset[Idx]().union(*map(free_indices, exprs))
        indices = sorted((i for i in free if axis_name(i) == self.axis), key=str)
        for at in product(range(self.number), repeat=len(indices)):
            yield dict(zip(indices, at, strict=True))

    def unrolled(self, expr: Basic, at: Positions | None = None) -> Expr:
        """An expression at positions ``at`` of its free indices along the axis."""
        at = at or {}
        match expr:
            case Indexed():
                return self._entry(expr, at)
            case Sum():
                over = [i for i in bound_indices(expr) if axis_name(i) == self.axis]
                positions = product(range(self.number), repeat=len(over))
                parts = (self.unrolled(expr.function, {**at, **dict(zip(over, p, strict=True))}) for p in positions)
                return sum_over(Add(*parts), [i for i in bound_indices(expr) if i not in over])
            case KroneckerDelta() if any(i in at for i in expr.args):
                return Integer(len({at[i] for i in expr.args}) == 1)
            case position_of() if expr.args[0] in at:
                return Integer(at[expr.args[0]])
            case selection() if axis_name(expr.args[1]) == self.axis:
                raise InputError(f"{self.axis} = {self.number}: a largest entry along {self.axis} is not supported")
        if isinstance(expr, OF_MATRICES):
            if self.axis in {axis.name for axis in self.source.arrays[expr.matrix].axes}:
                raise InputError(f"{self.axis} = {self.number}: an inverse along {self.axis} is not supported")
            return expr
        if expr == self.source.axis[self.axis].size:
            return Integer(self.number)
        is_leaf = isinstance(expr, Idx) or not expr.args
        return expr if is_leaf else expr.func(*(self.unrolled(arg, at) for arg in expr.args))

    def _entry(self, entry: Indexed, at: Positions) -> Expr:
        name, along = name_of(entry), [at[i] for i in entry.indices if axis_name(i) == self.axis]
        if name in self._totals and along == [self.number - 1]:
            (index,) = (i for i in entry.indices if axis_name(i) == self.axis)
            others = (self._entry(entry, {**at, index: position}) for position in range(self.number - 1))
            return self.unrolled(self._totals[name]) - Add(*others)
        rest = [i for i in entry.indices if axis_name(i) != self.axis]
        whole = "_".join([name, *(f"at{position}" for position in along)])
        return entry_of(whole, rest, positive=bool(entry.base.is_positive or entry.is_positive))

    def _pieces(self, array: Array) -> Iterator[Array]:
        """The inputs that an input becomes."""
        along = [axis for axis in array.axes if axis.name == self.axis]
        rest = tuple(axis for axis in array.axes if axis.name != self.axis)
        for positions in product(range(self.number), repeat=len(along)):
            if not (array.name in self._totals and positions == (self.number - 1,)):
                yield Array("_".join([array.name, *(f"at{position}" for position in positions)]), rest, array.positive)

    @cached_property
    def solved(self) -> tuple[str, ...]:
        """The keys of the assumptions by which last entries are written."""
        return tuple(a.key for a in self.source.assumptions if self._along(a.lhs))

    @cached_property
    def _totals(self) -> dict[str, Expr]:
        """The inputs whose sums along the axis are known, with these sums."""
        totals: dict[str, Expr] = {}
        for a in filter(lambda a: self._along(a.lhs), self.source.assumptions):
            is_along = a.is_sum and [axis_name(i) for i in bound_indices(a.lhs)] == [self.axis] == self._along(a.lhs)
            if not is_along or a.lhs.function.is_positive:
                raise InputError(f"{self.axis} = {self.number}: the assumption that {a.words} is not supported")
            totals[name_of(a.lhs.function)] = a.rhs
        return totals

    def _along(self, expr: Expr) -> list[str]:
        """The axis, once for each index along it."""
        return [self.axis for i in every_index(expr) if axis_name(i) == self.axis]
