"""Find inputs at which a gradient function reproduces printed gradients whose inputs were not printed.

The setting: Z = X W + 1 b^T at b = 0, a loss of Z and the one-hot Y, and printed dL/dW and dL/db.  A *witness* is a
pair X, W at which the gradient function returns every printed number.  The search only evaluates this function; it
contains no loss, link function or derivative.

The search minimizes squared errors (Levenberg-Marquardt, Jacobian by finite differences) from many small starts.  If N
<= D, its unknowns are X and Z, with W = X^+ Z: on twenty of the harder cases, 82% of the starts led to a witness,
against 57% with the unknowns X and W.

A witness shows that this function can return the printed numbers, but not that no other function can.  Its *size* |X|^2
+ |W|^2 helps to judge: for standard normal X and W it is about N D + D C, with a standard deviation of the root of
twice that.  A formula whose least witness is far larger is hardly the one that was run.  None means that no start led
to a witness, not that there is none.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from symgrad.evidence.published import FLOAT32_EPSILON, Published, shapes_agree

Array = npt.NDArray[np.float64]
Gradients = Callable[[Array, Array, Array, Array], tuple[Array, Array]]
"""X (N, D), W (D, C), b (C,), Y (N, C) -> dL/dW (D, C), dL/db (C,)"""

TOLERANCE = FLOAT32_EPSILON
"""The allowed difference of a computed from a printed number, unless the printed digits are coarser: a probability in
float32 has this error, however small the gradient computed from it."""

STARTS, STARTS_ROWS = 12, 48
"""The number of starts for N <= D and for N > D, where witnesses can be isolated and most starts miss them."""
LOGIT_SCALE = 0.3
"""Standard deviation of the first weights: small logits, so that no softmax is saturated at a start."""
X_SCALES = (1.0, 0.3, 0.1)
"""Standard deviations of the first X, start by start, in units of the largest |dW| over the largest |db|."""
ITERATIONS = 60
"""Steps of one least-squares search."""
STEP = 1e-7
"""The step of the finite differences, relative to unknowns larger than 1."""
CONVERGED = 1e-9
"""A search ends when a step could remove at most this part of the squared residual."""
STALLED = 0.03
"""A search ends when seven steps have lowered the squared residual by less than this part."""
SOFTNESS = (1e-2, 1e-4, 1e-6, 1e-8)
"""Errors, relative to an array's largest number, that weigh as much as a unit of size, in turn."""


@dataclass(frozen=True)
class Witness:
    """Inputs, and the results of the gradient function there, beside the printed numbers."""

    X: Array
    """(N, D)"""
    W: Array
    """(D, C)"""
    dW: Array
    """(D, C), computed at X, W, b = 0"""
    db: Array
    """(C,), computed"""
    error: float
    """The largest difference between a computed and a printed number."""
    relative_error: float
    """The largest difference relative to the allowed error of its number: at most 1 for a witness."""

    @property
    def size(self) -> float:
        """``|X|^2 + |W|^2``"""
        return float(np.sum(self.X**2) + np.sum(self.W**2))


@dataclass(frozen=True)
class Variant:
    """A gradient function to compare with the printed numbers, perhaps with its own labels."""

    gradients: Gradients
    labels: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Evidence:
    """The evidence of the printed numbers about one variant."""

    name: str
    witness: Witness | None
    """The smallest witness found, if any."""
    error: float
    """The largest error of that witness, or of the nearest miss if there is none, over the printed numbers."""


def allowed_error(published: Published) -> Array:
    """(D + 1, C): the bound for each printed number, its resolution or at least TOLERANCE."""
    return np.maximum(TOLERANCE, published.resolution)


def witness_at(published: Published, gradients: Gradients, X: Array, W: Array) -> Witness:
    """Evaluate the gradient function at X, W and b = 0, and compare."""
    dW, db = gradients(X, W, np.zeros(published.C), published.Y)
    error = np.abs(np.vstack([dW, db]) - published.values)
    return Witness(X, W, dW, db, float(error.max()), float((error / allowed_error(published)).max()))


