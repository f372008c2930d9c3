"""The search for inputs that enter each piece of a program so that its gradient shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
from sympy import Expr

from symgrad.check.fields import OutsideDomain
from symgrad.equations import node
from symgrad.functions import equal, selection
from symgrad.notation import Array, array_names, axis_name, free_indices, sum_over
from symgrad.program import Program, evaluation_order
from symgrad.sampling.doubles import evaluator, forward
from symgrad.sampling.intervals import bounds
from symgrad.sampling.pieces import Piece, pieces, widths, without
from symgrad.sampling.space import InputSpace, NoInputs
from symgrad.sampling.tape import Tape

ATTEMPTS, DRAWS = 20, 6
SCALES = tuple(10.0**k for k in (1, -1, 2, -2, 3, -3, 4, -4))
"""What inputs are multiplied by in search of a piece."""
AIMS = (1.0, 0.1, 0.01)
"""How far beyond a kink is aimed at, in units of the distance from it at first."""
NEARBY = (0.3, 0.03, 3e-3, 3e-4, 3e-5, 3e-6)
SHORTER = (1.0, 0.5, 0.1, 0.01, 1e-3, 1e-4)
STEPS = 6
VISIBLE, FAINT = 0.05, 1e-5
"""By how much a gradient changes, relative to its largest entry, without a piece that shows well, or at all."""
NEAR = 1e-12  # relative to the largest input: what is nearer to 0 than that may be 0
DECIDES, TOTAL = "deciding_value", "deciding_total"

Inputs = Mapping[str, np.ndarray]
Seed = tuple[int, ...]
Sizes = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Sample:
    """Inputs at which a gradient shows every piece of its program, the first of them random; the pieces ``unreached``;
    and the ``idle`` ones, which make no difference to the gradient where they were entered."""

    points: tuple[Inputs, ...]
    unreached: tuple[Piece, ...]
    idle: tuple[Piece, ...]


@lru_cache(maxsize=256)
def random_inputs(space: InputSpace, wrt: tuple[str, ...], sizes: Sizes, seed: Seed) -> Inputs:
    """Random inputs of given sizes at which the loss and its gradients by ``wrt`` are finite, by a seed.

    Raises ``NoInputs`` where none are found.
    """
    return _Search(space, wrt, dict(sizes), seed).random().inputs


@lru_cache(maxsize=256)
def sample(space: InputSpace, wrt: tuple[str, ...], sizes: Sizes, seed: Seed) -> Sample:
    """Inputs of given sizes that enter every piece so that the gradients by ``wrt`` show it, after ``random_inputs``.

    Raises ``NoInputs`` where these are not found.
    """
    search = _Search(space, wrt, dict(sizes), seed)
    spots, unreached, idle = [search.spot(random_inputs(space, wrt, sizes, seed))], [], []
    usual = set(kinks(space.program, wrt, search.sizes, spots[0].inputs))
    for piece in pieces(space.program, wrt):
        best, how_well, is_entered = spots[0], 0.0, False
        for spot in search.candidates(piece, spots):
            well, entered = search.shows(piece, spot)
            is_entered |= entered
            if well > how_well and usual.issuperset(kinks(space.program, wrt, search.sizes, spot.inputs)):
                best, how_well = spot, well
            if how_well > VISIBLE:
                break
        if how_well > FAINT:
            spots += [best] if best not in spots else []
        elif is_entered:
            idle.append(piece)
        elif not search.is_null(piece):
            unreached.append(piece)
    return Sample(tuple(spot.inputs for spot in spots), tuple(unreached), tuple(idle))


def kinks(program: Program, wrt: tuple[str, ...], sizes: Mapping[str, int], inputs: Inputs) -> tuple[Piece, ...]:
    """The pieces at whose edge some entry of what decides is, as far as rounding can tell."""
    spot = _Spot(program, wrt, sizes, inputs)
    near = NEAR * max(1.0, *(float(np.abs(value).max(initial=0.0)) for value in inputs.values()))
    upper = (piece for piece in pieces(program, wrt) if piece.side > 0 and not isinstance(piece.decides, equal))
    return tuple(piece for piece in upper if np.any(np.abs(spot.decides(piece)) <= near))


def entered(program: Program, wrt: tuple[str, ...], sizes: Mapping[str, int], inputs: Inputs) -> set[Piece]:
    """The pieces that some entry is in."""
    spot = _Spot(program, wrt, sizes, inputs)
    return {piece for piece in pieces(program, wrt) if np.any(spot.decides(piece) > 0)}


@dataclass(frozen=True, eq=False)
class _Spot:
    """Inputs of a program, and its arrays and gradients there."""

    program: Program
    wrt: tuple[str, ...]
    sizes: Mapping[str, int]
    inputs: Inputs

    @cached_property
    def values(self) -> dict[str, np.ndarray]:
        with np.errstate(all="ignore"):
            return forward(self.program, self.sizes, self.inputs)

    @cached_property
    def gradients(self) -> dict[str, np.ndarray]:
        with np.errstate(all="ignore"):
            adjoints = Tape(self.program, self.sizes, self.values).adjoints()
        return {name: adjoints[name] for name in self.wrt}

    @cached_property
    def is_finite(self) -> bool:
        """Whether the loss and its gradients are."""
        try:
            found = [self.values[self.program.output], *self.gradients.values()]
        except OutsideDomain:
            return False
        return all(np.all(np.isfinite(value)) for value in found)

    @cached_property
    def is_in_order(self) -> bool:
        """Whether no upper bound of a clip is below its lower one."""
        evaluate = evaluator(self.program, self.sizes, self.values)
        gaps = (evaluate(gap).data for d in self.program.ordered for gap in widths(d.rhs))
        return all(bool(np.all(gap >= 0)) for gap in gaps)

    def decides(self, piece: Piece) -> np.ndarray:
        """Positive where a piece is entered, negative where it is not; 0 at a kink."""
        with np.errstate(all="ignore"):
            evaluate = evaluator(self.program, self.sizes, self.values)
            if isinstance(piece.decides, equal):
                same = evaluate(piece.decides).data[0] == 1
                return np.where(same == (piece.side == 0), 1.0, -1.0)
            if isinstance(piece.decides, selection):
                row, index = piece.decides.args
                found = evaluate(row)
                first, *others = np.moveaxis(found.data[0], found.labels.index(index), 0)
                return np.asarray(piece.side * (first - np.max(others, axis=0)) if others else 1.0)
            return np.asarray(piece.side * evaluate(piece.decides).data[0])


class _Search:
    """Looks for spots from random ones, by scaling inputs, and by Newton's method for what decides."""

    def __init__(self, space: InputSpace, wrt: tuple[str, ...], sizes: Mapping[str, int], seed: Seed) -> None:
        self.space, self.wrt, self.sizes, self.seed = space, wrt, sizes, seed
        self.program = space.program
        self._without: dict[Piece, Program] = {}

    def random(self) -> _Spot:
        """Random inputs at which everything is finite."""
        spots = [self.drawn(attempt) for attempt in range(ATTEMPTS)]
        for is_usable in (lambda spot: spot.is_in_order and spot.is_finite, lambda spot: spot.is_finite):
            found = next(filter(is_usable, spots), None)
            if found is not None:
                return found
        raise NoInputs(f"{self.program.name}: no random inputs were found at which the loss is finite")

    def drawn(self, attempt: int) -> _Spot:
        rng = np.random.default_rng((*self.seed, attempt))
        return self.spot(self.space.inputs(self.sizes, rng, attempt % 2 == 1))

    def spot(self, inputs: Inputs) -> _Spot:
        return _Spot(self.program, self.wrt, self.sizes, inputs)

    def shows(self, piece: Piece, spot: _Spot) -> tuple[float, bool]:
        """How well the gradient at a spot shows a piece, and whether it is entered there at all."""
        margin = spot.decides(piece)
        if not np.any(margin >= 0) or not spot.is_finite or not spot.is_in_order:
            return 0.0, False
        is_entered = bool(np.any(margin > 0))
        if isinstance(piece.decides, selection):
            return float(is_entered), is_entered
        if piece not in self._without:
            self._without[piece] = without(self.program, piece)
        other = replace(spot, program=self._without[piece])
        return (_change(spot.gradients, other.gradients) if other.is_finite else 1.0), is_entered

    def is_null(self, piece: Piece) -> bool:
        """Whether a piece is empty, or has no inside, as the one where two arrays that vary are equal."""
        if isinstance(piece.decides, equal) and piece.side == 0:
            varies = self.program.varying_ancestors
            return any({name, *varies[name]} & set(self.wrt) for name in array_names(piece.decides))
        if isinstance(piece.decides, (equal, selection)):
            return False
        low, high = bounds(piece.decides, self.program, self.space.bounds)
        return high <= 0 if piece.side > 0 else low >= 0

    def candidates(self, piece: Piece, spots: list[_Spot]) -> Iterator[_Spot]:
        """Spots at which a piece may be entered: those that are known, then others."""
        yield from tuple(spots)
        drawn = [self.drawn(attempt) for attempt in range(ATTEMPTS, ATTEMPTS + DRAWS)]
        yield from drawn
        for start in spots:
            yield from self.nearby(start)
        starts = [*spots, *(spot for spot in drawn if spot.is_finite)]
        for place, start in enumerate(starts):
            yield from self.solved(piece, start, self.subsets() if place == 0 else [self.space.movable])
            yield from self.scaled(start)

    def subsets(self) -> list[tuple[str, ...]]:
        movable = self.space.movable
        return [movable, *((name,) for name in movable if len(movable) > 1)]

    def scaled(self, start: _Spot) -> Iterator[_Spot]:
        for names in self.subsets():
            for scale in SCALES:
                scaled = {n: v * scale if n in names else v for n, v in start.inputs.items()}
                yield self.spot(self.space.clipped(scaled))

    def nearby(self, start: _Spot) -> Iterator[_Spot]:
        rng = np.random.default_rng((*self.seed, ATTEMPTS))
        for scale in NEARBY:
            steps = {n: scale * rng.standard_normal(start.inputs[n].shape) for n in self.space.movable}
            yield self.spot(self.space.moved(start.inputs, steps))

    def solved(self, piece: Piece, start: _Spot, subsets: list[tuple[str, ...]]) -> Iterator[_Spot]:
        """Spots beyond the kink, for all, some, or one of the entries that decide, by moving some of the inputs."""
        equations = _Deciding(self.space, piece, self.sizes)
        entries, wanted = equations.wanted(start.inputs)
        for names in subsets:
            for some in dict.fromkeys((tuple(entries), tuple(entries[::2]), tuple(entries[:1]))):
                inputs = start.inputs
                for aim in AIMS:
                    for _ in range(STEPS if aim == AIMS[0] else 1):
                        moved = equations.step(inputs, names, np.array(some), wanted(aim))
                        if moved is None:
                            break
                        inputs = moved
                        yield self.spot(inputs)


