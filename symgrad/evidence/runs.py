"""Compare the catalogue with recorded runs of PyTorch and TensorFlow, in float32 and float64.

The tolerance is the effect of rounding: TIMES the change of the result if every input moves by one unit of rounding,
plus one rounding of the largest entry.  So large logits, whose rounding in float32 is already a step of 1e-3, get a
larger tolerance, and a wrong factor or sign is always detected.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from symgrad.array.loss import Loss
from symgrad.evidence.generated_code import computed
from symgrad.evidence.report import Item
from symgrad.losses import LOSSES

CATALOGUE, BLOG = "runs.json", "blog_runs.json"
"""The files of the catalogue's runs, with inputs in float32, and of the blog's two losses, with inputs in float64."""
TIMES = 4
DRAWS = 8  # random choices of the signs by which the inputs move
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
    for _ in range(DRAWS):
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