def find_witness(
    published: Published, gradients: Gradients, *, seed: int = 0, starts: int | None = None
) -> Witness | None:
    """Find inputs X (N, D) and W (D, C) at which a function returns the printed gradients; None if no start leads to a
    witness.

    ``gradients(X, W, b, Y)`` returns dL/dW (D, C) and dL/db (C,); it is evaluated at b = 0.  Errors of a ``Witness``
    are in the unit of the printed numbers.  ``starts`` limits the number of starts (default: STARTS or STARTS_ROWS);
    ``seed`` determines them.
    """
    nearest = _nearest(_Problem(published, gradients), _seeds(published, seed, starts))
    return nearest if nearest.relative_error <= 1 else None


def evidence(
    published: Published, variants: Mapping[str, Variant], *, seed: int = 0, starts: int | None = None
) -> tuple[Evidence, ...]:
    """For each variant, whether there is a witness, and the size of the least one."""
    rows = []
    for name, variant in variants.items():
        of = published if variant.labels is None else replace(published, labels=variant.labels)
        best = _smallest(_Problem(of, variant.gradients), _seeds(of, seed, starts))
        rows.append(Evidence(name, best if best.relative_error <= 1 else None, best.error))
    return tuple(rows)


def expected_size(published: Published) -> tuple[float, float]:
    """Mean and standard deviation of |X|^2 + |W|^2 for standard normal X and W: chi-square, N D + D C."""
    count = published.D * (published.N + published.C)
    return float(count), float(np.sqrt(2 * count))


# ----------------------------------------------------------------------------------------------------- search


class _Problem:
    """Maps the unknowns, a flat vector, to X and W, and to errors relative to the largest entry of an array."""

    def __init__(self, published: Published, gradients: Gradients) -> None:
        self.published, self.gradients = published, gradients
        self.N, self.D, self.C = published.N, published.D, published.C
        self.Y, self.b = published.Y, np.zeros(published.C)
        self.printed = published.values.ravel()
        largest = np.maximum([np.abs(published.dW).max(), np.abs(published.db).max()], TOLERANCE)
        self.scale: Array = np.repeat(largest, [published.dW.size, published.db.size])
        self.X_scale = float(largest[0] / largest[1])
        self.by_logits = self.N <= self.D
        dW, db = gradients(np.zeros((self.N, self.D)), np.zeros((self.D, self.C)), self.b, self.Y)
        agree = shapes_agree(published, dW.shape, db.shape)
        if not agree.holds:
            raise ValueError(f"{agree.name}: {agree.detail}")

    def start(self, seed: int) -> Array:
        random = np.random.default_rng(seed)
        X = random.standard_normal((self.N, self.D))
        W = LOGIT_SCALE * random.standard_normal((self.D, self.C))
        scale = X_SCALES[seed % len(X_SCALES)]
        rest = X @ W if self.by_logits else W / (scale * self.X_scale)
        return np.concatenate([scale * X.ravel(), rest.ravel()])

    def inputs(self, unknowns: Array) -> tuple[Array, Array]:
        """X (N, D) and W (D, C).  The unknowns: X / X_scale; then Z (N, C), and W = X^+ Z, or W if N > D."""
        count = self.N * self.D
        X = self.X_scale * unknowns[:count].reshape(self.N, self.D)
        rest = unknowns[count:].reshape(-1, self.C)
        return X, X.T @ np.linalg.solve(X @ X.T, rest) if self.by_logits else rest

    def errors(self, X: Array, W: Array) -> Array:
        dW, db = self.gradients(X, W, self.b, self.Y)
        return (np.concatenate([dW.ravel(), db]) - self.printed) / self.scale

    def residual(self, unknowns: Array) -> Array:
        return self.errors(*self.inputs(unknowns))

    def residual_and_size(self, softness: float, unknowns: Array) -> Array:
        """Its square is (|errors| / softness)^2 + |X|^2 + |W|^2."""
        X, W = self.inputs(unknowns)
        return np.concatenate([self.errors(X, W) / softness, X.ravel(), W.ravel()])

    def witness(self, unknowns: Array) -> Witness:
        return witness_at(self.published, self.gradients, *self.inputs(unknowns))


