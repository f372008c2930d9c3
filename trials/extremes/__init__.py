"""Compare generated functions with 50 digits at zeros, ties, large logits, constant rows, empty masks, hard labels.

If the loss, its gradient and the user's function are finite, the generated function must be finite, with an error of at
most a thousand units in the last place times the condition number, in double and in single precision.
"""

from __future__ import annotations

import argparse
import platform
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

import symgrad
from symgrad.check.numeric.fields import FineReals, OutsideDomain, OutsideField
from symgrad.check.numeric.instantiation import Instance
from symgrad.check.numeric.true_values import TrueValues
from symgrad.notation import array_names
from symgrad.program import Program
from trials.extremes.programs import FURTHER, losses
from trials.page import table, write

Arrays = dict[str, np.ndarray]
SIZES = (3, 4, 2, 5)
UNITS = 1000
UNITS_OF = {np.float64: 2.0**-53, np.float32: 2.0**-24}
"""The unit in the last place of each precision."""
FLOORS = {np.float64: 1e-290, np.float32: 1e-36}
"""Smaller errors are ignored: they concern subnormal numbers."""
POINTS = ("zeros", "ties", "constant rows", "large logits", "large and alike", "saturated labels", "plain", "hundreds")


@dataclass(frozen=True)
class Finding:
    """An error at one point of one loss."""

    loss: str
    point: str
    words: str


def inputs_at(program: Program, point: str, rng: np.random.Generator) -> Arrays:
    """The inputs at a point; labels and weights stay valid, and positive inputs positive."""
    sizes = {axis.name: size for axis, size in zip(program.axes, SIZES, strict=False)}
    ordered = sorted(program.assumptions, key=lambda a: a.is_one_hot)  # one-hot is stricter than rows that sum to one
    said = {name: a for a in ordered for name in array_names(a.lhs)}
    found: Arrays = {}
    for array in program.inputs:
        shape = tuple(sizes[axis.name] for axis in array.axes)
        assumption = said.get(array.name)
        if assumption is not None and not assumption.is_symmetry:
            found[array.name] = _labels(assumption, shape, point, rng)
            continue
        values = rng.standard_normal(shape)
        if point == "zeros":
            values = np.zeros(shape)
        elif point == "ties":
            values = np.ones(shape)
        elif point == "constant rows":
            values = np.broadcast_to(values[..., :1], shape).copy() if shape else values
        elif point == "hundreds":
            values = 300 * values
        elif point == "large logits":
            values = 1e4 * np.sign(values)
        elif point == "large and alike":
            values = np.full(shape, 1e4)
        if array.positive:
            values = np.abs(values) + (0.5 if point not in ("hundreds", "large logits", "large and alike") else 0)
            values = np.minimum(values, 10.0)
        if assumption is not None:
            values = (values + values.T) / 2
        found[array.name] = np.asarray(values, float)
    return found


def _labels(assumption: Any, shape: tuple[int, ...], point: str, rng: np.random.Generator) -> np.ndarray:
    """Labels: one-hot rows, or numbers of a domain (at its ends if saturated); empty masks."""
    if assumption.domain is None:
        rows = np.eye(shape[-1])[rng.integers(0, shape[-1], shape[:-1])]
        is_soft = not assumption.is_one_hot and point == "plain"
        return rows * 0.7 + 0.3 / shape[-1] if is_soft else rows
    low, high = assumption.domain.low, min(assumption.domain.high, 5.0)
    if point in ("zeros", "ties"):
        return np.full(shape, low if point == "zeros" else high)
    ends = rng.integers(0, 2, shape) * (high - low) + low
    return ends.astype(float) if point == "saturated labels" else assumption.domain.draw(shape, rng)


def truth_at(derivation: symgrad.Derivation, inputs: Mapping[str, Any]) -> tuple[Any, dict[str, np.ndarray]] | None:
    """The value and the gradients in many digits; None if they are not finite."""
    record, given = derivation.record, list(inputs.values())

    class Here(FineReals):
        def sample(self, shape: tuple[int, ...], positive: bool) -> np.ndarray:
            values = given[self._turn]
            self._turn += 1
            number = np.frompyfunc(lambda x: self._context.mpf(x), 1, 1)
            return np.asarray(number(values), dtype=object).reshape((1, *shape))

        _turn = 0

    sizes = {axis.name: size for axis, size in zip(record.program.axes, SIZES, strict=False)}
    try:
        truth = TrueValues(record, Instance(record.program, sizes), Here, attempts=1)
        value = truth.evaluator.values[record.program.output].reshape(-1)[0]
        return value, {name: truth.adjoint(name)[0] for name in record.wrt}
    except (OutsideDomain, OutsideField):
        return None


