"""Compares closed forms with the brute-force gradient of the loss as a function of its inputs.  Uses no line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

from sympy import Expr, Integer, Symbol

from symgrad.check.assumptions import Projection, choices, constraints
from symgrad.check.marks import Sizes
from symgrad.check.normal_form.atoms import NoNormalForm
from symgrad.check.numeric.exact import ExactField, NotExact
from symgrad.check.numeric.instantiation import Instance, Position
from symgrad.check.semantics import adjoint_array
from symgrad.errors import InputError
from symgrad.notation import indices_of
from symgrad.steps import Gradient, Record

Labels = dict[tuple[str, Position], int]
"""The values of the entries of one-hot rows and of finite domains."""


@dataclass(frozen=True)
class EndToEnd:
    """The result of an exact comparison of ``entries`` entries of gradients at ``sizes``.

    ``wrong`` names the entries that differ, and ``undecided`` those outside exact arithmetic, with the reason.
    ``assumptions`` are the keys of the assumptions of the derivation.
    """

    sizes: Sizes
    entries: int
    wrong: tuple[str, ...]
    undecided: tuple[str, ...]
    assumptions: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether every entry equals the brute-force gradient exactly."""
        return self.entries > 0 and not self.wrong and not self.undecided


def check_end_to_end(record: Record, sizes: Mapping[str, int] | tuple[int, ...] = (2, 4, 3)) -> EndToEnd:
    """Compare every entry of every gradient with SymPy's gradient of the loss as a function of its inputs.

    ``sizes`` are the sizes of the program's axes, in their order or by name.  If a line uses an assumption, the entries
    that it determines are written in the others (y_C = 1 - the sum of the others; a_ji = a_ij).  If a line uses one-hot
    rows, or entries in a finite domain, every choice of labels is compared.
    """
    program = record.program
    names = [axis.name for axis in program.axes]
    if not isinstance(sizes, Mapping) and len(sizes) != len(names):
        raise InputError(f"expected the sizes of the axes {', '.join(names)}, got {len(sizes)} numbers")
    shape = dict(sizes) if isinstance(sizes, Mapping) else dict(zip(names, sizes, strict=True))
    wrong: list[str] = []
    undecided: list[str] = []
    compared = 0
    for gradient, labels in product(record.gradients.values(), _labels(record, shape)):
        comparison = _Comparison(record, shape, gradient, labels)
        for position in comparison.positions:
            compared += 1
            entry = f"{gradient.array.name}[{','.join(map(str, position))}]"
            try:
                if not comparison.equal(position):
                    (wrong if comparison.field.complete else undecided).append(entry)
            except (NotExact, NoNormalForm) as why:
                undecided.append(f"{entry}: {why}")
    keys = tuple(assumption.key for assumption in record.assumptions_used)
    return EndToEnd(tuple((axis, shape[axis]) for axis in names), compared, tuple(wrong), tuple(undecided), keys)


def _labels(record: Record, sizes: Mapping[str, int]) -> list[Labels]:
    """Every choice of the one-hot rows and of the entries of finite domains that the derivation assumes."""
    every: list[Labels] = [{}]
    for name, constraint in constraints(record.assumptions_used, record.program).items():
        shape = [sizes[axis.name] for axis in record.program.arrays[name].axes]
        named = [{(name, position): value for position, value in one.items()} for one in choices(constraint, shape)]
        every = [{**one, **other} for one, other in product(every, named)]
    return every


class _Comparison:
    """Compares the closed form of a gradient with SymPy's derivative of the loss, at a shape, for given ``labels``.

    Both are written in the inputs, and in the array of the gradient if it is not an input.
    """

    def __init__(self, record: Record, sizes: Mapping[str, int], gradient: Gradient, labels: Labels) -> None:
        self._record = record
        self._gradient = gradient
        program = record.program
        self._instance = Instance(program, sizes, program.definitions.keys() - {gradient.array.name})
        self._adjoints = {adjoint_array(record, name).name: name for name in program.definitions}
        self._labels = labels
        known = constraints(record.assumptions_used, program)
        self._fixing = {name: c.assumption for name, c in known.items() if isinstance(c, Projection)}
        self.field = ExactField(self._resolve)
        self.positions = list(self._instance.positions(indices_of(gradient.entry)))

    def equal(self, position: Position) -> bool:
        """Whether the closed form of an entry equals the brute-force derivative."""
        program = self._record.program
        entry = self._instance.symbol(self._gradient.array.name, position)
        derivative = self._instance.derivative(program.arrays[program.output].base, {}, entry)
        return self.field.equal(self._closed(self._gradient, position), derivative)

    def _closed(self, gradient: Gradient, position: Position) -> Expr:
        return self._instance.entry(gradient.index, dict(zip(indices_of(gradient.entry), position, strict=True)))

    def _resolve(self, symbol: Symbol) -> Expr | None:
        """The expression for a symbol: the closed form of an adjoint, a label, or a value by an assumption."""
        name, position = self._instance.scalars[symbol]
        if name in self._adjoints:
            return self._closed(self._record.adjoints[self._adjoints[name]], position)
        if (name, position) in self._labels:
            return Integer(self._labels[name, position])
        return self._instance.fixed_by(self._fixing[name], symbol) if name in self._fixing else None