@np.errstate(all="ignore")
def _nearest(problem: _Problem, seeds: range) -> Witness:
    """The first witness, or the nearest miss of all starts."""
    misses = []
    for seed in seeds:
        reached = problem.witness(_minimise(problem.residual, problem.start(seed)))
        if reached.relative_error <= 1:
            return reached
        misses.append(reached)
    return min(misses, key=lambda miss: miss.relative_error)


@np.errstate(all="ignore")
def _smallest(problem: _Problem, seeds: range) -> Witness:
    """The smallest witness, or the nearest miss if there is none."""
    first = _nearest(problem, seeds)
    if first.relative_error > 1:
        return first
    reached = [first]
    for seed in seeds[:STARTS]:
        unknowns = problem.start(seed)
        for softness in SOFTNESS:
            unknowns = _minimise(partial(problem.residual_and_size, softness), unknowns)
        reached.append(problem.witness(unknowns))
    return min((w for w in reached if w.relative_error <= 1), key=lambda w: w.size)


def _seeds(published: Published, seed: int, starts: int | None) -> range:
    if starts is None:
        starts = STARTS if published.N <= published.D else STARTS_ROWS
    if starts < 1:
        raise ValueError(f"starts: expected at least 1, got {starts}")
    return range(seed * starts, (seed + 1) * starts)


# ---------------------------------------------------------------------------------------------- least squares


def _minimise(residual: Callable[[Array], Array], unknowns: Array) -> Array:
    """Levenberg-Marquardt with Nielsen's damping: from unknowns (n,) to a local minimum of |residual|^2."""
    at = _or_infinite(residual, unknowns)
    damping, growth = 1e-3, 2.0
    costs = [float(at @ at)]
    while len(costs) <= ITERATIONS and np.isfinite(costs[-1]):
        jacobian = _jacobian(residual, unknowns, at)
        if not np.isfinite(jacobian).all():
            break
        U, s, V = np.linalg.svd(jacobian, full_matrices=False)
        along = np.where(s > 1e-9 * s[0], U.T @ at, 0.0)
        if along @ along <= CONVERGED * costs[-1]:
            break
        for _ in range(20):
            kept = s**2 / (s**2 + damping * s[0] ** 2)
            trial = unknowns - V.T @ (kept / np.maximum(s, 1e-300) * along)
            there = _or_infinite(residual, trial)
            gain = (costs[-1] - float(there @ there)) / float(np.sum(along**2 * kept * (2 - kept)))
            if gain > 1e-4:
                break
            damping, growth = damping * growth, growth * 2
        else:
            break
        unknowns, at = trial, there
        costs.append(float(at @ at))
        damping, growth = max(damping * max(0.1, 1 - (2 * gain - 1) ** 3), 1e-18), 2.0
        if len(costs) > 8 and costs[-8] - costs[-1] < STALLED * costs[-1]:
            break
    return unknowns


def _jacobian(residual: Callable[[Array], Array], unknowns: Array, at: Array) -> Array:
    """(m, n), by forward differences with an accuracy of about STEP, which hardly slows the convergence."""
    columns = []
    for i, value in enumerate(unknowns):
        moved = unknowns.copy()
        moved[i] += STEP * max(1.0, abs(value))
        columns.append((_or_infinite(residual, moved) - at) / (moved[i] - value))
    return np.stack(columns, axis=1)


def _or_infinite(residual: Callable[[Array], Array], unknowns: Array) -> Array:
    """(m,), or one infinity if the rows of X are dependent, so that Z has no W."""
    try:
        return residual(unknowns)
    except np.linalg.LinAlgError:
        return np.array([np.inf])
