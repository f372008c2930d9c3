"""The search for inputs in each piece of a program, at which the gradient depends on the piece, and inputs at kinks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np

from symgrad.equations import node
from symgrad.facts import evaluation_order
from symgrad.functions import equal
from symgrad.gradcheck.slopes import largest
from symgrad.notation import Array, array_names, axis_name, free_indices, sum_over
from symgrad.program import Program
from symgrad.sampling.autodiff import Tape, forward
from symgrad.sampling.pieces import Piece, SamplePoint, pieces, without
from symgrad.sampling.space import Inputs, InputSpace, NoInputs, bounds

ATTEMPTS, DRAWS, PASSES = 20, 6, 2
SCALES = tuple(10.0**k for k in (1, -1, 2, -2, 3, -3, 4, -4))
"""The factors by which inputs are scaled in search of a piece."""
BEYOND = (1.0, 0.1, 1e-2, 1e-3, 1e-4, 1e-6)
"""The distances beyond a kink that are tried, in units of the first distance from it."""
NEARBY = 1e-6  # the step, relative to 1, that tells a kink hit by chance from one that cannot be avoided
SHORTER = (1.0, 0.5, 0.1, 0.01)  # damping factors of Newton steps
STEPS = 12
VISIBLE, FAINT = 0.05, 1e-5
"""The change of a gradient when a piece is removed, relative to its largest entry: clear enough; barely visible."""
MOST_SIDES = 6
"""The number of other pieces on both sides of which a piece is shown to make no difference."""
CLOSE, KINK = 1e-2, 1e-2
"""The distance of two points from the kink between them; the difference of the gradients much closer to it, at least,
where the gradient jumps."""
MOST_ENTRIES = 6
EIGHTHS = 8  # near kinks, inputs are multiples of 1/8, so that a kink is hit exactly
PICKED, TOTAL = "picked_entries", "picked_total"

Seed = tuple[int, ...]
Sizes = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Sample:
    """Inputs for every piece of a program, random inputs first, and inputs at each kink.

    Pieces without inputs are ``unreached``, or ``idle``: entered, but without an effect on the gradient there.  A kink
    is a piece with side 0; its inputs are exactly at it if possible, and at no other kink.
    """

    points: tuple[Inputs, ...]
    unreached: tuple[Piece, ...]
    idle: tuple[Piece, ...]
    kinks: tuple[tuple[Piece, Inputs], ...]


@lru_cache(maxsize=256)
def possible(space: InputSpace, wrt: tuple[str, ...]) -> tuple[Piece, ...]:
    """The pieces on which a gradient with respect to the arrays ``wrt`` may depend, except those proved empty."""
    return tuple(piece for piece in pieces(space.program, wrt) if not _is_empty(piece, space, wrt))


def _is_empty(piece: Piece, space: InputSpace, wrt: tuple[str, ...]) -> bool:
    """Whether a piece is empty or has no interior, such as the equality of two arrays that vary."""
    if isinstance(piece.decides, equal) and piece.side == 0:
        varies = space.program.varying_ancestors
        return any({name, *varies[name]} & set(wrt) for name in array_names(piece.decides))
    if isinstance(piece.decides, equal) or piece.is_largest:
        return False
    low, high = bounds(piece.decides, space.program, space.bounds)
    return high <= 0 if piece.side > 0 else low >= 0


@lru_cache(maxsize=256)
def random_inputs(space: InputSpace, wrt: tuple[str, ...], sizes: Sizes, seed: Seed) -> Inputs:
    """Random inputs of given sizes at which the loss and its gradients with respect to ``wrt`` are finite.

    Raises ``NoInputs`` if none are found.
    """
    return _Search(space, wrt, dict(sizes), seed).random().inputs


@lru_cache(maxsize=256)
def sample(space: InputSpace, wrt: tuple[str, ...], sizes: Sizes, seed: Seed) -> Sample:
    """The ``random_inputs``, then inputs in every piece at which the gradients with respect to ``wrt`` depend on it,
    and inputs close to every kink.

    Raises ``NoInputs`` if no random inputs are found.
    """
    search = _Search(space, wrt, dict(sizes), seed)
    points, waiting = [search.random()], list(possible(space, wrt))
    for _ in range(PASSES):  # a piece that is idle in the first pass may have an effect at a point of another piece
        left = []
        for piece in waiting:
            point, how_well = search.best(piece, [*points, *search.others])
            if how_well <= FAINT:
                if search.is_harmless(piece):
                    continue
                point, how_well = search.best(piece, search.far(piece, points))
            if point is not None and point not in points:
                points.append(point)
            if how_well <= FAINT:
                left.append(piece)
        waiting = left
    idle = [piece for piece in waiting if any(point.enters(piece) for point in points)]
    kinks = []
    for piece in possible(space, wrt):
        if piece.side > 0 and not isinstance(piece.decides, equal):
            for point, *sides in search.at_kink(piece, tuple(points)):
                kinks.append((replace(piece, side=0), point.inputs))
                points += sides
    unreached = tuple(piece for piece in waiting if piece not in idle)
    return Sample(tuple(point.inputs for point in points), unreached, tuple(idle), tuple(kinks))


class _Search:
    """Searches from random points, by scaling inputs, and by Newton's method on the deciding expressions."""

    def __init__(self, space: InputSpace, wrt: tuple[str, ...], sizes: Mapping[str, int], seed: Seed) -> None:
        self.space, self.wrt, self.sizes, self.seed = space, wrt, sizes, seed
        self.program = space.program

    def random(self) -> SamplePoint:
        """Random inputs at which everything is finite."""
        points = [self.drawn(attempt) for attempt in range(ATTEMPTS)]
        for is_usable in (lambda point: point.is_in_order and point.is_finite, lambda point: point.is_finite):
            usable = next(filter(is_usable, points), None)
            if usable is not None:
                return usable
        problem = f"{self.program.name} is not finite at random inputs (normal, or between 0 and 1)"
        raise NoInputs(f"{problem}: declare which inputs are positive")

    def drawn(self, attempt: int) -> SamplePoint:
        rng = np.random.default_rng((*self.seed, attempt))
        return self.at(self.space.random(self.sizes, rng, attempt % 2 == 1))

    def at(self, inputs: Inputs) -> SamplePoint:
        return SamplePoint(self.program, self.wrt, self.sizes, inputs)

    # --- points in a piece --------------------------------------------------------------------------------------------

    def best(self, piece: Piece, points: Iterable[SamplePoint]) -> tuple[SamplePoint | None, float]:
        """The first point in a piece at which removing the piece changes the gradient visibly, or else the point with
        the largest change; and the change.  Points that hit a kink by chance are skipped."""
        best, how_well = None, -1.0
        for point in points:
            if point.enters(piece) and point.is_finite and point.is_in_order and not self.chance_kinks(point):
                well = self.shows(piece, point)
                if well > how_well:
                    best, how_well = point, well
                if well > VISIBLE:
                    break
        return best, how_well

    def chance_kinks(self, point: SamplePoint) -> frozenset[Piece]:
        """The upper pieces whose kink a point hits, though a point nearby does not."""
        if not point.kinks:
            return point.kinks
        rng = np.random.default_rng((*self.seed, ATTEMPTS))
        steps = {n: NEARBY * rng.standard_normal(np.shape(point.inputs[n])) for n in self.space.movable}
        return point.kinks - self.at(self.space.moved(point.inputs, steps)).kinks

    def shows(self, piece: Piece, point: SamplePoint) -> float:
        """The relative change of the gradient at a point when a piece is removed."""
        if piece.is_largest:
            return 1.0
        other = replace(point, program=without(self.program, piece))
        return _change(point, other) if other.is_finite else 1.0

    @cached_property
    def others(self) -> list[SamplePoint]:
        """Further random points."""
        return [self.drawn(attempt) for attempt in range(ATTEMPTS, ATTEMPTS + DRAWS)]

    def far(self, piece: Piece, known: list[SamplePoint]) -> Iterator[SamplePoint]:
        """Points at other scales, and near the boundary of a piece."""
        every = self.space.movable
        others = [point for point in self.others if point.is_finite]
        for start in (known[0], *others):
            for names in (every, *((name,) for name in every if start is known[0])):
                for scale in SCALES:
                    scaled = {n: v * scale if n in names else v for n, v in start.inputs.items()}
                    yield self.at(self.space.admissible(scaled))
        for start in (*known, *others):
            yield from self.crossing(piece, start)

    def crossing(self, piece: Piece, start: SamplePoint) -> Iterator[SamplePoint]:
        """Points at the kink of a piece and beyond it, for one deciding entry."""
        if not piece.level.free_symbols:
            return
        level = start.level(piece)
        for entry in dict.fromkeys((0, int(np.argmin(np.abs(level))))):
            edge = _Edge(self.space, piece, entry, self.sizes)
            inputs, scale = edge.reached(start.inputs), abs(float(np.ravel(level)[entry])) or 1.0
            for beyond in (0.0, *BEYOND):
                yield self.at(edge.moved(inputs, piece.side * scale * beyond))

    # --- a piece that makes no difference -----------------------------------------------------------------------------

    def is_harmless(self, piece: Piece) -> bool:
        """Whether the gradient is the same function of the inputs on both sides of a piece, for all choices of
        the other pieces."""
        upper, lower = (without(self.program, side) for side in piece.sides)
        return self._agree(upper, lower, MOST_SIDES)

    def _agree(self, one: Program, other: Program, most: int) -> bool:
        left = next((p for each in (one, other) for p in pieces(each, self.wrt) if not p.is_largest), None)
        if left is not None:
            return most > 0 and all(self._agree(without(one, p), without(other, p), most - 1) for p in left.sides)
        pairs = [[replace(point, program=program) for program in (one, other)] for point in self.others]
        finite = [pair for pair in pairs if all(point.is_finite for point in pair)]
        return bool(finite) and all(_change(*pair) <= FAINT for pair in finite)

    # --- points at kinks ----------------------------------------------------------------------------------------------

    def rounded(self, point: SamplePoint) -> SamplePoint:
        """A point with its movable inputs rounded to multiples of 1/8; what rounds to 0 becomes 1."""
        eighths = {n: np.round(EIGHTHS * point.inputs[n]) / EIGHTHS for n in self.space.movable}
        return self.at({**point.inputs, **{n: np.where(v == 0, 1.0, v) for n, v in eighths.items()}})

    def at_kink(self, piece: Piece, known: Sequence[SamplePoint]) -> list[list[SamplePoint]]:
        """A point at the kink of a piece, and at no other kink that can be avoided, with points on both sides; or an
        empty list."""
        for start in (*map(self.rounded, self.others[:3]), *known[:MOST_ENTRIES]):
            for entry in range(min(MOST_ENTRIES, start.level(piece).size)):
                edge = _Edge(self.space, piece, entry, self.sizes)
                point = self.at(edge.reached(start.inputs))
                if point.is_finite and self.chance_kinks(point) == {piece}:
                    near, apart = (
                        [self.at(edge.moved(point.inputs, side * far)) for side in (1, -1)] for far in (CLOSE**2, CLOSE)
                    )
                    usable = all(each.is_finite and not self.chance_kinks(each) for each in (*near, *apart))
                    if usable and _change(*near) > KINK:
                        return [[point, *apart]]
        return []


