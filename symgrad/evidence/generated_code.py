"""The generated function of a loss: its results, compared with the loss itself, run by NumPy, and with recorded runs.

``check_grad`` compares gradients in every branch; values are compared at large inputs, where exponentials overflow.

The recorded runs are of PyTorch and TensorFlow, in float32 and float64.  The tolerance is the effect of rounding: TIMES
the change of the result if every input moves by one unit of rounding, plus one rounding of the largest entry.  So large
logits, whose rounding in float32 is already a step of 1e-3, get a larger tolerance, and a wrong factor or sign is
always detected.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial, wraps
from importlib.resources import files
from inspect import signature
from itertools import product
from typing import Any

import numpy as np

from symgrad.api import Derivation, derive
from symgrad.array.loss import Loss
from symgrad.check.numeric.fields import OutsideField
from symgrad.evidence.report import Item
from symgrad.gradcheck import check_grad
from symgrad.gradcheck.verdicts import Verdict
from symgrad.losses import LOSSES
from symgrad.program import Program
from symgrad.sampling import Inputs, InputSpace, NoInputs, sample

SIZES = (4, 3, 5, 2)  # of the axes in order, repeated; axes of different sizes are not confused
ALLOWED = 1e-6
LARGE: Sequence[tuple[np.dtype[Any], float]] = ((np.dtype(np.float64), 1e3), (np.dtype(np.float32), 40.0))
"""The dtypes, each with the factor that makes inputs so large that their exponentials overflow."""
DRAWS = 4  # of large inputs for each dtype: in turn of either sign, and positive

Function = Callable[..., Any]
"""``value, gradients = function(*inputs)``, as the generated functions return them."""


@dataclass(frozen=True)
class Values:
    """The value of a loss and its gradients by name."""

    loss: float
    gradients: Mapping[str, Any]


@cache
def derived(loss: Loss, by: tuple[str, ...]) -> Derivation:
    """The derivation of the gradient with respect to the arrays ``by``, cached."""
    return derive(loss, by)


@cache
def _function(loss: Loss) -> Function:
    return derived(loss, loss.wrt).to_numpy()


def computed(loss: Loss, inputs: Mapping[str, Any]) -> Values:
    """The results of the generated function at ``inputs``; the gradients are with respect to the loss's ``wrt``."""
    order = [name for name in signature(loss.function).parameters if name in inputs]
    value, gradients = _function(loss)(*(inputs[name] for name in order))
    return Values(float(value), dict(zip(loss.wrt, gradients, strict=True)))


def compare_with_differences(loss: Loss, function: Function, wrt: Sequence[str]) -> Item:
    """Compare ``function`` with the loss, and its gradients with the slopes of the loss, at random inputs and at inputs
    in each branch of the loss.

    Of the gradients ``wrt``, those with respect to inputs are compared.
    """
    what, program = "finite differences of the loss itself", loss.program()
    sizes, names = sizes_of(program), [array.name for array in program.inputs]
    known = [name for name in wrt if name in names]
    try:
        sampled = sample(InputSpace(program), tuple(known), tuple(sizes.items()), (0,))
    except NoInputs as reason:
        return Item(what, False, str(reason))
    except OutsideField as reason:
        return Item(what, True, f"not compared: {reason}", False)
    points = [arguments(loss, program, inputs) for inputs in sampled.points]

    @wraps(loss.function)
    def value(*values: Any) -> Any:
        return scalar_of(loss, program, dict(zip(points[0], values, strict=True)))

    def gradients(*values: Any) -> tuple[float, list[Any]]:
        stated, returned = function(*values)
        return float(stated), [gradient for name, gradient in zip(wrt, returned, strict=True) if name in known]

    positions = list(map(names.index, known))
    checks = [check_grad(value, gradients, *point.values(), wrt=positions) for point in points]
    worst = max(checks, key=lambda check: (check.verdict, check.worst.badness if check.worst else (0, 0.0)))
    entries = sum(gradient.entries for gradient in worst.gradients)
    shape = " x ".join(f"{axis} = {size}" for axis, size in sizes.items())
    words = [f"{entries} entries at {len(checks)} points, {shape}", *worst.problems, *worst.doubts]
    words += [f"the worst is {worst.worst}"] if worst.worst else []
    unreached = [piece.text(program) for piece in (*sampled.unreached, *sampled.idle)]
    words += [f"{piece} was not reached" for piece in unreached]
    return Item(what, worst.verdict is not Verdict.WRONG, "; ".join(words), not unreached)


