"""Layers: functions that return arrays, traced with an upstream gradient for each output."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symgrad
from symgrad import derive, layer
from symgrad.array import softmax
from symgrad.errors import ProgramError


def _program(shapes: str, function: Any) -> symgrad.Program:
    return layer(shapes)(function).program()


def test_an_output_is_called_after_its_variable_and_gets_an_upstream_gradient_of_its_axes() -> None:
    def hidden(X: Any, W: Any) -> Any:
        H = np.tanh(X @ W)
        return H

    program = _program("X: N D, W: D C", hidden)
    assert program.upstream == (("H", "dH"),) and program.results == ("H",)
    assert [axis.name for axis in program.arrays["dH"].axes] == ["N", "C"]
    assert [array.name for array in program.inputs] == ["X", "W", "dH"]


def test_outputs_without_a_variable_and_rearranged_ones_are_called_o() -> None:
    assert _program("Z: N C", lambda Z: softmax(Z, axis=1)).upstream == (("O", "dO"),)
    assert _program("X: N D", lambda X: X.T).upstream == (("O", "dO"),)
    assert _program("X: N D", lambda X: X).upstream == (("O", "dO"),)
    assert [a.name for a in _program("X: N D", lambda X: X.T).arrays["dO"].axes] == ["D", "N"]


def test_names_that_are_taken_are_not_used_again() -> None:
    program = _program("O: N D, dO1: N D", lambda O, dO1: O * dO1)  # noqa: E741
    ((output, upstream),) = program.upstream
    assert output not in ("O", "dO1") and upstream not in ("O", "dO1") and output != upstream


def test_several_outputs_have_an_upstream_gradient_each() -> None:
    def both(X: Any, W: Any) -> Any:
        A = X @ W
        return np.tanh(A), A.T

    program = _program("X: T D, W: D H", both)
    assert [output for output, _ in program.upstream] == ["O", "O1"]
    assert [[axis.name for axis in program.arrays[g].axes] for _, g in program.upstream] == [["T", "H"], ["H", "T"]]


def test_the_gradients_are_the_vector_jacobian_product() -> None:
    words = derive(layer("X: N D, W: D H, b: H")(lambda X, W, b: X @ W + b)).closed_form_words()
    assert words == ("dL/dX = dO Wᵀ", "dL/dW = Xᵀ dO", "dL/db = dOᵀ 1_N")


def test_every_line_of_a_layer_is_proved_for_every_shape() -> None:
    proof = derive(layer("Z: N C")(lambda Z: softmax(Z, axis=1))).prove()
    assert not proof.faults and {str(level) for level in proof.counts} == {"definition", "every shape"}


def test_a_page_says_what_the_upstream_gradient_is() -> None:
    text = derive(layer("Z: N C")(lambda Z: softmax(Z, axis=1))).to_text()
    assert "dO is the upstream gradient: the derivative of any loss with respect to O" in " ".join(text.split())
    assert "Reduction" not in text


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda X: None, "returns nothing: it must return arrays"),
        (lambda X: (), "returns nothing: it must return an array"),
        (lambda X: 2.0, "returns 2.0, which does not depend on any input"),
        (lambda X: np.mean(X, axis=1, keepdims=True), r"returns an array \(N, 1\): without keepdims=True"),
    ],
)
def test_what_is_not_an_array_is_refused(function: Any, words: str) -> None:
    with pytest.raises(ProgramError, match=words):
        _program("X: N D", function)


def test_a_loss_that_returns_an_array_is_told_of_layers() -> None:
    with pytest.raises(ProgramError, match=r"declare a function that returns arrays with @symgrad\.layer"):
        symgrad.loss("X: N D")(lambda X: X).program()
