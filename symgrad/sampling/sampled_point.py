"""One point of a program: its arrays and gradients there, and the pieces that are entered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from symgrad.check.numeric.evaluate import Evaluator
from symgrad.check.numeric.fields import OutsideDomain
from symgrad.functions import equal
from symgrad.program import Program
from symgrad.sampling.autodiff import Tape, evaluator, forward
from symgrad.sampling.pieces import Piece, pieces, widths
from symgrad.sampling.space import Inputs

NEAR = 1e-12  # relative to the largest input: what is nearer to 0 than that may be 0


@dataclass(frozen=True, eq=False)
class Spot:
    """Inputs of a program, with its arrays and its gradients with respect to ``wrt`` there."""

    program: Program
    wrt: tuple[str, ...]
    sizes: Mapping[str, int]
    inputs: Inputs

    @cached_property
    def values(self) -> dict[str, np.ndarray]:
        """Every array, by the forward equations."""
        with np.errstate(all="ignore"):
            return forward(self.program, self.sizes, self.inputs)

    @cached_property
    def gradients(self) -> dict[str, np.ndarray]:
        """The gradients, by the chain rule."""
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
            found = [self.values[self.program.output], *self.gradients.values()]
        except OutsideDomain:
            return False
        return all(np.all(np.isfinite(value)) for value in found)

    @cached_property
    def is_in_order(self) -> bool:
        """Whether the bounds of every clip are in order."""
        gaps = (self._evaluate(gap).data for d in self.program.ordered for gap in widths(d.rhs))
        return all(bool(np.all(gap >= 0)) for gap in gaps)

    @cached_property
    def _evaluate(self) -> Evaluator:
        return evaluator(self.program, self.sizes, self.values)

    def rows(self, piece: Piece) -> np.ndarray:
        """The values that decide whether a piece is entered; for a ``selection``, with the axis of compared entries
        first."""
        with np.errstate(all="ignore"):
            found = self._evaluate(piece.level)
        return (
            np.moveaxis(found.data[0], found.labels.index(piece.decides.args[1]), 0)
            if piece.is_largest
            else found.data[0]
        )

    def level(self, piece: Piece) -> np.ndarray:
        """The values whose sign decides whether a piece is entered; for a ``selection``, the first entry minus the
        largest of the others."""
        rows = self.rows(piece)
        return rows[0] - rows[1:].max(axis=0, initial=-np.inf) if piece.is_largest else rows

    def enters(self, piece: Piece) -> bool:
        """Whether some entry is in a piece."""
        level = self.level(piece)
        if isinstance(piece.decides, equal):
            return bool(np.any((level == 0) == (piece.side == 0)))
        return bool(np.any(piece.side * level > 0))

    def is_at_kink(self, piece: Piece) -> bool:
        """Whether some deciding entry is at the kink, up to rounding."""
        near = NEAR * max(1.0, *(float(np.abs(value).max(initial=0.0)) for value in self.inputs.values()))
        rows = self.rows(piece)
        gaps = np.diff(np.sort(rows, axis=0)[-2:], axis=0) if piece.is_largest else rows
        return not isinstance(piece.decides, equal) and bool(np.any(np.abs(gaps) <= near))

    @cached_property
    def entered(self) -> frozenset[Piece]:
        """The pieces that some entry is in."""
        return frozenset(piece for piece in pieces(self.program, self.wrt) if self.enters(piece))

    @cached_property
    def kinks(self) -> frozenset[Piece]:
        """The upper pieces for which some entry is at the kink."""
        return frozenset(p for p in pieces(self.program, self.wrt) if p.side > 0 and self.is_at_kink(p))
