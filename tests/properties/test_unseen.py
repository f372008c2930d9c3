"""Ten losses that are not in the catalogue, as first written: derived, proved, held against differences."""

from __future__ import annotations

import numpy as np
import pytest
import unseen
from cases import sampled

import symgrad
from symgrad.evidence.generated_code import compare_with_differences


def test_there_are_ten() -> None:
    assert len(unseen.LOSSES) == 10 and not set(unseen.LOSSES) & set(symgrad.LOSSES)


@pytest.mark.parametrize("name", sampled(unseen.LOSSES, every=10))
def test_derives_proves_and_agrees_with_differences(name: str) -> None:
    derivation = symgrad.derive(unseen.LOSSES[name])
    for report in (derivation.prove(), derivation.evaluation.prove()):
        assert set(report.counts) <= {"definition", "every shape"}, report.counts
    found = compare_with_differences(unseen.LOSSES[name], derivation.to_numpy(), unseen.LOSSES[name].wrt)
    assert found.ok, found


@pytest.mark.parametrize("tau", sampled([0.1, 0.01]))
def test_an_entry_left_out_of_a_sum_is_never_added_first(tau: float) -> None:
    """The largest exponential is that of a row with itself, which the normaliser leaves out."""
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((32, 64))
    Z /= np.linalg.norm(Z, axis=1, keepdims=True)
    M = (rng.integers(0, 4, 32)[:, None] == np.arange(32) % 4).astype(float)
    derivation = symgrad.derive(unseen.supcon)
    function = derivation.to_numpy()
    loss, _ = function(Z, M, tau)
    single, _ = function(*(np.float32(x) for x in (Z, M, tau)))
    assert loss == pytest.approx(float(unseen.supcon(Z, M, tau)), rel=1e-12)
    assert float(single) == pytest.approx(loss, rel=1e-4)
    assert symgrad.check_grad(unseen.supcon, lambda *inputs: function(*inputs)[1].Z, Z, M, tau, wrt=[0]).ok


def test_a_probability_of_zero_leaves_the_gradient_finite() -> None:
    """1/p times p is 1, also where p is rounded to 0."""
    rng = np.random.default_rng(1)
    X, W, b, y = (
        1e3 * rng.standard_normal((6, 4)),
        rng.standard_normal((4, 3)),
        np.zeros(3),
        np.array([0, 1, 2, 0, 1, 2]),
    )
    _, grads = symgrad.derive(unseen.poly1).to_numpy()(X, W, b, y, 1.0)
    P = np.eye(3)[(X @ W).argmax(axis=1)]  # the rows are that far apart
    expected = P - np.eye(3)[y]
    assert np.allclose(grads.b, expected.mean(axis=0), atol=1e-6)
