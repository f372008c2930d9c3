"""Record which derivative PyTorch and TensorFlow take where a function is not smooth.

Each framework is recorded where it is installed, and added to the file:

    python tools/record_subgradients.py torch -o tests/data/subgradients.json
    tfvenv/bin/python tools/record_subgradients.py tensorflow -o tests/data/subgradients.json

A case is a function at a kink: its inputs, and the gradient of the sum of its values with respect to each.
"""

import argparse
import json
import platform
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

# name -> (the arguments; the call in PyTorch; the call in TensorFlow, empty where only PyTorch is of interest)
CASES: dict[str, tuple[list[Any], str, str]] = {
    "relu": ([0.0], "torch.relu(x)", "tf.nn.relu(x)"),
    "absolute": ([0.0], "torch.abs(x)", "tf.abs(x)"),
    "signum": ([0.0], "torch.sign(x)", "tf.sign(x)"),
    "maximum": ([1.0, 1.0], "torch.maximum(x, y)", "tf.maximum(x, y)"),
    "minimum": ([1.0, 1.0], "torch.minimum(x, y)", "tf.minimum(x, y)"),
    "clip at the lower bound": ([-1.0], "torch.clamp(x, -1.0, 1.0)", "tf.clip_by_value(x, -1.0, 1.0)"),
    "clip at the upper bound": ([1.0], "torch.clamp(x, -1.0, 1.0)", "tf.clip_by_value(x, -1.0, 1.0)"),
    "where, condition true": ([2.0, 3.0], "torch.where(x >= 2.0, x, y)", "tf.where(x >= 2.0, x, y)"),
    "where, condition false": ([2.0, 3.0], "torch.where(x > 2.0, x, y)", "tf.where(x > 2.0, x, y)"),
    "maximum along an axis, a tie of two": (
        [[1.0, 3.0, 3.0]],
        "torch.amax(x, dim=0)",
        "tf.reduce_max(x, axis=0)",
    ),
    "maximum along an axis, a tie of three": (
        [[3.0, 3.0, 3.0]],
        "torch.amax(x, dim=0)",
        "tf.reduce_max(x, axis=0)",
    ),
    "norm of zeros": ([[0.0, 0.0]], "torch.linalg.norm(x)", ""),
    "distance of equal points": ([[[1.0, 2.0]], [[1.0, 2.0]]], "torch.cdist(x, y)", ""),
}


def by_torch() -> Callable[[str, Sequence[Any]], list[Any]]:
    import torch

    def gradients(call: str, arguments: Sequence[Any]) -> list[Any]:
        given = [torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in arguments]
        names = dict(zip("xy", given, strict=False))
        found = torch.autograd.grad(eval(call, {"torch": torch, **names}).sum(), given, allow_unused=True)
        return [None if g is None else g.tolist() for g in found]

    return gradients


def by_tensorflow() -> Callable[[str, Sequence[Any]], list[Any]]:
    import tensorflow as tf

    def gradients(call: str, arguments: Sequence[Any]) -> list[Any]:
        given = [tf.constant(a, dtype=tf.float64) for a in arguments]
        names = dict(zip("xy", given, strict=False))
        with tf.GradientTape() as tape:
            tape.watch(given)
            value = tf.reduce_sum(eval(call, {"tf": tf, **names}))
        return [None if g is None else g.numpy().tolist() for g in tape.gradient(value, given)]

    return gradients


FRAMEWORKS = {"torch": (by_torch, 1), "tensorflow": (by_tensorflow, 2)}
PACKAGES = {"torch": "torch", "tensorflow": "tensorflow-cpu"}


def main() -> None:
    parser = argparse.ArgumentParser(description="Record derivatives at kinks.")
    parser.add_argument("framework", choices=FRAMEWORKS)
    parser.add_argument("-o", metavar="FILE", dest="output", type=Path, required=True, help="JSON file to add to")
    options = parser.parse_args()
    make, place = FRAMEWORKS[options.framework]
    gradients = make()
    file = json.loads(options.output.read_text()) if options.output.exists() else {}
    file[options.framework] = {
        "version": version(PACKAGES[options.framework]),
        "python": platform.python_version(),
        "cases": {
            name: {"call": case[place], "arguments": case[0], "gradients": gradients(case[place], case[0])}
            for name, case in CASES.items()
            if case[place]
        },
    }
    options.output.write_text(json.dumps(dict(sorted(file.items())), indent=1) + "\n")


if __name__ == "__main__":
    main()