class _Deciding:
    """What decides whether a piece is entered, as equations of the inputs for Newton's method."""

    def __init__(self, space: InputSpace, piece: Piece, sizes: Mapping[str, int]) -> None:
        self.space, self.piece, self.sizes = space, piece, sizes
        left, *right = piece.decides.args if isinstance(piece.decides, (equal, selection)) else (piece.decides,)
        self.expr: Expr = left - right[0] if isinstance(piece.decides, equal) else left
        program = space.program
        self.indices = tuple(sorted(free_indices(self.expr), key=str))
        decides = Array(DECIDES, tuple(program.axis[axis_name(i)] for i in self.indices))[self.indices]
        needed = evaluation_order(program, sorted(array_names(self.expr) & program.definitions.keys()))
        total = node(Array(TOTAL)[()], sum_over(decides, self.indices))
        equations = (*needed, node(decides, self.expr), total)
        self.program = replace(program, equations=equations, output=TOTAL)

    def wanted(self, inputs: Inputs) -> tuple[np.ndarray, Callable[[float], np.ndarray]]:
        """The entries to be moved, and where to, as far beyond the kink as is aimed at."""
        values = self.at(inputs)
        side, scale = self.piece.side, float(np.median(np.abs(values))) or 1.0
        every = np.arange(values.size)
        if isinstance(self.piece.decides, selection):
            place = self.indices.index(self.piece.decides.args[1])
            rows = np.moveaxis(values, place, 0)
            largest = np.broadcast_to(rows[1:].max(axis=0, initial=-np.inf), rows.shape)
            first = np.moveaxis(every.reshape(values.shape), place, 0)[0].ravel()
            return first, lambda aim: np.moveaxis(largest + side * aim * scale, 0, place).ravel()
        if isinstance(self.piece.decides, equal):
            return every, lambda aim: np.full(values.size, float(side))
        return every, lambda aim: np.full(values.size, side * aim * scale)

    def at(self, inputs: Inputs) -> np.ndarray:
        """The values of what decides."""
        with np.errstate(all="ignore"):
            return np.asarray(forward(self.program, self.sizes, inputs)[DECIDES])

    def step(self, inputs: Inputs, names: tuple[str, ...], some: np.ndarray, wanted: np.ndarray) -> Inputs | None:
        """The smallest of Newton's steps for some entries, shortened until it helps; None where it does not."""
        with np.errstate(all="ignore"):
            values = forward(self.program, self.sizes, inputs)
            found = values[DECIDES]
            every = np.eye(found.size).reshape(found.size, *found.shape)
            adjoints = Tape(self.program, self.sizes, values).adjoints(start={DECIDES: every})
        gap = wanted[some] - found.ravel()[some]
        scaled = {n: adjoints[n] * self.space.scale(n, inputs[n]) for n in names}
        slopes = {
            n: np.broadcast_to(v, (found.size, *inputs[n].shape))[some].reshape(len(some), -1)
            for n, v in scaled.items()
        }
        jacobian = np.hstack([np.zeros((len(some), 0)), *slopes.values()])
        if not np.all(np.isfinite(jacobian)) or not np.all(np.isfinite(gap)):
            return None
        newton = np.linalg.lstsq(jacobian, gap, rcond=None)[0]
        ends = np.cumsum([part.shape[1] for part in slopes.values()])[:-1]
        steps = {n: part.reshape(inputs[n].shape) for n, part in zip(names, np.split(newton, ends), strict=True)}
        for shorter in SHORTER if np.any(newton) else ():
            moved = self.space.moved(inputs, {n: shorter * step for n, step in steps.items()})
            left = wanted[some] - self.at(moved).ravel()[some]
            if np.all(np.isfinite(left)) and np.abs(left).sum() < np.abs(gap).sum():
                return moved
        return None


def _change(right: Inputs, other: Inputs) -> float:
    """The largest difference of two gradients, relative to the largest entry of the right one, up to 1."""
    found = 0.0
    for name, value in right.items():
        change, size = (float(np.abs(part).max(initial=0.0)) for part in (other[name] - value, value))
        found = max(found, min(1.0, change / size) if size else float(change > 0))
    return found
