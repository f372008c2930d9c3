"""Record losses and gradients computed by TensorFlow, for comparison with those of symgrad.

TensorFlow is needed only to record, so give it a virtual environment of its own:

    python3 -m venv tfvenv
    tfvenv/bin/pip install tensorflow-cpu
    tfvenv/bin/python tools/record_tensorflow.py -o symgrad/data/blog_runs.json

Every case runs one of two programs, `softmax_mse` or `softmax_cross_entropy` below, in float64 and
records the inputs (X: N x D, W: D x C, b: C, Y: N x C), the loss, and its gradients with respect to W and b.
The inputs come from a seeded generator, but they are recorded too: a reader needs only the file.
"""

import argparse
import datetime
import inspect
import json
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

Result = tuple[tf.Tensor, list[tf.Tensor]]
Program = Callable[[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor], Result]

DTYPE = "float64"
LARGE_LOGIT = 500.0

HOW_TO_RECORD = (
    "In a virtual environment with tensorflow-cpu: python tools/record_tensorflow.py -o symgrad/data/blog_runs.json"
)

INPUT_KINDS = {
    "blog": "x and w standard normal, b zero, hard labels [2, 0]",
    "plain": "x and w standard normal, b zero, random hard labels",
    "bias": "x, w and b standard normal, random hard labels",
    "soft": "as bias, but every row of y is drawn from a flat Dirichlet distribution",
    "shifted": "as bias, then the same multiple of x's row sum is added to all logits of a row, so that the "
    "largest |x@w+b| is about 500 while the differences between classes stay moderate",
    "spread": "as bias, then w and b scaled so that the largest |x@w+b| is about 500: softmax saturates "
    "(cross-entropy only)",
    "near_tie": "as spread, but the second class stays within a few units of the first, "
    "so that softmax does not saturate in the rows where these two lead",
}

# Where softmax saturates in every row, the gradient of its MSE is what is left when nearly equal numbers
# cancel: float64 keeps few or no digits of it, and comparing it says nothing.
ONLY_CROSS_ENTROPY = {"spread"}


@dataclass(frozen=True)
class Inputs:
    """The inputs of one case."""

    kind: str
    seed: int
    x: np.ndarray
    w: np.ndarray
    b: np.ndarray
    y: np.ndarray


def softmax_mse(x: tf.Tensor, w: tf.Tensor, b: tf.Tensor, y: tf.Tensor) -> Result:
    with tf.GradientTape() as tape:
        tape.watch([w, b])
        prob = tf.nn.softmax(x @ w + b, axis=1)
        loss = tf.reduce_mean(tf.losses.MSE(y, prob))
    return loss, tape.gradient(loss, [w, b])


def softmax_cross_entropy(x: tf.Tensor, w: tf.Tensor, b: tf.Tensor, y: tf.Tensor) -> Result:
    with tf.GradientTape() as tape:
        tape.watch([w, b])
        logits = x @ w + b
        loss = tf.reduce_mean(tf.losses.categorical_crossentropy(y, logits, from_logits=True))
    return loss, tape.gradient(loss, [w, b])


PROGRAMS: list[Program] = [softmax_mse, softmax_cross_entropy]


def one_hot(labels: list[int], classes: int) -> np.ndarray:
    return tf.one_hot(labels, depth=classes, dtype=DTYPE).numpy()


