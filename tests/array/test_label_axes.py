"""Labels with several axes, ``y: N T labels of V``: the language, the one-hot rows, and the generated functions."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

import symgrad
from symgrad import Derivation, SymgradError
from symgrad.array import log_softmax, one_hot
from symgrad.array.loss import Loss

SHAPES = "Z: N T V, y: N T labels of V"
RNG = np.random.default_rng(3)
Z, y = RNG.standard_normal((2, 3, 4)), RNG.integers(0, 4, (2, 3))


def two_positions(Z: Any, y: Any) -> Any:
    Q = log_softmax(Z)
    return -np.mean(Q[np.arange(Z.shape[0])[:, None], np.arange(Z.shape[1])[None, :], y])


def positions_of_the_last_axis(Z: Any, y: Any) -> Any:
    Q = log_softmax(Z)
    return -np.mean(Q[np.arange(len(Z))[:, None], np.arange(Z.shape[1]), y])


def along_an_axis(Z: Any, y: Any) -> Any:
    Q = log_softmax(Z)
    return -np.mean(np.take_along_axis(Q, y[..., None], axis=-1)[..., 0])


def rows_written(Z: Any, y: Any) -> Any:
    Q = log_softmax(Z)
    return -np.mean(np.sum(one_hot(y, Z.shape[2]) * Q, axis=2))


def rows_of_the_identity(Z: Any, y: Any) -> Any:
    Q = log_softmax(Z)
    return -np.mean(np.sum(np.eye(Z.shape[2])[y] * Q, axis=2))


WAYS = [two_positions, positions_of_the_last_axis, along_an_axis, rows_written, rows_of_the_identity]


def declared(function: Callable[..., Any], shapes: str = SHAPES, wrt: str = "Z") -> Loss:
    return symgrad.loss(shapes=shapes, wrt=wrt)(function)


@cache
def derivation() -> Derivation:
    return symgrad.derive(declared(along_an_axis))


@pytest.mark.parametrize("function", WAYS)
def test_each_way_to_pick_is_the_same_program(function: Callable[..., Any]) -> None:
    loss = declared(function)
    equations = loss.program().equations
    assert [str(e.rhs) for e in equations] == [str(e.rhs) for e in derivation().program.equations]
    assert loss(Z, y) == pytest.approx(two_positions(Z, y), rel=1e-14)


def test_the_gradient_is_prediction_minus_target_for_each_token() -> None:
    proof = derivation().prove()
    assert not proof.faults and set(proof.counts) == {"definition", "every shape"}
    loss, (gradient,) = derivation().to_numpy()(Z, y)
    rows = np.eye(4)[y]
    assert loss == pytest.approx(two_positions(Z, y), rel=1e-14)
    assert np.allclose(gradient, (np.exp(log_softmax(Z)) - rows) / 6, rtol=1e-13)
    assert np.array_equal(derivation().to_numpy()(Z, rows)[1].Z, gradient)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (y.astype(float), "y: labels are integers, got dtype float64"),
        (y + 1, "y: expected labels 0..V-1 with V = 4, got"),
        (y[:, :2], r"y: expected shape \(N, T\) with N = 2, T = 3, got shape \(2, 2\)"),
        (y[0], r"y: expected shape \(N, T, V\)"),
    ],
)
def test_the_generated_function_names_labels_that_do_not_fit(labels: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        derivation().to_numpy()(Z, labels)


def test_the_lines_and_the_docstring_name_labels() -> None:
    assert "or N x T integer labels 0..V-1" in derivation().to_source()
    names = {"Z": Z, "y": y, "np": np}
    exec(derivation().numpy_lines, names)
    assert np.allclose(names["dZ"], derivation().to_numpy()(Z, y)[1].Z, rtol=1e-13)


def test_an_embedding_and_rows_of_one_axis() -> None:
    """Labels of tokens pick rows of a table, and entries of an array that has one of the axes of the labels."""
    embedding = declared(lambda E, y, G: np.sum(E[y] * G), "E: V D, y: N T labels of V, G: N T D", "E")
    shared = declared(lambda P, y: np.sum(P[np.arange(len(P))[:, None], y] ** 2), "P: N V, y: N T labels of V", "P")
    E, G, P = RNG.standard_normal((4, 5)), RNG.standard_normal((2, 3, 5)), RNG.standard_normal((2, 4))
    expected = np.zeros((4, 5))
    np.add.at(expected, y, G)
    assert np.allclose(symgrad.derive(embedding).to_numpy()(E, y, G)[1].E, expected, rtol=1e-13)
    slope = np.zeros((2, 4))
    np.add.at(slope, (np.arange(2)[:, None], y), 2 * P[np.arange(2)[:, None], y])
    assert np.allclose(symgrad.derive(shared).to_numpy()(P, y)[1].P, slope, rtol=1e-13)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda Z, y: np.sum(Z[np.arange(len(Z)), np.arange(Z.shape[1]), y]), "the axis of np.arange is not that of y"),
        (lambda Z, y: np.sum(np.take_along_axis(Z, y[:, None], axis=1)), "the labels y have other axes"),
        (lambda Z, y: np.sum(np.take_along_axis(Z, y[:, None], axis=2)), "a dimension of size one at axis 2"),
        (lambda Z, y: np.sum(np.take_along_axis(Z, y, axis=2)), "a dimension of size one at axis 2"),
        (lambda Z, y: np.sum(Z[..., y[..., None]]), "indexed by another array"),
        (lambda Z, y: np.sum(y[0]), "the labels y cannot be indexed"),
        (lambda Z, y: np.sum(Z[..., 0]), "a single entry cannot be taken"),
    ],
)
def test_other_subscripts_are_refused(function: Callable[..., Any], words: str) -> None:
    with pytest.raises(SymgradError, match=words):
        declared(function).program()


def test_a_diagnosis_passes_labels_to_a_gradient_that_takes_them() -> None:
    def halved(Z: Any, y: Any) -> Any:
        return (np.exp(log_softmax(Z)) - np.eye(Z.shape[2])[y]) / len(Z)

    found = symgrad.diagnose(derivation(), halved)
    assert "the factor 1/T is missing" in str(found) and "it was given Y as integer labels" in str(found)