def compare_at_large_inputs(loss: Loss, function: Function) -> Item:
    """Compare ``function`` with the loss where exponentials overflow: if its value is finite, its gradients must be
    finite, and in float64 its value must equal NumPy's if that is finite."""
    what, program, rng = "large inputs", loss.program(), np.random.default_rng(0)
    space, draws, overflows, largest_error = InputSpace(program), len(LARGE) * DRAWS, 0, 0.0
    for (dtype, factor), draw in product(LARGE, range(DRAWS)):
        inputs = space.enlarged(space.random(sizes_of(program), rng, draw % 2 == 1), factor)
        named = arguments(loss, program, inputs)
        where = f"at inputs {factor:g} times as large, in {dtype.name}"
        returned = _quietly(partial(function, *(_as(value, dtype) for value in named.values())))
        value, gradients = (np.inf, {}) if returned is None else (returned[0], returned[1]._asdict())
        overflows += not np.isfinite(value)
        infinite = [name for name, gradient in gradients.items() if not np.all(np.isfinite(gradient))]
        if infinite and np.isfinite(value):
            words = f"the gradient with respect to {infinite[0]} is not finite {where}, though the loss is {value:.3g}"
            return Item(what, False, words)
        expected = _quietly(partial(scalar_of, loss, program, named))
        if dtype == np.float64 and expected is not None and np.isfinite(expected):
            error = float(abs(value - expected) / max(1.0, abs(expected)))
            if not error <= ALLOWED:
                return Item(what, False, f"the loss is {value:.6g} {where}, but {expected:.6g} as NumPy runs it")
            largest_error = max(largest_error, error)
    if overflows == draws:
        return Item(what, True, f"nothing to compare: the loss overflows at all {draws} draws", False)
    words = (
        f"{draws} draws, up to {max(factor for _, factor in LARGE):g} times as large: gradients are finite where the "
        f"loss is, and the loss matches NumPy's to {largest_error:.1e} where that is finite"
    )
    return Item(what, True, f"{words}; the loss itself overflows at {overflows} of {draws}" if overflows else words)


def scalar_of(loss: Loss, program: Program, inputs: Mapping[str, Any]) -> Any:
    """The loss at ``inputs``; of a layer, the sum of the products of its outputs and their upstream gradients."""
    upstream = [gradient for _, gradient in program.upstream]
    outputs = loss(**{name: value for name, value in inputs.items() if name not in upstream})
    each = outputs if isinstance(outputs, (tuple, list)) else (outputs,)
    return sum(np.sum(o * inputs[g]) for o, g in zip(each, upstream, strict=True)) if upstream else outputs


def sizes_of(program: Program) -> dict[str, int]:
    """Choose sizes for the axes of a program."""
    return program.with_room({axis.name: SIZES[n % len(SIZES)] for n, axis in enumerate(program.axes)})


def arguments(loss: Loss, program: Program, inputs: Inputs) -> dict[str, Any]:
    """Convert inputs of a loss's program to its arguments by name, in the same order: one-hot rows of declared labels
    become integers, and arrays without axes become floats."""
    labels = {name: shape.name for shape in loss.shapes if shape.labels for name in (shape.name, shape.name.upper())}
    declared = {shape.name for shape in loss.shapes if not shape.labels}
    named: dict[str, Any] = {}
    for array in program.inputs:
        value = np.array(inputs[array.name])
        if array.name in labels and array.name not in declared:
            named[labels[array.name]] = value.argmax(axis=-1)
        else:
            named[array.name] = value if value.ndim else float(value)
    return named


def _as(value: Any, dtype: np.dtype[Any]) -> Any:
    """Convert an array of real numbers to another dtype; leave labels and numbers as they are."""
    return value.astype(dtype) if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value


def _quietly(evaluate: Callable[[], Any]) -> Any:
    """Evaluate without warnings; None where Python's own floats overflow."""
    with np.errstate(all="ignore"):
        try:
            return evaluate()
        except OverflowError:
            return None


# --- recorded runs ----------------------------------------------------------------------------------------------------

CATALOGUE, BLOG = "runs.json", "blog_runs.json"
"""The files of the catalogue's runs, with inputs in float32, and of the blog's two losses, with inputs in float64."""
TIMES = 4
MOVES = 8  # random choices of the signs by which the inputs move
ROUNDING = {"float32": 2.0**-23, "float64": 2.0**-52}
NAMES = {"torch": "PyTorch", "tensorflow": "TensorFlow"}
SINGLE = ROUNDING["float32"] / ROUNDING["float64"]


@dataclass(frozen=True)
class Inaccurate:
    """A known inaccuracy of a framework beyond rounding, with its reason: it multiplies the tolerance by ``times``.

    An empty ``framework`` means every framework and the generated code.
    """

    loss: str
    framework: str
    dtype: str
    times: float
    because: str


INACCURATE = (
    Inaccurate("log_cosh", "tensorflow", "float64", SINGLE, "log 2 has single precision in Keras' LogCosh"),
    Inaccurate("elastic_net", "tensorflow", "float64", SINGLE, "Keras' L1L2 keeps its factors in single precision"),
    Inaccurate("gelu_perceptron", "tensorflow", "float64", SINGLE, "the root of 2 in nn.gelu has single precision"),
    Inaccurate("attention_head", "tensorflow", "float64", SINGLE, "Keras' attention scales in single precision"),
    Inaccurate(
        "attention_head", "", "float32", 32, "where a row of A is nearly one-hot, a_k (g_k - sum a_j g_j) cancels"
    ),
)


