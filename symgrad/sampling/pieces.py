"""The pieces (branches) of the piecewise functions of a program, what decides between them, and the program without one
piece."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import sympy
from sympy import Add, Expr, Indexed, Integer, S, Sum
from sympy.tensor.indexed import Idx

from symgrad.equations import Definition
from symgrad.functions import MEANINGS, clip, equal, is_flat, selection, signum, step, where
from symgrad.notation import array_names, bound_indices, free_indices, sum_over
from symgrad.piecewise import relation_of
from symgrad.program import Program
from symgrad.render.text import expression_text
from symgrad.sampling.autodiff import derivative

KINKED = tuple(function for function, meaning in MEANINGS.items() if meaning.convention)


@dataclass(frozen=True)
class Piece:
    """A piece in which ``decides`` has the sign ``side`` (0 at the kink).  For ``equal``: whether two values are equal
    (side 0).  For ``selection``: whether the first entry is the largest; at the kink, several are."""

    decides: Expr
    side: int

    def text(self, program: Program) -> str:
        """The condition under which the piece is entered, in words."""
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
        """The expression compared with 0 or, for a ``selection``, with the largest of the other entries."""
        if isinstance(self.decides, equal):
            left, right = self.decides.args
            return left - right
        return self.decides.args[0] if self.is_largest else self.decides

    @property
    def is_largest(self) -> bool:
        """Whether the piece is decided by which entry is the largest."""
        return isinstance(self.decides, selection)

    @property
    def is_elementwise(self) -> bool:
        """Whether each entry of an array is in the piece or not, by its own sign."""
        return not isinstance(self.decides, (equal, selection)) and bool(free_indices(self.decides))

    @property
    def sides(self) -> tuple[Piece, Piece]:
        """The piece and the piece on the other side, the upper one first."""
        return replace(self, side=1), replace(self, side=0 if isinstance(self.decides, equal) else -1)


def jumps(expr: Expr) -> set[Expr]:
    """The expressions whose signs decide the pieces of functions in ``expr`` and of their derivatives."""
    calls = expr.atoms(*KINKED)
    slopes = [call.fdiff(place) for call in calls for place in range(1, len(call.args) + 1)]
    return {jump.args[0] for part in (*calls, *slopes) for jump in part.atoms(step, signum)} - set(widths(expr))


def widths(expr: Expr) -> list[Expr]:
    """The upper bound minus the lower bound of every ``clip``; negative only if the bounds are in the wrong order."""
    calls = sorted(expr.atoms(clip), key=sympy.default_sort_key)
    return [high - low for _, low, high in (call.args for call in calls) if not (high - low).is_number]


@lru_cache(maxsize=256)
def pieces(program: Program, wrt: tuple[str, ...]) -> tuple[Piece, ...]:
    """The pieces on which a gradient with respect to the arrays ``wrt`` may depend, in the order of evaluation."""
    found: dict[Piece, None] = {}
    for definition in _relevant(program, wrt):
        decides = {_oriented(jump)[0] for jump in jumps(definition.rhs)}
        decides |= definition.rhs.atoms(equal, selection)
        for expr in sorted(decides, key=sympy.default_sort_key):
            found.update(dict.fromkeys(Piece(expr, 1).sides))
    return tuple(found)


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
    """An expression or its negative, whichever SymPy prints without a sign, and which of the two it is."""
    return (-expr, -1) if expr.could_extract_minus_sign() else (expr, 1)


# --- the program without a piece ----------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def without(program: Program, piece: Piece) -> Program:
    """The program in which a piece is never entered: the piece on the other side is extended."""
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
        slopes = [expr.fdiff(place) for place in range(1, len(expr.args) + 1)]
        if any(
            _oriented(jump)[0] == piece.decides for s in slopes for jump in (j.args[0] for j in s.atoms(step, signum))
        ):
            # On each of its pieces the function is linear: it is its slopes times its arguments.
            return Add(*(_without(s, piece) * _without(arg, piece) for s, arg in zip(slopes, expr.args, strict=True)))
    return expr.func(*(_without(arg, piece) for arg in expr.args))
