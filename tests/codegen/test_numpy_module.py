"""Functions of the NumPy target: rows in blocks, what comes before and after them, and lines that are split."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgrad
from symgrad.array import relu, softmax
from symgrad.codegen.numpy_module import module
from symgrad.codegen.runtime import _called

PROGRAMS: dict[str, tuple[Callable[..., Any], str, str]] = {
    "labels_and_stacked_rows": (
        lambda X, W, Y: -np.sum(Y * np.log(softmax(X @ W, axis=1))) / len(X),
        "X: N D, W: D C, Y: N C distribution",
        "X W",
    ),
    "before_and_after": (
        lambda X, W, t: np.sum(np.exp(t) * (X @ np.tanh(W)) ** 2),
        "X: N D, W: D C, t: scalar",
        "W t",
    ),
    "long_calls": (
        lambda the_features_of_the_rows, the_weights_of_features, the_targets_of_the_rows, the_temperature_of_all: (
            np.sum(
                np.tanh(the_features_of_the_rows @ the_weights_of_features / the_temperature_of_all)
                * the_targets_of_the_rows
            )
        ),
        "the_features_of_the_rows: N D, the_weights_of_features: D C, the_targets_of_the_rows: N C, "
        "the_temperature_of_all: scalar",
        "the_features_of_the_rows the_weights_of_features the_temperature_of_all",
    ),
    "no_product": (lambda x, s: np.sum(relu(x) ** 2 * s) + len(x) * s, "x: N, s: scalar", "x s"),
    "names_of_lines": (
        lambda rows, start, block: np.sum(np.log(rows @ start)) * block,
        "rows: N D positive, start: D positive, block: scalar",
        "rows start block",
    ),
    "whole": (lambda A, B: np.sum((A @ B) ** 2), "A: N N, B: N N", "A"),
}


def source(name: str) -> str:
    function, shapes, wrt = PROGRAMS[name]
    return module(symgrad.derive(symgrad.loss(shapes=shapes, wrt=wrt, name="small")(function)).record, "f", ())


@pytest.mark.parametrize("name", PROGRAMS)
def test_functions_of_rows_as_they_are_written(name: str, golden: Callable[[str, str], None]) -> None:
    copied = f"\n\n\ndef {_called.__name__}("
    golden(f"rows_{name}.py", source(name).partition(copied)[0].partition("import numpy as np\n")[2].lstrip() + "\n")