@dataclass(frozen=True)
class Run:
    """One recorded run, compared with the generated code in float64; "" is the ``framework`` of generated float32 code.

    ``excess`` is the difference relative to the tolerance, ``error`` the difference relative to the largest entry; each
    is the maximum over the loss and the gradients.
    """

    framework: str
    dtype: str
    id: str
    error: float
    excess: float

    @property
    def ok(self) -> bool:
        return self.excess <= 1


@cache
def recorded(file: str = CATALOGUE) -> Mapping[str, Any]:
    """Read a data file of the package: a header, and the cases."""
    text = (files("symgrad") / "data" / file).read_text(encoding="utf-8")
    contents: dict[str, Any] = json.loads(text)
    return contents


def cases_of(name: str, file: str = CATALOGUE) -> list[Mapping[str, Any]]:
    """The recorded cases of a loss, each with the results of one or both frameworks."""
    return [case for case in recorded(file)["cases"] if case["loss"] == name]


def run_items(loss: Loss, file: str = CATALOGUE) -> list[Item]:
    """Compare each framework, and the generated code in float32, with the generated code in float64."""
    runs = [run for case in cases_of(loss.name, file) for run in compared(loss, case)]
    frameworks = sorted({run.framework for run in runs}, key=[*NAMES, ""].index)
    return [_item(loss, framework, [r for r in runs if r.framework == framework]) for framework in frameworks]


def _item(loss: Loss, framework: str, runs: Sequence[Run]) -> Item:
    words = []
    for dtype in sorted({run.dtype for run in runs}):
        of_dtype = [run for run in runs if run.dtype == dtype]
        error, excess = max(run.error for run in of_dtype), max(run.excess for run in of_dtype)
        words.append(f"{len(of_dtype)} in {dtype}, relative error {error:.1e} at most, {excess:.2g} of what is allowed")
    known = [i.because for i in INACCURATE if i.loss == loss.name and i.framework in ("", framework)]
    what = f"runs in {NAMES[framework]}" if framework else "generated code in float32"
    return Item(f"{loss.name}: {what}", all(run.ok for run in runs), "; ".join([*words, *known]))


def compared(loss: Loss, case: Mapping[str, Any], inaccurate: Sequence[Inaccurate] = INACCURATE) -> list[Run]:
    """The runs of one case, compared with the generated code in float64 at the same inputs."""
    written = {name: np.array(value, dtype=case.get("dtype", "float32")) for name, value in case["inputs"].items()}
    double = {name: value.astype(np.float64) for name, value in written.items()}
    proved = _results(loss, double)
    allowed = {dtype: _allowed(loss, double, proved, rounding) for dtype, rounding in ROUNDING.items()}
    results = {(f, dtype): result for f, by_dtype in case["results"].items() for dtype, result in by_dtype.items()}
    results["", "float32"] = _results(loss, {name: value.astype(np.float32) for name, value in written.items()})
    name = f"{case['kind']}, seed {case['seed']}"
    runs = []
    for (framework, dtype), result in results.items():
        known = [i for i in inaccurate if (i.loss, i.dtype) == (loss.name, dtype) and i.framework in ("", framework)]
        times = max([1.0, *(i.times for i in known)])
        distances = {key: float(np.max(np.abs(np.asarray(result[key]) - value))) for key, value in proved.items()}
        largest = {key: float(np.max(np.abs(value))) or 1.0 for key, value in proved.items()}
        error = max(distances[key] / largest[key] for key in proved)
        excess = max(_over(distances[key], times * allowed[dtype][key]) for key in proved)
        finite = all(np.all(np.isfinite(np.asarray(part))) for part in result.values())
        runs.append(Run(framework, dtype, name, *((error, excess) if finite else (np.inf, np.inf))))
    return runs


def _over(distance: float, allowed: float) -> float:
    """The quotient; for a tolerance of 0, infinite unless the distance is 0 too."""
    return distance / allowed if allowed else 0.0 if distance == 0 else np.inf


def _results(loss: Loss, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Loss and gradients by name."""
    values = computed(loss, inputs)
    return {"loss": values.loss, **values.gradients}


def _allowed(loss: Loss, inputs: Mapping[str, Any], proved: Mapping[str, Any], rounding: float) -> dict[str, float]:
    """For the loss and each gradient: TIMES the largest change if the inputs other than labels each move by one
    rounding, up or down, plus one rounding of the largest entry."""
    rng = np.random.default_rng(0)
    labels = {shape.name for shape in loss.shapes if shape.name in ("Y", "y")}
    largest = {key: 0.0 for key in proved}
    for _ in range(MOVES):
        moved = {
            name: value if name in labels else value * (1 + rounding * rng.choice([-1.0, 1.0], value.shape))
            for name, value in inputs.items()
        }
        for key, value in _results(loss, moved).items():
            largest[key] = max(largest[key], float(np.max(np.abs(value - proved[key]))))
    return {key: TIMES * (change + rounding * float(np.max(np.abs(proved[key])))) for key, change in largest.items()}


def losses_with_runs() -> list[Loss]:
    """The catalogue losses with recorded runs."""
    names = {case["loss"] for case in recorded()["cases"]}
    return [loss for name, loss in LOSSES.items() if name in names]
