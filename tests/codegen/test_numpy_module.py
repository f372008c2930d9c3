"""Functions of the NumPy target: rows in blocks, what comes before and after them, and lines that are split."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgrad
from symgrad.array import relu, softmax
from symgrad.codegen.numpy_module import Body, module
from symgrad.codegen.runtime import _called
from symgrad.steps import Record

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
    "labels_alone": (
        lambda Z, Y: -np.sum(Y * np.log(softmax(Z, axis=1))),
        "Z: N C, Y: N C",
        "Z",
    ),
    "symmetric": (lambda x, A: x @ A @ x / 2, "x: N, A: N N symmetric", "x"),
    "long_lines": (
        lambda x, y, z: np.sum(
            np.log(x * y + np.sin(y * z + np.tanh(x)) + np.cos(z * x + np.exp(y)) + np.exp(x * y * z - z)) * (x + y)
        ),
        "x: N M positive, y: N M, z: N M",
        "x",
    ),
    "counted_rows": (lambda X, w: np.sum(X @ w), "X: N D, w: D", "X w"),
    "only_a_scalar": (lambda X, v, t: np.sum(np.exp(X @ v * t)), "X: N D, v: D, t: scalar", "t"),
    "whole": (lambda A, B: np.sum((A @ B) ** 2), "A: N N, B: N N", "A"),
}
QUIET = ("labels_and_stacked_rows", "labels_alone", "long_lines")
"""The functions with intermediate infinities: in shifted exponentials, and in logarithms with weights."""


def record(name: str) -> Record:
    function, shapes, wrt = PROGRAMS[name]
    return symgrad.derive(symgrad.loss(shapes=shapes, wrt=wrt, name="small")(function)).record


@pytest.mark.parametrize("name", PROGRAMS)
def test_functions_of_rows_as_they_are_written(name: str, golden: Callable[[str, str], None]) -> None:
    source, copied = module(record(name), "f", ()), f"\n\n\ndef {_called.__name__}("
    assert source.endswith(f"\n\n\nf = _called({'_quiet(f)' if name in QUIET else 'f'})\n")
    golden(f"rows_{name}.py", source.partition(copied)[0].partition("import numpy as np\n")[2].lstrip() + "\n")


def test_the_program_is_proved_as_it_is_written() -> None:
    body = Body(record("long_lines"))
    (*parts, _) = names = [assign.name for assign in body.lowered.program]
    assert "part1" in parts and len({*names}) == len(names)
    assert len(names) == sum(" = " in line.code for line in body.lines)