def findings(name: str, loss: symgrad.Loss) -> Iterator[Finding | None]:
    """The finding at each point of a loss in each precision; None if there is none."""
    derivation = symgrad.derive(loss)
    compute = derivation.to_numpy(check=False)
    for precision, point in product(UNITS_OF, POINTS):
        rng = np.random.default_rng(POINTS.index(point))
        inputs = inputs_at(derivation.program, point, rng)
        inputs = {given: value.astype(precision) for given, value in inputs.items()}
        unit = UNITS_OF[precision]  # at logits of hundreds, small shares are below the rounding of 1
        floor = UNITS * unit if point == "hundreds" else FLOORS[precision]
        if (words := _judged(derivation, loss, compute, inputs, rng, unit, floor)) is not None:
            yield Finding(name, f"{point}, {precision.__name__}", words) if words else None


def _judged(
    derivation: symgrad.Derivation,
    loss: symgrad.Loss,
    compute: Any,
    inputs: Arrays,
    rng: np.random.Generator,
    unit: float,
    floor: float,
) -> str | None:
    """The error at a point, in words; None if a reference value is not finite."""
    labels = {name for name, _ in derivation.program.labels}
    arrays = [np.argmax(value, axis=-1) if name in labels else value for name, value in inputs.items()]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        own = loss.function(*arrays)
        expected = truth_at(derivation, inputs) if np.isfinite(own) else None
        if expected is None or not _are_finite(expected, 0.01 / FLOORS[np.float64 if unit < 1e-10 else np.float32]):
            return None
        value, gradients = compute(*arrays)
    moved = [truth_at(derivation, _moved(inputs, rng, unit)) for _ in range(2)]
    results = [("the loss", value, expected[0], [m[0] for m in moved if m])]
    for name, gradient in zip(derivation.record.wrt, gradients, strict=True):
        results.append((f"d{name}", gradient, expected[1][name], [m[1][name] for m in moved if m]))
    for said, found, right, near in results:
        found, right = np.asarray(found, float), np.asarray(right)
        if not np.isfinite(found).all():
            return f"{said} is not finite, and {float(np.max(abs(right))):.3g} at most in truth"
        error = np.asarray(abs(found - right), float)
        change = np.max([np.asarray(abs(np.asarray(n) - right), float) for n in near], axis=0) if near else 0.0
        size = np.asarray(abs(right), float)
        allowed = UNITS * (change + unit * size + unit * np.max(size, initial=0.0)) + floor
        if np.any(error > allowed):
            at = np.unravel_index(np.argmax(error - allowed), error.shape)
            return f"{said} is {found[at]:.6g}, {float(right[at]):.6g} in truth, where {allowed[at]:.2g} is allowed"
    return ""


def _are_finite(expected: tuple[Any, Mapping[str, np.ndarray]], most: float) -> bool:
    numbers = [expected[0], *(entry for gradient in expected[1].values() for entry in np.ravel(gradient))]
    return all(abs(number) < most for number in numbers)


def _moved(inputs: Arrays, rng: np.random.Generator, unit: float) -> dict[str, Any]:
    """The inputs with each entry one unit in the last place away, up or down."""
    wide = {name: value.astype(float) for name, value in inputs.items()}
    return {name: value * (1 + 2 * unit * rng.choice([-1, 1], value.shape)) for name, value in wide.items()}


def main(arguments: list[str]) -> int:
    """Run the trial on all losses, print the findings, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m trials extremes", description=__doc__)
    parser.add_argument("--only", metavar="NAME", help="one loss alone; no page is written")
    options = parser.parse_args(arguments)
    chosen = {n: loss for n, loss in losses().items() if options.only in (None, n)}
    start, compared, wrong = time.process_time(), 0, list[Finding]()
    for name, loss in chosen.items():
        for finding in findings(name, loss):
            compared += 1
            if finding is not None:
                wrong.append(finding)
                print(f"{finding.loss}, {finding.point}: {finding.words}", flush=True)
    rows = [[f.loss, f.point, f.words] for f in wrong]
    text = [
        f"{len(chosen)} losses ({len(chosen.keys() & FURTHER.keys())} besides the catalogue) at {len(POINTS)} kinds of "
        f"points: at {compared} points, the loss, its gradient and the user's function are finite.",
        f"Findings: {len(wrong)}.",
        table(["loss", "point", "what is wrong"], rows) if rows else "",
        f"{time.process_time() - start:.0f} s of a processor. Python {platform.python_version()}, NumPy "
        f"{np.__version__}. `python -m trials extremes` writes this page.",
    ]
    print(text[0], text[1])
    if options.only is None:
        write("extremes", "\n\n".join(part for part in text if part))
    return int(bool(wrong))
