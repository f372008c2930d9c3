"""Equations bear the names that the author gave the values, wherever the source came from."""

from __future__ import annotations

import code
import cProfile
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symgrad
from symgrad.array import softmax
from symgrad.array.intermediates import sanitised

Arrays = Any


def names(function: Any, shapes: str, **fixed: Any) -> list[str]:
    return [e.name for e in symgrad.loss(shapes=shapes)(function).program(**fixed).equations]


def layer(A: Arrays, W: Arrays) -> Arrays:
    Z = A @ W
    H = np.tanh(Z)
    return H


def test_local_variables_name_the_equations() -> None:
    def loss(X: Arrays, w: Arrays) -> Arrays:
        residual = X @ w
        scale = 2
        return scale * np.sum(np.exp(residual))

    assert names(loss, "X: N D, w: D") == ["residual", "L"]


def test_helpers_and_loops_number_the_names() -> None:
    def loss(X: Arrays, W1: Arrays, W2: Arrays, W3: Arrays) -> Arrays:
        A = X
        for W in (W1, W2, W3):
            A = layer(A, W)
        return np.sum(A)

    assert names(loss, "X: N H, W1: H H, W2: H H, W3: H H") == ["Z", "A", "Z1", "A1", "Z2", "A2", "L"]


def test_a_helper_names_what_its_caller_does_not() -> None:
    def loss(X: Arrays, W: Arrays) -> Arrays:
        return np.sum(layer(X, W) ** 3)

    assert names(loss, "X: N H, W: H H") == ["Z", "H1", "L"]


def test_a_variable_that_is_bound_again() -> None:
    def loss(X: Arrays, W: Arrays, b: Arrays) -> Arrays:
        Z = X @ W
        Z = np.tanh(Z) + b
        return np.sum(Z**2)

    assert names(loss, "X: N D, W: D C, b: C") == ["Z", "Z1", "L"]


def test_collisions_with_axes_inputs_and_the_output_get_a_number() -> None:
    def loss(X: Arrays, W: Arrays) -> Arrays:
        N = X @ W
        L = np.exp(N)
        X = np.tanh(L)
        return np.sum(X)

    assert names(loss, "X: N D, W: D C") == ["N1", "L1", "X1", "L"]


def test_an_input_called_L() -> None:
    program = symgrad.loss(shapes="L: N")(lambda L: np.sum(L**2)).program()
    assert program.output == "loss"


@pytest.mark.parametrize(
    ("name", "clean"),
    [("mu", "mu"), ("μ", "mu"), ("σ2", "sigma2"), ("λ", "lambda_"), ("_z", "z"), ("_", ""), ("名", "")],
)
def test_names_are_made_plain(name: str, clean: str) -> None:
    assert sanitised(name) == clean


def test_views_are_no_equations() -> None:
    def loss(X: Arrays, w: Arrays) -> Arrays:
        Xt = X.T
        column = w[:, None]
        m = X.mean(axis=0, keepdims=True)
        return np.sum((Xt * column) ** 3) + np.sum(m**3)

    assert names(loss, "X: N D, w: D") == ["m", "L"]


SOURCE = """
def loss(X, W):
    hidden = np.tanh(X @ W)
    score = hidden.sum(axis=1)
    return np.mean(np.exp(score))
"""


def test_executed_code_has_names_too() -> None:
    space: dict[str, Any] = {"np": np}
    exec(SOURCE, space)
    assert names(space["loss"], "X: N D, W: D C") == ["Z", "hidden", "score", "L"]


def test_the_prompt_has_names_too() -> None:
    console = code.InteractiveConsole({"np": np, "symgrad": symgrad})
    for line in [*SOURCE.strip().splitlines(), ""]:
        console.push(line)
    console.push("found = [e.name for e in symgrad.loss(shapes='X: N D, W: D C')(loss).program().equations]")
    assert console.locals["found"] == ["Z", "hidden", "score", "L"]


def test_conventional_names() -> None:
    def classifier(X: Arrays, W: Arrays, b: Arrays) -> Arrays:
        return np.sum(softmax(X @ W + b, axis=1) ** 3)

    def network(X: Arrays, W: Arrays, V: Arrays) -> Arrays:
        return np.sum(np.exp(np.tanh(X @ W) @ V))

    def shifted(X: Arrays) -> Arrays:
        return np.sum(np.exp(X - X.max(axis=1, keepdims=True)))

    def normalised(X: Arrays) -> Arrays:
        return np.sum(((X - X.mean(axis=1, keepdims=True)) / np.sqrt(X.var(axis=1, keepdims=True) + 1)) ** 3)

    assert names(classifier, "X: N D, W: D C, b: C") == ["Z", "S", "P", "L"]
    assert names(network, "X: N D, W: D H, V: H C") == ["Z", "H1", "Z1", "L"]
    assert names(shifted, "X: N D") == ["Q", "m", "L"]
    assert names(normalised, "X: N D") == ["mu", "v", "sigma", "L"]


def test_the_profiler_and_the_names_of_len_and_arange_are_given_back() -> None:
    seen: list[str] = []
    length, arange = len, np.arange

    def profiler(*_: Any) -> None:
        seen.append("event")

    def loss(X: Arrays) -> Arrays:
        return np.sum(X) / len(X)

    previous = sys.getprofile()
    sys.setprofile(profiler)
    try:
        names(loss, "X: N D")
        assert sys.getprofile() is profiler
    finally:
        sys.setprofile(previous)
    with pytest.raises(symgrad.UnsupportedError):
        names(lambda X: float(X), "X: N D")
    assert len is length and np.arange is arange


def test_a_loss_is_traced_under_a_profiler_that_python_cannot_call() -> None:
    profile = cProfile.Profile()
    profile.enable()
    try:
        before = sys.getprofile()
        assert names(lambda X: np.sum(X), "X: N D") == ["L"]
        assert sys.getprofile() is before
    finally:
        profile.disable()


def test_traces_in_threads_do_not_meet() -> None:
    found: list[list[str]] = []

    def loss(X: Arrays) -> Arrays:
        A = np.exp(X)
        B = np.tanh(A) / len(X)
        return np.sum(B)

    threads = [threading.Thread(target=lambda: found.append(names(loss, "X: N D"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [["A", "B", "L"]] * 8
    assert len([1, 2]) == 2 and len.__module__ == "builtins"


def test_the_losses_of_the_package_are_written_as_a_users_are() -> None:
    space: dict[str, Any] = {"np": np}
    file = Path(symgrad.__file__).parent / "losses" / "not_there.py"
    exec(compile(SOURCE, str(file), "exec"), space)
    assert names(space["loss"], "X: N D, W: D C") == ["Z", "hidden", "score", "L"]
