"""A function held against a recorded run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from symgrad.evidence.blog import BOUND, Comparison, compare, recorded_cases

CASE = {
    "id": "one",
    "x": [[1, 2]],
    "w": [[1], [3]],
    "b": [2],
    "y": [[4]],
    "results": {"loss": 5.0, "dW": [[10.0], [20.0]], "db": [-40.0]},
}


def function(loss: float = 0, dW: float = 0, db: float = 0) -> Any:
    """A function that returns the recorded results, but for errors in the last entry of each."""

    def run(X: Any, W: Any, b: Any, Y: Any) -> Any:
        assert (X.tolist(), W.tolist(), b.tolist(), Y.tolist()) == (CASE["x"], CASE["w"], CASE["b"], CASE["y"])
        assert {a.dtype for a in (X, W, b, Y)} == {np.dtype(np.float64)}
        return 5.0 + loss, SimpleNamespace(W=np.array([[10.0], [20.0 + dW]]), b=np.array([-40.0 + db]))

    return run


@pytest.mark.parametrize(
    ("errors", "error"),
    [
        ({}, 0),
        ({"loss": 0.5}, 0.1),
        ({"dW": -1}, 0.05),
        ({"db": 2}, 0.05),
        ({"loss": 0.5, "dW": 4, "db": 2}, 0.2),
        ({"dW": float("nan"), "loss": 1}, float("inf")),
        ({"loss": float("nan")}, float("inf")),
    ],
)
def test_an_error_is_relative_to_the_largest_entry_of_its_array(errors: dict[str, float], error: float) -> None:
    found = compare(function(**errors), CASE)
    assert found.id == "one" and found.error == pytest.approx(error) and found.ok is (error == 0)


def test_the_bound_is_rounding() -> None:
    assert Comparison("", BOUND).ok and not Comparison("", 2 * BOUND).ok and BOUND == 1e-12


def test_runs_are_read() -> None:
    cases = recorded_cases()
    assert cases and all(case.keys() >= {"id", "loss", "x", "w", "b", "y", "results"} for case in cases)