def make_inputs(kind: str, seed: int, n: int, d: int, c: int) -> Inputs:
    """Draw the inputs of a case; INPUT_KINDS says what the kinds are."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d))
    w = rng.standard_normal((d, c))
    b = np.zeros(c) if kind in ("blog", "plain") else rng.standard_normal(c)

    if kind == "shifted":
        w += LARGE_LOGIT / np.abs(x.sum(axis=1)).max()
    elif kind in ("spread", "near_tie"):
        scale = LARGE_LOGIT / np.abs(x @ w + b).max()
        w *= scale
        b *= scale
    if kind == "near_tie":
        w[:, 1] = w[:, 0] + rng.standard_normal(d)
        b[1] = b[0] + rng.standard_normal()

    if kind == "soft":
        return Inputs(kind, seed, x, w, b, rng.dirichlet(np.ones(c), size=n))
    labels = [2, 0] if kind == "blog" else rng.integers(c, size=n).tolist()
    return Inputs(kind, seed, x, w, b, one_hot(labels, c))


def all_inputs() -> Iterator[Inputs]:
    for seed in range(4):
        yield make_inputs("blog", seed, 2, 4, 3)
    yield make_inputs("plain", 4, 5, 3, 4)
    yield make_inputs("plain", 5, 1, 1, 2)
    yield make_inputs("plain", 6, 7, 2, 5)
    yield make_inputs("bias", 7, 1, 1, 2)
    yield make_inputs("bias", 8, 1, 6, 3)
    yield make_inputs("bias", 9, 5, 3, 4)
    yield make_inputs("bias", 10, 6, 5, 2)
    yield make_inputs("bias", 11, 16, 8, 10)
    yield make_inputs("soft", 12, 1, 4, 3)
    yield make_inputs("soft", 13, 5, 3, 4)
    yield make_inputs("soft", 14, 6, 5, 2)
    yield make_inputs("soft", 15, 16, 8, 10)
    yield make_inputs("shifted", 16, 5, 3, 4)
    yield make_inputs("shifted", 17, 1, 4, 3)
    yield make_inputs("near_tie", 18, 7, 2, 5)
    yield make_inputs("near_tie", 19, 12, 3, 4)
    yield make_inputs("spread", 20, 5, 3, 4)
    yield make_inputs("spread", 21, 16, 8, 10)


def record(program: Program, inputs: Inputs) -> dict[str, Any]:
    """Run a program on the inputs and return the case as it is written to the file."""
    x, w, b, y = (tf.constant(array, dtype=DTYPE) for array in (inputs.x, inputs.w, inputs.b, inputs.y))
    loss, (dw, db) = program(x, w, b, y)
    for result in (loss, dw, db):
        tf.debugging.assert_type(result, tf.float64)
        tf.debugging.assert_all_finite(result, f"{program.__name__}, seed {inputs.seed}")

    n, d = inputs.x.shape
    c = inputs.b.size
    return {
        "loss": program.__name__,
        "kind": f"{inputs.kind} {n}x{d}x{c}",
        "seed": inputs.seed,
        "dtype": DTYPE,
        "inputs": {"X": inputs.x.tolist(), "W": inputs.w.tolist(), "b": inputs.b.tolist(), "Y": inputs.y.tolist()},
        "results": {"tensorflow": {DTYPE: {"loss": float(loss), "W": dw.numpy().tolist(), "b": db.numpy().tolist()}}},
    }


def header() -> dict[str, Any]:
    return {
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "recorded": datetime.date.today().isoformat(),
        "how_to_record": HOW_TO_RECORD,
        "programs": {program.__name__: inspect.getsource(program) for program in PROGRAMS},
        "kinds": INPUT_KINDS,
    }


def to_json(cases: list[dict[str, Any]]) -> str:
    """Return the file's text, one case per line; floats are written so that they read back exactly."""
    lines = ",\n".join(json.dumps(case, allow_nan=False) for case in cases)
    return f'{{"header": {json.dumps(header(), indent=1)},\n"cases": [\n{lines}\n]}}\n'


def main() -> None:
    parser = argparse.ArgumentParser(description="Record losses and gradients computed by TensorFlow.")
    parser.add_argument("-o", metavar="FILE", dest="output", type=Path, required=True, help="JSON file to write")
    output: Path = parser.parse_args().output

    cases = [
        record(program, inputs)
        for program in PROGRAMS
        for inputs in all_inputs()
        if program is softmax_cross_entropy or inputs.kind not in ONLY_CROSS_ENTROPY
    ]
    output.write_text(to_json(cases))


if __name__ == "__main__":
    main()
