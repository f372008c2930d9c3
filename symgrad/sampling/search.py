"""The search for inputs in each piece of a program, at which its gradient shows the piece, and for inputs at kinks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np

from symgrad.equations import node
from symgrad.functions import equal
from symgrad.notation import Array, array_names, axis_name, free_indices, sum_over
from symgrad.program import Program, evaluation_order
from symgrad.sampling.autodiff import Tape, forward
from symgrad.sampling.intervals import bounds
from symgrad.sampling.pieces import Piece, pieces, without
from symgrad.sampling.sampled_point import Spot
from symgrad.sampling.space import Inputs, InputSpace, NoInputs

ATTEMPTS, DRAWS, PASSES = 20, 6, 2
SCALES = tuple(10.0**k for k in (1, -1, 2, -2, 3, -3, 4, -4))
"""What inputs are multiplied by in search of a piece."""
BEYOND = (1.0, 0.1, 1e-2, 1e-3, 1e-4, 1e-6)
"""How far beyond a kink is tried, in units of the distance from it at first."""
NEARBY = 1e-6
SHORTER = (1.0, 0.5, 0.1, 0.01)
STEPS = 12
VISIBLE, FAINT = 0.05, 1e-5
"""By how much a gradient changes, relative to its largest entry, without a piece that shows well, or at all."""
MOST_SIDES = 6
"""Of other pieces, on either side of which a piece is shown to make no difference."""
CLOSE, KINK = 1e-2, 1e-2
"""How far from a kink its sides are, and by how much the gradients much nearer to it differ, if not by a bend alone."""
MOST_ENTRIES = 6
EIGHTHS = 8  # what inputs are multiples of near kinks, so that these are met exactly
PICKED, TOTAL = "picked_entries", "picked_total"

Seed = tuple[int, ...]
Sizes = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Sample:
    """Inputs at which a gradient shows every piece of its program, random inputs first; the pieces without such inputs:
    ``unreached``, or ``idle``, which made no difference where they were entered, but may elsewhere; and inputs at each
    kink (a piece with side 0), exactly at it if possible, and at no other kink."""

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
    """Inputs of given sizes in every piece, at which the gradients with respect to ``wrt`` show it, after
    ``random_inputs``, and inputs close to every kink.

    Raises ``NoInputs`` if no random inputs are found.
    """
    search = _Search(space, wrt, dict(sizes), seed)
    spots, waiting = [search.random()], list(possible(space, wrt))
    for _ in range(PASSES):  # what is idle at first may show where another piece was entered
        left = []
        for piece in waiting:
            spot, how_well = search.best(piece, [*spots, *search.others])
            if how_well <= FAINT:
                if search.is_harmless(piece):
                    continue
                spot, how_well = search.best(piece, search.far(piece, spots))
            if spot is not None and spot not in spots:
                spots.append(spot)
            if how_well <= FAINT:
                left.append(piece)
        waiting = left
    idle = [piece for piece in waiting if any(spot.enters(piece) for spot in spots)]
    kinks = []
    for piece in possible(space, wrt):
        if piece.side > 0 and not isinstance(piece.decides, equal):
            for spot, *sides in search.at_kink(piece, tuple(spots)):
                kinks.append((replace(piece, side=0), spot.inputs))
                spots += sides
    unreached = tuple(piece for piece in waiting if piece not in idle)
    return Sample(tuple(spot.inputs for spot in spots), unreached, tuple(idle), tuple(kinks))


class _Search:
    """Searches from random spots, by scaling inputs, and by Newton's method on the deciding expressions."""

    def __init__(self, space: InputSpace, wrt: tuple[str, ...], sizes: Mapping[str, int], seed: Seed) -> None:
        self.space, self.wrt, self.sizes, self.seed = space, wrt, sizes, seed
        self.program = space.program

    def random(self) -> Spot:
        """Random inputs at which everything is finite."""
        spots = [self.drawn(attempt) for attempt in range(ATTEMPTS)]
        for is_usable in (lambda spot: spot.is_in_order and spot.is_finite, lambda spot: spot.is_finite):
            found = next(filter(is_usable, spots), None)
            if found is not None:
                return found
        raise NoInputs(
            f"{self.program.name} is not finite at random inputs, normal or between 0 and 1: declare what is positive"
        )

    def drawn(self, attempt: int) -> Spot:
        rng = np.random.default_rng((*self.seed, attempt))
        return self.spot(self.space.random(self.sizes, rng, attempt % 2 == 1))

    def spot(self, inputs: Inputs) -> Spot:
        return Spot(self.program, self.wrt, self.sizes, inputs)

    # --- a spot in a piece --------------------------------------------------------------------------------------------

    def best(self, piece: Piece, spots: Iterable[Spot]) -> tuple[Spot | None, float]:
        """The spot in a piece at which the gradient shows the piece best (not at an accidental kink), and how well; the
        first spot that shows it well enough."""
        best, how_well = None, -1.0
        for spot in spots:
            if spot.enters(piece) and spot.is_finite and spot.is_in_order and not self.chance_kinks(spot):
                well = self.shows(piece, spot)
                if well > how_well:
                    best, how_well = spot, well
                if well > VISIBLE:
                    break
        return best, how_well

    def chance_kinks(self, spot: Spot) -> frozenset[Piece]:
        """The upper pieces whose kink a spot hits, but no spot around it does."""
        if not spot.kinks:
            return spot.kinks
        rng = np.random.default_rng((*self.seed, ATTEMPTS))
        steps = {n: NEARBY * rng.standard_normal(np.shape(spot.inputs[n])) for n in self.space.movable}
        return spot.kinks - self.spot(self.space.moved(spot.inputs, steps)).kinks

    def shows(self, piece: Piece, spot: Spot) -> float:
        """How well the gradient at a spot in a piece shows the piece."""
        if piece.is_largest:
            return 1.0
        other = replace(spot, program=without(self.program, piece))
        return _change(spot, other) if other.is_finite else 1.0

    @cached_property
    def others(self) -> list[Spot]:
        """Further random spots."""
        return [self.drawn(attempt) for attempt in range(ATTEMPTS, ATTEMPTS + DRAWS)]

    def far(self, piece: Piece, known: list[Spot]) -> Iterator[Spot]:
        """Spots at other scales, and around the boundary of a piece."""
        every = self.space.movable
        others = [spot for spot in self.others if spot.is_finite]
        for start in (known[0], *others):
            for names in (every, *((name,) for name in every if start is known[0])):
                for scale in SCALES:
                    scaled = {n: v * scale if n in names else v for n, v in start.inputs.items()}
                    yield self.spot(self.space.admissible(scaled))
        for start in (*known, *others):
            yield from self.crossing(piece, start)

    def crossing(self, piece: Piece, start: Spot) -> Iterator[Spot]:
        """Spots at the kink of a piece and beyond it, for one deciding entry."""
        if not piece.level.free_symbols:
            return
        level = start.level(piece)
        for entry in dict.fromkeys((0, int(np.argmin(np.abs(level))))):
            edge = _Edge(self.space, piece, entry, self.sizes)
            inputs, scale = edge.reached(start.inputs), abs(float(np.ravel(level)[entry])) or 1.0
            for beyond in (0.0, *BEYOND):
                yield self.spot(edge.moved(inputs, piece.side * scale * beyond))

    # --- a piece that makes no difference -----------------------------------------------------------------------------

    def is_harmless(self, piece: Piece) -> bool:
        """Whether the gradient is the same function of the inputs on both sides of a piece, whichever the other pieces
        are."""
        upper, lower = (without(self.program, side) for side in piece.sides)
        return self._agree(upper, lower, MOST_SIDES)

    def _agree(self, one: Program, other: Program, most: int) -> bool:
        left = next((p for each in (one, other) for p in pieces(each, self.wrt) if not p.is_largest), None)
        if left is not None:
            return most > 0 and all(self._agree(without(one, p), without(other, p), most - 1) for p in left.sides)
        pairs = [[replace(spot, program=program) for program in (one, other)] for spot in self.others]
        finite = [pair for pair in pairs if all(spot.is_finite for spot in pair)]
        return bool(finite) and all(_change(*pair) <= FAINT for pair in finite)

    # --- a spot at a kink ---------------------------------------------------------------------------------------------

    def rounded(self, spot: Spot) -> Spot:
        """A spot whose movable inputs have few digits and are nonzero."""
        eighths = {n: np.round(EIGHTHS * spot.inputs[n]) / EIGHTHS for n in self.space.movable}
        return self.spot({**spot.inputs, **{n: np.where(v == 0, 1.0, v) for n, v in eighths.items()}})

    def at_kink(self, piece: Piece, known: Sequence[Spot]) -> list[list[Spot]]:
        """A spot at the kink of a piece, and at no avoidable other kink, with spots on both sides; or nothing."""
        for start in (*map(self.rounded, self.others[:3]), *known[:MOST_ENTRIES]):
            for entry in range(min(MOST_ENTRIES, start.level(piece).size)):
                edge = _Edge(self.space, piece, entry, self.sizes)
                spot = self.spot(edge.reached(start.inputs))
                if spot.is_finite and self.chance_kinks(spot) == {piece}:
                    near, apart = (
                        [self.spot(edge.moved(spot.inputs, side * far)) for side in (1, -1)]
                        for far in (CLOSE**2, CLOSE)
                    )
                    usable = all(each.is_finite and not self.chance_kinks(each) for each in (*near, *apart))
                    if usable and _change(*near) > KINK:
                        return [[spot, *apart]]
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
        """Inputs at the kink, or closer to it, by damped Newton steps in one number at a time."""
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
        place = np.unravel_index(int(np.argmax(np.abs(slope))), slope.shape)
        steps[place] = by / slope[place]
        return self.space.moved(inputs, {name: steps})

    def slope(self, inputs: Inputs) -> tuple[float, str, np.ndarray]:
        """The value of the entry, and the input that changes it most, with the slopes, if any input does."""
        with np.errstate(all="ignore"):
            given = {**inputs, PICKED: self._picked(inputs)}
            values = forward(self.program, self.sizes, given)
            slopes = Tape(self.program, self.sizes, values).adjoints()
        sizes = {n: float(np.abs(slopes[n]).max(initial=0.0)) for n in self.space.movable}
        name = max(sizes, key=lambda n: sizes[n], default="")
        usable = bool(name) and 0 < sizes[name] < np.inf
        return float(values[TOTAL]), name if usable else "", slopes[name] if usable else np.zeros(())

    def _picked(self, inputs: Inputs) -> np.ndarray:
        """1 at the entry; of a ``selection``, at the first of its row, and -1 at the largest of the others."""
        found = np.zeros(tuple(self.sizes[axis.name] for axis in self.picked.axes))
        if not self.piece.is_largest:
            found.flat[self.entry] = 1.0
            return found
        row = found.reshape(len(found), -1)[:, self.entry]
        rows = Spot(self.space.program, (), self.sizes, inputs).rows(self.piece)
        row[0] += 1.0
        row[1 + int(np.argmax(rows.reshape(len(rows), -1)[1:, self.entry]))] -= 1.0
        return found


def _change(right: Spot, other: Spot) -> float:
    """The largest difference of two gradients, relative to the largest entry of the right one, at most 1."""
    found = 0.0
    for name, value in right.gradients.items():
        change, size = (float(np.abs(part).max(initial=0.0)) for part in (other.gradients[name] - value, value))
        found = max(found, min(1.0, change / size) if size else float(change > 0))
    return found