class _Edge:
    """The kink of a piece, for one deciding entry, as an equation in the inputs for Newton's method."""

    def __init__(self, space: InputSpace, piece: Piece, entry: int, sizes: Mapping[str, int]) -> None:
        self.space, self.piece, self.entry, self.sizes = space, piece, entry, sizes
        program, level = space.program, piece.level
        indices = sorted(free_indices(level), key=str)
        if piece.is_largest:  # the axis along which entries are compared comes first
            indices.sort(key=lambda i: i != piece.decides.args[1])
        self.picked = Array(PICKED, tuple(program.axis[axis_name(i)] for i in indices))
        total = node(Array(TOTAL)[()], sum_over(self.picked[tuple(indices)] * level, indices))
        needed = evaluation_order(program, sorted(array_names(level) & program.definitions.keys()))
        inputs = (*program.inputs, self.picked)
        self.program = replace(
            program, inputs=inputs, equations=(*needed, total), output=TOTAL, assumptions=(), defaults=()
        )

    def reached(self, inputs: Inputs) -> Inputs:
        """Inputs at the kink, or closer to it, after damped Newton steps that move one number each."""
        for _ in range(STEPS):
            level, _, _ = self.slope(inputs)
            if level == 0:
                break
            steps = (self.moved(inputs, -shorter * level) for shorter in SHORTER)
            nearer = next((moved for moved in steps if abs(self.slope(moved)[0]) < abs(level)), None)
            if nearer is None:
                break
            inputs = nearer
        return inputs

    def moved(self, inputs: Inputs, by: float) -> Inputs:
        """The inputs with one number changed so that the entry changes by about ``by``."""
        _, name, slope = self.slope(inputs)
        if not name:
            return inputs
        steps = np.zeros(slope.shape)
        steepest = np.unravel_index(int(np.argmax(np.abs(slope))), slope.shape)
        steps[steepest] = by / slope[steepest]
        return self.space.moved(inputs, {name: steps})

    def slope(self, inputs: Inputs) -> tuple[float, str, np.ndarray]:
        """The value of the entry, the input that changes it most ("" if none does), and the slopes."""
        with np.errstate(all="ignore"):
            values = forward(self.program, self.sizes, {**inputs, PICKED: self._picked(inputs)})
            slopes = Tape(self.program, self.sizes, values).adjoints()
        steepness = {n: largest(slopes[n]) for n in self.space.movable}
        name = max(steepness, key=lambda n: steepness[n], default="")
        usable = bool(name) and 0 < steepness[name] < np.inf
        return float(values[TOTAL]), name if usable else "", slopes[name] if usable else np.zeros(())

    def _picked(self, inputs: Inputs) -> np.ndarray:
        """1 at the entry; for a ``selection``, 1 at the first of its row, and -1 at the largest of the others."""
        weights = np.zeros(tuple(self.sizes[axis.name] for axis in self.picked.axes))
        if not self.piece.is_largest:
            weights.flat[self.entry] = 1.0
            return weights
        row = weights.reshape(len(weights), -1)[:, self.entry]
        rows = SamplePoint(self.space.program, (), self.sizes, inputs).rows(self.piece)
        row[0] += 1.0
        row[1 + int(np.argmax(rows.reshape(len(rows), -1)[1:, self.entry]))] -= 1.0
        return weights


def _change(right: SamplePoint, other: SamplePoint) -> float:
    """The largest difference of the gradients at two points, relative to the largest entry, at most 1."""
    worst = 0.0
    for name, value in right.gradients.items():
        change, size = largest(other.gradients[name] - value), largest(value)
        worst = max(worst, min(1.0, change / size) if size else float(change > 0))
    return worst
