"""End to end: closed forms against the brute-force gradient of the loss written in its inputs.  Uses no line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

from sympy import Expr, Integer, Symbol

from symgrad.check.assumptions import Projection, choices, constraints
from symgrad.check.marks import Sizes
from symgrad.check.normal_form.atoms import NoNormalForm
from symgrad.check.numeric.exact import ExactField, NotExact
from symgrad.check.numeric.instantiation import Instance, Place
from symgrad.check.semantics import adjoint_array
from symgrad.errors import InputError
from symgrad.notation import indices_of
from symgrad.steps import Gradient, Record

Labels = dict[tuple[str, Place], int]
"""The entries of one-hot rows, and of finite domains."""


@dataclass(frozen=True)
class EndToEnd:
    """``entries`` entries of gradients were compared exactly at ``sizes``; ``wrong`` names those that differ, and
    ``undecided`` those outside exact arithmetic, with the reason."""

    sizes: Sizes
    entries: int
    wrong: tuple[str, ...]
    undecided: tuple[str, ...]
    assumptions: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether every entry is exactly that of the brute-force gradient."""
        return self.entries > 0 and not self.wrong and not self.undecided


def check_end_to_end(record: Record, sizes: Mapping[str, int] | tuple[int, ...] = (2, 4, 3)) -> EndToEnd:
    """Compare every entry of every gradient with SymPy's gradient of the loss written in the inputs alone.

    ``sizes`` are those of the program's axes, in their order or by name.  Where a line used an assumption, the last
    entry that it is about is written in the others (y_C = 1 - the sum of the others; a_ji = a_ij); where one used that
    rows are one-hot, or entries lie in a finite domain, every choice of labels is compared.
    """
    program = record.program
    names = [axis.name for axis in program.axes]
    if not isinstance(sizes, Mapping) and len(sizes) != len(names):
        raise InputError(f"expected the sizes of the axes {', '.join(names)}, got {len(sizes)} numbers")
    given = dict(sizes) if isinstance(sizes, Mapping) else dict(zip(names, sizes, strict=True))
    wrong: list[str] = []
    undecided: list[str] = []
    compared = 0
    for gradient, labels in product(record.gradients.values(), _labels(record, given)):
        comparison = _Comparison(record, given, gradient, labels)
        for place in comparison.places:
            compared += 1
            entry = f"{gradient.array.name}[{','.join(map(str, place))}]"
            try:
                if not comparison.equal(place):
                    (wrong if comparison.field.complete else undecided).append(entry)
            except (NotExact, NoNormalForm) as why:
                undecided.append(f"{entry}: {why}")
    shape = tuple((axis, given[axis]) for axis in names)
    keys = tuple(assumption.key for assumption in record.assumptions_used)
    return EndToEnd(shape, compared, tuple(wrong), tuple(undecided), keys)


def _labels(record: Record, sizes: Mapping[str, int]) -> list[Labels]:
    """Every choice of the one-hot rows and of the entries of finite domains that the derivation assumes."""
    found: list[Labels] = [{}]
    for name, constraint in constraints(record.assumptions_used, record.program).items():
        shape = [sizes[axis.name] for axis in record.program.arrays[name].axes]
        named = [{(name, place): value for place, value in one.items()} for one in choices(constraint, shape)]
        found = [{**one, **other} for one, other in product(found, named)]
    return found


class _Comparison:
    """One gradient at a shape, with zeros and ones for the entries that ``labels`` has.

    Both sides are written in the inputs, and in the array itself where that is none.
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
        self.places = list(self._instance.places(indices_of(gradient.entry)))

    def equal(self, place: Place) -> bool:
        """Whether the closed form of an entry is the brute-force derivative."""
        program = self._record.program
        entry = self._instance.symbol(self._gradient.array.name, place)
        derivative = self._instance.derivative(program.arrays[program.output].base, {}, entry)
        return self.field.equal(self._closed(self._gradient, place), derivative)

    def _closed(self, gradient: Gradient, place: Place) -> Expr:
        return self._instance.entry(gradient.index, dict(zip(indices_of(gradient.entry), place, strict=True)))

    def _resolve(self, symbol: Symbol) -> Expr | None:
        """What a symbol stands for: an adjoint's closed form, a label, or the entry that an assumption fixes."""
        name, place = self._instance.scalars[symbol]
        if name in self._adjoints:
            return self._closed(self._record.adjoints[self._adjoints[name]], place)
        if (name, place) in self._labels:
            return Integer(self._labels[name, place])
        return self._instance.fixed_by(self._fixing[name], symbol) if name in self._fixing else None
