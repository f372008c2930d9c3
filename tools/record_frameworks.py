"""Record what losses of PyTorch and Keras are worth, for comparison with the definitions of symgrad.frameworks.calls.

Each framework is recorded where it is installed, and added to the file:

    python tools/record_frameworks.py torch -o tests/data/frameworks.json
    tfvenv/bin/python tools/record_frameworks.py keras -o tests/data/frameworks.json

A case is a call, with its arguments in float64 and its value.  The arguments come from a seeded generator: rows of
probabilities, or one-hot where the table says so; labels between 0 and 1, or -1 and 1; all others normal, or positive.
"""

import argparse
import json
import platform
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from symgrad.array.shape_grammar import parse_shapes
from symgrad.frameworks.calls import KNOWN

SIZES = {"N": 4, "C": 3}
PACKAGES = {"torch": "torch", "keras": "keras"}


def arguments(shapes: str, words: str, seed: int) -> dict[str, Any]:
    """The arguments of a definition."""
    rng = np.random.default_rng(seed)
    found: dict[str, Any] = {}
    for shape in parse_shapes(shapes):
        size = [SIZES[axis.name] for axis in shape.array.axes]
        if shape.name == "Y":
            one_hot = np.eye(size[1])[rng.integers(size[1], size=size[0])]
            found["Y"] = one_hot if "one-hot" in words else np.round(0.75 * one_hot + 0.25 / size[1], 12)
        elif shape.name == "y":
            found["y"] = rng.choice([-1.0, 1.0], size=size) if "−1" in words else np.round(rng.uniform(size=size), 3)
        elif shape.name in ("a", "tau", "delta", "gamma"):
            found[shape.name] = np.round(rng.uniform(0.5, 1.5, size), 3)
        elif shape.name == "alpha":
            found["alpha"] = np.asarray(0.1)
        else:
            found[shape.name] = np.round(rng.normal(size=size), 3)
    return {name: value.tolist() for name, value in found.items()}


def by_torch() -> Callable[[str, Mapping[str, Any]], float]:
    import torch

    def value(call: str, given: Mapping[str, Any]) -> float:
        tensors = {n: torch.tensor(v, dtype=torch.float64) if isinstance(v, list) else v for n, v in given.items()}
        return float(eval(call, {"torch": torch, **tensors}))

    return value


def by_keras() -> Callable[[str, Mapping[str, Any]], float]:
    import keras

    keras.backend.set_floatx("float64")

    def value(call: str, given: Mapping[str, Any]) -> float:
        arrays = {n: np.asarray(v) if isinstance(v, list) else v for n, v in given.items()}
        return float(eval(call, {"keras": keras, **arrays}))

    return value


FRAMEWORKS = {"torch": by_torch, "keras": by_keras}


def main() -> None:
    parser = argparse.ArgumentParser(description="Record the values of losses.")
    parser.add_argument("framework", choices=FRAMEWORKS)
    parser.add_argument("-o", metavar="FILE", dest="output", type=Path, required=True, help="JSON file to add to")
    options = parser.parse_args()
    value = FRAMEWORKS[options.framework]()
    cases = []
    for seed, known in enumerate(KNOWN):
        template = getattr(known, options.framework)
        for shapes in known.shapes if template else ():
            given = arguments(shapes, known.words, seed)
            call = template.format(**{name: name for name in given})
            if any((case["call"], case["shapes"]) == (call, shapes) for case in cases):
                continue
            cases.append({"call": call, "shapes": shapes, "arguments": given, "value": value(call, given)})
    file = json.loads(options.output.read_text()) if options.output.exists() else {}
    file[options.framework] = {
        "version": version(PACKAGES[options.framework]),
        "python": platform.python_version(),
        "cases": cases,
    }
    options.output.write_text(json.dumps(dict(sorted(file.items())), indent=1) + "\n")


if __name__ == "__main__":
    main()
