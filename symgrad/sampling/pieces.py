"""The pieces (branches) of the piecewise functions of a program, and the pieces that a point enters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
import sympy
from sympy import Add, Expr, Indexed, Integer, S, Sum
from sympy.tensor.indexed import Idx

from symgrad.check.numeric.evaluate import Evaluator
from symgrad.check.numeric.fields import OutsideDomain
from symgrad.equations import Definition
from symgrad.functions import MEANINGS, clip, equal, is_flat, selection, signum, step, where
from symgrad.gradcheck.slopes import largest
from symgrad.notation import array_names, bound_indices, free_indices, sum_over
from symgrad.piecewise import relation_of
from symgrad.program import Program
from symgrad.render.text import expression_text
from symgrad.sampling.autodiff import Tape, derivative, evaluator, forward
from symgrad.sampling.space import Inputs

KINKED = tuple(function for function, meaning in MEANINGS.items() if meaning.convention)
NEAR = 1e-12  # relative to the largest input: a smaller distance from a kink may be rounding


@dataclass(frozen=True)
class Piece:
    """The inputs for which the expression ``decides`` has the sign ``side`` (0 at the kink).

    If ``decides`` is an ``equal``, the piece with side 0 is where the two values are equal.  If it is a ``selection``,
    the sides tell whether the first entry is the largest; at the kink, several entries are the largest.
    """

    decides: Expr
    side: int

    def text(self, program: Program) -> str:
        """The condition for the piece, in words."""
        if isinstance(self.decides, selection):
            row, index = self.decides.args
            if not self.side:
                return f"several entries of {expression_text(row, program)} along {index} are the largest"
            which = "is" if self.side > 0 else "is not"
            return f"the first entry of {expression_text(row, program)} along {index} {which} the largest"
        sign, left, right = relation_of(step, (self.side or 1) * self.decides, S.Zero) or ("", self.decides, S.Zero)
        if isinstance(self.decides, equal):
            (left, right), sign = self.decides.args, "≠"
        return f"{expression_text(left, program)} {sign if self.side else '='} {expression_text(right, program)}"

    @property
    def level(self) -> Expr:
        """The expression that is compared with 0, or for a ``selection``, with the largest of the other entries."""
        if isinstance(self.decides, equal):
            left, right = self.decides.args
            return left - right
        return self.decides.args[0] if self.is_largest else self.decides

    @property
    def is_largest(self) -> bool:
        """Whether the largest entry decides the piece."""
        return isinstance(self.decides, selection)

    @property
    def is_elementwise(self) -> bool:
        """Whether each entry of an array decides for itself, by its sign."""
        return not isinstance(self.decides, (equal, selection)) and bool(free_indices(self.decides))

    @property
    def sides(self) -> tuple[Piece, Piece]:
        """The upper and the lower piece of the pair to which this piece belongs."""
        return replace(self, side=1), replace(self, side=0 if isinstance(self.decides, equal) else -1)


def jumps(expr: Expr) -> set[Expr]:
    """The expressions whose signs decide the pieces of the functions in ``expr`` and of their derivatives."""
    calls = expr.atoms(*KINKED)
    parts = (*calls, *(slope for call in calls for slope in _slopes(call)))
    return {jump for part in parts for jump in _jumps_of(part)} - set(widths(expr))


def _slopes(call: Expr) -> list[Expr]:
    """The partial derivatives of a function with respect to its arguments."""
    return [call.fdiff(number) for number in range(1, len(call.args) + 1)]


def _jumps_of(expr: Expr) -> set[Expr]:
    """The arguments of the step and sign functions in an expression."""
    return {jump.args[0] for jump in expr.atoms(step, signum)}


def widths(expr: Expr) -> list[Expr]:
    """The upper bound minus the lower bound of every ``clip``; negative only if the bounds are in the wrong order."""
    calls = sorted(expr.atoms(clip), key=sympy.default_sort_key)
    return [high - low for _, low, high in (call.args for call in calls) if not (high - low).is_number]


@lru_cache(maxsize=256)
def pieces(program: Program, wrt: tuple[str, ...]) -> tuple[Piece, ...]:
    """The pieces on which a gradient with respect to the arrays ``wrt`` may depend, in the order of evaluation."""
    every: dict[Piece, None] = {}
    for definition in _relevant(program, wrt):
        decides = {_oriented(jump)[0] for jump in jumps(definition.rhs)}
        decides |= definition.rhs.atoms(equal, selection)
        for expr in sorted(decides, key=sympy.default_sort_key):
            every.update(dict.fromkeys(Piece(expr, 1).sides))
    return tuple(every)


def _relevant(program: Program, wrt: tuple[str, ...]) -> list[Definition]:
    """The equations whose derivatives have pieces, and the equations of the arrays in these derivatives."""
    needed: set[str] = set()
    kinked: set[str] = set()
    for definition in program.ordered:
        for name in array_names(definition.rhs) & program.arrays.keys():
            if name in wrt or program.varying_ancestors[name] & set(wrt):
                slope, _ = derivative(definition, program.arrays[name])
                needed |= array_names(slope) & program.arrays.keys()
                if definition.rhs.atoms(*KINKED):
                    kinked.add(definition.name)
    needed |= kinked.union(*(program.ancestors[name] for name in needed))
    return [definition for definition in program.ordered if definition.name in needed]


def _oriented(expr: Expr) -> tuple[Expr, int]:
    """The expression and 1, or its negative and -1: the one that SymPy prints without a minus sign."""
    return (-expr, -1) if expr.could_extract_minus_sign() else (expr, 1)


# --- the program without a piece ----------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def without(program: Program, piece: Piece) -> Program:
    """The program without a piece: the piece on the other side is extended over it."""
    equations = tuple(replace(e, rhs=_without(e.rhs, piece)) for e in program.equations)
    return replace(program, equations=equations)


def _without(expr: Expr, piece: Piece) -> Expr:
    if isinstance(expr, Sum):
        return sum_over(_without(expr.function, piece), bound_indices(expr))
    if expr == piece.decides and isinstance(expr, equal):
        return Integer(piece.side != 0)
    if isinstance(expr, (step, signum)):
        jump, turn = _oriented(expr.args[0])
        if jump == piece.decides:
            is_above = piece.side * turn < 0
            return Integer(is_above) if isinstance(expr, step) else Integer(1 if is_above else -1)
    if not expr.args or isinstance(expr, (Indexed, Idx)):
        return expr
    if isinstance(expr, KINKED) and not isinstance(expr, where) and not is_flat(expr):
        slopes = _slopes(expr)
        if any(_oriented(jump)[0] == piece.decides for slope in slopes for jump in _jumps_of(slope)):
            # The function is linear on each piece: it equals its slopes times its arguments.
            return Add(*(_without(s, piece) * _without(arg, piece) for s, arg in zip(slopes, expr.args, strict=True)))
    return expr.func(*(_without(arg, piece) for arg in expr.args))


# --- a point ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class SamplePoint:
    """Inputs of a program, with its arrays and its gradients with respect to ``wrt`` at these inputs."""

    program: Program
    wrt: tuple[str, ...]
    sizes: Mapping[str, int]
    inputs: Inputs

    @cached_property
    def values(self) -> dict[str, np.ndarray]:
        """All arrays, computed by the forward equations."""
        with np.errstate(all="ignore"):
            return forward(self.program, self.sizes, self.inputs)

    @cached_property
    def gradients(self) -> dict[str, np.ndarray]:
        """The gradients, computed by the chain rule."""
        with np.errstate(all="ignore"):
            adjoints = self.tape.adjoints()
        return {name: adjoints[name] for name in self.wrt}

    @cached_property
    def tape(self) -> Tape:
        """The derivative of every equation with respect to every array that it uses."""
        return Tape(self.program, self.sizes, self.values)

    @cached_property
    def is_finite(self) -> bool:
        """Whether the loss and its gradients are finite."""
        try:
            results = [self.values[self.program.output], *self.gradients.values()]
        except OutsideDomain:
            return False
        return all(np.all(np.isfinite(value)) for value in results)

    @cached_property
    def is_in_order(self) -> bool:
        """Whether the lower bound of every ``clip`` is at most its upper bound."""
        gaps = (self.evaluate(gap).data for d in self.program.ordered for gap in widths(d.rhs))
        return all(bool(np.all(gap >= 0)) for gap in gaps)

    @cached_property
    def evaluate(self) -> Evaluator:
        """An evaluator of expressions in the arrays."""
        return evaluator(self.program, self.sizes, self.values)

    def rows(self, piece: Piece) -> np.ndarray:
        """The values of the piece's ``level``; for a ``selection``, the axis of the compared entries comes first."""
        with np.errstate(all="ignore"):
            level = self.evaluate(piece.level)
        axis = level.labels.index(piece.decides.args[1]) if piece.is_largest else 0
        return np.moveaxis(level.data[0], axis, 0) if piece.is_largest else np.asarray(level.data[0])

    def level(self, piece: Piece) -> np.ndarray:
        """The values whose signs decide the piece; for a ``selection``, the first entry minus the largest other one."""
        rows = self.rows(piece)
        return rows[0] - rows[1:].max(axis=0, initial=-np.inf) if piece.is_largest else rows

    def enters(self, piece: Piece) -> bool:
        """Whether an entry is in a piece."""
        level = self.level(piece)
        if isinstance(piece.decides, equal):
            return bool(np.any((level == 0) == (piece.side == 0)))
        return bool(np.any(piece.side * level > 0))

    def is_at_kink(self, piece: Piece) -> bool:
        """Whether an entry is at the kink of a piece, up to rounding."""
        near = NEAR * max(1.0, *map(largest, self.inputs.values()))
        rows = self.rows(piece)
        gaps = np.diff(np.sort(rows, axis=0)[-2:], axis=0) if piece.is_largest else rows
        return not isinstance(piece.decides, equal) and bool(np.any(np.abs(gaps) <= near))

    @cached_property
    def entered(self) -> frozenset[Piece]:
        """The pieces with an entry in them."""
        return frozenset(piece for piece in pieces(self.program, self.wrt) if self.enters(piece))

    @cached_property
    def kinks(self) -> frozenset[Piece]:
        """The upper pieces with an entry at the kink."""
        return frozenset(p for p in pieces(self.program, self.wrt) if p.side > 0 and self.is_at_kink(p))
